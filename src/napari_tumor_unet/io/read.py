"""Read a scan, or its labels, from a file or folder of any format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io import itk, slice_folder, tiff
from napari_tumor_unet.io.dicom.read_segmentation import read_segmentation_alone
from napari_tumor_unet.io.dicom.study import read_study
from napari_tumor_unet.io.file_names import KNOWN, Format, format_of, scan_name
from napari_tumor_unet.io.guard import errors_told
from napari_tumor_unet.io.labels import as_labels, check_no_image
from napari_tumor_unet.scan import Scan, ScanError


def read_scan(path: str | Path, series: str | int | None = None) -> Scan:
    """Read a scan as axial slices, front of the head up, the patient's right on the left.

    Parameters
    ----------
    path : str or Path
        A file of NIfTI (``.nii``, ``.nii.gz``), NRRD (``.nrrd``, ``.nhdr``), MetaImage (``.mha``,
        ``.mhd``) or TIFF, a folder of slices named as in the LGG data set (``<patient>_<n>.tif``), or a
        DICOM folder: its FLAIR, with T1 before and after contrast of the same study brought to FLAIR's grid.
        A single DICOM file stands for its series alone.
    series : str or int, optional
        The series of a DICOM folder, by name or number, where it is unclear.

    Raises
    ------
    ScanError
        If there is no such path, no known format, a damaged file, or more than one scan.
    """
    path = Path(path).expanduser()
    with errors_told(path.name):
        return read_as(path, format_of(path), series)


def read_as(path: Path, stored: Format, series: str | int | None = None) -> Scan:
    """Read a scan that is stored in a format, as :func:`read_scan` does."""
    if stored == "DICOM":
        with errors_told("This folder or file"):  # a patient's name may be in that of the path
            return read_study(path, series)
    with errors_told(path.name):
        _check_exists(path)
        if series is not None:
            raise ScanError(f"{path.name} is no DICOM folder, so it has no series to choose from.")
        return slice_folder.read_folder(path) if stored == "slices" else _read_file(path, stored)


def read_mask(path: str | Path) -> NDArray[np.integer]:
    """Read labels (Z, Y, X), turned as :func:`read_scan` turns the scan that they belong to.

    For a folder these are its ``_mask`` files; a DICOM Segmentation lies on a grid of its own.

    Raises
    ------
    ScanError
        As :func:`read_scan`, and if the file holds an image, or no whole numbers.
    """
    return np.asarray(read_labels(path).sequences["flair"])


def read_labels(path: str | Path) -> Scan:
    """Read labels as :func:`read_mask` does, as a scan with their geometry.

    Raises
    ------
    ScanError
        As :func:`read_mask`.
    """
    path = Path(path).expanduser()
    with errors_told(path.name):
        _check_exists(path)
        if path.is_dir():
            mask = slice_folder.read_folder_mask(path)
            if mask is None:
                raise ScanError(
                    f"{path.name} is no folder of slices with _mask files; give mask files, not their folder."
                )
            return Scan(scan_name(path), {"flair": mask})
        stored = format_of(path)
        scan = _read_file(path, stored)
        if stored != "DICOM":  # of which segmentations alone are read
            check_no_image(path, scan)
        return as_labels(scan, path.name)


def _read_file(path: Path, stored: Format) -> Scan:
    if stored in ("NIfTI", "NRRD", "MetaImage"):
        return itk.read_volume(path, scan_name(path), stored)
    if stored == "DICOM":
        return read_segmentation_alone(path)
    if stored == "TIFF":
        return tiff.read_tiff(path, scan_name(path))
    raise ScanError(f"{path.name} is none of {KNOWN}, DICOM or a folder of slices.")


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise ScanError(f"{path.name} does not exist.")
