"""The end of Python with a window that nobody closed."""

from __future__ import annotations

import atexit
from weakref import WeakSet

from qtpy.compat import isalive
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QWidget

_windows: WeakSet[QWidget] = WeakSet()


def delete_before_end(window: QWidget) -> None:
    """Delete a window when Python ends, if it is still open.

    Else PyQt does, while it walks through the table of all its objects; callbacks of what goes with a window
    make new ones, and where these outgrow the table the walk crashes.
    """
    _windows.add(window)


@atexit.register  # PyQt was imported earlier, so its turn comes later
def _delete_windows() -> None:
    for window in list(_windows):
        if isalive(window):
            window.deleteLater()
            QCoreApplication.sendPostedEvents(window, QEvent.Type.DeferredDelete)
