"""A mask as runs of voxels, and the regions that these make up.

It is far quicker than to label a volume that is mostly air.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Runs(NamedTuple):
    """Voxels that follow each other in a row: slice, row, first column, and the one after the last."""

    z: NDArray[np.intp]
    y: NDArray[np.intp]
    start: NDArray[np.intp]
    stop: NDArray[np.intp]


def runs_of(mask: NDArray[np.bool_]) -> Runs:
    """Find the runs of a mask (Z, Y, X), in order: far quicker than to label a volume that is mostly air."""
    _, height, width = mask.shape
    flat = np.flatnonzero(mask)
    if not len(flat):
        return Runs(*np.zeros((4, 0), np.intp))
    first = np.ones(len(flat), bool)
    first[1:] = (np.diff(flat) > 1) | (flat[1:] % width == 0)
    starts = flat[first]
    last = flat[np.append(np.flatnonzero(first)[1:], len(flat)) - 1]
    rows = starts // width
    return Runs(rows // height, rows % height, starts % width, last % width + 1)


def regions_of(runs: Runs, shape: tuple[int, ...]) -> Iterator[Runs]:
    """Split runs into those of each region, connected by faces, edges or corners."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(runs.z)
    if not n:
        return
    # With a free place about each slice and row, no run touches one that it should not.
    height, width = shape[1] + 2, shape[2] + 2
    row = runs.z * height + runs.y
    begins, ends = row * width + runs.start, row * width + runs.stop
    touching = [np.zeros((2, 0), np.intp)]
    for rows in (1, height - 1, height, height + 1):
        low = np.searchsorted(ends, begins + rows * width, "left")
        high = np.searchsorted(begins, ends + rows * width, "right")
        count = np.maximum(high - low, 0)
        own = np.repeat(np.arange(n), count)
        other = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
        touching.append(np.stack([own, other]))
    pairs = np.concatenate(touching, axis=1)
    labels = connected_components(coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), (n, n)), False)[1]
    order = np.argsort(labels, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        yield Runs(*(column[part] for column in runs))
