"""The scans and masks that a user put together to learn from, each looked through in a thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from napari.qt.threading import create_worker
from napari.viewer import Viewer
from qtpy.QtCore import QObject, QTimer, Signal

from napari_tumor_unet.io.datasets.pairs import Dataset, Pair
from napari_tumor_unet.io.datasets.split import holding_out
from napari_tumor_unet.plugin.finetune.case_check import (
    PairRow,
    Seen,
    look_at_files,
    look_at_layers,
    look_into,
    unreadable,
)
from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.finetuning.cases import Check, Lesson, check, marks_of

_PAUSE = 300  # ms without a stroke, before a mask is looked through again
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
_WATCHED = {Image: ("data", *_PLACE), Labels: ("labels_update", "set_data", "data", *_PLACE)}


class PairRows(QObject):
    """Lives as long as its section.

    Attributes
    ----------
    changed : Signal
        Rows came or went, or there is something new to be said of one.
    found : Signal
        A :class:`napari_tumor_unet.io.datasets.pairs.Dataset` whose pairs were added.
    failed : Signal
        The sentence that says why a folder was not.
    """

    changed = Signal()
    found = Signal(object)
    failed = Signal(str)

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._rows: list[PairRow] = []
        self._chosen: dict[str, bool] = {}
        self._model_hash, self._known = "", frozenset[str]()
        self._only_checked = False
        self._looked_at: PairRow | None = None
        self._soon = QTimer(self, singleShot=True, interval=_PAUSE)
        self._soon.timeout.connect(self._look)
        viewer.layers.events.removed.connect(self._on_removed)

    def __iter__(self) -> Iterator[PairRow]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def looking(self) -> bool:
        """Whether something is still to be said of a row."""
        return self._looked_at is not None or any(row.stale for row in self._rows)

    def add(self, pairs: Iterable[tuple[Image, Labels]]) -> int:
        """Add rows of layers that are not there yet; how many."""
        there = [(row.layers.image, row.layers.labels) for row in self._rows if row.layers]
        point = tuple(self._viewer.dims.point)
        new = [PairRow(LayerPair(*pair, point)) for pair in pairs if pair not in there]
        for row in new:
            for layer in (row.layers.image, row.layers.labels):
                layer.events.name.connect(self._on_renamed)
                for emitter in _emitters(layer):
                    emitter.connect(self._on_touched)
        self._extend(new)
        return len(new)

    def add_folder(self, folder: Path) -> None:
        """Add the pairs of a folder, as soon as they are found."""
        worker = create_worker(look_into, folder, _start_thread=False)
        worker.returned.connect(self._on_found)
        worker.start()

    def drop(self, rows: Collection[PairRow]) -> None:
        """Take rows away; layers and files stay."""
        self._rows = [row for row in self._rows if row not in rows]
        for layer in {own for row in rows if row.layers for own in (row.layers.image, row.layers.labels)}:
            if not any(row.holds(layer) for row in self._rows):
                self._unwatch(layer)
        patients = {row.patient for row in self._rows}
        self._chosen = {patient: out for patient, out in self._chosen.items() if patient in patients}
        self.changed.emit()

    def choose(self, row: PairRow, held_out: bool) -> None:
        """Learn from a row or hold it out, and with it all that there is of its patient."""
        self._chosen[row.patient] = held_out
        self.changed.emit()

    def check_for(self, model_hash: str, known: Collection[str]) -> None:
        """Judge all rows for a model, given the hashes of what it has learned from."""
        self._model_hash, self._known = model_hash, frozenset(known)
        for row in self._rows:
            row.stale |= bool(self._known) and not (row.seen and row.seen.content)
        self.changed.emit()
        self._look()

    def count_only_checked(self, only: bool) -> None:
        """Whether slices count only if they were edited or checked."""
        self._only_checked = only
        self.changed.emit()

    def look_again(self) -> None:
        """Look through the layers once more, as after slices were marked as checked."""
        for row in self._rows:
            row.stale |= row.layers is not None
        self._soon.start()

    def used(self) -> list[PairRow]:
        """The rows to learn from or to judge by, as far as is known."""
        return [row for row in self._rows if (said := self.check(row, False)) is None or said.usable]

    def held_out(self) -> set[str]:
        """The patients held out: as chosen, and where nothing is chosen as is usual."""
        usual = holding_out(row.patient for row in self.used())
        return {patient for patient in usual | set(self._chosen) if self._chosen.get(patient, True)}

    def check(self, row: PairRow, held_out: bool) -> Check | None:
        """What is to be said of a row; None as long as it was not looked through."""
        if row.seen is None:
            return None
        if row.seen.marks is None:
            return Check("error", row.seen.error)
        return check(
            row.seen.marks,
            only_checked=self._only_checked and row.layers is not None,
            held_out=held_out,
            made_by=row.layers.made_by if row.layers else "",
            model_hash=self._model_hash,
            learned=row.seen.content in self._known,
        )

    def lessons(self) -> list[Lesson]:
        """The rows of layers that count, as they are now.

        Raises
        ------
        ScanError
            If one cannot be used.
        """
        held_out, found = self.held_out(), []
        for row in (row for row in self._rows if row.layers):
            source = row.layers.source(self._viewer.layers)
            try:
                labels = row.layers.mask(source)
                marks = marks_of(labels, row.layers.written(source), row.layers.checked)
            except Exception as error:  # whatever a layer's array, lazy or not, may raise
                raise ScanError(unreadable(row.mask).error) from error
            slices = marks.looked_after if self._only_checked else None
            if slices != ():
                out = row.patient in held_out
                found.append(Lesson(row.name, row.patient, source.scan, labels != 0, slices, out))
        return found

    def files(self) -> list[tuple[Pair, bool]]:
        """The pairs of files that can be used, with whether they are held out."""
        held_out = self.held_out()
        return [(row.files, row.patient in held_out) for row in self.used() if row.files]

    def let_go(self) -> None:
        """The section is closed; the viewer goes on."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for row in self._rows:
            if row.layers:
                self._unwatch(row.layers.image)
                self._unwatch(row.layers.labels)
        self._rows = []

    def _extend(self, new: list[PairRow]) -> None:
        self._rows += new
        if new:
            self.changed.emit()
            self._look()

    def _on_found(self, found: Dataset | str) -> None:
        if isinstance(found, str):
            self.failed.emit(found)
            return
        there = [row.files for row in self._rows]
        self._extend([PairRow(files=pair) for pair in found.pairs if pair not in there])
        self.found.emit(found)

    def _look(self) -> None:
        """Look through the next row that has changed, one at a time."""
        row = next((row for row in self._rows if row.stale), None)
        if row is None or self._looked_at is not None:
            return
        self._looked_at, row.stale = row, False
        hashed, scan = bool(self._known), row.seen.scan if row.seen else ""
        try:
            if row.layers:
                arguments = (row.layers, row.layers.source(self._viewer.layers), hashed, scan)
                worker = create_worker(look_at_layers, *arguments, _start_thread=False)
            else:
                worker = create_worker(look_at_files, row.files, hashed, _start_thread=False)
        except ScanError as error:
            self._on_seen(Seen(error=str(error)))
            return
        worker.returned.connect(self._on_seen)  # without the row: napari keeps workers, and with them layers
        worker.start()

    def _on_seen(self, seen: Seen) -> None:
        row, self._looked_at = self._looked_at, None
        row.seen = seen
        self.changed.emit()
        self._look()

    def _on_touched(self, event: Any) -> None:
        """A layer was painted, moved or given other data; or only drawn."""
        for row in (row for row in self._rows if row.holds(event.source)):
            row.stale = True
            if isinstance(event.source, Image) and row.seen:
                row.seen = replace(row.seen, scan="")
        self._soon.start()

    def _on_renamed(self, *_: object) -> None:
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        if gone := [row for row in self._rows if row.holds(event.value)]:
            self.drop(gone)

    def _unwatch(self, layer: Image | Labels) -> None:
        layer.events.name.disconnect(self._on_renamed)
        for emitter in _emitters(layer):
            emitter.disconnect(self._on_touched)


def _emitters(layer: Image | Labels) -> list[Any]:
    kind = Labels if isinstance(layer, Labels) else Image
    return [getattr(layer.events, name) for name in _WATCHED[kind]]
