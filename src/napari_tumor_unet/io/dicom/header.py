"""Geometry and acquisition parameters from DICOM headers; patient identity is dropped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.uid import UID

from napari_tumor_unet.io.dicom.acquisition import Acquisition
from napari_tumor_unet.io.dicom.deidentify import PATIENT, Deidentifier, listed, pydicom_silenced
from napari_tumor_unet.io.dicom.frame import Slice
from napari_tumor_unet.io.dicom.pixel_check import check_deflated, fault_of_pixels
from napari_tumor_unet.io.guard import Stamp, errors_told, stamp_of
from napari_tumor_unet.scan import ScanError

_TAGS = [
    *PATIENT,
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("SeriesNumber", "InstanceNumber", "AcquisitionNumber", "TemporalPositionIdentifier"),
    *("SeriesDescription", "ProtocolName", "Modality", "ScanningSequence", "ImageType"),
    *("ContrastBolusAgent", "ContrastBolusAgentSequence"),
    *("RepetitionTime", "EchoTime", "InversionTime", "DiffusionBValue"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("SpacingBetweenSlices", "SliceThickness", "RescaleSlope", "RescaleIntercept"),
    *("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("SegmentationType", "MaximumFractionalValue", "SegmentSequence", "ReferencedSeriesSequence"),
]
_DECODED = re.compile(r"1\.2\.840\.10008\.1\.2(\.[125]|\.1\.99|\.4\.(5[017]|70|8[01]|9[01]|20[123]))?")
"""Native, deflated, RLE, JPEG, JPEG-LS, JPEG 2000 and its high throughput: what SimpleITK decodes."""
_GUISE = re.compile(rb".{128}DICM|[\x02\x08]\0", re.DOTALL)  # some old files have no preamble


_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation and Label Map Segmentation Storage."""


def read_slices(file: Path) -> list[Slice]:
    """Read the headers of the images in a file; none if it is a DICOM file of another kind.

    Raises
    ------
    ScanError
        If the file is damaged or no DICOM file; the message does not name it.
    """
    with pydicom_silenced(), errors_told("A file"):
        return _read(file)


def read_frames(file: Path) -> tuple[dict[str, Any], list[tuple[Slice, dict[str, Any]]]]:
    """Read the header of a segmentation, and of each frame of it what says where it lies, and all fields.

    Raises
    ------
    ScanError
        If the file is damaged or no segmentation; the message does not name it.
    """
    with pydicom_silenced(), errors_told("A file"):
        stamp = stamp_of(file)
        header, fault = _header(file)
        size = _size(header)
        if _kind(header) not in _SEGMENTATIONS or min(size) < 1:
            raise ScanError("This file is no DICOM segmentation.")
        if fault:
            raise ScanError(f"This DICOM segmentation {fault}.")
        frames, deidentifier = max(int(_number(header, "NumberOfFrames") or 1), 1), Deidentifier(header)
        fields = _frames(dict(header), frames)
        return header, [(_slice(file, stamp, i, f, size, "", deidentifier), f) for i, f in fields]


def _read(file: Path) -> list[Slice]:
    stamp = stamp_of(file)
    header, fault = _header(file)
    kind, size = _kind(header), _size(header)
    if min(size) < 1 or "SeriesInstanceUID" not in header:
        if not kind or "Image Storage" in kind.name:
            raise ScanError("A file is damaged or no DICOM file.")
        return []
    frames = max(int(_number(header, "NumberOfFrames") or 1), 1)
    if fault or kind in _SEGMENTATIONS:  # whose frames are no slices of one stack
        frames = 1
    deidentifier = Deidentifier(header)
    return [_slice(file, stamp, i, f, size, fault, deidentifier) for i, f in _frames(header, frames)]


def _header(file: Path) -> tuple[dict[str, Any], str]:
    """Return the fields of a file, and why its pixels cannot be read; empty if they can."""
    try:
        with file.open("rb") as opened:
            if not _GUISE.match(opened.read(132)):
                raise ValueError
            check_deflated(opened)
            opened.seek(0)
            dataset = pydicom.dcmread(opened, stop_before_pixels=True, specific_tags=list(_TAGS), force=True)
            header = _fields(dataset.file_meta) | _fields(dataset)
            fault = _fault(opened, dataset, header) or _unreadable_name(file)
    except Exception as error:  # pydicom raises many kinds for damaged files
        raise ScanError("A file is damaged or no DICOM file.") from error
    return header, fault


def _kind(header: Mapping[str, Any]) -> UID:
    return UID(str(header.get("SOPClassUID") or header.get("MediaStorageSOPClassUID") or ""))


def _size(header: Mapping[str, Any]) -> tuple[int, int]:
    return int(_number(header, "Rows") or 0), int(_number(header, "Columns") or 0)


def _frames(header: dict[str, Any], count: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the header of each frame: the file's fields, those that all frames share, and the frame's own."""
    shared = _grouped(header.pop("SharedFunctionalGroupsSequence", None) or [])
    own = header.pop("PerFrameFunctionalGroupsSequence", None) or []
    for i in range(count):
        number = {"InstanceNumber": i + 1} if count > 1 else {}
        yield i, header | number | shared | _grouped(own[i : i + 1])


def _grouped(groups: Any) -> dict[str, Any]:
    """Return the fields of the standard functional groups, named as in files of one image.

    Private groups are passed over: those of Philips repeat positions, half a voxel off.
    """
    fields: dict[str, Any] = {}
    for group in groups:
        for value in _fields(group).values():
            if isinstance(value, pydicom.Sequence) and value:
                fields |= _fields(value[0])
    names = {
        "EffectiveEchoTime": "EchoTime",
        "InversionTimes": "InversionTime",
        "TemporalPositionIndex": "TemporalPositionIdentifier",
        "FrameType": "ImageType",
    }
    return fields | {name: fields[other] for other, name in names.items() if other in fields}


def _slice(
    file: Path,
    stamp: Stamp,
    frame: int,
    header: Mapping[str, Any],
    size: tuple[int, int],
    fault: str,
    deidentifier: Deidentifier,
) -> Slice:
    agent = [
        str(header[k] or "") for k in ("ContrastBolusAgent", "ContrastBolusAgentSequence") if k in header
    ]
    modality = str(header.get("Modality") or "")
    acquisition = Acquisition(
        description=deidentifier.clean(header.get("SeriesDescription")),
        protocol=deidentifier.clean(header.get("ProtocolName")),
        modality=modality if re.fullmatch(r"[A-Z0-9]{1,16}", modality) else "",
        technique=tuple(str(v) for v in listed(header.get("ScanningSequence"))),
        image_type=tuple(str(v) for v in listed(header.get("ImageType"))),
        contrast=any(a.strip().lower() not in ("", "none", "no", "n/a") for a in agent) if agent else None,
        repetition_time=_number(header, "RepetitionTime"),
        echo_time=_number(header, "EchoTime"),
        inversion_time=_number(header, "InversionTime"),
        b_value=_number(header, "DiffusionBValue"),
        number=_number(header, "AcquisitionNumber"),
        time=_number(header, "TemporalPositionIdentifier"),
        stack=str(header.get("StackID") or ""),
    )
    x, y, z = _numbers(header, "ImagePositionPatient", 3) or (None, None, None)
    rows, columns = _numbers(header, "PixelSpacing", 2) or (0.0, 0.0)
    slope, intercept = _number(header, "RescaleSlope"), _number(header, "RescaleIntercept")
    return Slice(
        file=file,
        stamp=stamp,
        frame=frame,
        image=str(header.get("SOPInstanceUID") or file),
        series=str(header["SeriesInstanceUID"]),
        study=str(header.get("StudyInstanceUID") or ""),
        series_number=int(_number(header, "SeriesNumber") or 0),
        number=int(_number(header, "InstanceNumber") or 0),
        acquisition=acquisition,
        size=size,
        colours=int(_number(header, "SamplesPerPixel") or 1),
        position=None if x is None or y is None or z is None else (x, y, z),
        orientation=_numbers(header, "ImageOrientationPatient", 6),
        spacing=(rows, columns) if min(rows, columns) > 0 else None,
        distance=_number(header, "SpacingBetweenSlices") or _number(header, "SliceThickness"),
        scale=(1.0 if slope is None else slope, intercept or 0.0),
        fault=fault,
    )


def _fault(opened: BinaryIO, dataset: pydicom.Dataset, header: Mapping[str, Any]) -> str:
    """Say why the pixels of an open file cannot be read; empty if they can."""
    syntax = UID(str(header.get("TransferSyntaxUID") or ""))
    if syntax and not _DECODED.fullmatch(syntax):
        name = syntax.name if syntax.name != syntax else "an unknown method"
        return f"is compressed with {name}, which cannot be read; export it uncompressed"
    bits = _number(header, "BitsAllocated") or 16
    counted = ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames")
    rows, columns, *others = (_number(header, keyword) or 1 for keyword in counted)
    promised = rows * columns * math.prod(others) * bits / 8
    fault = fault_of_pixels(opened, dataset.original_encoding, syntax, promised, (rows, columns))
    stored, high = _number(header, "BitsStored") or 0, _number(header, "HighBit")
    known = (1, 8, 16) if _kind(header) in _SEGMENTATIONS else (8, 16, 32)
    is_decoded = bits in known and 1 <= stored <= bits and high == stored - 1
    return fault or ("" if is_decoded else "has pixels of an unknown kind")


def _unreadable_name(file: Path) -> str:
    """Say what is wrong with a name that is not Unicode, at which SimpleITK ends the whole process."""
    try:
        str(file).encode()
    except UnicodeEncodeError:
        return "lies in a file or folder whose name is not Unicode; rename it"
    return ""


def _fields(dataset: pydicom.Dataset) -> dict[str, Any]:
    """Return the standard fields of a dataset by keyword, without those that are not what their type says."""
    fields: dict[str, Any] = {}
    for tag in list(dataset.keys()):
        if tag.is_private:
            continue
        try:
            element = dataset[tag]
            fields[element.keyword] = element.value
        except Exception:  # pydicom raises many kinds
            continue
    return fields


def _numbers(header: Mapping[str, Any], keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(float(v) for v in listed(header.get(keyword)))
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and bool(np.isfinite(values).all()) else None


def _number(header: Mapping[str, Any], keyword: str) -> float | None:
    values = listed(header.get(keyword))
    one = _numbers({keyword: values[:1]}, keyword, 1)
    return one[0] if one else None
