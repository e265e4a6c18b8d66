"""Two masks to numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def dice(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Dice coefficient of two masks of one shape; what is not 0 is foreground.

    Two empty masks agree perfectly: 1. One empty mask: 0.

    References
    ----------
    Dice, "Measures of the amount of ecologic association between species", Ecology 26(3), 1945.

    Examples
    --------
    >>> dice([1, 1, 0], [1, 0, 0])
    0.6666666666666666
    """
    both, either = _overlap(prediction, reference)
    return 2 * both / (both + either) if either else 1.0


def iou(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Intersection over union of two masks of one shape (Jaccard index), by the rules of :func:`dice`.

    Examples
    --------
    >>> iou([1, 1, 0], [1, 0, 0])
    0.5
    """
    both, either = _overlap(prediction, reference)
    return both / either if either else 1.0


def _overlap(prediction: ArrayLike, reference: ArrayLike) -> tuple[int, int]:
    """Voxels in both, and in at least one."""
    p, r = np.asarray(prediction) != 0, np.asarray(reference) != 0
    if p.shape != r.shape:
        raise ValueError(f"The masks differ in shape: {p.shape} and {r.shape}.")
    return int(np.count_nonzero(p & r)), int(np.count_nonzero(p | r))
