"""The masks to compare, taken from labels layers, and what can be counted of them at once."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_tumor_unet.evaluation.compare import (
    ComparisonError,
    MaskPair,
    align,
    crop,
    labels_in,
    slice_overlaps,
)
from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.plugin.layers.layer_scan import nearest_index
from napari_tumor_unet.plugin.layers.lazy_volume import voxels_of
from napari_tumor_unet.plugin.layers.metadata import mask_metadata
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM, layer_grid, says_where
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.scan.grid import Grid
from napari_tumor_unet.scan.patient_names import of_two_patients

_MOST_LABELS = 50  # that a table shows
_GEOMETRY = (*TRANSFORM, "axis_labels")


@dataclass(frozen=True)
class LayerMask:
    """A labels layer, or the part of it that is on screen.

    Attributes
    ----------
    layer : Labels
    at : tuple of int
        Position along the leading axes, which the other layer does not have, or which are not spatial.
    grid : Grid
        Of the other axes.
    """

    layer: Labels
    at: tuple[int, ...]
    grid: Grid

    @property
    def voxels(self) -> Any:
        """(Y, X) or (Z, Y, X), as the layer holds them."""
        return voxels_of(self.layer)[self.at]

    def without_place(self) -> LayerMask:
        """Return the same voxels on a grid of which the spacing alone is known."""
        return replace(self, grid=replace(self.grid, placed=False))

    def with_slice(self, point: Sequence[float], z: int) -> tuple[float, ...]:
        """Move a point of the viewer's world to a slice."""
        n = self.layer.ndim
        index = list(self.layer.world_to_data(tuple(point)[-n:]))
        index[: len(self.at) + 1] = [*self.at, z]
        return (*tuple(point)[:-n], *self.layer.data_to_world(index))

    def slice_at(self, point: Sequence[float]) -> int:
        """Return the slice nearest to a point of the viewer's world."""
        index = self.layer.world_to_data(tuple(point)[-self.layer.ndim :])
        return nearest_index(index[len(self.at)], self.grid.shape[0])

    def like(self, mask: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Return the data and the transform of a layer that shows a mask on this grid."""
        data = np.zeros(voxels_of(self.layer).shape, np.uint8)
        data[self.at] = mask
        return data, {name: getattr(self.layer, name) for name in _GEOMETRY}


@dataclass(frozen=True)
class Request:
    """What is compared, and how: one label, all as one (None), or each by itself.

    Where the user has not ``asked`` for it, the panel alone tells of an error, and no notification. What else
    must be known of the numbers ``caveats`` looks up, in a thread.
    """

    prediction: LayerMask
    reference: LayerMask
    label: int | None
    each: bool
    tolerance: float
    asked: bool = True
    caveats: Callable[[], tuple[str, ...]] = tuple


@dataclass(frozen=True)
class PairCounts:
    """What can be counted at once.

    Attributes
    ----------
    pair : MaskPair
    labels : list of int
        All labels of both masks.
    slices : dict of int or None to list of Counts
        Of each label compared, slice by slice.
    caveats : callable
        As in the request.
    """

    pair: MaskPair
    labels: list[int]
    slices: dict[int | None, list[Counts]]
    caveats: Callable[[], tuple[str, ...]] = tuple

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known of the numbers; a thread has to ask first."""
        return (*self.caveats(), *self.pair.notes)

    @property
    def totals(self) -> dict[int | None, Counts]:
        """Counts of each label compared, of all slices together."""
        return {label: sum(counts, Counts()) for label, counts in self.slices.items()}

    @cached_property
    def box(self) -> MaskPair:
        """The masks within the box around both: all that distances need."""
        return crop(self.pair, next(iter(self.slices)) if len(self.slices) == 1 else None)

    @property
    def size(self) -> int:
        """Bytes that are read to count."""
        return len(self.slices) * (self.pair.prediction.nbytes + self.pair.reference.nbytes)


def masks_to_compare(
    prediction: Labels | None, reference: Labels | None, point: Sequence[float]
) -> tuple[LayerMask, LayerMask]:
    """Take as many axes as both layers have, at most three, and of the others the position on screen.

    Where neither a file nor the user says where a mask lies, napari's world, in which all then begin at one
    corner, says nothing.

    Raises
    ------
    ComparisonError
        If there are no two layers.
    """
    if prediction is None or reference is None or prediction is reference:
        raise ComparisonError("Choose two labels layers to compare.")
    axes = min(prediction.ndim, reference.ndim, 3)
    one, other = (_layer_mask(layer, axes, point) for layer in (prediction, reference))
    if any(says_where(mask.layer, mask.grid) for mask in (one, other)):
        return one, other
    return one.without_place(), other.without_place()


def _layer_mask(layer: Labels, axes: int, point: Sequence[float]) -> LayerMask:
    leading = layer.ndim - axes
    index = layer.world_to_data(tuple(point)[-layer.ndim :])
    shape = voxels_of(layer).shape
    at = tuple(nearest_index(index[axis], shape[axis]) for axis in range(leading))
    return LayerMask(layer, at, layer_grid(layer, tuple(range(leading, layer.ndim)), at))


def count_pair(request: Request, known: list[int] | None) -> PairCounts | Message:
    """Count, with the labels that are known if these are all, or say why that is not possible."""
    masks = (request.prediction, request.reference)
    try:
        p, r = (np.asarray(mask.voxels) for mask in masks)
        pair = align(p, masks[0].grid, r, masks[1].grid)
        notes = [
            f"Of the {name} the part on screen was compared, at {mask.at}."
            for name, mask in zip(("prediction", "reference"), masks, strict=True)
            if mask.at
        ]
        pair = replace(pair, notes=(*of_two_patients(*map(_names, masks)), *notes, *pair.notes))
        labels = labels_in(pair) if known is None else known
        if not request.each:
            slices = {request.label: slice_overlaps(pair, request.label)}
            return PairCounts(pair, labels, slices, request.caveats)
        slices = _each(pair, labels)
        if known is not None and _voxels(slices.values()) != _voxels([slice_overlaps(pair, None)]):
            labels = labels_in(pair)  # one was painted that was not there
            slices = _each(pair, labels)
        return PairCounts(pair, labels, slices, request.caveats)
    except ComparisonError as error:
        return Message(str(error), "error")
    except Exception:  # whatever a layer's array, lazy or not, may raise
        why = "The masks could not be read; are their files still there?"
        return Message(why, "error", traceback.format_exc())


def _names(mask: LayerMask) -> tuple[str, str]:
    """Return the names of a mask and of its scan."""
    return str(mask.layer.name), mask_metadata(mask.layer).scan


def _each(pair: MaskPair, labels: list[int]) -> dict[int | None, list[Counts]]:
    if len(labels) > _MOST_LABELS:
        raise ComparisonError(f"There are {len(labels)} labels; compare all as one, or one of them.")
    return {label: slice_overlaps(pair, label) for label in labels}


def _voxels(labels: Iterable[list[Counts]]) -> int:
    return sum(counts.predicted + counts.reference for slices in labels for counts in slices)


def answer_with_box(counts: PairCounts, planes: range | None) -> Any:
    """Answer :func:`napari_tumor_unet.worker.tasks.score`, in the thread of its job."""
    pair = counts.box
    if planes is None:
        return pair.grid, counts.notes
    together = slice(planes.start, planes.stop)
    return [mask.reshape((-1, *mask.shape[-2:]))[together] for mask in (pair.prediction, pair.reference)]
