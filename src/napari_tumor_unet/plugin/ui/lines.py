"""A table whose first column shows texts whole, under each other, however narrow it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QModelIndex, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import (
    QAbstractTextDocumentLayout,
    QIcon,
    QKeyEvent,
    QPainter,
    QPalette,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextOption,
)
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidgetItem,
)

from napari_tumor_unet._text import visible
from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.table import FittedTable

_ICON, _MARGIN, _BOLD = 14, 4, 700  # pixels; and a weight


class LinesTable(FittedTable):
    """A table whose first column is never cut off.

    Parameters
    ----------
    columns : sequence of str
    highest : int
        Pixels; a higher one scrolls.
    indent : int
        Pixels before the lines, as for a widget in their cell.
    """

    def __init__(self, columns: Sequence[str], highest: int, indent: int = 0) -> None:
        self.indent = indent
        super().__init__(columns, highest)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setItemDelegateForColumn(0, _Lines(self))
        header = self.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def append(self) -> int:
        """Add an empty row, and return its number."""
        row = int(self.rowCount())
        self.insertRow(row)
        for column in range(self.columnCount()):
            self.setItem(row, column, QTableWidgetItem())
        return row

    def add_box(self, row: int, column: int) -> QCheckBox:
        """Put a check box into a cell; the space bar presses the one of the current row."""
        box = QCheckBox()
        self.setCellWidget(row, column, box)
        self.setTabOrder(self.cellWidget(row - 1, column) or self, box)  # else it is the window's last
        return box

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Press the box of the current row."""
        widgets = (self.cellWidget(self.currentRow(), column) for column in range(self.columnCount()))
        box = next((widget for widget in widgets if isinstance(widget, QCheckBox)), None)
        if box is not None and event.key() == Qt.Key.Key_Space:
            box.click()
        else:
            super().keyPressEvent(event)

    def show_lines(self, row: int, lines: Sequence[str], icon: QIcon | None = None) -> None:
        """Show lines in a row, of which the first is the name of it."""
        item = self.item(row, 0)
        item.setText("\n".join(plain(visible(line)) for line in lines))
        item.setToolTip(plain("\n".join(lines)))
        item.setIcon(icon or QIcon())
        self.fit()


class _Lines(QStyledItemDelegate):
    """Draws the lines of an item, the first in bold; as text, of which none is markup."""

    def paint(self, painter: QPainter, option: Any, index: QModelIndex) -> None:
        option = QStyleOptionViewItem(option)  # Qt uses its own for the next column too
        self.initStyleOption(option, index)
        icon, option.text, option.icon = QIcon(option.icon), "", QIcon()
        table = option.widget
        table.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, table)
        document, indent = self._document(option, index, icon)
        corner = option.rect.topLeft()
        icon.paint(painter, corner.x() + _MARGIN, corner.y() + 2 * _MARGIN, _ICON, _ICON)
        context = QAbstractTextDocumentLayout.PaintContext()
        context.palette.setColor(QPalette.ColorRole.Text, table.palette().color(QPalette.ColorRole.Text))
        context.clip = QRectF(0, 0, document.textWidth(), option.rect.height())
        painter.save()
        painter.translate(QPointF(corner.x() + indent, corner.y()))
        document.documentLayout().draw(painter, context)
        painter.restore()

    def sizeHint(self, option: Any, index: QModelIndex) -> QSize:  # noqa: N802
        option = QStyleOptionViewItem(option)  # Qt uses its own for the next column too
        self.initStyleOption(option, index)
        return QSize(0, round(self._document(option, index, option.icon)[0].size().height()))

    def _document(self, option: Any, index: QModelIndex, icon: QIcon) -> tuple[QTextDocument, int]:
        """Set the lines at the width of their column, and how far from its left."""
        document, bold, wrapped = QTextDocument(), QTextCharFormat(), QTextOption()
        document.setDocumentMargin(_MARGIN)
        document.setDefaultFont(option.font)
        wrapped.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        document.setDefaultTextOption(wrapped)
        bold.setFontWeight(_BOLD)
        name, *others = index.data().split("\n")
        cursor = QTextCursor(document)
        cursor.insertText(name, bold)
        for line in others:
            cursor.insertBlock()
            cursor.insertText(line, QTextCharFormat())
        indent = option.widget.indent + (0 if icon.isNull() else _ICON + _MARGIN)
        document.setTextWidth(max(1, option.widget.columnWidth(index.column()) - indent))
        return document, indent
