"""Connections, timers and emitters that end with the widget that they belong to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from qtpy.compat import isalive
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


class Emitter:
    """Emits a signal from another thread than its owner's, unless the owner is gone.

    Qt crashes where an object is deleted while another thread emits its signal; this has it wait.

    Parameters
    ----------
    owner : QObject
    signal : bound signal
        One of the owner's.
    """

    def __init__(self, owner: QObject, signal: Any) -> None:
        self._signal = signal
        self._gone = False
        self._emitting = threading.RLock()
        owner.destroyed.connect(self._close)

    def __call__(self, *content: Any) -> None:
        """Emit the signal; its slots are called in the owner's thread, later."""
        with self._emitting:
            if not self._gone:
                # A moment before it is destroyed an owner is a QObject without signals, to PyQt.
                with suppress(AttributeError, RuntimeError):
                    self._signal.emit(*content)

    def _close(self) -> None:
        with self._emitting:
            self._gone = True


def timer(owner: QObject, milliseconds: int, act: Callable[[], object]) -> QTimer:
    """Make a timer that calls a function once after each start, unless its owner is gone."""
    made = QTimer(owner, singleShot=True, interval=milliseconds)
    made.timeout.connect(act)
    return made


def after_event(owner: QObject, act: Callable[[], object]) -> None:
    """Call a function once Qt is done with the event that it deals with now, unless an owner is gone.

    A timer of no time may run out before: napari serves events between two files of a drop.

    Parameters
    ----------
    owner : QObject
        One of the thread that calls.
    act : callable
    """
    end = QObject(owner)
    end.destroyed.connect(lambda *_: act() if isalive(owner) else None)
    end.deleteLater()  # which Qt does not do before the event is over
