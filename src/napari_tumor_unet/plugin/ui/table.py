"""Tables of texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem

from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.font import follow_font
from napari_tumor_unet.plugin.ui.plain import plain

_NO_LIMIT = 16_777_215  # pixels, as Qt has it


class TextTable(QTableWidget):
    """A table that cannot be edited, and shows texts as they are.

    magicgui's own table shows a name such as 007 as a number.

    Parameters
    ----------
    columns : sequence of str
    height : int
        The least, in pixels.
    letters : int, optional
        How wide a column is at most; the tooltip tells all of a text that is longer.
    """

    def __init__(self, columns: Sequence[str], height: int, letters: int | None = None) -> None:
        self._letters = letters
        super().__init__(0, len(columns))
        self.setWordWrap(letters is None)
        self.setHorizontalHeaderLabels(columns)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)  # else the Tab key never leaves; the arrows go from cell to cell
        self.verticalHeader().hide()
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.setMinimumHeight(height)
        follow_font(self, (self, self.horizontalHeader(), self.verticalHeader()))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Let columns be as wide as so many letters of another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and self._letters is not None:
            widest = self._letters * self.fontMetrics().averageCharWidth()
            self.horizontalHeader().setMaximumSectionSize(widest)

    def add_row(self, texts: Iterable[str], *, left: int | None = None) -> None:
        """Add a row; only so many columns are aligned to the left, or all."""
        row = self.rowCount()
        self.insertRow(row)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(plain(text))
            item.setToolTip(plain(text))
            if left is not None and column >= left:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.setItem(row, column, item)
        self.scrollToBottom()


class FittedTable(TextTable):
    """A table as high as its rows, up to a limit: the panel scrolls, not the table.

    Parameters
    ----------
    columns : sequence of str
    highest : int
        Pixels; a higher one scrolls.
    """

    def __init__(self, columns: Sequence[str], highest: int = _NO_LIMIT) -> None:
        self._fit_timer: QTimer | None = None  # until there is something to fit
        super().__init__(columns, 0)
        self._highest = highest
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._fit_timer = timer(self, 0, self._fit)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Break the lines anew."""
        super().resizeEvent(event)
        self.fit()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Break the lines anew."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.fit()

    def fit(self) -> None:
        """Give each row its height, and the table theirs, as soon as the window has settled."""
        if self._fit_timer is not None:
            self._fit_timer.start()

    def _fit(self) -> None:
        self.resizeRowsToContents()
        columns, rows, frame = self.horizontalHeader(), self.verticalHeader(), 2 * self.frameWidth()
        height, width = rows.length() + frame, columns.length() + frame
        height += 0 if columns.isHidden() else columns.sizeHint().height()
        width += 0 if rows.isHidden() else rows.sizeHint().width()
        if width > self.width():
            height += self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight(min(height, self._highest))
