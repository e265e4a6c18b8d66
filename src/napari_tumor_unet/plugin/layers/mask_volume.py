"""The mask of a labels layer as slices (Z, Y, X) with their grid, and the way back to the layer's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import ArrayLike, NDArray

from napari_tumor_unet.inference.measures import MeasureError, Measures, measure_on_grid
from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation, voxels_of
from napari_tumor_unet.plugin.layers.metadata import mask_metadata, still_fits, tells_edits
from napari_tumor_unet.plugin.layers.transforms import layer_grid, stored_geometry
from napari_tumor_unet.scan.grid import Grid, grid_of_geometry, grid_of_spacing


@dataclass(frozen=True)
class MaskVolume:
    """A mask (Z, Y, X) as its scan sees it, on its grid, and where it lies in the layer's data."""

    mask: NDArray[Any]
    grid: Grid
    place: SliceOrientation
    axes: int

    def in_data(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return places (n, 3), as indices (z, y, x), in the layer's data."""
        order = np.argsort([self.place.across, *(axis for axis in range(3) if axis != self.place.across)])
        z, y, x = self.mask.shape
        shape = (z, x, y) if self.place.turn % 2 else (z, y, x)
        stored = tuple(shape[i] for i in order)
        turned = Grid(stored, np.eye(3), np.zeros(3), False).turned(self.place.across, self.place.turn)
        places = np.asarray(points, float) @ turned.matrix.T + turned.offset
        leading = np.tile(np.array(self.place.at, float), (len(places), 1))
        return np.hstack([leading, places])[:, -self.axes :]


def mask_volume(layer: Labels) -> MaskVolume:
    """Take the mask of a layer; of several time points the one that was segmented.

    Raises
    ------
    MeasureError
        If it has several, and no segmentation made it.
    """
    data = voxels_of(layer)
    segmented = tells_edits(layer) and still_fits(layer)
    leading = data.shape[: max(0, data.ndim - 3)]
    if not segmented and any(n > 1 for n in leading):
        raise MeasureError(f"{layer.name} has {data.ndim} axes; measure its volumes one by one.")
    place = mask_metadata(layer).place if segmented else SliceOrientation(at=(0,) * len(leading))
    mask = place.volume(np.asarray(data))
    return MaskVolume(mask, _grid(layer, place, mask.shape), place, data.ndim)


def measures_of(layer: Labels) -> tuple[MaskVolume, Measures]:
    """Measure the mask of a layer; a large one takes so long that a thread should do it.

    Raises
    ------
    MeasureError
        As :func:`mask_volume`.
    """
    volume = mask_volume(layer)
    return volume, measure_on_grid(volume.mask != 0, volume.grid)


def _grid(layer: Labels, place: SliceOrientation, shape: tuple[int, ...]) -> Grid:
    """Return the grid in the patient where the file tells it, else one of the layer's spacing alone."""
    shown = layer_grid(layer, tuple(range(len(place.at), layer.ndim)), place.at)
    if len(shown.shape) == 2:  # one slice has no thickness
        return grid_of_spacing(shape, (1.0, *shown.spacing), shown.in_mm)
    turned = shown.turned(place.across, place.turn)
    geometry = stored_geometry(layer)
    untouched = not (place.across or place.turn)
    if geometry is not None and geometry.oriented and untouched and shown.in_mm:
        there = grid_of_geometry(shape, geometry)
        if np.allclose(there.spacing, turned.spacing, rtol=1e-4):
            return there
    return grid_of_spacing(shape, turned.spacing, turned.in_mm)
