"""The table of a batch, one line per scan, however many there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QEvent, QModelIndex, QSize, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QStyle, QStyledItemDelegate, QTableWidgetItem

from napari_tumor_unet.inference.batch import Outcome
from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.table import TextTable

_COLUMNS = {"scan": "Its name.", "found": "Size of the tumour, and warnings; or what went wrong."}
_FOUND = 1
_HEIGHT, _ICON, _AROUND = 200, 14, 6  # pixels


class BatchTable(TextTable):
    """Shows outcomes as they come; what a line has no room for is in the tooltips.

    All rows are of one height, so that ten thousand take no time.
    """

    def __init__(self) -> None:
        super().__init__((*_COLUMNS,), _HEIGHT)
        self._left_out: dict[str, QTableWidgetItem] = {}
        for column, tooltip in enumerate(_COLUMNS.values()):
            self.horizontalHeaderItem(column).setToolTip(tooltip)
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setItemDelegateForColumn(_FOUND, _Sentence(self))
        self.setWordWrap(False)
        self.setIconSize(QSize(_ICON, _ICON))
        icons = QStyle.StandardPixmap
        self._failed = self.style().standardIcon(icons.SP_MessageBoxCritical)
        self._warned = self.style().standardIcon(icons.SP_MessageBoxWarning)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Give the rows room for another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + _AROUND)

    def show_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Show these outcomes and no others."""
        self.setRowCount(0)
        self._left_out = {}
        for outcome in outcomes:
            self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """Add a row, for the one of a scan that was left out, and show it unless the user has scrolled up."""
        if (before := self._left_out.pop(outcome.name, None)) is not None:
            self.removeRow(before.row())
        bar = self.verticalScrollBar()
        at_end = bar.value() == bar.maximum()
        row = self.rowCount()
        self.insertRow(row)
        sizes = () if outcome.findings is None else outcome.findings.sizes
        notes = ("Done before.",) * outcome.done_before + outcome.warnings
        found = outcome.error or " · ".join((*sizes[:1], *notes))
        tooltip = "\n".join((outcome.name, outcome.error or ", ".join(sizes), *notes)).rstrip()
        for column, text in enumerate((outcome.name, found)):
            item = QTableWidgetItem(plain(text))
            item.setToolTip(plain(tooltip))
            if outcome.left_out:
                item.setForeground(self.palette().placeholderText())
            self.setItem(row, column, item)
        self.item(row, 0).setData(Qt.ItemDataRole.UserRole, outcome.name)
        if outcome.left_out:
            self._left_out[outcome.name] = self.item(row, 0)
        elif outcome.error or outcome.warnings:
            self.item(row, _FOUND).setIcon(self._failed if outcome.error else self._warned)
        if at_end:
            self.scrollToBottom()

    def selected_names(self) -> list[str]:
        """Return the names of the scans in the selected rows."""
        rows = self.selectionModel().selectedRows()
        return [self.item(index.row(), 0).data(Qt.ItemDataRole.UserRole) for index in rows]

    def selected_text(self) -> str:
        """Return all that is to be said of the scan in the selected row, if there is one."""
        rows = self.selectionModel().selectedRows()
        return str(self.item(rows[0].row(), 0).toolTip()) if len(rows) == 1 else ""


class _Sentence(QStyledItemDelegate):
    """Shows how a text begins; of a name the end tells more."""

    def initStyleOption(self, option: Any, index: QModelIndex) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideRight
