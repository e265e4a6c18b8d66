"""Reorient volumes to axial order and masks back, by permuting and flipping axes alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_tumor_unet.scan import Geometry

_AXIAL = "LPS"  # axes towards left, posterior, superior: front up, the patient's right on the left


def to_axial(voxels: NDArray[Any], geometry: Geometry) -> tuple[NDArray[Any], Geometry]:
    """Turn voxels (Z, Y, X), axes as stored, to the nearest axial order, with their geometry.

    By NumPy: ITK is several times as slow, and holds up to three copies.
    """
    stored = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(geometry.direction)
    voxels, voxel = _turned(voxels, geometry, _AXIAL)
    x, y, z = voxel.GetSpacing()
    geometry = Geometry((z, y, x), voxel.GetOrigin(), voxel.GetDirection(), stored)
    return np.ascontiguousarray(voxels), geometry


def as_stored(mask: NDArray[Any], geometry: Geometry) -> sitk.Image:
    """Turn a mask to the axes of its scan's file."""
    voxel = as_image(np.zeros((1, 1, 1), np.uint8), geometry)
    if geometry.stored_orientation:
        mask, voxel = _turned(mask, geometry, geometry.stored_orientation)
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask))
    image.SetSpacing(voxel.GetSpacing())
    image.SetOrigin(voxel.GetOrigin())
    image.SetDirection(voxel.GetDirection())
    return image


def _turned(voxels: NDArray[Any], geometry: Geometry, orientation: str) -> tuple[NDArray[Any], sitk.Image]:
    """Permute and flip voxels (Z, Y, X) to an orientation; return a view, and its first voxel."""
    first = [0, 0, 0]
    voxel = as_image(np.zeros((1, 1, 1), np.uint8), geometry)
    turn = sitk.DICOMOrientImageFilter()
    turn.SetDesiredCoordinateOrientation(orientation)
    turned = turn.Execute(voxel)
    order, flips = turn.GetPermuteOrder(), turn.GetFlipAxes()  # of x, y, z
    for axis, flipped in zip(order, flips, strict=True):
        first[axis] = (voxels.shape[2 - axis] - 1) * flipped
    voxels = voxels.transpose([2 - axis for axis in reversed(order)])
    voxels = np.flip(voxels, tuple(2 - axis for axis, flipped in enumerate(flips) if flipped))
    turned.SetOrigin(voxel.TransformIndexToPhysicalPoint(first))
    return voxels, turned


def as_image(voxels: NDArray[Any], geometry: Geometry) -> sitk.Image:
    """Make an image of an array (Z, Y, X) with its geometry, axes as they are."""
    image = sitk.GetImageFromArray(voxels)
    z, y, x = geometry.spacing
    image.SetSpacing((x, y, z))
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image
