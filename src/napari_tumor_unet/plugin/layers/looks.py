"""How masks and the sequences under them look, and what a reader changes of it with one key."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps.standardize_color import transform_color

from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.in_view import lies_over_another
from napari_tumor_unet.plugin.layers.layer_scan import COLOURS, label_colours
from napari_tumor_unet.plugin.layers.lazy_volume import axes_of
from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata, is_prediction, mask_metadata, masks_in
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.scan import Sequence
from napari_tumor_unet.scan.sequence_names import TITLES

if TYPE_CHECKING:
    from napari import Viewer

_OUTLINE, _FILLED = (1, 0.9), (0, 0.5)
"""Thickness of the contour, in voxels, and opacity."""
_OF_FILES = ("blue", "yellow", "pink")  # orange are predictions, green is where two masks agree
_IN_TURN: tuple[Sequence, ...] = ("flair", "post", "pre")


def show_outline(layer: Labels, outline: bool = True) -> None:
    """Show a mask as an outline, which hides nothing that it is judged against, or filled."""
    # In 3D it is a surface: napari need not tell each time that it has no contour.
    warnings.filterwarnings("ignore", "Contours are not displayed during 3D")
    layer.contour, layer.opacity = _OUTLINE if outline else _FILLED


def paint_as_it_is(layer: Labels) -> None:
    """Set the brush to the only label of a mask that was read, as 255: the usual 1 would be another one."""
    data = layer.data
    if not mask_metadata(layer).scan_id or not isinstance(data, np.ndarray):
        return
    label = int(data.max(initial=0))
    if layer.selected_label == 1 < label and not ((data > 0) & (data < label)).any():
        layer.selected_label = label


def tell_apart(mask: Labels, layers: Iterable[Layer]) -> None:
    """Give a mask that was read, and looks so, a colour that no other mask in its place has."""
    if not isinstance(mask.metadata.get(KEY), MaskMetadata) or not _is_shown_in(mask, _OF_FILES[0]):
        return
    over = [
        other
        for other in layers
        if isinstance(other, Labels) and other is not mask and other.data.shape == mask.data.shape
    ]
    over = [other for other in over if np.array_equal(other.extent.world, mask.extent.world)]
    free = [name for name in _OF_FILES if not any(_is_shown_in(other, name) for other in over)]
    if free and free[0] != _OF_FILES[0]:
        mask.colormap = label_colours(free[0], mask.selected_label)


def _is_shown_in(mask: Labels, name: str) -> bool:
    colour = mask.get_color(mask.selected_label)
    return colour is not None and np.allclose(colour[:3], transform_color(COLOURS[name])[0, :3], atol=0.01)


def mask_looked_at(viewer: Viewer) -> Labels | None:
    """Return the mask that a key is for: the active one, else the topmost, a prediction first.

    None is hidden that would come to lie over another scan than its own.
    """
    active = viewer.layers.selection.active
    masks = [active] if isinstance(active, Labels) else masks_in(reversed(viewer.layers))
    masks = [mask for mask in masks if mask.visible or not lies_over_another(viewer, mask)]
    return next(filter(is_prediction, masks), next(iter(masks), None))


def toggle_outline(viewer: Viewer) -> None:
    """Show the mask filled, if it is an outline, or else as an outline."""
    if (mask := mask_looked_at(viewer)) is not None:
        show_outline(mask, not mask.contour)


def toggle_mask(viewer: Viewer) -> None:
    """Hide the mask, or show it again."""
    if (mask := mask_looked_at(viewer)) is not None:
        mask.visible = not mask.visible


def show_next_sequence(viewer: Viewer) -> None:
    """Show the next sequence of the scan under the mask: FLAIR, T1 after contrast, T1 before."""
    image = image_looked_at(viewer)
    channels = {} if image is None else ViewerSequences.of(viewer.layers)[image].channels
    known = [sequence for sequence in _IN_TURN if sequence in channels]
    layers = [channels[sequence].image for sequence in known]
    if len(set(layers)) < 2:
        _show_next_channel(viewer, [(s, channels[s].image, channels[s].index) for s in known])
        return
    at = next((i for i, layer in enumerate(layers) if layer.visible), -1)
    shown = layers[(at + 1) % len(layers)]
    for layer in layers:
        layer.visible = layer is shown
    if viewer.layers.selection.active in layers:  # whose contrast the user is about to set
        viewer.layers.selection.active = shown
    viewer.status = TITLES[known[layers.index(shown)]]


def _show_next_channel(viewer: Viewer, known: list[tuple[Sequence, Image, int | None]]) -> None:
    """Go on along the channel axis of the only layer."""
    if len(known) < 2 or (axis := axes_of(known[0][1]).channel) is None or known[0][1].rgb:
        viewer.status = "No other sequence of this scan is open in a layer of its own."
        return
    axis += viewer.dims.ndim - known[0][1].ndim
    indices = [index for _, _, index in known]
    step = viewer.dims.current_step[axis]
    at = (indices.index(step) + 1) % len(known) if step in indices else 0
    viewer.dims.set_current_step(axis, indices[at])
    viewer.status = TITLES[known[at][0]]


def image_looked_at(viewer: Viewer) -> Image | None:
    """Return the active image, or the one that the mask was made of, or the topmost."""
    active = viewer.layers.selection.active
    if isinstance(active, Image):
        return active
    mask = mask_looked_at(viewer)
    found = None if mask is None else image_for(mask, viewer.layers)
    images = [one for one in reversed(viewer.layers) if isinstance(one, Image)]
    return found or next((one for one in images if one.visible), next(iter(images), None))
