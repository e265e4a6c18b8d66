"""Show errors: a sentence, and on demand the details."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from napari.utils.notifications import Notification, NotificationSeverity, notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_tumor_unet._error_log import log_file, note_error
from napari_tumor_unet.plugin.ui.plain import plain


def show_failure(message: str, details: str, parent: QWidget, private: Iterable[str] = ()) -> str:
    """Show an error with a button for its details, and note it down.

    Parameters
    ----------
    message : str
        One sentence.
    details : str
        The traceback.
    parent : QWidget
        The window that the details belong to.
    private : iterable of str
        What the log must not hold.

    Returns
    -------
    str
        The details as noted.
    """
    noted = note_error(message, details, private)
    window = weakref.ref(parent)  # napari keeps notifications longer than windows
    button = (("Details", lambda _: show_details(message, noted, window())),)
    notification_manager.dispatch(Notification(plain(message), NotificationSeverity.ERROR, button))
    return noted


def show_details(message: str, details: str, parent: QWidget | None) -> None:
    """Show an error's traceback in a window, and where the log is."""
    box = QMessageBox(parent)
    box.setWindowTitle("Details")
    box.setText(plain(message))
    box.setInformativeText(f"Noted in {log_file()}, without names and paths of scans.")
    box.setDetailedText(details)
    box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setModal(False)
    box.show()
