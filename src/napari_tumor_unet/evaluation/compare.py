"""Compare two masks on one grid: where they agree, slice by slice and region by region."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.evaluation.overlap import Counts, overlap
from napari_tumor_unet.inference.regions import box_around, label_regions
from napari_tumor_unet.scan.grid import Grid


class ComparisonError(TumourUnetError, ValueError):
    """Masks that cannot be compared; the message is one sentence that says why."""


@dataclass(frozen=True)
class MaskPair:
    """Two label arrays on one grid, that of the reference, and what had to be done for it."""

    prediction: NDArray[Any]
    reference: NDArray[Any]
    grid: Grid
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LesionDetection:
    """Regions of two masks that touch each other, or do not.

    Attributes
    ----------
    reference, found : int
        Regions of the reference, and those of them in which anything was predicted.
    predicted, false : int
        Regions of the prediction, and those of them that lie wholly outside the reference.
    """

    reference: int
    found: int
    predicted: int
    false: int


def align(prediction: NDArray[Any], its_grid: Grid, reference: NDArray[Any], grid: Grid) -> MaskPair:
    """Bring a prediction to the grid of a reference, unless it is there.

    Parameters
    ----------
    prediction, reference : array
        Labels (Y, X) or (Z, Y, X).
    its_grid, grid : Grid
        Where they lie.

    Raises
    ------
    ComparisonError
        If they share no space, or differ in shape and one of them does not say where it lies.
    """
    for mask in (prediction, reference):
        if mask.ndim not in (2, 3) or 0 in mask.shape:
            raise ComparisonError(f"A mask of shape {mask.shape} cannot be compared: 2 or 3 axes are needed.")
    if not (its_grid.placed and grid.placed) or its_grid.in_mm != grid.in_mm:
        if prediction.shape != reference.shape:
            raise ComparisonError(
                f"The masks differ in shape, {prediction.shape} and {reference.shape}, and do not both say "
                "where they lie: choose masks of one scan."
            )
        alike = (its_grid.placed, its_grid.in_mm) == (grid.placed, grid.in_mm)
        alike = alike and np.allclose(its_grid.spacing, grid.spacing)
        note = "The masks were compared voxel by voxel, as they do not both say where they lie."
        in_mm = its_grid if its_grid.in_mm and not grid.in_mm else grid
        return MaskPair(prediction, reference, in_mm, () if alike else (note,))
    if prediction.ndim != reference.ndim:
        raise ComparisonError("A plane and a volume cannot be compared; choose the slice that is meant.")
    if its_grid.is_same(grid):
        return MaskPair(prediction, reference, grid)
    if not its_grid.touches(grid):
        raise ComparisonError("The masks lie in different places: they share no space.")
    notes = ["The prediction was brought to the reference's grid, by nearest neighbour in world space."]
    if lost := its_grid.outside(prediction, grid):
        notes.append(f"{lost:,} predicted voxels lie outside the reference's grid and are not counted.")
    return MaskPair(its_grid.resample(prediction, grid), reference, grid, tuple(notes))


def binarise(pair: MaskPair, label: int | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Prediction and reference, all labels as one or one label alone."""
    p, r = pair.prediction, pair.reference
    return (p != 0, r != 0) if label is None else (p == label, r == label)


def crop(pair: MaskPair, label: int | None) -> MaskPair:
    """Cut two masks to the box around both, with a margin of one voxel where the grid has it.

    With the margin a volume stays one, though its masks are in one slice: its score is the same.
    """
    p, r = binarise(pair, label)
    tight = box_around(p | r)
    box = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in tight)
    prediction, reference = pair.prediction[box], pair.reference[box]
    grid = pair.grid
    offset = grid.offset + grid.matrix @ [part.start for part in box]
    return replace(
        pair,
        prediction=prediction,
        reference=reference,
        grid=replace(grid, shape=reference.shape, offset=offset),
    )


def slice_overlaps(pair: MaskPair, label: int | None) -> list[Counts]:
    """Count slice by slice; the sum of the counts is that of the whole. A plane is one slice."""
    pairs: Iterable[tuple[Any, Any]] = [(pair.prediction, pair.reference)]
    if pair.reference.ndim == 3:
        pairs = zip(pair.prediction, pair.reference, strict=True)
    return [overlap(p, r) if label is None else overlap(p == label, r == label) for p, r in pairs]


def worst_first(slices: Sequence[Counts]) -> list[int]:
    """List the slices in which something is wrong, by Dice, then by how many voxels are wrong."""
    wrong = [(s.dice, s.true_positive * 2 - s.predicted - s.reference, z) for z, s in enumerate(slices)]
    return [z for dice, _, z in sorted(wrong) if dice < 1]


def labels_in(pair: MaskPair) -> list[int]:
    """List all labels of either mask but 0, in order."""
    labels = set(np.unique(pair.prediction).tolist()) | set(np.unique(pair.reference).tolist())
    return sorted(int(label) for label in labels if label)


def agreement(pair: MaskPair, label: int | None) -> NDArray[np.uint8]:
    """Map where two masks agree: 1 true positive, 2 false positive, 3 false negative, 0 neither."""
    p, r = binarise(pair, label)
    return np.select([p & r, p, r], [np.uint8(1), np.uint8(2), np.uint8(3)], np.uint8(0))


def match_regions(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> LesionDetection:
    """Compare two masks region by region: voxels belong together that share a face, an edge or a corner."""
    (predicted, n), (wanted, m) = (label_regions(mask) for mask in (prediction, reference))
    both = prediction & reference
    hit, detected = (len(np.unique(labels[both])) for labels in (predicted, wanted))
    return LesionDetection(reference=m, found=detected, predicted=n, false=n - hit)
