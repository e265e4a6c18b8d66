"""Labels layers to what is compared: their voxels, and where these lie in the world."""

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
class Compared:
    """A labels layer, or the part of it that is on screen.

    Attributes
    ----------
    layer : Labels
    at : tuple of int
        The position along the leading axes that the other layer does not have, or that are no space.
    grid : Grid
    """

    layer: Labels
    at: tuple[int, ...]
    grid: Grid

    def labels(self) -> Any:
        """(Y, X) or (Z, Y, X), as the layer holds them."""
        return voxels_of(self.layer)[self.at]

    def with_slice(self, point: Sequence[float], z: int) -> tuple[float, ...]:
        """A point of the viewer's world, moved to a slice."""
        n = self.layer.ndim
        index = list(self.layer.world_to_data(tuple(point)[-n:]))
        index[: len(self.at) + 1] = [*self.at, z]
        return (*tuple(point)[:-n], *self.layer.data_to_world(index))

    def slice_at(self, point: Sequence[float]) -> int:
        """The slice nearest to a point of the viewer's world."""
        index = self.layer.world_to_data(tuple(point)[-self.layer.ndim :])
        return _nearest(index[len(self.at)], self.grid.shape[0])

    def like(self, mask: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """A mask on this grid as data for a layer of the same place, and the arguments that put it there."""
        data = np.zeros(voxels_of(self.layer).shape, np.uint8)
        data[self.at] = mask
        return data, {name: getattr(self.layer, name) for name in _GEOMETRY}


def compared(
    prediction: Labels | None, reference: Labels | None, point: Sequence[float]
) -> tuple[Compared, Compared]:
    """Two layers with as many axes as both have, at most three; of the others the position on screen.

    Raises
    ------
    ComparisonError
        If there are no two layers.
    """
    if prediction is None or reference is None or prediction is reference:
        raise ComparisonError("Choose two labels layers to compare.")
    axes = min(prediction.ndim, reference.ndim, 3)
    return _compared(prediction, axes, point), _compared(reference, axes, point)


def _compared(layer: Labels, axes: int, point: Sequence[float]) -> Compared:
    leading = layer.ndim - axes
    index = layer.world_to_data(tuple(point)[-layer.ndim :])
    shape = voxels_of(layer).shape
    at = tuple(_nearest(index[axis], shape[axis]) for axis in range(leading))
    return Compared(layer, at, layer_grid(layer, tuple(range(leading, layer.ndim)), at))


def _nearest(position: float, length: int) -> int:
    return min(max(round(float(position)), 0), length - 1)
