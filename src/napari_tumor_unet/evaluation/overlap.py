"""Overlap of two masks.

What is not 0 is foreground. Two empty masks agree perfectly, which counts as 1; if one alone is empty, that
counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Counts:
    """Voxels in both masks, in the prediction and in the reference; overlaps add up when pooled."""

    true_positive: int = 0
    predicted: int = 0
    reference: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.true_positive + other.true_positive,
            self.predicted + other.predicted,
            self.reference + other.reference,
        )

    @property
    def dice(self) -> float:
        """Dice coefficient."""
        total = self.predicted + self.reference
        return 2 * self.true_positive / total if total else 1.0

    @property
    def iou(self) -> float:
        """Intersection over union."""
        either = self.predicted + self.reference - self.true_positive
        return self.true_positive / either if either else 1.0

    @property
    def precision(self) -> float | None:
        """Share of the prediction that is right; None where nothing is predicted."""
        return self.true_positive / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Share of the reference that was found; None where there is nothing to find."""
        return self.true_positive / self.reference if self.reference else None


@dataclass(frozen=True)
class Statistics:
    """Of one number over volumes; the standard deviation is that of a sample, NaN for a single volume."""

    mean: float
    standard_deviation: float
    median: float
    lower_quartile: float
    upper_quartile: float
    lowest: float


def statistics(values: Sequence[float]) -> Statistics:
    """Sum up one or more numbers."""
    lower, median, upper = np.percentile(values, (25, 50, 75)).tolist()
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return Statistics(float(np.mean(values)), deviation, median, lower, upper, min(values))


def overlap(prediction: ArrayLike, reference: ArrayLike) -> Counts:
    """Count two masks of one shape.

    Raises
    ------
    ValueError
        If they differ in shape.
    """
    p, r = np.asarray(prediction), np.asarray(reference)
    if p.shape != r.shape:
        raise ValueError(f"The masks differ in shape: {p.shape} and {r.shape}.")
    predicted, wanted = int(np.count_nonzero(p)), int(np.count_nonzero(r))
    both = int(np.count_nonzero(np.logical_and(p, r))) if predicted and wanted else 0
    return Counts(both, predicted, wanted)


def dice(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Dice coefficient of two masks of one shape.

    References
    ----------
    Dice, "Measures of the amount of ecologic association between species", Ecology 26(3), 1945.

    Examples
    --------
    >>> dice([1, 1, 0], [1, 0, 0])
    0.6666666666666666
    """
    return overlap(prediction, reference).dice


def iou(prediction: ArrayLike, reference: ArrayLike) -> float:
    """Intersection over union of two masks of one shape (Jaccard index).

    Examples
    --------
    >>> iou([1, 1, 0], [1, 0, 0])
    0.5
    """
    return overlap(prediction, reference).iou
