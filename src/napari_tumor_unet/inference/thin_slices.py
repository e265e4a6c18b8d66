"""Thin slices: compute some of them, and interpolate the probability of those between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.scan import Scan


def slices_to_compute(scan: Scan, distance_mm: float) -> list[int]:
    """Choose slices at most ``distance_mm`` apart where they are thinner, with the first and the last.

    All, where the scan's spacing is unknown or the distance is 0.
    """
    depth = scan.shape[0]
    step = max(1, int(distance_mm / scan.spacing[0] + 1e-6)) if scan.in_mm else 1
    return sorted({*range(0, depth, step), depth - 1})


class Interpolation:
    """Fills the slices between computed ones, linearly, as soon as both neighbours are known.

    Parameters
    ----------
    probability : array of uint8
        (Z, Y, X), 0 to 255; computed slices are read from it.
    computed : list of int
        The slices that are computed, in order.
    """

    def __init__(self, probability: NDArray[np.uint8], computed: list[int]) -> None:
        self._probability = probability
        self._gaps = {(a, b) for a, b in pairwise(computed) if b - a > 1}
        self._known: set[int] = set()

    def after(self, indices: Iterable[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield each slice that can be interpolated once ``indices`` are known too, with its number."""
        self._known.update(indices)
        ready = sorted(gap for gap in self._gaps if self._known.issuperset(gap))
        self._gaps.difference_update(ready)
        for below, above in ready:
            low, high = (self._probability[z].astype(np.float32) for z in (below, above))
            for z in range(below + 1, above):
                share = (z - below) / (above - below)
                yield z, ((1 - share) * low + share * high).round().astype(np.uint8)
