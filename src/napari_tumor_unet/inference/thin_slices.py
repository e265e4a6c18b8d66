"""Which slices to compute: of thin ones some, and of these every few and those beside something seen."""

from __future__ import annotations

from bisect import bisect
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


class Scout:
    """Says which slices to compute next: every few first, the others beside those in which something is seen.

    Which those are in the end does not depend on the slice that the run begins with.

    Parameters
    ----------
    slices : list of int
        Those that may be computed, in order, from 0 on.
    stride : int
        Every so manyth is computed in any case, and the last.
    first : int
        Computed before all others, whether or not it is wanted.
    only : bool
        Compute no other.
    """

    def __init__(self, slices: list[int], stride: int, first: int, *, only: bool = False) -> None:
        self._slices = [first] if only else slices
        self._stride = stride
        self._first = first
        self.forget()

    def forget(self) -> None:
        """Let all be computed again, as what was computed was not to be."""
        self._wanted = {*self._slices[:: self._stride], self._slices[-1]}
        self._done: set[int] = set()
        self._seen: set[int] = set()
        self._filled: set[tuple[int, int]] = set()

    @property
    def computed(self) -> list[int]:
        """Those wanted that were computed, in order."""
        return sorted(self._wanted & self._done)

    def batches(self, size: int) -> Iterator[list[int]]:
        """Yield the slices to compute next, in order: the first alone, then those near it, and 0 alone."""
        batch = [self._first]
        while batch:
            self._done.update(batch)
            yield batch
            left = self._wanted - self._done
            nearest = sorted(left, key=lambda z: (abs(z - self._first), z))[:size]
            batch = sorted(z for z in nearest if z > 0) or nearest

    def see(self, indices: Iterable[int]) -> None:
        """Note that something was seen in these slices: the next ones on both sides are wanted."""
        self._seen.update(indices)
        for _ in range(2):  # the first may be wanted only now
            for z in self._seen & self._wanted:
                i = bisect(self._slices, z)
                self._wanted.update(self._slices[max(0, i - 2) : i + 1])

    def gaps(self) -> Iterator[tuple[int, int]]:
        """Yield each two neighbours that are computed, once it is known that nothing between them will be."""
        for below, above in pairwise(sorted(self._wanted)):
            gap = (below, above)
            if above - below > 1 and gap not in self._filled and {*gap}.issubset(self._done):
                self._filled.add(gap)
                yield gap


def interpolate(
    probability: NDArray[np.uint8], below: int, above: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the slices between two of a probability (Z, Y, X), 0 to 255, with their numbers."""
    low, high = (probability[z].astype(np.float32) for z in (below, above))
    for z in range(below + 1, above):
        share = (z - below) / (above - below)
        yield z, ((1 - share) * low + share * high).round().astype(np.uint8)
