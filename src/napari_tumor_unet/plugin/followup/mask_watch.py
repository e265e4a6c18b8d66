"""Tells when layers or files no longer hold the masks that were compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

from napari.layers import Labels
from qtpy.QtCore import QEvent, QObject

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
_RETURN = (QEvent.Type.Show, QEvent.Type.WindowActivate)  # from another program, perhaps
Stamp: TypeAlias = tuple[int, int] | None
"""When a file was written, and its size; None if it is gone."""
_Held: TypeAlias = Mapping[Labels, tuple[int, Grid]]


class MaskWatch:
    """Watches layers and files from the moment that their masks are taken; a thread does what takes time.

    Parameters
    ----------
    owner : QObject
        With it the watch ends; when it is shown, files are looked at.
    on_change : callable
        Called when a mask is another one, or lies elsewhere; the watch is over then.
    """

    def __init__(self, owner: QObject, on_change: Callable[[], object]) -> None:
        self._on_change = on_change
        self._held: _Held = {}
        self._stamps: Mapping[Path, Stamp] = {}
        self._run = object()  # of which looks tell
        self._return = _Return(owner, self._on_return)
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

    def add_files(self, stamps: Mapping[Path, Stamp]) -> None:
        """Watch files, too, that were so when they were read."""
        self._stamps = stamps

    def stop(self) -> None:
        """Watch nothing."""
        self._events.close()
        self._timer.stop()
        self._held, self._stamps, self._run = {}, {}, object()

    def _on_return(self) -> None:
        if self._stamps:
            self._on_event()

    def _on_event(self, *_: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _look(self) -> None:
        self._looking(partial(_is_another, self._held, self._stamps), partial(self._on_looked, self._run))

    def _on_looked(self, run: object, is_another: bool) -> None:
        if is_another and run is self._run:
            self.stop()
            self._on_change()


class _Return(QObject):
    """Tells when a widget is seen again."""

    def __init__(self, widget: QObject, on_return: Callable[[], object]) -> None:
        super().__init__(widget)
        self._on_return = on_return
        widget.installEventFilter(self)

    def eventFilter(self, _: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() in _RETURN:
            self._on_return()
        return False


def stamp_of(file: Path) -> Stamp:
    """Return the stamp of a file."""
    with suppress(OSError):
        told = file.stat()
        return told.st_mtime_ns, told.st_size
    return None


def _is_another(held: _Held, stamps: Mapping[Path, Stamp]) -> bool:
    """Whether a layer or file holds another mask than it did, or has it elsewhere."""
    if any(stamp_of(file) != stamp for file, stamp in stamps.items()):
        return True
    for layer, (checksum, grid) in held.items():
        with suppress(MeasureError):
            volume = mask_volume(layer)
            if volume.grid.is_same(grid) and checksum_of(volume.mask) == checksum:
                continue
        return True
    return False
