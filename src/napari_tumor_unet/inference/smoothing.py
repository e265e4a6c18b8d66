"""Smooth the outline of a mask, and fill its holes, slice by slice, as a reader would."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SIGMA = 1.0  # pixels: what is thinner than two of them goes


def smooth_outline(mask: NDArray[np.uint8]) -> None:
    """Smooth the outline of a mask (Z, Y, X), 0 and 1, in each slice, in place."""
    from scipy import ndimage  # importing it takes longer than a panel may take to open

    for plane in mask:
        if plane.any():
            plane[:] = ndimage.gaussian_filter(plane.astype(np.float32), _SIGMA, mode="nearest") >= 0.5


def fill_holes(mask: NDArray[np.uint8]) -> None:
    """Fill what a mask (Z, Y, X), 0 and 1, encloses in a slice, in place."""
    from scipy import ndimage  # likewise

    for plane in mask:
        if plane.any():
            plane[:] = ndimage.binary_fill_holes(plane)
