"""Threshold a probability to a mask; find and drop connected regions, by faces, edges or corners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Region:
    """A connected part of a mask.

    Attributes
    ----------
    voxels, slices : int
        Numbers of them in the region.
    seed : tuple of int
        One of its voxels (z, y, x), in the slice with most of the region.
    ends : tuple of int
        Its first and last slice.
    centre : tuple of float
        The mean (z, y, x) of its voxels.
    """

    voxels: int
    slices: int
    seed: tuple[int, int, int]
    ends: tuple[int, int]
    centre: tuple[float, float, float]


class Dropped(NamedTuple):
    """The slices of a mask that lost regions, the number of regions left, and what was dropped."""

    slices: list[int]
    regions_left: int
    regions: int
    voxels: int


def threshold_mask(probability: NDArray[np.uint8], threshold: float) -> NDArray[np.uint8]:
    """Make the mask, 0 and 1, of a probability from 0 to 255."""
    return (probability >= _lowest(threshold)).astype(np.uint8)


def drop_faint_regions(
    mask: NDArray[np.uint8], probability: NDArray[np.uint8], threshold: float, share: float
) -> Dropped:
    """Remove regions for which little speaks beside the one for which most does, from a mask, in place.

    A region weighs what its voxels' probabilities exceed the threshold by, in sum: a large one that hardly
    reaches it is as little as a small one.

    Parameters
    ----------
    mask, probability : array
        (Z, Y, X), from 0 to 1 and from 0 to 255.
    threshold : float
        What the mask was made with, from 0 to 1.
    share : float
        Of the heaviest region's weight; lighter ones go.

    Returns
    -------
    Dropped
    """
    box = box_around(mask)
    regions, n = label_regions(mask[box])
    inside = regions > 0
    excess = probability[box][inside].astype(np.int64) - (_lowest(threshold) - 1)
    weights = np.bincount(regions[inside], excess, minlength=1)
    return _drop(mask, box, regions, n, weights < share * weights.max())


def drop_small_regions(mask: NDArray[np.uint8], fewest: int) -> Dropped:
    """Remove regions of fewer voxels from a mask (Z, Y, X), in place."""
    box = box_around(mask)
    regions, n = label_regions(mask[box])
    return _drop(mask, box, regions, n, np.bincount(regions.ravel()) < fewest)


def left_out(
    probability: NDArray[np.uint8], threshold: float, written: NDArray[np.uint8]
) -> list[tuple[NDArray[np.intp], ...]]:
    """Find the regions at a threshold that the mask made with it lacks.

    Parameters
    ----------
    probability, written : array
        (Z, Y, X), from 0 to 255, and the mask, from 0 to 1.
    threshold : float

    Returns
    -------
    list of tuple of array
        The indices (z, y, x) of each region's voxels.
    """
    from scipy import ndimage

    mask = threshold_mask(probability, threshold)
    box = box_around(mask)
    labels, n = label_regions(mask[box])
    lacking = np.bincount(labels[written[box] > 0], minlength=n + 1)[1:] == 0
    boxes = ndimage.find_objects(labels)
    return [
        _indices(labels[boxes[i]] == i + 1, [b.start + o.start for b, o in zip(boxes[i], box, strict=True)])
        for i in np.flatnonzero(lacking)
    ]


def count_regions(mask: NDArray[np.uint8]) -> int:
    """Count the regions of a mask (Z, Y, X)."""
    return label_regions(mask[box_around(mask)])[1]


def find_regions(mask: NDArray[np.uint8], most: int = 100, first: int = 0) -> list[Region]:
    """Find the regions of a mask (Z, Y, X), the largest first; of very many the largest ``most``.

    The mask's first slice has the index ``first``.
    """
    from scipy import ndimage

    box = box_around(mask)
    labels, _ = label_regions(mask[box])
    sizes = np.bincount(labels.ravel())[1:]
    boxes = ndimage.find_objects(labels)
    origin = (box[0].start + first, box[1].start, box[2].start)
    return [
        _region(labels[boxes[i]] == i + 1, [b.start + o for b, o in zip(boxes[i], origin, strict=True)])
        for i in np.argsort(-sizes, kind="stable")[:most]
    ]


def voxels_of(mask: NDArray[np.uint8], region: Region) -> tuple[NDArray[np.intp], ...]:
    """Return the indices (z, y, x) of a region's voxels; empty if its seed is no longer in the mask."""
    box = box_around(mask)
    labels, _ = label_regions(mask[box])
    seed = tuple(i - part.start for i, part in zip(region.seed, box, strict=True))
    inside = all(0 <= i < n for i, n in zip(seed, labels.shape, strict=True))
    label = labels[seed] if inside else 0
    part = labels == label if label else np.zeros((0, 0, 0), bool)
    return _indices(part, [side.start for side in box])


def box_around(mask: NDArray[np.bool_ | np.uint8]) -> tuple[slice, ...]:
    """Find the smallest box around a mask, as labelling air takes time; one voxel where the mask is empty."""
    box = []
    for axis in range(mask.ndim):
        there = np.flatnonzero(mask.any(axis=tuple(set(range(mask.ndim)) - {axis})))
        box.append(slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, 1))
    return tuple(box)


def label_regions(mask: NDArray[np.uint8 | np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Label the regions of a mask by number, and count them."""
    from scipy import ndimage  # importing it takes longer than a panel may take to open

    labels, n = ndimage.label(mask, np.ones((3,) * mask.ndim, bool))
    return labels, int(n)


def _drop(
    mask: NDArray[np.uint8],
    box: tuple[slice, ...],
    regions: NDArray[np.int32],
    n: int,
    unwanted: NDArray[np.bool_],
) -> Dropped:
    """Remove those of ``n`` regions that are unwanted, by their numbers."""
    gone = unwanted[regions] & (regions > 0)
    mask[box][gone] = 0
    slices = [int(z) + box[0].start for z in np.flatnonzero(gone.any(axis=(1, 2)))]
    dropped = int(np.count_nonzero(unwanted[1:]))
    return Dropped(slices, n - dropped, dropped, int(np.count_nonzero(gone)))


def _lowest(threshold: float) -> int:
    """Return the lowest probability, of 255, that a threshold lets in; never 0."""
    return max(1, round(threshold * 255))


def _indices(part: NDArray[np.bool_], start: list[int]) -> tuple[NDArray[np.intp], ...]:
    """Return the indices of a mask's voxels that begins at ``start``."""
    return tuple(i + first for i, first in zip(np.nonzero(part), start, strict=True))


def _region(part: NDArray[np.bool_], start: list[int]) -> Region:
    area = part.sum(axis=(1, 2))
    z = int(area.argmax())
    y, x = np.argwhere(part[z])[0]
    voxels = _indices(part, start)
    return Region(
        voxels=len(voxels[0]),
        slices=int((area > 0).sum()),
        seed=(start[0] + z, start[1] + int(y), start[2] + int(x)),
        ends=(int(voxels[0][0]), int(voxels[0][-1])),
        centre=(float(voxels[0].mean()), float(voxels[1].mean()), float(voxels[2].mean())),
    )
