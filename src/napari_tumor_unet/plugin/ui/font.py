"""The size of the font that the user chose, where napari's style says nothing of it."""

from __future__ import annotations

from collections.abc import Iterable

from napari.settings import get_settings
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_tumor_unet.plugin.ui.connections import Connections


def follow_font(owner: QWidget, widgets: Iterable[QWidget]) -> None:
    """Let tables and lines to write in follow the size; they are the owner, or parts of it."""
    _Follower(owner, widgets)


class _Follower(QObject):
    """A child of the owner: if the settings held the widgets themselves, no panel would ever go."""

    def __init__(self, owner: QWidget, widgets: Iterable[QWidget]) -> None:
        super().__init__(owner)
        self._widgets = tuple(widgets)
        self._connections = Connections(self)
        self._connections.add(get_settings().appearance.events.font_size, self._follow)
        self._follow()

    def _follow(self, *_: object) -> None:
        for widget in self._widgets:
            font = widget.font()
            font.setPointSize(get_settings().appearance.font_size)
            widget.setFont(font)
