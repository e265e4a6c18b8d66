"""Write a mask as a DICOM Segmentation, which names the patient and the images as theirs do."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_tumor_unet.io.dicom.extra import highdicom_silenced
from napari_tumor_unet.io.dicom.source import check_source, read_headers
from napari_tumor_unet.io.orient import as_stored
from napari_tumor_unet.scan import Scan, ScanError

if TYPE_CHECKING:
    from pydicom import Dataset

_SERIES_NUMBER = 9000  # and the scan's own
_LONGEST = 64  # letters of a DICOM text
_FAR = 1e6  # mm


def equipment() -> dict[str, str]:
    """Return what made a DICOM file."""
    return {
        "manufacturer": "napari-tumor-unet",
        "manufacturer_model_name": "napari-tumor-unet",
        "software_versions": version("napari-tumor-unet"),
        "device_serial_number": "0",
    }


def series_number(header: Dataset, more: int = 0) -> int:
    """Return the number of a series that is made of another: a study's list shows it last."""
    return max(1, _SERIES_NUMBER + more + int(header.get("SeriesNumber") or 0))


def make_segmentation(
    labels: NDArray[np.unsignedinteger[Any]], scan: Scan, sidecar: Mapping[str, Any]
) -> Dataset:
    """Make a Segmentation of labels (Z, Y, X): BINARY, a segment for each label.

    Of one label it holds all slices, so that readers that know nothing of segments take it for a volume; of
    several those with something in them.

    Parameters
    ----------
    labels : array of unsigned int
    scan : Scan
        Its images are read again, patient and all.
    sidecar : mapping
        What tells how the labels were made; nothing in it where a human drew them.

    Raises
    ------
    ScanError
        If there is no label, the scan is no DICOM series, an image of it is gone or changed, or its headers
        are not as the standard wants them.
    """
    check_source(scan)
    values = np.unique(labels[labels.any(axis=(1, 2))])
    values = np.union1d(0, values)[1:]
    if not len(values):
        raise ScanError(
            f"The mask of {scan.name} is empty, and a DICOM segmentation of nothing is no valid file; "
            "none is written."
        )
    headers = read_headers(scan)
    assert scan.geometry is not None
    kind = np.min_scalar_type(len(values))
    numbered = np.stack([np.searchsorted([0, *values], plane).astype(kind) for plane in labels])
    stored = as_stored(numbered, scan.geometry)
    first = headers[0]
    with highdicom_silenced() as highdicom:
        try:
            segmentation: Dataset = highdicom.seg.Segmentation(
                pixel_array=sitk.GetArrayFromImage(stored),
                segmentation_type="BINARY",
                segment_descriptions=_segments(highdicom, values.tolist(), sidecar),
                series_instance_uid=highdicom.UID(),
                series_number=series_number(first),
                sop_instance_uid=highdicom.UID(),
                instance_number=1,
                series_description="Tumour segmentation",
                content_label="SEGMENTATION",
                content_description="Segmentation of brain tumour; not for clinical use",
                omit_empty_frames=len(values) > 1,
                **_where(highdicom, headers, scan, stored.GetSpacing()[2]),
                **equipment(),
            )
        except Exception as error:  # highdicom raises many kinds
            raise ScanError(
                f"The headers of {scan.name} are faulty, so no DICOM segmentation can be made; "
                "take another format."
            ) from error
    return segmentation


def _segments(highdicom: Any, values: list[int], sidecar: Mapping[str, Any]) -> list[Any]:
    from pydicom.sr.codedict import codes

    made_by, made_how = sidecar.get("provenance"), "MANUAL"
    algorithm = None
    if made_by:
        made_how = "SEMIAUTOMATIC" if sidecar.get("edited") else "AUTOMATIC"
        algorithm = highdicom.AlgorithmIdentificationSequence(
            name=as_dicom_text(made_by["model"]),
            version=as_dicom_text(made_by["version"]),
            family=codes.DCM.ArtificialIntelligence,
            source="napari-tumor-unet",
            parameters=parameters_of(made_by),
        )
    return [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=(label := "Tumour" if len(values) == 1 else f"Label {value}"),
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            anatomic_regions=[codes.SCT.Brain],
            algorithm_type=made_how,
            algorithm_identification=algorithm,
            tracking_uid=highdicom.UID(),
            tracking_id=label,
        )
        for number, value in enumerate(values, start=1)
    ]


def parameters_of(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return what DICOM keeps of a provenance, beside model and version, of how a mask was made."""
    told = {name: str(provenance[name]) for name in ("model_hash", "threshold")}
    if part := provenance.get("only_slices"):
        told["only_slices"] = " ".join(map(str, part))
    return told


def _where(highdicom: Any, headers: list[Dataset], scan: Scan, distance: float) -> dict[str, Any]:
    """Return the images that the slices lie on, this distance apart; of files of frames also where."""
    first = headers[0]
    if "SharedFunctionalGroupsSequence" not in first:
        _set_distance(first, distance)
        return {"source_images": headers}
    by_file = dict(zip(dict.fromkeys(image.file for image in scan.source), headers, strict=True))
    positions = []
    for image in scan.source:
        groups = by_file[image.file].PerFrameFunctionalGroupsSequence[image.frame]
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        positions.append(highdicom.PlanePositionSequence("PATIENT", position))
    for file, header in by_file.items():
        _make_plain(header, {image.frame for image in scan.source if image.file == file}, distance)
    return {"source_images": [first], "further_source_images": headers[1:], "plane_positions": positions}


def _make_plain(header: Dataset, frames: set[int], distance: float) -> None:
    """Move what frames have in common to where highdicom looks for it, and other frames away from them.

    No file is changed: by the place of a frame highdicom finds the one to name, and another may be there
    too, as of another echo.
    """
    shared, own = header.SharedFunctionalGroupsSequence[0], header.PerFrameFunctionalGroupsSequence
    for keyword in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
        if keyword not in shared:
            setattr(shared, keyword, own[min(frames)][keyword].value)
    _set_distance(shared.PixelMeasuresSequence[0], distance)
    for i, groups in enumerate(own):
        if i not in frames and "PlanePositionSequence" in groups:
            groups.PlanePositionSequence[0].ImagePositionPatient = [_FAR] * 3


def _set_distance(measures: Dataset, distance: float) -> None:
    """Tell the distance of slices as it is: some scanners write the gap between them there."""
    from pydicom.valuerep import format_number_as_ds

    measures.SpacingBetweenSlices = format_number_as_ds(distance)
    measures.SliceThickness = measures.get("SliceThickness") or measures.SpacingBetweenSlices


def as_dicom_text(text: str) -> str:
    """Return a text as DICOM holds it: short, and without what separates values."""
    return "".join(c if c.isprintable() and c != "\\" else " " for c in text).strip()[:_LONGEST] or "unnamed"
