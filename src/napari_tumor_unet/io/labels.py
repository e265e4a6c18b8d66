"""Recognise labels, a mask or numbered regions, and convert them to integers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io.file_names import is_mask_name, scan_name
from napari_tumor_unet.scan import Scan, ScanError
from napari_tumor_unet.scan.sequence_names import sequence_named

_FEW = 16  # values: a mask has two, BraTS four; a scan of 8 bits has many more
_MANY = 100  # values: numbered regions have tens, a scan of 8 bits hundreds
_HIGHEST = 1 << 16  # of an image that is looked at for few values


def is_labels(path: Path, scan: Scan) -> bool:
    """Tell whether a file holds labels: whole numbers, and by its name or of few values with 0 among them.

    Parameters
    ----------
    path : Path
    scan : Scan
        The scan that was read from the file.
    """
    if len(scan.sequences) > 1:
        return False
    voxels = np.asarray(scan.sequences["flair"])
    return _are_whole(voxels) if is_mask_name(path) else _are_few(voxels)


def as_labels(scan: Scan, file: str) -> Scan:
    """Convert the voxels of a file to whole numbers.

    Raises
    ------
    ScanError
        If they are no whole numbers.
    """
    voxels = np.asarray(scan.sequences["flair"])
    if not _are_whole(voxels):
        raise ScanError(f"{file} holds no labels: its values are not whole numbers.")
    labels = voxels if voxels.dtype.kind in "ui" else voxels.astype(np.int32)
    return replace(scan, sequences={"flair": labels})


def check_no_image(path: Path, scan: Scan) -> None:
    """Check that a file is no scan that is given as a mask; its name may say that it is a mask.

    Raises
    ------
    ScanError
        If it holds several sequences, or more values than regions have numbers.
    """
    first, *others = (np.asarray(sequence) for sequence in scan.sequences.values())
    if is_mask_name(path):
        if not all(np.array_equal(first, other) for other in others):
            raise ScanError(f"{path.name} has colours; a mask has one value per voxel.")
    elif others:
        raise ScanError(f"{path.name} holds an image of several sequences; give its mask.")
    elif sequence_named(scan_name(path)) and not is_labels(path, scan):
        raise ScanError(f"{path.name} is named after a sequence and holds an image; give its mask.")
    elif _are_many(first):
        raise ScanError(
            f"{path.name} has more values than a mask has regions, and holds an image; give its mask, or end "
            "its name in _mask if it is one."
        )


def as_small_labels(labels: NDArray[Any], name: str) -> NDArray[np.unsignedinteger[Any]]:
    """Convert labels to the smallest unsigned integers that hold them.

    Raises
    ------
    ScanError
        If labels are negative, or no whole numbers.
    """
    if labels.dtype == np.uint8:
        return labels
    if labels.dtype.kind not in "bui":
        raise ScanError(f"{name} cannot hold {labels.dtype} values; labels are whole numbers.")
    if labels.min(initial=0) < 0:
        raise ScanError(f"{name} cannot hold negative labels; give them numbers from 0 on.")
    return labels.astype(np.min_scalar_type(int(labels.max(initial=0))))


def _are_whole(voxels: NDArray[Any]) -> bool:
    if voxels.dtype.kind in "bui":
        return True
    largest = np.iinfo(np.int32).max
    return voxels.dtype.kind == "f" and all(
        bool(((plane == plane.round()) & (np.abs(plane) <= largest)).all()) for plane in voxels
    )


def _are_few(voxels: NDArray[Any]) -> bool:
    """Tell whether voxels are whole numbers from 0 on, of two to a few values; soon decided for a scan."""
    if voxels.dtype.kind not in "buif" or voxels.min() != 0 or not 0 < voxels.max() < _HIGHEST:
        return False
    present = np.zeros(int(voxels.max()) + 1, bool)
    for plane in voxels:
        if voxels.dtype.kind == "f" and (plane != plane.round()).any():
            return False
        present |= np.bincount(plane.ravel().astype(np.int64), minlength=len(present)) > 0
        if np.count_nonzero(present) > _FEW:
            return False
    return True


def _are_many(voxels: NDArray[Any]) -> bool:
    """Tell whether voxels have more values than regions do; soon decided for a scan."""
    present = np.zeros(0, voxels.dtype)
    for plane in voxels:
        present = np.union1d(present, plane[plane != 0])  # of a mask little is left to sort
        if len(present) > _MANY:
            return True
    return False
