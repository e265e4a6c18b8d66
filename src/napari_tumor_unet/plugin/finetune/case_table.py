"""The table of cases, one row per scan with its mask."""

from __future__ import annotations

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
    QTableWidgetItem,
)
from superqt.utils import signals_blocked

from napari_tumor_unet.plugin.finetune.case_list import CaseStatus
from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.table import TextTable

_COLUMNS = ("scan", "mask", "hold out", "check")
_SCAN, _MASK, _OUT, _CHECK = range(len(_COLUMNS))
_OUT_MEANS = "Hold it out to judge the new model, instead of learning from it; all scans of a patient alike."
_HEIGHT, _WIDEST = 140, 160  # pixels of the table, and of a column
_ICONS = {
    "ok": QStyle.StandardPixmap.SP_DialogApplyButton,
    "warning": QStyle.StandardPixmap.SP_MessageBoxWarning,
    "error": QStyle.StandardPixmap.SP_MessageBoxCritical,
}


class CaseTable(TextTable):
    """Shows the status of cases, and lets the user choose which are held out.

    Attributes
    ----------
    held_out_changed : Signal
        The number of a row, and whether the user holds its case out.
    """

    held_out_changed = Signal(int, bool)

    def __init__(self) -> None:
        super().__init__(_COLUMNS, _HEIGHT)
        self._statuses: list[CaseStatus] = []
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setItemDelegate(_ElidedMiddle(self))
        self.setIconSize(QSize(14, 14))
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for narrow in (_MASK, _OUT):
            header.setSectionResizeMode(narrow, QHeaderView.ResizeMode.ResizeToContents)
        header.setMaximumSectionSize(_WIDEST)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setWordWrap(False)
        self.horizontalHeaderItem(_OUT).setToolTip(_OUT_MEANS)

    def show_statuses(self, statuses: list[CaseStatus]) -> None:
        """Show these cases and no others; rows that were selected stay selected."""
        with signals_blocked(self):  # a selected row that goes is told of before the others are right
            self.setRowCount(min(self.rowCount(), len(statuses)))
        while self.rowCount() < len(statuses):
            self._append()
        for n, status in enumerate(statuses):
            if self._statuses[n : n + 1] != [status]:
                self._fill(n, status)
        self._statuses = statuses

    def selected_rows(self) -> list[int]:
        """Return the numbers of the selected rows."""
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

    def _fill(self, n: int, status: CaseStatus) -> None:
        check = status.check
        texts = {_SCAN: status.scan, _MASK: status.mask, _CHECK: check.message if check else "Checking"}
        for column, text in texts.items():
            self.item(n, column).setText(plain(text))
            self.item(n, column).setToolTip(plain(text))
        # The name of the scan stands beside that of the mask.
        own = status.mask.removeprefix(status.scan).strip(" _-") or status.mask
        self.item(n, _MASK).setText(plain(own))
        self.item(n, _CHECK).setIcon(self.style().standardIcon(_ICONS[check.status]) if check else QIcon())
        box = self.cellWidget(n, _OUT)
        box.setChecked(status.held_out)
        box.setEnabled(check is None or check.usable)

    def _on_box(self, box: QCheckBox, held_out: bool) -> None:
        n = next(n for n in range(self.rowCount()) if self.cellWidget(n, _OUT) is box)
        self.held_out_changed.emit(n, held_out)


class _ElidedMiddle(QStyledItemDelegate):
    """Elides names in the middle: masks of one scan differ at their ends."""

    def initStyleOption(self, option: Any, index: QModelIndex) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        last = index.column() == _CHECK
        option.textElideMode = Qt.TextElideMode.ElideRight if last else Qt.TextElideMode.ElideMiddle
