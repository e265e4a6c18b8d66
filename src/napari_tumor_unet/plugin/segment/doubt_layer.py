"""A layer that shows which voxels of a mask are in doubt: no mask itself, and gone with the question."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from qtpy.QtCore import QObject

from napari_tumor_unet.inference.result import blank, update
from napari_tumor_unet.inference.uncertainty import doubtful_voxels
from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata, has_result, mask_metadata
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM
from napari_tumor_unet.plugin.ui.connections import timer

if TYPE_CHECKING:
    from napari import Viewer

_COLOUR = "#e040fb"  # that of no mask, and told from orange by the colour-blind


class DoubtLayer:
    """The layer, which follows the threshold; it comes and goes when no other layer does.

    Parameters
    ----------
    viewer : Viewer
    owner : QObject
        When the owner is destroyed, the layer goes.

    Attributes
    ----------
    layer : Labels or None
    """

    def __init__(self, viewer: Viewer, owner: QObject) -> None:
        self._viewer = viewer
        self._mask: Labels | None = None
        self._shown: tuple[Labels, float] | None = None
        self.layer: Labels | None = None
        self._timer = timer(owner, 0, self._act)  # no layer may come or go while another one does
        owner.destroyed.connect(self._leave)

    def show(self, mask: Labels | None) -> None:
        """Show the doubt of a mask as it is now, or none, as soon as napari has time."""
        self._mask = mask
        wanted = None if mask is None else (mask, mask_metadata(mask).threshold)
        if wanted != self._shown:
            self._timer.start()

    def _act(self) -> None:
        mask = self._mask if self._mask in self._viewer.layers and has_result(self._mask) else None
        gone = self.layer not in self._viewer.layers  # by the user
        if gone or self._shown is None or self._shown[0] is not mask:
            self._remove()
        self._shown = None if mask is None else (mask, mask_metadata(mask).threshold)
        if mask is None:
            return
        if self.layer is None:
            self.layer = self._add(mask)
        self._fill(mask, self.layer)

    def _add(self, mask: Labels) -> Labels:
        selected = set(self._viewer.layers.selection)
        layer = Labels(
            blank(mask.data.shape),
            name=f"{mask_metadata(mask).scan} in doubt",
            opacity=0.5,  # the outline under it is seen, much of which may be in doubt
            colormap=CyclicLabelColormap(colors=transform_color(["transparent", _COLOUR])),
            metadata={KEY: MaskMetadata(agreement="doubt")},
            **{name: getattr(mask, name) for name in (*TRANSFORM, "axis_labels")},
        )
        self._viewer.layers.insert(self._viewer.layers.index(mask) + 1, layer)  # under lines on the mask
        self._viewer.layers.selection = selected  # nobody paints on it by mistake
        return layer

    def _fill(self, mask: Labels, layer: Labels) -> None:
        metadata = mask_metadata(mask)
        volume = metadata.place.volume(layer.data)
        for plane, probability in zip(volume, metadata.probability, strict=True):
            update(plane, doubtful_voxels(probability, metadata.threshold).astype(np.uint8))
        layer.refresh()

    def _remove(self) -> None:
        layer, self.layer = self.layer, None
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _leave(self) -> None:
        """Remove the layer as soon as its owner, which may be part of a window that closes, is gone."""
        if self.layer is not None:
            with suppress(RuntimeError):  # the window is gone
                last = timer(self._viewer.window._qt_window, 0, self._remove)
                last.timeout.connect(last.deleteLater)
                last.start()
