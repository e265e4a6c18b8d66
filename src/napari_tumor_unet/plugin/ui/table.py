"""Tables of texts."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget

from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.font import follow_font

_NO_LIMIT = 16_777_215  # pixels, as Qt has it


class TextTable(QTableWidget):
    """A table that cannot be edited, and shows texts as they are, as magicgui's own does not.

    Parameters
    ----------
    columns : sequence of str
    height : int
        The least, in pixels.
    """

    def __init__(self, columns: Sequence[str], height: int) -> None:
        super().__init__(0, len(columns))
        self.setHorizontalHeaderLabels(columns)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)  # else the Tab key never leaves; the arrows go from cell to cell
        self.verticalHeader().hide()
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.setMinimumHeight(height)
        follow_font(self, (self, self.horizontalHeader(), self.verticalHeader()))


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
