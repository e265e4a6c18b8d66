"""The table of what is learned from, a row for each scan with its mask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from qtpy.QtCore import QModelIndex, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_tumor_unet.lessons import Check

_COLUMNS = ("scan", "mask", "use", "check")
_USE, _CHECK = 2, 3
_USES = ("learn", "hold out")
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
        self.setHorizontalHeaderLabels(_COLUMNS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setItemDelegate(_Shortened(self))
        self.setIconSize(QSize(14, 14))
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_USE, QHeaderView.ResizeMode.ResizeToContents)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setWordWrap(False)
        self.setMinimumHeight(140)

    def show_lines(self, lines: list[Line]) -> None:
        """Show these, and no others; what is selected stays so as far as it is there."""
        while self.rowCount() > len(lines):
            self.removeRow(self.rowCount() - 1)
        while self.rowCount() < len(lines):
            self._append()
        for n, line in enumerate(lines):
            said = "Checking" if line.check is None else line.check.said
            for column, text in ((0, line.scan), (1, line.mask), (_CHECK, said)):
                item = self.item(n, column)
                item.setText(text)
                item.setToolTip(text)
            if line.check is not None:
                self.item(n, _CHECK).setIcon(self.style().standardIcon(_ICONS[line.check.status]))
            box = self.cellWidget(n, _USE)
            box.setCurrentIndex(int(line.held_out))
            box.setEnabled(line.check is None or line.check.usable)

    def chosen(self) -> list[int]:
        """The numbers of the lines that are selected."""
        return sorted(index.row() for index in self.selectionModel().selectedRows())

    def _append(self) -> None:
        n = self.rowCount()
        self.insertRow(n)
        for column in range(len(_COLUMNS)):
            self.setItem(n, column, QTableWidgetItem())
        box = QComboBox()
        box.addItems(_USES)
        box.setToolTip("Learn from it, or hold it out to judge the new model; all scans of a patient alike.")
        box.activated.connect(partial(self._on_use, box))
        self.setCellWidget(n, _USE, box)

    def _on_use(self, box: QWidget, index: int) -> None:
        n = next(n for n in range(self.rowCount()) if self.cellWidget(n, _USE) is box)
        self.used.emit(n, bool(index))


class _Shortened(QStyledItemDelegate):
    """Names lose their middle where there is no room: masks of one scan differ at their ends."""

    def initStyleOption(self, option: Any, index: QModelIndex) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        last = index.column() == _CHECK
        option.textElideMode = Qt.TextElideMode.ElideRight if last else Qt.TextElideMode.ElideMiddle
