"""Show what is opened together as one scan: FLAIR on top and active, T1 hidden under it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from functools import partial
from weakref import ref

import napari
from napari.components import LayerList
from napari.layers import Image, Layer
from qtpy.QtCore import QTimer

from napari_tumor_unet.plugin.layers.metadata import KEY, LayerMetadata
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences

_PAUSE = 1.0  # seconds that napari may take for a layer; a user takes longer for another drop

_opening: list[LayerMetadata] = []  # of the files that napari hands to the reader one by one
_read_at = 0.0


def show_flair(layers: LayerList, opened: Iterable[Layer]) -> None:
    """Hide the T1 of a FLAIR that was opened together with them, and activate the FLAIR instead of a mask."""
    opened = [layer for layer in opened if layer in layers]
    images = [layer for layer in opened if isinstance(layer, Image)]
    sequences = ViewerSequences.of(layers)
    flair_of = {image: flair for image in images if (flair := sequences.flair(image)) in images}
    for image, flair in flair_of.items():
        if flair is not image:
            image.visible = False
            if layers.index(image) > layers.index(flair):
                layers.move(layers.index(image), layers.index(flair))
    if images and layers.selection.active in opened:
        layers.selection.active = flair_of.get(images[-1], images[-1])


def show_together(read: Collection[LayerMetadata], began: float) -> None:
    """Call :func:`show_flair` on layers that were read now or just before, once they are there.

    Parameters
    ----------
    read : collection of LayerMetadata
        What the layers carry.
    began : float
        When reading began, by the monotonic clock.
    """
    global _read_at
    viewer = napari.current_viewer()
    if viewer is None:
        return
    if began - _read_at > _PAUSE:
        _opening.clear()
    _opening.extend(read)
    _read_at = time.monotonic()
    QTimer.singleShot(0, partial(_show, ref(viewer.layers), [*_opening]))


def _show(layers: ref[LayerList], opened: list[LayerMetadata]) -> None:
    if (there := layers()) is not None:
        show_flair(there, [layer for layer in there if layer.metadata.get(KEY) in opened])
