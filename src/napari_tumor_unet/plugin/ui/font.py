"""The size of the font that the user chose, where napari's style says nothing of it."""

from __future__ import annotations

from napari.settings import get_settings
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_tumor_unet.plugin.ui.connections import Connections


def follow_font(*widgets: QWidget) -> None:
    """Let tables and lines to write in follow the size, as long as they are there."""
    for widget in widgets:
        _Follower(widget)


class _Follower(QObject):
    """A child of the widget: settings that held the widget would keep its whole panel."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._connections = Connections(self)
        self._connections.add(get_settings().appearance.events.font_size, self._follow)
        self._follow()

    def _follow(self, *_: object) -> None:
        widget = self.parent()
        font = widget.font()
        font.setPointSize(get_settings().appearance.font_size)
        widget.setFont(font)
