"""Find the head and the air in a volume, whatever its values mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_DEEP = 0.25  # of the head's radius: more than scalp and skull


def find_head(flair: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return a mask of the head in a FLAIR volume (Z, Y, X), or of the whole volume if no head stands out.

    The air is measured in the corners, so that neither its value nor the scale of the image matters.
    """
    air = np.median(corners_of(flair))
    head = flair - air > 0.08 * np.percentile(flair - air, 99.5)
    if is_masked(flair) and (flair < air).sum() > 0.1 * head.sum():
        head = flair != air  # standardised: much of the head is darker than the air was set to
    head = open_planes(head)
    regions, n = ndimage.label(head)
    if n:
        sizes = np.bincount(regions.ravel())[1:]
        head = regions == sizes.argmax() + 1
    return head if head.mean() > 0.02 else np.ones(flair.shape, bool)


def find_midline(flair: NDArray[np.float32]) -> tuple[float, float] | None:
    """Find the column midway between the sides of the head in some slices (Z, Y, X), and the head's width.

    None where no head stands out. A head that is turned or cut off is off by a few columns.
    """
    head = find_head(flair)
    columns = [np.flatnonzero(plane.any(axis=0)) for plane in head if plane.any()]
    if head.all():
        return None
    middle = np.median([(there[0] + there[-1]) / 2 for there in columns])
    return float(middle), float(np.median([there[-1] - there[0] + 1 for there in columns]))


def find_deep(head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark what lies deep in a head (Z, Y, X): mostly brain, whether or not scalp and skull are there."""
    filled = fill_planes(head)
    areas = filled.sum(axis=(1, 2))
    least = _DEEP * np.sqrt(areas.max() / np.pi)
    # Padded, as a head may touch the image's edge. Crown and neck, of a smaller area, hold little brain.
    depths = [ndimage.distance_transform_edt(np.pad(plane, 1))[1:-1, 1:-1] for plane in filled]
    deep: NDArray[np.bool_] = (np.stack(depths) > least) & (areas > areas.max() / 2)[:, None, None]
    return deep if deep.any() else filled


def fill_planes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill the holes in each plane of a mask (Z, Y, X)."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def open_planes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Open each plane of a mask (Z, Y, X) with 3 x 3 pixels, six times as fast as ``binary_opening``."""
    for combine in (np.logical_and, np.logical_or):
        for axis in (1, 2):
            lines = np.moveaxis(np.pad(mask, [(0, 0), *((int(a == axis),) * 2 for a in (1, 2))]), axis, 0)
            mask = np.moveaxis(combine(combine(lines[:-2], lines[1:-1]), lines[2:]), 0, axis)
    return mask


def corners_of(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the voxels in the four corners of each slice of a volume (Z, Y, X)."""
    height, width = volume.shape[1:]
    rows, columns = max(1, height // 20), max(1, width // 20)
    return np.concatenate(
        [
            volume[:, y, x].ravel()
            for y in (slice(rows), slice(-rows, None))
            for x in (slice(columns), slice(-columns, None))
        ]
    )


def is_masked(volume: NDArray[np.float32]) -> bool:
    """Tell whether the air was set to one value."""
    corners = corners_of(volume)
    return bool(np.mean(corners == np.median(corners)) > 0.9)
