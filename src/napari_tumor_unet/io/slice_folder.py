"""Read folders of slices as in the LGG data set: ``<patient>_<n>.tif`` and ``<patient>_<n>_mask.tif``."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io.tiff import opened_tiff, pixels_of
from napari_tumor_unet.scan import Scan, ScanError, scan_from_volume

_SLICE = re.compile(r"(?P<patient>.+)_(?P<number>\d+)\.tiff?", re.IGNORECASE)
_MASK = re.compile(r"(?P<patient>.+)_(?P<number>\d+)_mask\.tiff?", re.IGNORECASE)
_LOOKED_AT = 500  # entries of a folder, before it is declined


def looks_like_slices(folder: Path) -> bool:
    """Tell from a folder's first entries whether it holds such slices; quick for any folder."""
    try:
        with os.scandir(folder) as entries:
            return any(_SLICE.fullmatch(entry.name) for entry in islice(entries, _LOOKED_AT))
    except OSError:
        return False


def holds_slices(folder: Path, names: Iterable[str] | None = None) -> bool:
    """Tell whether files of a folder are slices of scans, and not stacks that are named alike.

    The names in the folder are listed, unless they are given.
    """
    names = os.listdir(folder) if names is None else names
    slices = [match for name in sorted(names) if (match := _SLICE.fullmatch(name))]
    patients = Counter(match["patient"] for match in slices)
    several = next((match.string for match in slices if patients[match["patient"]] > 1), None)
    if several is None:
        return False
    shape = _shape_of(folder / several)
    return shape is not None and _is_slice(shape)


def holds_stacks(folder: Path) -> bool:
    """Tell whether a file of a folder that is named as a slice, with a date for the number, is a stack."""
    name = next((name for name in sorted(os.listdir(folder)) if _SLICE.fullmatch(name)), None)
    shape = None if name is None else _shape_of(folder / name)
    return shape is not None and not _is_slice(shape)


def _shape_of(file: Path) -> tuple[int, ...] | None:
    """Return the shape of a file; None where it cannot be read, which reading reports."""
    try:
        with opened_tiff(file) as (_, series):
            return tuple(series.shape)
    except ScanError:
        return None


def _is_slice(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and shape[-1] in (3, 4))


def slice_files(folder: Path) -> list[Path]:
    """List the slices in order."""
    return [folder / name for name in _numbered(folder, _SLICE).values()]


def mask_files(folder: Path) -> list[Path]:
    """List the masks of the slices in order."""
    return [folder / name for name in _numbered(folder, _MASK).values()]


def folder_of_slice(path: str | Path) -> Path:
    """Return the folder of a file that is one slice or mask of many in it; else the file itself."""
    path = Path(path)
    match = _MASK.fullmatch(path.name) or _SLICE.fullmatch(path.name)
    if not match:
        return path
    # Stacks may be named alike, with a date for the number: only what bears the same patient is a sibling.
    siblings = (_SLICE.fullmatch(name) for name in os.listdir(path.parent))
    same = [sibling for sibling in siblings if sibling and sibling["patient"] == match["patient"]]
    return path.parent if len(same) > 1 else path


def holds_masks(folder: Path) -> bool:
    """Tell whether a folder has the ``_mask`` files of one scan's slices."""
    try:
        masks = [match for name in os.listdir(folder) if (match := _MASK.fullmatch(name))]
    except OSError:  # reading reports it
        return False
    return len(masks) > 1 and len({match["patient"] for match in masks}) == 1


def read_folder(folder: Path) -> Scan:
    """Read the slices in numeric order, from the lowest to the highest in the head.

    Raises
    ------
    ScanError
        If there are none, some are missing or damaged, or they differ in shape or patient.
    """
    slices = _numbered(folder, _SLICE)
    return scan_from_volume(_read(folder, slices, _masked(folder, slices)), name=folder.resolve().name)


def read_folder_mask(folder: Path) -> NDArray[np.uint8] | None:
    """Read the ``_mask`` files (Z, Y, X) as labels 0 and 1; None if there are none.

    Raises
    ------
    ScanError
        As :func:`read_folder`, and if some slices have a mask and others have none.
    """
    masks = _numbered(folder, _MASK)
    if not masks:
        return None
    if unmatched := _numbered(folder, _SLICE).keys() ^ masks.keys():
        raise ScanError(f"{folder.name}: slice {min(unmatched)} has no mask, or its mask no slice.")
    volume = _read(folder, masks)
    if volume.ndim != 3:
        raise ScanError(f"{folder.name}: its masks have colours; a mask has one value per pixel.")
    mask: NDArray[np.uint8] = np.not_equal(volume, 0).astype(np.uint8)
    return mask


def _masked(folder: Path, slices: dict[int, str]) -> set[int]:
    """Return the numbers of the slices that have a mask: there should be no fewer slices."""
    patients = {match["patient"] for name in slices.values() if (match := _SLICE.fullmatch(name))}
    masks = [match for name in os.listdir(folder) if (match := _MASK.fullmatch(name))]
    return {int(match["number"]) for match in masks if match["patient"] in patients}


def _numbered(folder: Path, pattern: re.Pattern[str]) -> dict[int, str]:
    """List file names by slice number, in order."""
    try:
        matches = [match for name in os.listdir(folder) if (match := pattern.fullmatch(name))]
    except OSError as error:
        raise ScanError(f"{folder.name} cannot be read: {error.strerror}.") from error
    patients = {match["patient"] for match in matches}
    if len(patients) > 1:
        raise ScanError(
            f"{folder.name} holds slices of {len(patients)} scans; give each a folder of its own."
        )
    numbers = [int(match["number"]) for match in matches]
    if len(set(numbers)) < len(numbers):
        raise ScanError(f"{folder.name} holds a slice twice, under numbers such as 1 and 01.")
    return dict(sorted(zip(numbers, (match.string for match in matches), strict=True)))


def _read(folder: Path, names: dict[int, str], wanted: Iterable[int] = ()) -> NDArray[np.generic]:
    if not names:
        raise ScanError(f"{folder.name} holds no slices named <patient>_<n>.tif, and no DICOM images.")
    if missing := {*range(min(names), max(names) + 1), *wanted} - names.keys():
        raise ScanError(f"{folder.name} misses slice {min(missing)}.")
    slices = []
    for name in names.values():
        with opened_tiff(folder / name) as (_, series):
            slices.append(pixels_of(name, series))
    if len({s.shape for s in slices}) > 1:
        raise ScanError(f"The slices of {folder.name} differ in size.")
    return np.stack(slices)
