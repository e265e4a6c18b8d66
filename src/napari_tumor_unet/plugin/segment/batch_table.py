"""The table of a batch, one line per scan, however many there are."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QEvent, QModelIndex, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QStyle, QStyledItemDelegate, QTableWidgetItem

from napari_tumor_unet.inference.batch import Outcome
from napari_tumor_unet.inference.result import headline
from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.table import TextTable

_COLUMNS = {"scan": "Its name.", "found": "Size of the tumour, and warnings; or what went wrong."}
_FOUND = 1
_HEIGHT, _ICON, _AROUND = 200, 14, 6  # pixels
_SHARE, _MOST = 0.45, 0.8  # of the width: the names', at first and at most
_LETTERS = 80  # of a line of a tooltip, which Qt does not break
_NAME, _TEXT = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1


class BatchTable(TextTable):
    """Shows outcomes as they come; what a line has no room for is in the tooltips.

    The line between the columns can be dragged. All rows are of one height, so that ten thousand take no
    time.
    """

    def __init__(self) -> None:
        super().__init__((*_COLUMNS,), _HEIGHT)
        self._left_out: dict[str, QTableWidgetItem] = {}
        self._first_failed: QTableWidgetItem | None = None
        for column, tooltip in enumerate(_COLUMNS.values()):
            self.horizontalHeaderItem(column).setToolTip(tooltip)
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        self._share = _SHARE
        header.sectionResized.connect(self._on_resized)
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

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Let the columns keep their shares."""
        super().resizeEvent(event)
        self.setColumnWidth(0, round(self._share * self.viewport().width()))

    def _on_resized(self, column: int, _: int, width: int) -> None:
        if column == 0:
            self._share = min(width / max(1, self.viewport().width()), _MOST)

    def show_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Show these outcomes and no others."""
        self.setRowCount(0)
        self._left_out, self._first_failed = {}, None
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
        findings = outcome.findings
        nothing = () if findings is None else (headline(findings, ()),)
        sizes = findings.sizes if findings is not None and findings.voxels else nothing
        notes = ("Done before.",) * outcome.done_before + outcome.warnings
        found = _without_name(outcome.error, outcome.name) or " · ".join((*sizes[:1], *notes))
        lines = (outcome.name, outcome.error or ", ".join(sizes), *notes)
        tooltip = "\n".join(textwrap.fill(line, _LETTERS, break_long_words=False) for line in lines).rstrip()
        for column, text in enumerate((outcome.name, found)):
            item = QTableWidgetItem(plain(text))
            item.setToolTip(plain(tooltip))
            if outcome.left_out:
                item.setForeground(self.palette().placeholderText())
            self.setItem(row, column, item)
        self.item(row, 0).setData(_NAME, outcome.name)
        self.item(row, 0).setData(_TEXT, "\n".join(lines).rstrip())
        if outcome.left_out:
            self._left_out[outcome.name] = self.item(row, 0)
        elif outcome.error or outcome.warnings:
            self.item(row, _FOUND).setIcon(self._failed if outcome.error else self._warned)
            if outcome.error and self._first_failed is None:
                self._first_failed = self.item(row, 0)
        if at_end:
            self.scrollToBottom()

    def select_failed(self) -> None:
        """Select the first scan that failed, unless the user has selected any."""
        if self._first_failed is not None and not self.selectionModel().hasSelection():
            self.selectRow(self._first_failed.row())

    def selected_names(self) -> list[str]:
        """Return the names of the scans in the selected rows."""
        rows = self.selectionModel().selectedRows()
        return [self.item(index.row(), 0).data(_NAME) for index in rows]

    def selected_text(self) -> str:
        """Return all that is to be said of the scan in the selected row, if there is one."""
        rows = self.selectionModel().selectedRows()
        return str(self.item(rows[0].row(), 0).data(_TEXT)) if len(rows) == 1 else ""


def _without_name(error: str, name: str) -> str:
    """Return what an error says of a scan, without the name of its file, which would leave no room."""
    rest = re.sub(rf"^{re.escape(name)}(?:\.\S*)? ", "", error)
    return error if rest == error else rest[:1].upper() + rest[1:]


class _Sentence(QStyledItemDelegate):
    """Shows how a text begins; of a name the end tells more."""

    def initStyleOption(self, option: Any, index: QModelIndex) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideRight
