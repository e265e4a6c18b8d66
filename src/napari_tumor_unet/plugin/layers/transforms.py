"""Where the voxels of layers lie: in napari's world, or in the patient where their files say so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_tumor_unet.plugin.layers.lazy_volume import axes_of, voxels_of
from napari_tumor_unet.plugin.layers.metadata import (
    ImageMetadata,
    MaskMetadata,
    image_metadata,
    mask_metadata,
    said_spacing,
)
from napari_tumor_unet.scan import Geometry, SourceImage
from napari_tumor_unet.scan.grid import Grid, grid_of_geometry, grid_of_spacing

TRANSFORM = ("scale", "translate", "rotate", "shear", "affine", "units")
"""Properties of a layer that say where it lies."""


def data_to_world(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrix and offset of a layer's whole transform, whatever it is made of."""
    offset = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    columns = [np.asarray(layer.data_to_world(unit)) - offset for unit in np.eye(layer.ndim)]
    return np.stack(columns, axis=1), offset


def layer_grid(layer: Layer, axes: tuple[int, ...], at: tuple[int, ...] = ()) -> Grid:
    """Where a layer's voxels lie in napari's world, along some of its axes.

    Parameters
    ----------
    layer : Layer
    axes : tuple of int
    at : tuple of int
        The position along the first axes that are left.
    """
    matrix, _ = data_to_world(layer)
    index = np.zeros(layer.ndim)
    index[: len(at)] = at
    offset = np.asarray(layer.data_to_world(index))
    units = [layer.units[axis] for axis in axes]
    in_mm = all(unit.is_compatible_with("millimeter") for unit in units)
    to_mm = np.array([mm_in(unit) if in_mm else 1.0 for unit in units])
    shape = voxels_of(layer).shape
    return Grid(
        tuple(int(shape[axis]) for axis in axes),
        matrix[np.ix_(axes, axes)] * to_mm[:, None],
        offset[list(axes)] * to_mm,
        in_mm,
    )


def mm_in(unit: Any) -> float:
    """How many mm a unit of an axis has; 1 for what is no length."""
    return float((1 * unit).to("millimeter").magnitude) if unit.is_compatible_with("millimeter") else 1.0


def stored_geometry(layer: Image | Labels) -> Geometry | None:
    """Return the geometry of a layer's file, if our reader read it and the voxels still lie so.

    The spacing in it is what the user said, where the file tells none.
    """
    metadata = _metadata(layer)
    if metadata.geometry is None or tuple(metadata.shape) != tuple(voxels_of(layer).shape):
        return None
    said = said_spacing(layer)
    return metadata.geometry if said is None else replace(metadata.geometry, spacing=said.mm)


def source_images(layer: Image | Labels) -> tuple[SourceImage, ...]:
    """Return the DICOM images of a layer's slices, as :func:`stored_geometry` returns their geometry."""
    metadata = _metadata(layer)
    return (stored_geometry(layer) and metadata.source_images) or ()


def common_grids(one: Image, other: Image) -> tuple[Grid, Grid]:
    """Where the slices (Z, Y, X) of two image layers lie in one world, axes in their stored order.

    That is the patient, where both files say it and the layers were not moved; as napari's world lacks
    the rotation of an oblique scan. Else it is napari's.
    """
    first, second = _in_patient(one), _in_patient(other)
    if first is not None and second is not None:
        return first, second
    return _in_world(one), _in_world(other)


def _in_patient(image: Image) -> Grid | None:
    geometry, axes = stored_geometry(image), tuple(sorted(axes_of(image).spatial))
    if geometry is None or len(axes) < 3:
        return None
    grid = layer_grid(image, axes)
    moved = np.reshape(geometry.direction, (3, 3)).T @ geometry.origin
    there = np.allclose(grid.offset, moved[::-1], atol=1e-3)
    if not (grid.in_mm and there and np.allclose(grid.matrix, np.diag(geometry.spacing), atol=1e-4)):
        return None
    return grid_of_geometry(grid.shape, geometry)


def _in_world(image: Image) -> Grid:
    axes = tuple(sorted(axes_of(image).spatial))
    grid = layer_grid(image, axes)
    if len(axes) < 3:  # one slice has no thickness
        return grid_of_spacing((1, *grid.shape), (1.0, *grid.spacing), grid.in_mm)
    return replace(grid, placed=says_where(image, grid))


def says_where(layer: Image | Labels, grid: Grid) -> bool:
    """Whether a grid tells where it lies: not without any transform, or if a file held a spacing alone."""
    if grid.offset.any() or stored_geometry(layer) is not None:
        return True
    if grid.in_mm:
        return not _metadata(layer).scan
    return not np.array_equal(grid.matrix, np.eye(len(grid.shape)))


def _metadata(layer: Image | Labels) -> ImageMetadata | MaskMetadata:
    return image_metadata(layer) if isinstance(layer, Image) else mask_metadata(layer)
