"""Which of several scans is in view: the one that comes last, with nothing of another patient over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.metadata import MASK_OF, image_metadata, is_prediction, mask_metadata
from napari_tumor_unet.plugin.layers.planes import fit, grid_of
from napari_tumor_unet.plugin.layers.sequences import may_be_compared, scan_id
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences

if TYPE_CHECKING:
    from napari.components import LayerList, ViewerModel


def show_scan(viewer: ViewerModel, image: Image) -> list[Layer]:
    """Bring a scan that was added into view, and hide what there is of scans that it cannot be compared with.

    Where another sequence of the patient is shown, or an image on the very same grid, the view stays. What
    belongs to no scan stays as it is, and all in a grid of layers, where none lies over another.

    Parameters
    ----------
    viewer : ViewerModel
    image : Image
        The layer of the scan to look at.

    Returns
    -------
    list of Layer
        What was hidden.
    """
    layers = viewer.layers
    images_of = {layer: _image_of(layer, layers) for layer in layers if layer.visible}
    kin = {one for one in images_of.values() if one is not None and _is_kin(one, image, layers)}
    made_from = {mask_metadata(layer).source for layer in layers if is_prediction(layer)}
    others = [layer for layer, one in images_of.items() if one not in kin]
    hidden = [
        layer
        for layer in others
        if (one := images_of[layer]) and (image_metadata(one).scan or str(one.unique_id) in made_from)
    ]
    familiar = kin & images_of.keys() - {image} or any(_same_extent(layer, image) for layer in others)
    if grid_of(viewer).enabled:
        hidden = []
    for layer in hidden:
        layer.visible = False
    go_to_middle(viewer, image, always=bool(others) and not familiar)
    if others and not familiar:
        fit(viewer, [image])
    return hidden


def go_to_middle(viewer: ViewerModel, layer: Layer, *, always: bool = False) -> None:
    """Go to the middle of a layer, along the axes in which the slice on screen misses it, or all others."""
    low, high = layer.extent.world
    point, offset = [*viewer.dims.point], viewer.dims.ndim - layer.ndim
    for axis in viewer.dims.not_displayed:
        at = axis - offset
        if at >= 0 and (always or not low[at] <= point[axis] <= high[at]):
            viewer.dims.set_point(axis, (low[at] + high[at]) / 2)


def _image_of(layer: Layer, layers: LayerList) -> Image | None:
    """Return the image of a scan that a layer shows, or shows something of; of what a user drew none."""
    if (mask_id := layer.metadata.get(MASK_OF)) is not None:
        layer = next((one for one in layers if str(one.unique_id) == mask_id), layer)
    if isinstance(layer, Labels):
        return image_for(layer, layers)
    return layer if isinstance(layer, Image) and MASK_OF not in layer.metadata else None


def _is_kin(one: Image, image: Image, layers: LayerList) -> bool:
    """Whether two images may be looked at together."""
    channels = ViewerSequences.of(layers)[image].channels.values()
    read_together = one is image or scan_id(one) == scan_id(image)
    return (
        read_together
        or any(channel.image is one for channel in channels)
        or may_be_compared(one, image, [other for other in layers if isinstance(other, Image)])
    )


def _same_extent(one: Layer, other: Layer) -> bool:
    return one.ndim == other.ndim and np.allclose(one.extent.world, other.extent.world, atol=1e-3)
