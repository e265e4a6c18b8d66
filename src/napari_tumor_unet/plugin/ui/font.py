"""The size of the font that the user chose, where napari's style says nothing of it."""

from __future__ import annotations

from napari.settings import get_settings
from qtpy.QtWidgets import QWidget

from napari_tumor_unet.plugin.ui.connections import Connections


def follow_font(owner: QWidget, *others: QWidget) -> None:
    """Let tables and lines to write in follow the size; they are the owner's, and go with it."""

    def follow(*_: object) -> None:
        for widget in (owner, *others):
            font = widget.font()
            font.setPointSize(get_settings().appearance.font_size)
            widget.setFont(font)

    Connections(owner).add(get_settings().appearance.events.font_size, follow)
    follow()
