"""The corners of a plane mask's outline, and how a line has to pass through one to stay in the mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def corners_of(padded: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """Find the corners of a mask (Y, X) that has a free pixel around it.

    Returns
    -------
    array
        (n, 2), as (y, x) from the outer corner of the first pixel that is not padding.
    array
        (n,), the kind of each, of which ``WAY`` tells what passes.
    """
    m = padded.view(np.uint8)
    rows = m[:-1] | m[1:] << 2
    bends = _BENDS[rows[:, :-1] | rows[:, 1:] << 1]  # by the four pixels about each point of the grid
    corners = np.nonzero(bends)
    return np.column_stack(corners), bends[corners]


def _bends() -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Tell of each pattern of four pixels whether its middle is a corner, and how lines pass through it.

    Kinds are 0 for none, 1 and 2 for corners through which y and x of a line have to grow together or not,
    and 3 where two pixels touch by a corner alone.
    """
    kinds = np.zeros(16, np.uint8)
    for pattern in range(16):
        pixels = [bool(pattern & bit) for bit in (1, 2, 4, 8)]  # upper left and right, lower left and right
        if sum(pixels) in (1, 3):
            odd = pixels.index(sum(pixels) == 1)
            on_diagonal = odd in (0, 3)  # y and x grow together
            kinds[pattern] = 1 if on_diagonal == (sum(pixels) == 1) else 2
        elif pattern in (6, 9):
            kinds[pattern] = 3
    return kinds, np.array([0, 1, -1, 0], np.int8)


_BENDS, WAY = _bends()
"""Of each kind, whether y and x of a line have to grow together (1), not (-1), or as they like (0)."""
