"""The part of the panel "Segment tumour" for planes: axial, coronal, sagittal, with the head up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive

from napari_tumor_unet.plugin.layers.in_view import image_in_view, is_in_view
from napari_tumor_unet.plugin.layers.layer_scan import nearest_index
from napari_tumor_unet.plugin.layers.looks import image_looked_at, mask_looked_at
from napari_tumor_unet.plugin.layers.metadata import has_result
from napari_tumor_unet.plugin.layers.planes import (
    PLANES,
    Anatomy,
    anatomy_of,
    camera_of,
    edge_letters,
    plane_shown,
    show_plane,
)
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.plugin.ui.canvas_letters import show_letters, show_scale_bar
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.plugin.ui.widgets import button, row, text_label

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

_KEYS = "Keys on the image: U outline or filled, H hide the mask, N next sequence."


class PlaneSection(Section):
    """Shows the planes of the scan that is looked at; hidden where there is none.

    What it shows of letters and scale bar, and how it turned the view, goes with it.

    Parameters
    ----------
    viewer : Viewer

    Attributes
    ----------
    keys : Label
        Says what can be done by keys; with a place of its own in the panel.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._canvas = viewer.window._qt_viewer.canvas.native
        self._before: tuple[Any, Any] | None = None
        self._in_mm = self._made_bar = False
        self.planes = {
            plane: button(plane, f"Show {plane.lower()} slices, the head up.", partial(self._show, plane))
            for plane in PLANES
        }
        self.message = text_label()
        self.keys = text_label()
        self.keys.value = _KEYS
        super().__init__(row(*self.planes.values()), self.message)
        for one in self.planes.values():
            one.native.setCheckable(True)
        layers, dims = viewer.layers, viewer.dims.events
        for event in (layers.selection.events.active, layers.events.inserted, layers.events.removed):
            self.connections.add(event, self.refresh)
        for event in (dims.order, dims.ndisplay, dims.ndim, camera_of(viewer).events.orientation):
            self.connections.add(event, self.refresh)
        self.connections.add(ViewerContext.of(viewer).view_changed, self.refresh)
        self.connections.at_close(self._clear)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Show what there is to show of the scan that is looked at."""
        image = self._image()
        anatomy = self._anatomy(image)
        self.visible = self.keys.visible = anatomy is not None
        letters = edge_letters(self._viewer, anatomy)
        drawn = show_letters(self._viewer, letters)
        shown = "" if anatomy is None else plane_shown(self._viewer, anatomy)
        for plane, one in self.planes.items():
            one.native.setChecked(plane == shown)
        if anatomy is not None and not anatomy.sides_known:
            self.message.value = "The file does not say which side is left."
        else:
            self.message.value = "" if drawn else ", ".join(f"{edge}: {at}" for edge, at in letters.items())
        self.message.visible = bool(self.message.value)
        self._show_bar(image)

    def _image(self) -> Image | None:
        """Return the image that is looked at; where that is not in view, the one that is."""
        image = image_looked_at(self._viewer)
        if image is None or is_in_view(self._viewer, image):
            return image
        return image_in_view(self._viewer) or image

    def _show(self, plane: str) -> None:
        anatomy = self._anatomy(self._image())
        if anatomy is None:
            return
        if self._before is None:
            self._before = tuple(self._viewer.dims.order), camera_of(self._viewer).orientation
        show_plane(self._viewer, anatomy, plane)
        self._show_tumour()
        self.refresh()  # which plane is pressed, where it was shown already

    def _show_tumour(self) -> None:
        """Go to the slice with most of the mask, if the one on screen has none."""
        mask, dims = mask_looked_at(self._viewer), self._viewer.dims
        if not has_result(mask) or mask.ndim != dims.ndim or mask.ndim != 3:
            return
        across = dims.order[0]
        sizes = np.count_nonzero(mask.data, axis=tuple(sorted(dims.displayed)))
        at = nearest_index(mask.world_to_data(dims.point)[across], len(sizes))
        if sizes.any() and not sizes[at]:
            position = list(mask.world_to_data(dims.point))
            position[across] = int(sizes.argmax())
            dims.point = mask.data_to_world(position)

    def _anatomy(self, image: Image | None) -> Anatomy | None:
        if image is None:
            return None
        return anatomy_of(image, ViewerSequences.of(self._viewer.layers)[image])

    def _show_bar(self, image: Image | None) -> None:
        """Show the scale bar once for a scan whose spacing is known; the user may hide it again."""
        in_mm = image is not None and all(unit.is_compatible_with("mm") for unit in image.units[-2:])
        if in_mm and not self._in_mm:
            self._made_bar = show_scale_bar(self._viewer, True) or self._made_bar
        self._in_mm = in_mm

    def _clear(self) -> None:
        """Take back what the section showed, unless the whole window goes."""
        if not isalive(self._canvas):
            return
        viewer = self._viewer
        show_letters(viewer, {})
        if self._made_bar:
            show_scale_bar(viewer, False)
        if self._before is not None:
            order, camera_of(viewer).orientation = self._before
            if len(order) == viewer.dims.ndim:
                viewer.dims.order = order
