"""Masks that no segmentation made in this viewer: what they held as they came tells what is the user's."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, TypeGuard

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_tumor_unet.plugin.layers.image_of_mask import image_for, lies_on_image
from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation
from napari_tumor_unet.plugin.layers.mask_volume import mask_volume
from napari_tumor_unet.plugin.layers.metadata import (
    KEY,
    MASK_OF,
    image_metadata,
    is_agreement,
    is_prediction,
    mask_metadata,
    tells_edits,
)
from napari_tumor_unet.scan.spacing import Spacing


def note_opened(layer: Layer, layers: Iterable[Layer]) -> TypeGuard[Labels]:
    """Note what a mask holds as it comes, and its scan once that is there; whether its edits are known.

    A mask is a labels layer in memory that this plugin read, or that lies on an image's grid. Nothing is
    noted of several time points, nor of what a disk holds.
    """
    if not isinstance(layer, Labels) or is_agreement(layer) or MASK_OF in layer.metadata:
        return False
    metadata, layers = mask_metadata(layer), list(layers)
    if not metadata.written.size:
        if not _is_volume(layer) or not lies_on_image(layer, layers):
            return False
        layer.metadata[KEY] = metadata
        metadata.place = SliceOrientation(at=(0,) * (layer.ndim - 3))
        metadata.written = copy_of(metadata.place.volume(layer.data))
        metadata.shape = layer.data.shape
    # The scan is looked for anew each time: its T1 may come before its FLAIR.
    if not is_prediction(layer) and (image := image_for(layer, layers)) is not None:
        metadata.scan, metadata.paired = image_metadata(image).scan or str(image.name), True
        metadata.voxel_ml = mask_volume(layer).grid.voxel_ml
    return tells_edits(layer)


def checksum_of(mask: NDArray[Any], spacing: Spacing | None = None) -> int:
    """Return a number that changes with a mask, and with the spacing in mm that was said of it."""
    told = b"" if spacing is None else np.round(spacing, 6).tobytes()
    return zlib.crc32(told, zlib.crc32(np.ascontiguousarray(mask).data))


def copy_of(array: NDArray[Any]) -> NDArray[Any]:
    """Copy an array (..., Y, X); empty planes take no memory."""
    copy = np.zeros(array.shape, array.dtype)
    planes = int(np.prod(array.shape[:-2]))
    both = (each.reshape(planes, *array.shape[-2:]) for each in (copy, array))
    for plane, source in zip(*both, strict=True):
        if source.any():
            plane[:] = source
    return copy


def _is_volume(layer: Labels) -> bool:
    """Whether the data are one volume, or plane, in memory."""
    return type(layer.data) is np.ndarray and layer.ndim > 1 and all(n == 1 for n in layer.data.shape[:-3])
