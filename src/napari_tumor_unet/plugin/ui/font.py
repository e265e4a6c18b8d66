"""The size of the font that the user chose, where napari's style says nothing of it, or too little."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from napari.settings import get_settings
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_tumor_unet.plugin.ui.connections import Connections


def follow_font(owner: QWidget, widgets: Iterable[QWidget]) -> None:
    """Let tables and lines to write in follow the size; they are the owner, or parts of it."""
    _Follower(owner, partial(_set_size, tuple(widgets)))


def enlarge(label: QWidget, factor: float) -> None:
    """Let a label be bold, and larger than the text around it by a factor."""
    _Follower(label, partial(_set_style, label, factor))


class _Follower(QObject):
    """A child of the owner: if the settings held the widgets themselves, no panel would ever go."""

    def __init__(self, owner: QWidget, apply: Callable[[int], object]) -> None:
        super().__init__(owner)
        self._apply = apply
        self._connections = Connections(self)
        self._connections.add(get_settings().appearance.events.font_size, self._follow)
        self._follow()

    def _follow(self, *_: object) -> None:
        self._apply(get_settings().appearance.font_size)


def _set_size(widgets: tuple[QWidget, ...], size: int) -> None:
    for widget in widgets:
        font = widget.font()
        font.setPointSize(size)
        widget.setFont(font)


def _set_style(label: QWidget, factor: float, size: int) -> None:
    label.setStyleSheet(f"font-weight: bold; font-size: {factor * size:.1f}pt")
