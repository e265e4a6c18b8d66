"""The cases that a user put together for a fine-tuning: which of them count, and for what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Signal

from napari_tumor_unet.io.datasets.pairs import Case, Dataset, find_pairs
from napari_tumor_unet.io.datasets.split import patients_held_out
from napari_tumor_unet.io.file_names import is_brain_mask
from napari_tumor_unet.plugin.finetune.case_inspection import (
    CaseRow,
    LayerCase,
    annotation_of_layers,
    inspection_of_unreadable,
)
from napari_tumor_unet.plugin.finetune.inspection_queue import InspectionQueue
from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair
from napari_tumor_unet.plugin.ui.connections import Connections
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.finetuning.cases import AnnotationStatus, CaseCheck, check


@dataclass(frozen=True)
class CaseStatus:
    """A case as the table shows it.

    Attributes
    ----------
    scan, mask : str
        Texts of the scan and the mask.
    held_out : bool
        Whether the case judges the new model instead of teaching it.
    check : CaseCheck or None
        None until the case has been inspected.
    """

    scan: str
    mask: str
    held_out: bool
    check: CaseCheck | None

    @property
    def lines(self) -> tuple[str, str, str]:
        """What there is to read: the scan, its mask, and how that was found to be."""
        return self.scan, f"mask: {self.mask}", self.check.message if self.check else "Checking"


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
        self._queue = InspectionQueue(viewer.layers, self)
        self._queue.changed.connect(self.changed)
        self._connections = Connections(self)
        self._connections.add(viewer.layers.events.removed, self._on_removed)

    def __iter__(self) -> Iterator[CaseRow]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, pairs: Iterable[tuple[Image, Labels]]) -> int:
        """Add layers that are not in the list yet, and return how many these are."""
        listed = [row.layers for row in self._rows]
        point = tuple(self._viewer.dims.point)
        new = [CaseRow(LayerPair(*pair, point)) for pair in pairs if pair not in listed]
        self._extend(new)
        return len(new)

    def add_folder(self, folder: Path) -> None:
        """Find the pairs of a folder in a thread, and add them."""
        in_thread(partial(find_pairs, folder), self._on_folder, self.folder_failed.emit)

    def remove(self, rows: Collection[CaseRow]) -> None:
        """Remove cases; their layers and files stay."""
        self._rows = [row for row in self._rows if row not in rows]
        self._queue.follow(self._rows)
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
        self._queue.hash_cases(bool(self._learned_hashes))
        self.changed.emit()

    def count_only_checked(self, only: bool) -> None:
        """Count only slices that were edited or checked, or all."""
        self._only_checked = only
        self.changed.emit()

    def refresh(self) -> None:
        """Inspect the layers once more, as after slices were marked as checked."""
        self._queue.refresh()

    def used(self) -> list[CaseRow]:
        """Return the cases to learn from or to judge by, with those that are not inspected yet."""
        return [row for row in self._rows if (check := self._check(row, False)) is None or check.usable]

    def held_out(self) -> set[str]:
        """Return the patients held out: as the user chose, and otherwise as a split would."""
        usual = patients_held_out(row.patient for row in self.used())
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
            statuses.append(CaseStatus(row.scan_label, row.mask_label, out, self._check(row, out)))
        return statuses

    def collect(self) -> list[tuple[Case | LayerCase, bool]]:
        """Return the cases that count, layers as they are now, each with whether it is held out.

        Raises
        ------
        ScanError
            If layers cannot be used.
        """
        held_out, used = self.held_out(), self.used()
        cases: list[tuple[Case | LayerCase, bool]] = []
        for row in self._rows:
            if isinstance(row.pair, LayerPair):
                case: Case | LayerCase | None = self._layer_case(row, row.pair)
            else:
                case = self._file_case(row, row.pair) if row in used else None
            if case is not None:
                cases.append((case, row.patient in held_out))
        return cases

    def _layer_case(self, row: CaseRow, pair: LayerPair) -> LayerCase | None:
        """Copy a case as it is now; nothing if it is left out."""
        source = pair.source(self._viewer.layers)
        try:
            labels = pair.mask(source)
            annotation = annotation_of_layers(pair, source, labels)
        except Exception as error:  # whatever a layer's array, lazy or not, may raise
            raise ScanError(inspection_of_unreadable(row.mask_label).error) from error
        if self._judge(row, annotation, False).left_out:
            return None
        slices = annotation.edited_or_checked if self._only_checked else None
        return LayerCase(row.name, row.patient, source.scan, labels != 0, slices)

    def _file_case(self, row: CaseRow, case: Case) -> Case:
        """Return a case on disk, with the slices that count."""
        if not self._only_checked:
            return case
        if row.inspection is None or row.inspection.annotation is None:
            raise ScanError(f"{row.name} is still being checked; start when the table says what counts.")
        return replace(case, slices=row.inspection.annotation.edited_or_checked)

    def _check(self, row: CaseRow, held_out: bool) -> CaseCheck | None:
        if row.inspection is None:
            return None
        if row.inspection.annotation is None:
            return CaseCheck("error", row.inspection.error)
        return self._judge(row, row.inspection.annotation, held_out)

    def _judge(self, row: CaseRow, annotation: AnnotationStatus, held_out: bool) -> CaseCheck:
        own = row.inspection.fingerprint if row.inspection else None
        return check(
            annotation,
            only_checked=self._only_checked,
            held_out=held_out,
            model_hash=self._model_hash,
            learned=own is not None and own.case in self._learned_hashes,
            in_another_row=self._is_in_another_row(row, annotation),
        )

    def _is_in_another_row(self, row: CaseRow, annotation: AnnotationStatus) -> bool:
        """Whether a row of the same scan has a better mask, or comes first with one as good."""
        masks = []
        for n, other in enumerate(self._rows):
            if other is row or other.scan == row.scan:
                found = annotation if other is row else other.inspection and other.inspection.annotation
                if found and (found.edited_or_checked or not self._only_checked):
                    masks.append((is_brain_mask(other.mask_label), found.worth, n))
        return bool(masks) and self._rows[min(masks)[-1]] is not row

    def _extend(self, new: list[CaseRow]) -> None:
        self._rows += new
        if new:
            self.changed.emit()
            self._queue.follow(self._rows)

    def _on_folder(self, dataset: Dataset) -> None:
        listed = [row.pair for row in self._rows]
        self._extend([CaseRow(pair) for pair in dataset.pairs if pair not in listed])
        self.folder_added.emit(dataset)

    def _on_removed(self, event: Any) -> None:
        if removed := [row for row in self._rows if event.value in row.layers]:
            self.remove(removed)
