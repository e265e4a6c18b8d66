"""Tells when layers no longer hold the masks that were compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeAlias

from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_tumor_unet.evaluation.visits import Visit
from napari_tumor_unet.inference.measures import MeasureError
from napari_tumor_unet.plugin.layers.mask_volume import mask_volume
from napari_tumor_unet.plugin.layers.opened_masks import checksum_of
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.threads import OneAtATime
from napari_tumor_unet.scan.grid import Grid

_PAUSE = 150  # ms from an event to the look at what it left
_DATA = ("labels_update", "paint", "data", "set_data")  # the last at each slice shown, too
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
_Held: TypeAlias = Mapping[Labels, tuple[int, Grid]]


class MaskWatch:
    """Watches layers from the moment that their masks are taken; a thread does what takes time.

    Parameters
    ----------
    owner : QObject
        With it the watch ends.
    on_change : callable
        Called when a mask is another one, or lies elsewhere; the watch is over then.
    """

    def __init__(self, owner: QObject, on_change: Callable[[], object]) -> None:
        self._on_change = on_change
        self._held: _Held = {}
        self._events = Connections(owner)
        self._timer = timer(owner, _PAUSE, self._look)
        self._looking = OneAtATime()

    def start(self, visits: Mapping[Labels, Visit]) -> None:
        """Watch the layers of these masks, and no others."""
        self.stop()
        self._held = {layer: (checksum_of(visit.mask), visit.grid) for layer, visit in visits.items()}
        for layer in visits:
            for name in (*_DATA, *_PLACE):
                self._events.add(getattr(layer.events, name), self._on_event)

    def stop(self) -> None:
        """Watch nothing."""
        self._events.close()
        self._timer.stop()
        self._held = {}

    def _on_event(self, *_: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _look(self) -> None:
        held = self._held
        self._looking(partial(_is_another, held), partial(self._on_looked, held))

    def _on_looked(self, held: _Held, is_another: bool) -> None:
        if is_another and held is self._held:
            self.stop()
            self._on_change()


def _is_another(held: _Held) -> bool:
    """Whether a layer holds another mask than it did, or has it elsewhere."""
    for layer, (checksum, grid) in held.items():
        with suppress(MeasureError):
            volume = mask_volume(layer)
            if volume.grid.is_same(grid) and checksum_of(volume.mask) == checksum:
                continue
        return True
    return False
