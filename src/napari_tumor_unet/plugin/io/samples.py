"""File > Open Sample."""

from __future__ import annotations

from typing import Any

import napari

from napari_tumor_unet.io.datasets.sample import sample_mask, sample_scan
from napari_tumor_unet.io.read import read_mask
from napari_tumor_unet.plugin.io.layer_data import LayerData, mask_layer
from napari_tumor_unet.plugin.io.readers import read_layers
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.viewer_context import Message, ViewerContext

_TRUTH = "true mask"
_NEXT = "Next, choose Layers > Segment > Segment tumour now."


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
    _finish_after(viewer, last=layers[-1][1]["name"])
    return [truth, *layers]


def _finish_after(viewer: napari.Viewer, last: str) -> None:
    """Put the mask on top once all is there, and say what comes next."""
    n = len(viewer.layers)  # where the mask will be

    def finish(event: Any) -> None:
        if event.value.name.startswith(last):
            viewer.layers.events.inserted.disconnect(finish)
            viewer.layers.move(n, len(viewer.layers))
            ViewerContext.of(viewer).notify(Message(_NEXT))

    viewer.layers.events.inserted.connect(finish, position="last")
