"""File > Open Sample."""

from __future__ import annotations

from typing import Any

import napari

from napari_tumor_unet.io.datasets.sample import sample_mask, sample_scan
from napari_tumor_unet.io.read import read_mask
from napari_tumor_unet.plugin.io.readers import LayerData, mask_layer, read_layers
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext

_TRUTH = "true mask"


def open_sample() -> list[LayerData]:
    """Open the sample scan and its true mask, hidden at first: it is there to be compared with."""
    layers = read_layers(sample_scan())
    truth = mask_layer(read_mask(sample_mask()), layers[-1], _TRUTH)
    truth[1]["visible"] = False
    viewer = napari.current_viewer()
    if viewer is None:
        return [*layers, truth]
    Autosaving.of(viewer)
    ViewerContext.of(viewer).warm_up()
    # napari makes active what it adds last: the scan, not its mask, whose place is on top all the same.
    _put_on_top_after(viewer, last=layers[-1][1]["name"])
    return [truth, *layers]


def _put_on_top_after(viewer: napari.Viewer, last: str) -> None:
    n = len(viewer.layers)  # where the mask will be

    def move(event: Any) -> None:
        if event.value.name.startswith(last):
            viewer.layers.events.inserted.disconnect(move)
            viewer.layers.move(n, len(viewer.layers))

    viewer.layers.events.inserted.connect(move, position="last")
