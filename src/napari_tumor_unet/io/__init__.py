"""Files to scans, and masks to files: one module a format."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io import lgg_folder, nifti, tiff
from napari_tumor_unet.scan import Scan, ScanError

_ENDINGS = (".nii.gz", ".nii", ".tiff", ".tif")


def scan_name(path: Path) -> str:
    """The name of a scan: its file's name without the ending, or its folder's name."""
    ending = _ending(path)
    return path.name[: -len(ending)] if ending else path.resolve().name


def is_mask_name(path: Path) -> bool:
    """Whether a file says by its name that it holds labels and no scan."""
    return scan_name(path).lower().endswith(("_mask", "_seg", "_label", "_labels"))


def read_scan(path: str | Path) -> Scan:
    """Read a scan as axial slices, front of the head up, the patient's right on the left.

    Parameters
    ----------
    path : str or Path
        A NIfTI file (``.nii``, ``.nii.gz``), a TIFF stack, or a folder of slices named as in the LGG
        data set (``<patient>_<n>.tif``).

    Raises
    ------
    ScanError
        If there is nothing, nothing known, or something damaged.
    """
    path = _existing(path)
    if path.is_dir():
        return lgg_folder.read_folder(path)
    if _ending(path) in (".nii", ".nii.gz"):
        return nifti.read_nifti(path, scan_name(path))
    if _ending(path):
        return tiff.read_tiff(path, scan_name(path))
    raise _unknown(path)


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
    if _ending(path) in (".nii", ".nii.gz"):
        scan = nifti.read_nifti(path, scan_name(path))
    elif _ending(path):
        scan = tiff.read_tiff(path, scan_name(path))
    else:
        raise _unknown(path)
    whole = np.asarray(scan.sequences["flair"])
    if whole.dtype.kind == "f" and not np.array_equal(whole, whole.round()):
        raise ScanError(f"{path.name} holds no labels: its values are not whole numbers.")
    labels = whole if whole.dtype.kind in "ui" else whole.astype(np.int32)
    return replace(scan, sequences={"flair": labels})


def write_mask(path: Path, mask: NDArray[np.uint8], scan: Scan) -> None:
    """Write a mask (Z, Y, X) of a scan, in the format that the name asks for.

    NIfTI is turned back to the grid of the scan's own file; the file appears whole or not at all.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        if _ending(path) in (".nii", ".nii.gz"):
            nifti.write_nifti_mask(partial, mask, scan)
        else:
            tiff.write_tiff_mask(partial, mask, scan)
        partial.replace(path)
    except RuntimeError as error:  # SimpleITK's, for all that can go wrong
        raise ScanError(f"{path.name} cannot be written; is there space, and leave to write?") from error
    finally:
        partial.unlink(missing_ok=True)


def find_scans(folder: Path) -> list[Path]:
    """The scans in a folder and the folders in it: files that are no masks, and folders of slices.

    Raises
    ------
    ScanError
        If there is none.
    """
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        path = Path(place)
        if lgg_folder.holds_slices(path):
            found.append(path)
            folders.clear()
            continue
        folders.sort()
        found += [path / n for n in sorted(files) if _is_scan_name(path / n)]
    if not found:
        raise ScanError(
            f"{folder.name} holds no scan: no NIfTI (.nii, .nii.gz) or TIFF file and no folder of slices."
        )
    return found


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
    files = [path for path in entries if path.is_file() and _ending(path)]
    named = [path for path in files if is_mask_name(path)]
    found = (named or files) + [path for path in entries if path.is_dir() and lgg_folder.holds_masks(path)]
    if not found:
        raise ScanError(f"{folder.name} holds no mask: no NIfTI (.nii, .nii.gz) or TIFF file.")
    return found


def ending_of_mask(scan: Path) -> str:
    """The ending of a mask's file beside its scan's."""
    return ".nii.gz" if _ending(scan) in (".nii", ".nii.gz") else ".tif"


def _is_scan_name(path: Path) -> bool:
    return bool(_ending(path)) and not path.name.startswith(".") and not is_mask_name(path)


def _ending(path: Path) -> str:
    return next((ending for ending in _ENDINGS if path.name.lower().endswith(ending)), "")


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.exists():
        raise ScanError(f"{path.name} does not exist.")
    return path


def _unknown(path: Path) -> ScanError:
    return ScanError(
        f"{path.name} is none of NIfTI (.nii, .nii.gz), TIFF (.tif, .tiff) or a folder of slices."
    )
