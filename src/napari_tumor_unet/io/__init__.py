"""Files to scans, and masks to files: one module a format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io import lgg_folder, medical, tiff
from napari_tumor_unet.io.dicom.folder import first_image, looks_like_dicom
from napari_tumor_unet.io.dicom.naming import study_names, study_of
from napari_tumor_unet.io.dicom.study import read_study
from napari_tumor_unet.io.labels import as_labels, as_small_labels, is_labels
from napari_tumor_unet.io.lgg_folder import looks_like_slices
from napari_tumor_unet.io.names import (
    ENDINGS,
    KNOWN,
    MASK_ENDINGS,
    MEDICAL_ENDINGS,
    TIFF_ENDINGS,
    ending_of,
    ending_of_mask,
    is_mask_name,
    name_of_masked,
    scan_name,
)
from napari_tumor_unet.scan import Scan, ScanError

__all__ = [
    "ENDINGS",
    "MASK_ENDINGS",
    "TIFF_ENDINGS",
    "as_labels",
    "ending_of",
    "ending_of_mask",
    "find_masks",
    "find_scans",
    "is_dicom",
    "is_labels",
    "is_mask_name",
    "name_of_masked",
    "read_labels",
    "read_mask",
    "read_scan",
    "scan_name",
    "study_names",
    "write_mask",
]


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
        Which series of a DICOM folder, by name or number, where this cannot be told.

    Raises
    ------
    ScanError
        If there is nothing, nothing known, something damaged, or more than one scan.
    """
    path = _existing(path)
    if is_dicom(path):
        return read_study(path, series)
    if series is not None:
        raise ScanError(f"{path.name} is no DICOM folder, so it has no series to choose from.")
    if path.is_dir():
        return lgg_folder.read_folder(path)
    return _read_file(path)


def read_mask(path: str | Path) -> NDArray[np.integer]:
    """Read labels (Z, Y, X), turned as :func:`read_scan` turns the scan that they belong to.

    For a folder these are its ``_mask`` files.

    Raises
    ------
    ScanError
        As :func:`read_scan`, and if the file holds no labels.
    """
    return np.asarray(read_labels(path).sequences["flair"])


def read_labels(path: str | Path) -> Scan:
    """Read labels as :func:`read_mask` does, as FLAIR, with what the file says of where they lie.

    Raises
    ------
    ScanError
        As :func:`read_mask`.
    """
    path = _existing(path)
    if path.is_dir():
        mask = lgg_folder.read_folder_mask(path)
        if mask is None:
            raise ScanError(f"{path.name} holds no _mask files.")
        return Scan(scan_name(path), {"flair": mask})
    return as_labels(_read_file(path), path.name)


def write_mask(path: str | Path, mask: NDArray[Any], scan: Scan) -> None:
    """Write a mask (Z, Y, X) of a scan, in the format that the name asks for, one of ``MASK_ENDINGS``.

    It lies on the grid of the scan's own file, of which a TIFF keeps the spacing alone. Labels are written
    as the smallest unsigned integers that hold them. The file appears whole or not at all.

    Raises
    ------
    ScanError
        If masks have no such format, it does not hold such labels, they are not the scan's, or the file
        cannot be written.
    """
    path = Path(path).expanduser()
    ending = ending_of(path)
    if ending not in MASK_ENDINGS:
        raise ScanError(
            f"{path.name} names no format for masks; its ending has to be {_one_of(MASK_ENDINGS)}."
        )
    if mask.shape != scan.shape:
        raise ScanError(f"{path.name} needs a mask of the scan's shape {scan.shape}, not {mask.shape}.")
    labels = as_small_labels(mask, path.name)
    if ending not in MEDICAL_ENDINGS and labels.dtype.itemsize > 2:
        raise ScanError(f"{path.name} cannot hold labels over 65,535; save them as {MASK_ENDINGS[0]}.")
    # SimpleITK chooses the format by an ending in lower case.
    partial = path.with_name(f".partial-{scan_name(path)}{ending}")
    try:
        if ending in MEDICAL_ENDINGS:
            medical.write_volume_mask(partial, labels, scan)
        else:
            tiff.write_tiff_mask(partial, labels, scan)
        partial.replace(path)
    except (RuntimeError, ScanError) as error:  # the first is SimpleITK's, for all that can go wrong
        raise ScanError(f"{path.name} cannot be written; is there space, and leave to write?") from error
    finally:
        partial.unlink(missing_ok=True)


def is_dicom(path: Path) -> bool:
    """Whether a file or folder is read as DICOM; quick, whatever it holds."""
    if ending_of(path) and path.is_file():
        return False
    return not (path.is_dir() and looks_like_slices(path)) and looks_like_dicom(path)


def find_scans(folder: Path) -> list[Path]:
    """The scans in a folder and the folders in it: files that are no masks, folders of slices, DICOM studies.

    Of a DICOM study this is the folder that holds all its series.

    Raises
    ------
    ScanError
        If there is none.
    """
    found: list[Path] = []
    studies: dict[str, int] = {}
    for place, folders, files in os.walk(folder):
        path = Path(place)
        if lgg_folder.holds_slices(path):
            found.append(path)
            folders.clear()
            continue
        folders.sort()
        if (image := first_image(path)) and image.parent == path:
            i = studies.setdefault(study_of(image) or place, len(found))
            if i < len(found):
                found[i] = Path(os.path.commonpath([found[i], path]))
            else:
                found.append(path)
        found += [path / n for n in sorted(files) if _is_scan_name(path / n)]
    if not found:
        raise ScanError(f"{folder.name} holds no scan: no file of {KNOWN}, no folder of slices and no DICOM.")
    return list(dict.fromkeys(found))


def find_masks(folder: Path) -> list[Path]:
    """The mask files in a folder, and the folders in it that hold ``_mask`` slices.

    Where some files say by their names that they are masks, the others are taken for scans.

    Raises
    ------
    ScanError
        If the folder cannot be read, or holds none.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ScanError(f"{folder.name} cannot be read: {error.strerror}.") from error
    files = [path for path in entries if path.is_file() and ending_of(path)]
    named = [path for path in files if is_mask_name(path)]
    found = (named or files) + [path for path in entries if path.is_dir() and lgg_folder.holds_masks(path)]
    if not found:
        raise ScanError(f"{folder.name} holds no mask: no file of {KNOWN}.")
    return found


def _read_file(path: Path) -> Scan:
    ending = ending_of(path)
    if not ending:
        raise ScanError(f"{path.name} is none of {KNOWN}, DICOM or a folder of slices.")
    read = medical.read_volume if ending in MEDICAL_ENDINGS else tiff.read_tiff
    return read(path, scan_name(path))


def _is_scan_name(path: Path) -> bool:
    return bool(ending_of(path)) and not path.name.startswith(".") and not is_mask_name(path)


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    try:
        if path.exists():
            return path
    except OSError as error:
        raise ScanError(f"{path.name} cannot be read: {error.strerror}.") from error
    raise ScanError(f"{path.name} does not exist.")


def _one_of(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
