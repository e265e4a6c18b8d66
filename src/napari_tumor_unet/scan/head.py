"""Find the head and the air in a volume, whatever its values mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def find_head(flair: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return a mask of the head in a FLAIR volume (Z, Y, X), or of the whole volume if no head stands out.

    The air is measured in the corners, so that neither its value nor the scale of the image matters.
    """
    air = np.median(corners_of(flair))
    head = flair - air > 0.08 * np.percentile(flair - air, 99.5)
    if is_masked(flair) and (flair < air).sum() > 0.1 * head.sum():
        head = flair != air  # standardised: much of the head is darker than the air was set to
    head = ndimage.binary_opening(head, np.ones((1, 3, 3)))
    regions, n = ndimage.label(head)
    if n:
        sizes = np.bincount(regions.ravel())[1:]
        head = regions == sizes.argmax() + 1
    return head if head.mean() > 0.02 else np.ones(flair.shape, bool)


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
