"""The masks of a follow-up in a table: which of them are compared, and when their scans were taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from napari.layers import Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QCheckBox, QStyledItemDelegate, QTableWidgetItem
from superqt.utils import signals_blocked

from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.follow_up import as_date, time_order
from napari_tumor_unet.evaluation.visits import OrderedBy
from napari_tumor_unet.plugin.ui.lines import LinesTable
from napari_tumor_unet.plugin.ui.plain import plain

Source: TypeAlias = Labels | Path
_HIGHEST, _BOX = 500, 24  # pixels, also of what a check box needs
_MASK, _DATE = 0, 1
_WRITE = "When the scan was taken, such as 2024-03-31; click to write."
_TOO_FEW = "Check two masks or more of one patient."


@dataclass(frozen=True)
class OfferedMask:
    """A mask that may be compared.

    Attributes
    ----------
    source : Labels or Path
    name : str
    patient : str
        Empty where it is unknown, as ``scan`` is.
    scan : str
        The same for all masks of a scan.
    taken : date or None
        As far as the data, or their name, tell.
    told_by : tuple of str
        As of a :class:`~napari_tumor_unet.evaluation.visits.Visit`.
    """

    source: Source
    name: str
    patient: str = ""
    scan: str = ""
    taken: date | None = None
    told_by: tuple[str, ...] = ()


class MaskTable(LinesTable):
    """A row for each mask, with a check box and a date that can be written; in the order of time.

    Until the user says otherwise, the masks of one patient are checked, of each scan one.

    Attributes
    ----------
    changed : Signal
        The user checked a mask, or wrote a date.
    selected : Signal
        Another row is the current one.
    current : Labels, Path or None
        The mask of the current row.
    """

    changed = Signal()
    selected = Signal()

    def __init__(self) -> None:
        super().__init__(("mask", "date"), _HIGHEST, _BOX)
        self.current: Source | None = None
        self._offered: list[OfferedMask] = []
        self._masks: list[OfferedMask] = []  # the same in the order of the rows
        self._checked: dict[Source, bool] = {}  # by the user, as what is in the next one
        self._written: dict[Source, str] = {}
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.AnyKeyPressed | triggers.EditKeyPressed)
        self.setItemDelegateForColumn(_DATE, _Dates(self))
        self.horizontalHeaderItem(_DATE).setToolTip(_WRITE)
        self.itemChanged.connect(self._on_item)
        self.cellClicked.connect(self._on_click)
        self.currentCellChanged.connect(self._on_current)

    @property
    def chosen(self) -> list[Source]:
        """The masks that are checked, in the order of the table."""
        wanted = self._wanted()
        return [one.source for one in self._masks if self._checked.get(one.source, one in wanted)]

    @property
    def entries(self) -> tuple[tuple[Source, str, str], ...]:
        """The masks that are checked, in the order of time, each with its name and date as shown."""
        chosen = self.chosen
        ordered, _ = self._in_order([one for one in self._masks if one.source in chosen])
        return tuple((one.source, one.name, self._text(one)) for one in ordered)

    @property
    def problem(self) -> str:
        """What is wrong with a date, in a sentence; empty if nothing is."""
        for one in self._masks:
            try:
                self.taken(one.source)
            except ComparisonError as error:
                return str(error)
        return ""

    @property
    def lacking(self) -> str:
        """Why the masks cannot be compared yet; empty if they can."""
        return self.problem or (_TOO_FEW if len(self.chosen) < 2 else "")

    def choose(self, sources: Sequence[Source]) -> None:
        """Check these masks and no others."""
        self._checked = {one.source: one.source in sources for one in self._masks}
        self._show()
        self.changed.emit()

    def taken(self, source: Source) -> date | None:
        """Return when a scan was taken, if that is known.

        Raises
        ------
        ComparisonError
            If the user wrote what is no date.
        """
        text = self._text(next(one for one in self._masks if one.source == source))
        return as_date(text) if text else None

    def show_masks(self, masks: Sequence[OfferedMask]) -> None:
        """Offer these masks and no others; what the user said of those that stay holds on."""
        self._offered = self._masks = list(masks)
        sources = {one.source for one in masks}
        self._checked = {source: is_so for source, is_so in self._checked.items() if source in sources}
        self._written = {source: text for source, text in self._written.items() if source in sources}
        self._show()

    def _wanted(self) -> list[OfferedMask]:
        """Return the masks of the patient of whom there are most; the upper one of a scan.

        None is of a scan of whose masks the user chose.
        """
        patients = Counter(one.patient for one in self._offered if one.patient)
        if not patients or patients.most_common(1)[0][1] < 2:
            return []
        of_one = [one for one in self._offered if one.patient == patients.most_common(1)[0][0]]
        upper = {one.scan: one for one in of_one}
        settled = {one.scan for one in self._offered if one.source in self._checked}
        return [one for one in of_one if not one.scan or (upper[one.scan] is one and one.scan not in settled)]

    def _settle(self, mask: OfferedMask) -> None:
        """Let what is checked of a mask's scan be the user's choice, which nothing but a click changes."""
        chosen = self.chosen
        for one in self._masks:
            if one is mask or (one.scan and one.scan == mask.scan):
                self._checked[one.source] = one.source in chosen

    def _text(self, mask: OfferedMask) -> str:
        found = "" if mask.taken is None else mask.taken.isoformat()
        return self._written.get(mask.source, found)

    def _show(self) -> None:
        """Put the masks in order, if need be those of each patient, and show them in the rows there are."""
        masks, by = self._in_order(self._masks)
        if by not in ("dates", "numbers"):
            patients = dict.fromkeys(one.patient for one in masks)
            of_each = ([one for one in masks if one.patient == patient] for patient in patients)
            masks = [one for of_one in of_each for one in self._in_order(of_one)[0]]
        self._masks = masks
        with signals_blocked(self):
            self.setRowCount(min(self.rowCount(), len(self._masks)))
            while self.rowCount() < len(self._masks):
                self._add_box(self.append())
            chosen = self.chosen
            for row, one in enumerate(self._masks):
                self._fill(row, one, one.source in chosen)
            self._keep_current()
        self.selected.emit()
        self.fit()

    def _keep_current(self) -> None:
        """Let the current row be that of the same mask, wherever that is now."""
        sources = [one.source for one in self._masks]
        if self.current in sources:
            self.setCurrentCell(sources.index(self.current), max(self.currentColumn(), 0))
        else:
            self.setCurrentItem(None)
            self.current = None

    def _in_order(self, masks: Sequence[OfferedMask]) -> tuple[list[OfferedMask], OrderedBy]:
        """Put masks in the order of time, and tell what that is by."""
        dates: list[date | None] = []
        for one in masks:
            dates.append(None)
            with suppress(ComparisonError):
                dates[-1] = self.taken(one.source)
        order, by = time_order([one.told_by for one in masks], dates)
        return [masks[i] for i in order], by

    def _add_box(self, row: int) -> None:
        """Put a check box before a name; a click on the name does the same."""
        box = self.add_box(row, _MASK)
        box.clicked.connect(partial(self._on_box, box))
        self.item(row, _MASK).setFlags(Qt.ItemFlag.ItemIsEnabled)

    def _fill(self, row: int, mask: OfferedMask, checked: bool) -> None:
        self.show_lines(row, [mask.name])
        box, when = self.cellWidget(row, _MASK), self.item(row, _DATE)
        box.setChecked(checked)
        box.setAccessibleName(plain(mask.name))
        box.setToolTip(plain(mask.name))
        when.setText(self._text(mask))
        when.setToolTip(_WRITE)

    def _on_box(self, box: QCheckBox, checked: bool) -> None:
        row = next(row for row in range(self.rowCount()) if self.cellWidget(row, _MASK) is box)
        self.setCurrentCell(row, _MASK)
        mask = self._masks[row]
        self._settle(mask)
        self._checked[mask.source] = checked
        self.changed.emit()

    def _on_item(self, item: QTableWidgetItem) -> None:
        if item.column() != _DATE:
            return
        mask = self._masks[item.row()]
        source = mask.source
        if self.chosen:  # else a mask waits for another one of its patient
            self._settle(mask)
        self._written[source] = item.text().strip()
        with suppress(ComparisonError):
            self._written[source] = as_date(item.text()).isoformat()
        self._show()
        self.setCurrentCell([one.source for one in self._masks].index(source), _DATE)
        self.changed.emit()

    def _on_current(self, row: int, *_: int) -> None:
        self.current = self._masks[row].source if row >= 0 else None
        self.selected.emit()

    def _on_click(self, row: int, column: int) -> None:
        if column == _DATE:
            self.editItem(self.item(row, column))
        else:
            self.cellWidget(row, column).click()


class _Dates(QStyledItemDelegate):
    """Says where a date can be written."""

    def displayText(self, value: Any, _: Any) -> str:  # noqa: N802
        return str(value) or "add a date"
