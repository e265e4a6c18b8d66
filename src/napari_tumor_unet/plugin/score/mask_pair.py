"""The masks to compare, taken from labels layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.plugin.layers.lazy_volume import voxels_of
from napari_tumor_unet.plugin.layers.transforms import layer_grid
from napari_tumor_unet.scan.grid import Grid

_GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


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

    def with_slice(self, point: Sequence[float], z: int) -> tuple[float, ...]:
        """Move a point of the viewer's world to a slice."""
        n = self.layer.ndim
        index = list(self.layer.world_to_data(tuple(point)[-n:]))
        index[: len(self.at) + 1] = [*self.at, z]
        return (*tuple(point)[:-n], *self.layer.data_to_world(index))

    def slice_at(self, point: Sequence[float]) -> int:
        """Return the slice nearest to a point of the viewer's world."""
        index = self.layer.world_to_data(tuple(point)[-self.layer.ndim :])
        return _nearest(index[len(self.at)], self.grid.shape[0])

    def like(self, mask: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Return the data and the transform of a layer that shows a mask on this grid."""
        data = np.zeros(voxels_of(self.layer).shape, np.uint8)
        data[self.at] = mask
        return data, {name: getattr(self.layer, name) for name in _GEOMETRY}


def masks_to_compare(
    prediction: Labels | None, reference: Labels | None, point: Sequence[float]
) -> tuple[LayerMask, LayerMask]:
    """Take as many axes as both layers have, at most three, and of the others the position on screen.

    Raises
    ------
    ComparisonError
        If there are no two layers.
    """
    if prediction is None or reference is None or prediction is reference:
        raise ComparisonError("Choose two labels layers to compare.")
    axes = min(prediction.ndim, reference.ndim, 3)
    return _layer_mask(prediction, axes, point), _layer_mask(reference, axes, point)


def _layer_mask(layer: Labels, axes: int, point: Sequence[float]) -> LayerMask:
    leading = layer.ndim - axes
    index = layer.world_to_data(tuple(point)[-layer.ndim :])
    shape = voxels_of(layer).shape
    at = tuple(_nearest(index[axis], shape[axis]) for axis in range(leading))
    return LayerMask(layer, at, layer_grid(layer, tuple(range(leading, layer.ndim)), at))


def _nearest(position: float, length: int) -> int:
    return min(max(round(float(position)), 0), length - 1)
