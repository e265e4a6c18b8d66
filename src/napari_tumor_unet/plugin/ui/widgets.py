"""What the panels are put together from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from magicgui.widgets import ComboBox, Container, Label, PushButton
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import QLabel, QScrollArea, QSizePolicy, QWidget
from superqt import QCollapsible


def folded(title: str, content: Container[Any]) -> QCollapsible:
    """A part of a panel that is shown when its title is clicked."""
    fold = QCollapsible(title, expandedIcon="▼", collapsedIcon="▶")
    fold.setDuration(0)
    fold.layout().setContentsMargins(0, 0, 0, 0)
    fold.addWidget(content.native)
    return fold


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

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As wide as the content at its narrowest."""
        content, bar = self.widget().minimumSizeHint(), self.verticalScrollBar().sizeHint()
        return QSize(max(self._width, content.width() + bar.width()), 2 * bar.width())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Follow the content as it grows."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


def row(*widgets: Any, label: str = "") -> Container[Any]:
    """Widgets beside each other."""
    made: Container[Any] = Container(layout="horizontal", widgets=list(widgets), labels=False, label=label)
    made.margins = (0, 0, 0, 0)
    return made


def button(text: str, tooltip: str, act: Callable[..., Any]) -> PushButton:
    """A button that acts when it is pressed."""
    made = PushButton(text=text, tooltip=tooltip)
    made.changed.connect(lambda *_: act())
    return made


def notice() -> Label:
    """Text that stands out, in dark and in light themes."""
    made = Label(value="")
    made.native.setWordWrap(True)
    made.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    made.native.setStyleSheet("color: #1c1600; background: #f2c14e; border-radius: 3px; padding: 5px;")
    return made


def choice(label: str, choices: Callable[[], Any], tooltip: str, **options: Any) -> ComboBox:
    """A choice whose entries are asked for: napari has all made anew with every layer that comes or goes."""
    return ComboBox(label=label, choices=lambda _: choices(), tooltip=tooltip, **options)


def append(panel: Container[Any], widget: QWidget) -> None:
    """Put a Qt widget under the others of a panel."""
    panel.native.layout().addWidget(widget)


def align(*containers: Container[Any]) -> None:
    """Let all fields begin in one line, as soon as the window's font is known."""
    QTimer.singleShot(0, partial(_align, containers))


def _align(containers: tuple[Container[Any], ...]) -> None:
    with suppress(RuntimeError):  # the panel may be gone
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
