"""The table of what is learned from, a row for each scan with its mask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from qtpy.QtCore import QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QTableWidget,
    QTableWidgetItem,
)

from napari_tumor_unet.training.finetuning.cases import Check

_COLUMNS = ("scan", "mask", "hold out", "check")
_SCAN, _MASK, _OUT, _CHECK = range(len(_COLUMNS))
_OUT_MEANS = "Hold it out to judge the new model, instead of learning from it; all scans of a patient alike."
_WIDEST = 160  # pixels of a column
_ICONS = {
    "ok": QStyle.StandardPixmap.SP_DialogApplyButton,
    "warning": QStyle.StandardPixmap.SP_MessageBoxWarning,
    "error": QStyle.StandardPixmap.SP_MessageBoxCritical,
}


@dataclass(frozen=True)
class Line:
    """What a row shows; no check as long as it is under way."""

    scan: str
    mask: str
    held_out: bool
    check: Check | None


class PairTable(QTableWidget):
    """Shows lines, and lets the user choose what each is used for.

    Attributes
    ----------
    used : Signal
        The number of a line, and whether the user holds it out.
    """

    used = Signal(int, bool)

    def __init__(self) -> None:
        super().__init__(0, len(_COLUMNS))
        self._lines: list[Line] = []
        self.setHorizontalHeaderLabels(_COLUMNS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setItemDelegate(_Shortened(self))
        self.setIconSize(QSize(14, 14))
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for narrow in (_MASK, _OUT):
            header.setSectionResizeMode(narrow, QHeaderView.ResizeMode.ResizeToContents)
        header.setMaximumSectionSize(_WIDEST)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setWordWrap(False)
        self.setMinimumHeight(140)
        self.horizontalHeaderItem(_OUT).setToolTip(_OUT_MEANS)

    def show_lines(self, lines: list[Line]) -> None:
        """Show these, and no others; what is selected stays so as far as it is there."""
        while self.rowCount() > len(lines):
            self.removeRow(self.rowCount() - 1)
        while self.rowCount() < len(lines):
            self._append()
        for n, line in enumerate(lines):
            if self._lines[n : n + 1] != [line]:
                self._fill(n, line)
        self._lines = lines

    def chosen(self) -> list[int]:
        """The numbers of the lines that are selected."""
        return sorted(index.row() for index in self.selectionModel().selectedRows())

    def _append(self) -> None:
        n = self.rowCount()
        self.insertRow(n)
        for column in range(len(_COLUMNS)):
            self.setItem(n, column, QTableWidgetItem())
        box = QCheckBox()
        box.setToolTip(_OUT_MEANS)
        box.clicked.connect(partial(self._on_box, box))
        self.setCellWidget(n, _OUT, box)

    def _fill(self, n: int, line: Line) -> None:
        said = "Checking" if line.check is None else line.check.said
        texts = {_SCAN: line.scan, _MASK: line.mask, _CHECK: said}
        for column, text in texts.items():
            self.item(n, column).setText(text)
            self.item(n, column).setToolTip(text)
        # Its scan's name stands beside it.
        self.item(n, _MASK).setText(line.mask.removeprefix(line.scan).strip(" _-") or line.mask)
        status = None if line.check is None else line.check.status
        self.item(n, _CHECK).setIcon(self.style().standardIcon(_ICONS[status]) if status else QIcon())
        box = self.cellWidget(n, _OUT)
        box.setChecked(line.held_out)
        box.setEnabled(line.check is None or line.check.usable)

    def _on_box(self, box: QCheckBox, held_out: bool) -> None:
        n = next(n for n in range(self.rowCount()) if self.cellWidget(n, _OUT) is box)
        self.used.emit(n, held_out)


class _Shortened(QStyledItemDelegate):
    """Names lose their middle where there is no room: masks of one scan differ at their ends."""

    def initStyleOption(self, option: Any, index: QModelIndex) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        last = index.column() == _CHECK
        option.textElideMode = Qt.TextElideMode.ElideRight if last else Qt.TextElideMode.ElideMiddle
