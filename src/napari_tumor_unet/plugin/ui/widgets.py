"""Make the widgets of the panels."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from magicgui.widgets import ComboBox, Container, Label, PushButton
from magicgui.widgets.bases import Widget
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QScrollArea,
    QScrollBar,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QTableWidget,
    QToolTip,
    QWidget,
)
from superqt import QCollapsible

from napari_tumor_unet._text import visible
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.font import follow_font
from napari_tumor_unet.plugin.ui.plain import plain

_FIELDS = (
    *(QComboBox, QAbstractSpinBox, QAbstractSlider, QLineEdit),
    *(QAbstractItemView, QProgressBar),
)
_LEAST_LETTERS = 6  # of a choice, however long its entries are
_UNLIMITED = 16_777_215  # Qt's greatest height
_LONGEST_WORD = 20  # letters that a sentence is not broken within

_Label = TypeVar("_Label", bound=Label)


def folded(title: str, content: Container[Any]) -> Container[Any]:
    """Make a part of a panel that is shown when its title is clicked."""
    fold = QCollapsible(title, expandedIcon="▼", collapsedIcon="▶")
    fold.setDuration(0)
    fold.layout().setContentsMargins(0, 0, 0, 0)
    fold.addWidget(content.native)
    content.native.hide()  # else the Tab key goes through what nobody sees
    fold.toggled.connect(content.native.setVisible)
    # superqt keeps it as high as it would be with texts in lines of any length; a narrow panel needs more.
    fold.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    fold.layout().setAlignment(Qt.AlignmentFlag(0))
    content.native.removeEventFilter(fold)
    fold.toggled.connect(lambda opened: fold.content().setMaximumHeight(_UNLIMITED if opened else 0))
    return wrap(fold)


class Scrolled(QScrollArea):
    """Scrolls a panel up and down where the window is low, and is never narrower than it.

    magicgui has a way of its own, which napari's docks undo.

    Parameters
    ----------
    content : Container
    width : int
        The least, in pixels.
    """

    def __init__(self, content: Container[Any], width: int) -> None:
        super().__init__()
        self._width = width
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content.native)
        for box in content.native.findChildren(QComboBox):
            _Elided(box)
        _WheelGuard(content.native)
        follow_font(self, content.native.findChildren(QLineEdit))
        _name_fields(content.native)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As wide as the content at its narrowest."""
        content, bar = self.widget().minimumSizeHint(), self.verticalScrollBar().sizeHint()
        return QSize(max(self._width, content.width() + bar.width()), 2 * bar.width())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Follow the content as it grows."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


def turnable_fields(content: QWidget) -> list[QWidget]:
    """Return the fields in a widget that the wheel would change."""
    kinds = (QComboBox, QAbstractSpinBox, QAbstractSlider)
    fields = [field for kind in kinds for field in content.findChildren(kind)]
    return [field for field in fields if not isinstance(field, QScrollBar)]


class _WheelGuard(QObject):
    """Lets the wheel scroll the panel over a field without focus, in place of changing what it says.

    Parameters
    ----------
    content : QWidget
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__(content)
        for field in turnable_fields(content):
            field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # which the wheel does not give
            field.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() != QEvent.Type.Wheel or watched.hasFocus():
            return False
        event.ignore()  # so that it goes on to the panel
        return True


class _Elided(QObject):
    """Keeps a choice narrow: a long entry is elided in the middle, and its tooltip tells the whole.

    Parameters
    ----------
    box : QComboBox
    """

    def __init__(self, box: QComboBox) -> None:
        super().__init__(box)
        self._box = box
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(_LEAST_LETTERS)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, box.sizePolicy().verticalPolicy())
        box.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        box.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.Paint and watched is self._box:
            self._paint()
            return True
        if event.type() == QEvent.Type.ToolTip and watched is self._box:
            name, what = plain(self._box.currentText()), self._box.toolTip()
            QToolTip.showText(event.globalPos(), f"{name}\n{what}".strip(), self._box)
            return True
        return False

    def _paint(self) -> None:
        box, style = self._box, QStyle
        option, painter = QStyleOptionComboBox(), QStylePainter(box)
        box.initStyleOption(option)
        room = box.style().subControlRect(
            style.ComplexControl.CC_ComboBox, option, style.SubControl.SC_ComboBoxEditField, box
        )
        elided = box.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, room.width() - 2
        )
        option.currentText = elided
        painter.drawComplexControl(style.ComplexControl.CC_ComboBox, option)
        painter.drawControl(style.ControlElement.CE_ComboBoxLabel, option)
        painter.end()


def _name_fields(parent: QWidget) -> None:
    """Give each field a name for those who hear the screen: its label, else what its tooltip says."""
    for field in parent.findChildren(QWidget):
        if isinstance(field, _FIELDS) and not field.accessibleName():
            field.setAccessibleName(_label_of(field, parent) or field.toolTip() or _columns(field))


def _columns(field: QWidget) -> str:
    """Return the columns of a table."""
    if not isinstance(field, QTableWidget):
        return ""
    heads = [field.horizontalHeaderItem(column) for column in range(field.columnCount())]
    titles = [" ".join(head.text().split()) for head in heads if head is not None]
    return f"table of {', '.join(titles)}"


def _label_of(field: QWidget, parent: QWidget) -> str:
    """Return the label beside a field, or beside what the field is part of."""
    while field is not parent and field.parentWidget() is not None:
        beside = field.parentWidget().layout()
        label = beside.itemAt(0).widget() if beside is not None and beside.count() == 2 else None
        if isinstance(label, QLabel) and label is not field and label.text():
            return str(label.text())
        field = field.parentWidget()
    return ""


def row(*widgets: Any, label: str = "") -> Container[Any]:
    """Put widgets beside each other."""
    made: Container[Any] = Container(layout="horizontal", widgets=list(widgets), labels=False, label=label)
    made.margins = (0, 0, 0, 0)
    return made


def fields(*widgets: Widget) -> Container[Any]:
    """Put widgets under each other, with their labels beside them."""
    made: Container[Any] = Container(widgets=list(widgets))
    made.margins = (0, 0, 0, 0)
    return made


def button(text: str, tooltip: str, act: Callable[..., Any]) -> PushButton:
    """Make a button that acts when it is pressed."""
    made = PushButton(text=text, tooltip=tooltip)
    made.changed.connect(lambda *_: act())
    return made


class TextLabel(Label):
    """A label that shows its text as data."""

    def __init__(self, **options: Any) -> None:
        super().__init__(value="", **options)
        self.native.setTextFormat(Qt.TextFormat.PlainText)

    def set_value(self, value: Any) -> None:
        """Show a text; a word that is too long for a panel may be broken anywhere."""
        text = visible(str(value), lines=True)
        super().set_value(re.sub(rf"\S{{{_LONGEST_WORD}}}", "\\g<0>\u200b", text))

    def get_value(self) -> str:
        """Return the text as it was given."""
        return str(super().get_value()).replace("\u200b", "")


def text_label(**options: Any) -> TextLabel:
    """Make a label for sentences, which are wrapped."""
    return _wrapped(TextLabel(**options))


def rich_label(**options: Any) -> Label:
    """Make a label for texts of one's own with markup, which are wrapped."""
    return _wrapped(Label(**options))


def _wrapped(label: _Label) -> _Label:
    label.native.setWordWrap(True)  # which is not enough: magicgui's label is as wide as its text would like
    label.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    return label


def warning_label() -> TextLabel:
    """Make a label that stands out, in dark and in light themes."""
    made = text_label()
    made.native.setStyleSheet("color: #1c1600; background: #f2c14e; border-radius: 3px; padding: 5px;")
    return made


def choice(label: str, choices: Callable[[], Any], tooltip: str, **options: Any) -> ComboBox:
    """Make a choice that asks for its entries, as napari makes them anew when layers come or go."""
    return ComboBox(label=label, choices=lambda _: choices(), tooltip=tooltip, **options)


def wrap(widget: QWidget) -> Container[Any]:
    """Make a Qt widget one of magicgui's, to stand among others."""
    made: Container[Any] = Container(labels=False)
    made.margins = (0, 0, 0, 0)
    made.native.layout().addWidget(widget)
    return made


def align(*containers: Container[Any]) -> None:
    """Let all fields begin in one line, as soon as the window's font is known."""
    timer(containers[0].native, 0, partial(_align, containers)).start()


def _align(containers: tuple[Container[Any], ...]) -> None:
    labels = [
        label
        for container in containers
        for widget in container
        if (label := widget.native.parentWidget().layout().itemAt(0).widget()) is not widget.native
        and isinstance(label, QLabel)
    ]
    for label in labels:
        label.ensurePolished()
    width = max(label.sizeHint().width() for label in labels)
    for label in labels:
        label.setMinimumWidth(width)
