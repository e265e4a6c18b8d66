"""Find the masks of many patients in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from napari_tumor_unet.io import slice_folder
from napari_tumor_unet.io.file_names import (
    KNOWN,
    ending_of,
    is_mask_name,
    mask_ending_of,
    name_of_masked,
    scan_name,
)
from napari_tumor_unet.scan import ScanError


def find_masks(folder: Path) -> list[Path]:
    """Find the mask files in a folder, and the folders in it that hold ``_mask`` slices.

    Where some files say by their names that they are masks, the others are taken for scans. If there is none
    of all these, the folders in it are searched, at any depth, for what is named so.

    Raises
    ------
    ScanError
        If a folder cannot be read, or there is none.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ScanError(f"{folder.name} cannot be read: {error.strerror}.") from error
    files = [path for path in entries if path.is_file() and (ending_of(path) or _is_dicom_mask(path))]
    named = [path for path in files if is_mask_name(path)]
    masks = (named or files) + [path for path in entries if path.is_dir() and slice_folder.holds_masks(path)]
    masks = masks or _masks_below(folder)
    if not masks:
        raise ScanError(
            f"{folder.name} holds no mask: no file of {KNOWN} in it, none named _mask or _seg in its folders."
        )
    return masks


def _masks_below(folder: Path) -> list[Path]:
    """Search the folders in a folder, as of a patient each, for what is named as a mask."""
    masks: list[Path] = []

    def refuse(error: OSError) -> None:
        raise ScanError(f"{Path(error.filename).name} cannot be read: {error.strerror}.") from error

    for name, folders, files in os.walk(folder, onerror=refuse):
        path = Path(name)
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        if path != folder and slice_folder.holds_masks(path):
            folders.clear()
            masks.append(path)
        else:
            named = (path / n for n in sorted(files) if not n.startswith(".") and is_mask_name(Path(n)))
            masks += [file for file in named if ending_of(file) or _is_dicom_mask(file)]
    return masks


def _is_dicom_mask(path: Path) -> bool:
    """Tell a segmentation from the report beside it, and from a scan, by the last word of its name."""
    return bool(mask_ending_of(path)) and name_of_masked(path) != scan_name(path)
