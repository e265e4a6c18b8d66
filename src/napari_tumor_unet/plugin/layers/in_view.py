"""Which of several scans is in view: the one that comes last, with nothing of another patient over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_tumor_unet.plugin.layers.image_of_mask import image_for, scan_image
from napari_tumor_unet.plugin.layers.metadata import MASK_OF, image_metadata, is_prediction, mask_metadata
from napari_tumor_unet.plugin.layers.planes import fit, grid_of, is_at_centre
from napari_tumor_unet.plugin.layers.sequences import may_be_compared, scan_id
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences

if TYPE_CHECKING:
    from napari.components import LayerList, ViewerModel

_Layer = TypeVar("_Layer", bound=Layer)


def show_scan(viewer: ViewerModel, layer: Image | Labels) -> list[Layer]:
    """Bring a scan that was added into view, and hide what there is of scans that it cannot be compared with.

    Where another sequence of the patient is shown, or an image on the very same grid, the view stays. What
    belongs to no scan stays as it is, and all in a grid of layers, where none lies over another.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Image or Labels
        The layer of the scan to look at, or a mask; under a mask no image is shown but those of its scan.

    Returns
    -------
    list of Layer
        What was hidden.
    """
    layers = viewer.layers
    image = _image_of(layer, layers)
    images_of = {one: _image_of(one, layers) for one in layers if one.visible and one is not layer}
    kin = {one for one in images_of.values() if one and image and _is_kin(one, image, layers)}
    others = [one for one, of in images_of.items() if of not in kin]
    hidden = [
        one for one in others if (of := images_of[one]) and (layer is not image or _is_known(of, layers))
    ]
    seen = _on_screen(viewer, [one for one in others if isinstance(one, Image)])
    familiar = kin & images_of.keys() or any(_same_extent(one, layer) for one in seen)
    if grid_of(viewer).enabled:
        hidden = []
    for one in hidden:
        one.visible = False
        _find_when_shown(one, ref(viewer))
    if image is not None and not kin & images_of.keys():
        image.visible = True  # where a mask comes back to a scan that was hidden
    go_to_middle(viewer, layer, always=bool(others) and not familiar)
    if others and not familiar:
        fit(viewer, [layer])
    return hidden


def shows_scan_of(viewer: ViewerModel, image: Image) -> bool:
    """Whether an image is shown, or another that may be looked at with it."""
    return any(_is_kin(one, image, viewer.layers) for one in _images_shown(viewer.layers))


def is_in_view(viewer: ViewerModel, image: Image) -> bool:
    """Whether an image is shown, or another that may be looked at with it, and no other scan over it."""
    layers, side_by_side = viewer.layers, grid_of(viewer).enabled
    for one in reversed(_on_screen(viewer, _images_shown(layers))):
        if _is_kin(one, image, layers):
            return True
        if not side_by_side and _is_known(one, layers):
            return False
    return False


def image_in_view(viewer: ViewerModel) -> Image | None:
    """Return the topmost image that the canvas shows, or would show but for its slice and its place."""
    return next(reversed(_on_screen(viewer, _images_shown(viewer.layers))), None)


def is_looked_at(viewer: ViewerModel, mask: Labels) -> bool:
    """Whether the scan of a mask is in view, without masks of others; of one without a scan, the mask."""
    layers = viewer.layers
    image = scan_image(mask, layers)
    if image is None:
        return bool(mask.visible)
    shown = [one for one in layers if isinstance(one, Labels) and one.visible and one is not mask]
    others = filter(None, (_image_of(one, layers) for one in _on_screen(viewer, shown)))
    strange = not grid_of(viewer).enabled and not all(_is_kin(one, image, layers) for one in others)
    return not strange and is_in_view(viewer, image)


def lies_over_another(viewer: ViewerModel, mask: Labels) -> bool:
    """Whether what is shown is another scan than that of a mask."""
    image = scan_image(mask, viewer.layers)
    return image is not None and bool(_images_shown(viewer.layers)) and not is_in_view(viewer, image)


def go_to_middle(viewer: ViewerModel, layer: Layer, *, always: bool = False) -> None:
    """Go to the middle of a layer, along the axes in which the slice on screen misses it, or all others."""
    low, high = layer.extent.world
    offset, missed = viewer.dims.ndim - layer.ndim, _axes_missed(viewer, layer)
    for axis in viewer.dims.not_displayed:
        if axis >= offset and (always or axis in missed):
            viewer.dims.set_point(axis, (low[axis - offset] + high[axis - offset]) / 2)


def _find_when_shown(hidden: Layer, viewer: ref[ViewerModel]) -> None:
    """Go, once, to a hidden layer that the user shows again, where the slice on screen misses it."""

    def find(event: Any) -> None:
        there, layer = viewer(), event.source
        if layer.visible:
            layer.events.visible.disconnect(find)
            if there is not None and layer in there.layers:
                go_to_middle(there, layer)

    hidden.events.visible.connect(find)


def go_to_most(viewer: ViewerModel, mask: Labels, voxels: NDArray[Any]) -> None:
    """Go to the slice in which most of some voxels of a mask, given on its grid, are set."""
    counts = np.count_nonzero(voxels, axis=(-2, -1))
    index = (*np.unravel_index(np.argmax(counts), counts.shape), 0, 0)
    point, offset = mask.data_to_world(index), viewer.dims.ndim - mask.ndim
    for axis in viewer.dims.not_displayed:
        if axis >= offset:
            viewer.dims.set_point(axis, point[axis - offset])


def _image_of(layer: Layer, layers: LayerList) -> Image | None:
    """Return the image of a scan that a layer shows, or shows something of; of what a user drew none."""
    if (mask_id := layer.metadata.get(MASK_OF)) is not None:
        layer = next((one for one in layers if str(one.unique_id) == mask_id), layer)
    if isinstance(layer, Labels):
        compared = mask_metadata(layer).agreement.split()
        masks = [one for one in layers if str(one.unique_id) in compared]
        return image_for(masks[-1] if masks else layer, layers)
    return layer if isinstance(layer, Image) and MASK_OF not in layer.metadata else None


def _images_shown(layers: LayerList) -> list[Image]:
    return [one for one in layers if isinstance(one, Image) and one.visible and MASK_OF not in one.metadata]


def _on_screen(viewer: ViewerModel, layers: list[_Layer]) -> list[_Layer]:
    """Return those of some layers that slice and middle of the canvas meet; all where they meet none."""
    if grid_of(viewer).enabled:
        return layers
    met = [one for one in layers if is_at_centre(viewer, one) and not _axes_missed(viewer, one)]
    return met or layers


def _axes_missed(viewer: ViewerModel, layer: Layer) -> list[int]:
    """Return the axes in which the slice on screen misses a layer."""
    extent, point, offset = layer.extent, viewer.dims.point, viewer.dims.ndim - layer.ndim
    low, high = extent.world[0] - extent.step / 2, extent.world[1] + extent.step / 2  # of the outer voxels
    axes = [axis for axis in viewer.dims.not_displayed if axis >= offset]
    return [axis for axis in axes if not low[axis - offset] <= point[axis] <= high[axis - offset]]


def _is_known(image: Image, layers: LayerList) -> bool:
    """Whether an image is known as a scan: it was read as one, or a mask was made from it."""
    made_from = {mask_metadata(one).source for one in layers if is_prediction(one)}
    return bool(image_metadata(image).scan) or str(image.unique_id) in made_from


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
