"""Keeps the inspections of cases up to date while their layers are painted, moved and renamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from napari.components import LayerList
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_tumor_unet.plugin.finetune.case_inspection import (
    CaseInspection,
    CaseRow,
    inspect_files,
    inspect_layers,
)
from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.scan import ScanError

_PAUSE = 300  # ms without a stroke, before a mask is inspected again
_WATCHED = {Image: ("data", *TRANSFORM), Labels: ("labels_update", "set_data", "data", *TRANSFORM)}


class InspectionQueue(QObject):
    """Inspects stale cases, one at a time, each in a thread.

    Attributes
    ----------
    changed : Signal
        A case was inspected, or has another name.
    """

    changed = Signal()

    def __init__(self, layers: LayerList, parent: QObject) -> None:
        super().__init__(parent)
        self._layers = layers
        self._rows: Sequence[CaseRow] = ()
        self._hashed = False
        self._inspected: CaseRow | None = None
        self._timer = timer(self, _PAUSE, self._inspect_next)
        self._watched: dict[Image | Labels, Connections] = {}

    def follow(self, rows: Sequence[CaseRow]) -> None:
        """Inspect these cases, and no others any more."""
        self._rows = rows
        listed = {layer for row in rows for layer in row.layers}
        for layer in set(self._watched) - listed:
            self._watched.pop(layer).close()
        for layer in listed - set(self._watched):
            self._watched[layer] = Connections(self)
            self._watched[layer].add(layer.events.name, self._on_renamed)
            for emitter in _emitters(layer):
                self._watched[layer].add(emitter, self._on_edited)
        self._inspect_next()

    def hash_cases(self, hashed: bool) -> None:
        """Hash the cases as well, or no longer."""
        self._hashed = hashed
        for row in self._rows:
            if hashed and not (row.inspection and row.inspection.fingerprint):
                row.state = "stale"
        self._inspect_next()

    def refresh(self) -> None:
        """Inspect the layers once more."""
        for row in self._rows:
            if row.layers:
                row.state = "stale"
        self._timer.start()

    def _inspect_next(self) -> None:
        row = next((row for row in self._rows if row.state == "stale"), None)
        if row is None or self._inspected is not None:
            return
        self._inspected, row.state = row, "inspecting"
        try:
            if isinstance(row.pair, LayerPair):
                source = row.pair.source(self._layers)
                own = row.inspection and row.inspection.fingerprint
                inspect = partial(inspect_layers, row.pair, source, self._hashed, own.scan if own else "")
            else:
                inspect = partial(inspect_files, row.pair, self._hashed)
        except ScanError as error:
            self._on_inspected(CaseInspection(error=str(error)))
            return
        # Called back without the row: napari keeps callbacks, and with them layers.
        in_thread(inspect, self._on_inspected)

    def _on_inspected(self, inspection: CaseInspection) -> None:
        row, self._inspected = self._inspected, None
        if row is not None:
            row.inspection = inspection
            if row.state == "inspecting":  # and not edited meanwhile
                row.state = "inspected"
        self.changed.emit()
        self._inspect_next()

    def _on_edited(self, event: Any) -> None:
        """Mark the cases of a layer that was painted, moved or given other data as stale."""
        for row in (row for row in self._rows if event.source in row.layers):
            row.state = "stale"
            if isinstance(event.source, Image) and row.inspection:
                row.inspection = replace(row.inspection, fingerprint=None)
        self._timer.start()

    def _on_renamed(self, *_: object) -> None:
        self.changed.emit()


def _emitters(layer: Image | Labels) -> list[Any]:
    kind = Labels if isinstance(layer, Labels) else Image
    return [getattr(layer.events, name) for name in _WATCHED[kind]]
