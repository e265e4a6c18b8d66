"""The one button of a panel that comes next, made to stand out."""

from __future__ import annotations

from collections.abc import Iterable

from magicgui.widgets import PushButton

_STYLE = """
QPushButton { background: #0b6bcb; color: white; font-weight: bold; }
QPushButton:hover { background: #1d7fe0; }
QPushButton:pressed { background: #095aab; }
QPushButton:disabled { background: palette(mid); color: #8a8a8a; }
"""  # white on this blue stands out in dark and in light themes


def show_primary(primary: PushButton | None, buttons: Iterable[PushButton]) -> None:
    """Let one of some buttons stand out, or none."""
    for one in buttons:
        style = _STYLE if one is primary else ""
        if one.native.styleSheet() != style:
            one.native.setStyleSheet(style)
