"""Connections and timers that end with the widget that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from qtpy.QtCore import QMetaObject, QObject, QTimer


class Connections:
    """Callbacks of a widget on signals that outlive it: signals of Qt, and events of napari.

    Qt undoes connections to QObjects itself; but panels are none, and events of napari no signals of Qt.

    Parameters
    ----------
    owner : QObject
        When the owner is destroyed, the connections are undone.
    """

    def __init__(self, owner: QObject) -> None:
        self._undo: list[Callable[[], object]] = []
        owner.destroyed.connect(self.close)

    def add(self, signal: Any, callback: Callable[..., object]) -> None:
        """Connect a callback to a signal or event."""
        made = signal.connect(callback)
        # To disconnect a signal of Qt whose sender is gone crashes; a connection can be undone.
        is_qt = isinstance(made, QMetaObject.Connection)
        self._undo.append(
            partial(QObject.disconnect, made) if is_qt else partial(signal.disconnect, callback)
        )

    def at_close(self, act: Callable[[], object]) -> None:
        """Call a function when the connections are undone, after those made before."""
        self._undo.append(act)

    def close(self) -> None:
        """Undo all connections."""
        undo, self._undo = self._undo, []
        for act in undo:
            with suppress(RuntimeError):  # with the whole window, what is acted on may go first
                act()


def timer(owner: QObject, milliseconds: int, act: Callable[[], object]) -> QTimer:
    """Make a timer that calls a function once after each start, unless its owner is gone."""
    made = QTimer(owner, singleShot=True, interval=milliseconds)
    made.timeout.connect(act)
    return made
