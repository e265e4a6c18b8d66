"""Show what is opened together as one scan, on screen: FLAIR active, T1 hidden under it, masks above."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from weakref import WeakSet, ref

import napari
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, QThread

from napari_tumor_unet._common import plural
from napari_tumor_unet.plugin.layers.image_of_mask import image_for, lies_on_image
from napari_tumor_unet.plugin.layers.in_view import is_in_view, is_looked_at, show_scan
from napari_tumor_unet.plugin.layers.looks import show_outline
from napari_tumor_unet.plugin.layers.metadata import KEY, LayerMetadata, title_of
from napari_tumor_unet.plugin.layers.planes import fit, is_at_centre
from napari_tumor_unet.plugin.layers.reopened_masks import lay_on_scan
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.connections import after_event, timer
from napari_tumor_unet.plugin.ui.plain import show_info
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext

_PAUSE = 2.0  # seconds in which the scan of a mask may be opened after it

_unclear: WeakSet[Labels] = WeakSet()  # opened, and not told of yet


def show_flair(viewer: ViewerModel, opened: Iterable[Layer]) -> None:
    """Hide the T1 of a FLAIR that was opened together with them, and activate the FLAIR instead of a mask.

    Masks become outlines, and strokes on them are kept from then on. Images go under masks of theirs.
    The last scan comes into view, and what other scans would show over it is hidden. Of masks alone it is
    the scan of the last one, unless the scans of all are in view.
    """
    layers = viewer.layers
    opened = [layer for layer in opened if layer in layers]
    masks = [layer for layer in opened if isinstance(layer, Labels)]
    for mask in masks:
        show_outline(mask)
    if hasattr(viewer, "window"):
        there = [layer for layer in layers if isinstance(layer, Labels)]  # of which the scan may come now
        for told in filter(None, [lay_on_scan(viewer, mask) for mask in there]):
            show_info(told)
    if masks and hasattr(viewer, "window"):
        Autosaving.of(viewer)  # no panel need be open for a stroke
    images = [layer for layer in opened if isinstance(layer, Image)]
    if not images:
        _show_scan_of(viewer, masks)
        return
    sequences = ViewerSequences.of(layers)
    flair_of = {image: flair for image in images if (flair := sequences.flair(image)) in images}
    shown = flair_of.get(images[-1], images[-1])
    hidden = [layer for layer in show_scan(viewer, shown) if layer not in opened]
    for mask in [layer for layer in layers if isinstance(layer, Labels)]:
        scan = image_for(mask, layers)
        for image in images:
            of_scan = scan in (image, sequences.flair(image))
            if of_scan and layers.index(image) > layers.index(mask):
                layers.move(layers.index(image), layers.index(mask))
    for image, flair in flair_of.items():
        if flair is not image:
            image.visible = False
            if layers.index(image) > layers.index(flair):
                layers.move(layers.index(image), layers.index(flair))
    if (active := layers.selection.active) in opened and active.mode == "pan_zoom":  # no brush in hand
        layers.selection.active = shown
    if hasattr(viewer, "window"):
        ViewerContext.of(viewer).opened.emit(opened)
    if hidden:
        _tell_of(hidden, f"{title_of(shown)} is another scan")


def bring_into_view(viewer: ViewerModel, image: Image) -> None:
    """Show a scan that the user turns to, unless it is in view, and hide what would lie over it."""
    if not is_in_view(viewer, image) and (hidden := show_scan(viewer, image)):
        _tell_of(hidden, f"{title_of(image)} is another scan")


def look_at(viewer: ViewerModel, *masks: Labels) -> None:
    """Show masks of a scan with it, as :func:`bring_into_view` does, where another scan is shown."""
    if not all(is_looked_at(viewer, mask) for mask in masks):
        for mask in masks:
            mask.visible = True
        if hidden := show_scan(viewer, masks[-1]):
            _tell_of(hidden, f"{masks[-1].name} is a mask of another scan")
    if not is_at_centre(viewer, masks[-1]):  # where another scan lay, or nothing
        fit(viewer, [masks[-1]])


def _show_scan_of(viewer: ViewerModel, masks: list[Labels]) -> None:
    """Bring the scan of the last of some masks into view, if one of them would lie over another scan."""
    image_of = {mask: image for mask in masks if (image := image_for(mask, viewer.layers)) is not None}
    if not all(is_in_view(viewer, image) for image in image_of.values()):
        mask, image = [*image_of.items()][-1]
        if hidden := show_scan(viewer, mask):
            _tell_of(hidden, f"{mask.name} is a mask of {title_of(image)}")
    if len(image_of) < len(masks) and hasattr(viewer, "window"):
        _unclear.update(mask for mask in masks if mask not in image_of)
        _tell_later(ViewerContext.of(viewer))


def _tell_later(context: ViewerContext) -> None:
    """Wait for what else is being opened: among it may be the scan of a mask."""
    timer(context, int(_PAUSE * 1000), partial(_tell_unclear, ref(context))).start()


def _tell_unclear(there: ref[ViewerContext]) -> None:
    """Say for which masks several scans fit, none of them for certain, while there is one in view."""
    if (context := there()) is None:
        return
    if context.opening:
        _tell_later(context)
        return
    layers = context.viewer.layers
    masks = [layer for layer in layers if isinstance(layer, Labels) and layer in _unclear]
    _unclear.difference_update(masks)
    names = [mask.name for mask in masks if lies_on_image(mask, layers) and image_for(mask, layers) is None]
    if names and any(isinstance(layer, Image) and layer.visible for layer in layers):
        what = f"{names[0]} belongs" if len(names) == 1 else f"{plural(len(names), 'mask')} belong"
        mend = "open that scan, or let the layer's name begin as that of its scan."
        show_info(f"It is unclear which of the open scans {what} to; {mend}")


def _tell_of(hidden: list[Layer], why: str) -> None:
    """Say what is hidden, and how it comes back."""
    names = list(dict.fromkeys(title_of(layer) for layer in hidden if isinstance(layer, Image)))
    names = names or [title_of(hidden[0])]
    what = f"{names[0]} is" if len(names) == 1 else f"{plural(len(names), 'layer')} of other scans are"
    show_info(f"{what} hidden, as {why}; the eyes in the layer list show all again.")


def show_together(read: Collection[LayerMetadata]) -> None:
    """Call :func:`show_flair` on what is read in one event of the window, be it a drop, once all is there.

    What is dropped while another drop is read belongs to that one; what a script opens before the window's
    events are served is one, too. What another thread reads is left as it is.

    Parameters
    ----------
    read : collection of LayerMetadata
        What the layers carry.
    """
    viewer = napari.current_viewer()
    if viewer is not None and QThread.currentThread() == viewer.window._qt_window.thread():
        _Reading.of(viewer).add(read)


class _Reading(QObject):
    """Collects what is read in events of a window until the last of them is over."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer.window._qt_window)
        self._viewer = ref(viewer)
        self._read: list[LayerMetadata] = []
        self._events = 0

    @classmethod
    def of(cls, viewer: napari.Viewer) -> _Reading:
        """Return the one of a viewer's window, made when first asked for."""
        reading = viewer.window._qt_window.findChild(cls)
        return reading if reading is not None else cls(viewer)

    def add(self, read: Collection[LayerMetadata]) -> None:
        """Add what was read in the event that is dealt with."""
        self._read.extend(read)
        self._events += 1
        after_event(self, self._end)

    def _end(self) -> None:
        self._events -= 1
        if self._events:
            return
        read, self._read = self._read, []
        if (viewer := self._viewer()) is not None:
            show_flair(viewer, [layer for layer in viewer.layers if layer.metadata.get(KEY) in read])
