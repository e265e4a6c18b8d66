"""A table of texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_tumor_unet.plugin.ui.connections import Connections
from napari_tumor_unet.plugin.ui.plain import plain


class TextTable(QTableWidget):
    """A table that cannot be edited, and shows texts as they are.

    magicgui's own table shows a name such as 007 as a number.

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
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.setMinimumHeight(height)
        appearance = get_settings().appearance
        self._connections = Connections(self)
        self._connections.add(appearance.events.font_size, self._follow_font)
        self._follow_font()

    def _follow_font(self, *_: object) -> None:
        """Take the size that the user chose, of which napari's style says nothing for tables."""
        font = self.font()
        font.setPointSize(get_settings().appearance.font_size)
        self.setFont(font)

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
