"""Agreement of the measures of predicted masks with those of reference masks, over a data set.

A trial would see volumes and products, not Dice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """How predicted numbers agree with reference numbers.

    Attributes
    ----------
    n : int
        Pairs of numbers.
    mean_relative_error : float
        Mean of the difference's size, as a share of the reference; of references that are not 0, else NaN.
    bias : float
        Mean difference, prediction less reference.
    lower, upper : float
        Limits of agreement: the bias less and plus 1.96 standard deviations of the differences; NaN for one
        pair.

    References
    ----------
    Bland and Altman, "Statistical methods for assessing agreement between two methods of clinical
    measurement",
    Lancet 327(8476), 1986.
    """

    n: int
    mean_relative_error: float
    bias: float
    lower: float
    upper: float


def agreement_of(pairs: Sequence[tuple[float, float]]) -> Agreement | None:
    """Compare one or more pairs of prediction and reference; None without any."""
    if not pairs:
        return None
    predicted, reference = np.array(pairs, float).T
    difference = predicted - reference
    some = reference != 0
    bias = float(difference.mean())
    spread = 1.96 * float(difference.std(ddof=1)) if len(pairs) > 1 else float("nan")
    relative = float((np.abs(difference[some]) / reference[some]).mean()) if some.any() else float("nan")
    return Agreement(len(pairs), relative, bias, bias - spread, bias + spread)
