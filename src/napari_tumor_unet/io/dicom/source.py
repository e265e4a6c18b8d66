"""Read the headers of the images that a scan came from again, patient and all, to write DICOM of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_tumor_unet._common import regular_file
from napari_tumor_unet.io.dicom.deidentify import pydicom_silenced
from napari_tumor_unet.scan import Scan, ScanError, SourceImage

if TYPE_CHECKING:
    from pydicom import Dataset

# That a header must have, empty or not; tools that remove the patient remove some of them.
_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
)

_DATES = ("AcquisitionDate", "SeriesDate", "StudyDate")


def taken_on(image: SourceImage) -> date | None:
    """Return the day on which an image was taken; None if its header does not tell, or the file is gone."""
    import pydicom

    tags = ["SOPInstanceUID", *_DATES]
    with pydicom_silenced(), suppress(Exception):  # pydicom raises many kinds
        file = regular_file(image.file)
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=tags)
        told = next(str(header[name].value) for name in _DATES if header.get(name))
        if header.SOPInstanceUID == image.uid:
            return datetime.strptime(told, "%Y%m%d").date()
    return None


def check_source(scan: Scan) -> None:
    """Check that DICOM can be written of a scan.

    Raises
    ------
    ScanError
        If it was not read from DICOM, or it is unknown where its slices lie.
    """
    if not scan.source:
        raise ScanError(
            f"{scan.name} was not read from DICOM images, which a DICOM file of its mask has to name; "
            "take another format."
        )
    if scan.geometry is None:
        raise ScanError(
            f"The images of {scan.name} do not say where they lie, so no DICOM segmentation can be made."
        )


def read_headers(scan: Scan) -> list[Dataset]:
    """Read the headers of a scan's images, each file once, in the order of the slices.

    Raises
    ------
    ScanError
        If the scan has no such images, or one is gone or another by now.
    """
    check_source(scan)
    headers = []
    with pydicom_silenced():
        for image in {image.file: image for image in scan.source}.values():
            headers.append(_read_header(image.file, image.uid, scan.name))
    if not all("FrameOfReferenceUID" in header for header in headers):
        raise ScanError(
            f"The images of {scan.name} name no frame of reference, so no DICOM segmentation can be made."
        )
    return headers


def _read_header(file: Path, uid: str, name: str) -> Dataset:
    import pydicom

    try:
        header = pydicom.dcmread(regular_file(file), stop_before_pixels=True, force=True)
        is_same = header.get("SOPInstanceUID") == uid
    except Exception as error:  # pydicom raises many kinds
        raise _changed(name) from error
    if not is_same:
        raise _changed(name)
    header.decode()
    header.SpecificCharacterSet = "ISO_IR 192"  # UTF-8; not all sets of files are known to highdicom
    for keyword in _EMPTY:
        header.setdefault(keyword, None)
    if header.PatientSex not in ("M", "F", "O"):  # highdicom refuses others
        header.PatientSex = None
    return header


def _changed(name: str) -> ScanError:
    return ScanError(
        f"An image of {name} was moved, removed or changed since it was read, and a DICOM file of the mask "
        "has to name them all; open the scan again."
    )
