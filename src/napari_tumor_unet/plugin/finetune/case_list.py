"""The cases that a user put together for a fine-tuning, each inspected in a thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from napari.qt.threading import create_worker
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Signal

from napari_tumor_unet.io.datasets.pairs import Dataset, Pair
from napari_tumor_unet.io.datasets.split import holding_out
from napari_tumor_unet.plugin.finetune.case_inspection import (
    CaseInspection,
    CaseRow,
    find_pairs_in,
    inspect_files,
    inspect_layers,
    inspection_of_unreadable,
)
from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.finetuning.cases import Check, Lesson, check, marks_of

_PAUSE = 300  # ms without a stroke, before a mask is inspected again
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
_WATCHED = {Image: ("data", *_PLACE), Labels: ("labels_update", "set_data", "data", *_PLACE)}


@dataclass(frozen=True)
class CaseStatus:
    """A case as the table shows it.

    Attributes
    ----------
    row : CaseRow
    scan, mask : str
        Texts of the scan and the mask.
    held_out : bool
        Whether the case judges the new model instead of teaching it.
    check : Check or None
        None until the case has been inspected.
    """

    row: CaseRow
    scan: str
    mask: str
    held_out: bool
    check: Check | None


class CaseList(QObject):
    """The cases of one panel; lives as long as its section.

    Attributes
    ----------
    changed : Signal
        Cases came or went, or the status of one is another.
    folder_added : Signal
        A :class:`napari_tumor_unet.io.datasets.pairs.Dataset` whose pairs were added.
    folder_failed : Signal
        The sentence that says why the pairs of a folder were not added.
    """

    changed = Signal()
    folder_added = Signal(object)
    folder_failed = Signal(str)

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._rows: list[CaseRow] = []
        self._held_out_by_user: dict[str, bool] = {}
        self._model_hash, self._learned_hashes = "", frozenset[str]()
        self._only_checked = False
        self._inspected: CaseRow | None = None
        self._timer = timer(self, _PAUSE, self._inspect_next)
        self._connections = Connections(self)
        self._connections.add(viewer.layers.events.removed, self._on_removed)
        self._watched: dict[Image | Labels, Connections] = {}

    def __iter__(self) -> Iterator[CaseRow]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, pairs: Iterable[tuple[Image, Labels]]) -> int:
        """Add layers that are not in the list yet, and return how many these are."""
        listed = [row.layers for row in self._rows]
        point = tuple(self._viewer.dims.point)
        new = [CaseRow(LayerPair(*pair, point)) for pair in pairs if pair not in listed]
        for layer in {layer for row in new for layer in row.layers} - set(self._watched):
            self._watched[layer] = Connections(self)
            self._watched[layer].add(layer.events.name, self._on_renamed)
            for emitter in _emitters(layer):
                self._watched[layer].add(emitter, self._on_edited)
        self._extend(new)
        return len(new)

    def add_folder(self, folder: Path) -> None:
        """Find the pairs of a folder in a thread, and add them."""
        worker = create_worker(find_pairs_in, folder, _start_thread=False)
        worker.returned.connect(self._on_folder)
        worker.start()

    def remove(self, rows: Collection[CaseRow]) -> None:
        """Remove cases; their layers and files stay."""
        self._rows = [row for row in self._rows if row not in rows]
        listed = {layer for row in self._rows for layer in row.layers}
        for layer in set(self._watched) - listed:
            self._watched.pop(layer).close()
        patients = {row.patient for row in self._rows}
        self._held_out_by_user = {
            patient: out for patient, out in self._held_out_by_user.items() if patient in patients
        }
        self.changed.emit()

    def hold_out(self, row: CaseRow, held_out: bool) -> None:
        """Hold out, or learn from, a case and all others of its patient."""
        self._held_out_by_user[row.patient] = held_out
        self.changed.emit()

    def check_for(self, model_hash: str, learned_hashes: Collection[str]) -> None:
        """Check all cases for a model, given the hashes of the cases that it has learned from."""
        self._model_hash, self._learned_hashes = model_hash, frozenset(learned_hashes)
        for row in self._rows:
            if self._learned_hashes and not (row.inspection and row.inspection.case_hash):
                row.state = "stale"
        self.changed.emit()
        self._inspect_next()

    def count_only_checked(self, only: bool) -> None:
        """Count only slices that were edited or checked, or all."""
        self._only_checked = only
        self.changed.emit()

    def refresh(self) -> None:
        """Inspect the layers once more, as after slices were marked as checked."""
        for row in self._rows:
            if row.layers:
                row.state = "stale"
        self._timer.start()

    def used(self) -> list[CaseRow]:
        """Return the cases to learn from or to judge by, with those that are not inspected yet."""
        return [row for row in self._rows if (check := self._check(row, False)) is None or check.usable]

    def held_out(self) -> set[str]:
        """Return the patients held out: as the user chose, and otherwise as a split would."""
        usual = holding_out(row.patient for row in self.used())
        return {
            patient
            for patient in usual | set(self._held_out_by_user)
            if self._held_out_by_user.get(patient, True)
        }

    def statuses(self) -> list[CaseStatus]:
        """Return what the table shows of each case."""
        patients, statuses = self.held_out(), []
        for row in self._rows:
            out = row.patient in patients
            statuses.append(CaseStatus(row, row.scan_label, row.mask_label, out, self._check(row, out)))
        return statuses

    def lessons(self) -> list[Lesson]:
        """Return the layers that count, as they are now.

        Raises
        ------
        ScanError
            If one cannot be used.
        """
        held_out, lessons = self.held_out(), []
        for row in self._rows:
            if not isinstance(pair := row.pair, LayerPair):
                continue
            source = pair.source(self._viewer.layers)
            try:
                labels = pair.mask(source)
                marks = marks_of(labels, pair.written(source), pair.checked)
            except Exception as error:  # whatever a layer's array, lazy or not, may raise
                raise ScanError(inspection_of_unreadable(row.mask_label).error) from error
            slices = marks.looked_after if self._only_checked else None
            if slices != ():
                out = row.patient in held_out
                lessons.append(Lesson(row.name, row.patient, source.scan, labels != 0, slices, out))
        return lessons

    def files(self) -> list[tuple[Pair, bool]]:
        """Return the pairs of files that can be used, each with whether it is held out."""
        held_out = self.held_out()
        return [(row.pair, row.patient in held_out) for row in self.used() if isinstance(row.pair, Pair)]

    def _check(self, row: CaseRow, held_out: bool) -> Check | None:
        if row.inspection is None:
            return None
        if row.inspection.marks is None:
            return Check("error", row.inspection.error)
        return check(
            row.inspection.marks,
            only_checked=self._only_checked and bool(row.layers),
            held_out=held_out,
            made_by=row.pair.made_by if isinstance(row.pair, LayerPair) else "",
            model_hash=self._model_hash,
            learned=row.inspection.case_hash in self._learned_hashes,
        )

    def _extend(self, new: list[CaseRow]) -> None:
        self._rows += new
        if new:
            self.changed.emit()
            self._inspect_next()

    def _on_folder(self, dataset: Dataset | str) -> None:
        if isinstance(dataset, str):
            self.folder_failed.emit(dataset)
            return
        listed = [row.pair for row in self._rows]
        self._extend([CaseRow(pair) for pair in dataset.pairs if pair not in listed])
        self.folder_added.emit(dataset)

    def _inspect_next(self) -> None:
        """Inspect the next stale case, one at a time."""
        row = next((row for row in self._rows if row.state == "stale"), None)
        if row is None or self._inspected is not None:
            return
        self._inspected, row.state = row, "inspecting"
        hashed = bool(self._learned_hashes)
        try:
            if isinstance(row.pair, LayerPair):
                known = row.inspection.scan_hash if row.inspection else ""
                arguments = (row.pair, row.pair.source(self._viewer.layers), hashed, known)
                worker = create_worker(inspect_layers, *arguments, _start_thread=False)
            else:
                worker = create_worker(inspect_files, row.pair, hashed, _start_thread=False)
        except ScanError as error:
            self._on_inspected(CaseInspection(error=str(error)))
            return
        # Connected without the row: napari keeps workers, and with them layers.
        worker.returned.connect(self._on_inspected)
        worker.start()

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
                row.inspection = replace(row.inspection, scan_hash="")
        self._timer.start()

    def _on_renamed(self, *_: object) -> None:
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        if removed := [row for row in self._rows if event.value in row.layers]:
            self.remove(removed)


def _emitters(layer: Image | Labels) -> list[Any]:
    kind = Labels if isinstance(layer, Labels) else Image
    return [getattr(layer.events, name) for name in _WATCHED[kind]]
