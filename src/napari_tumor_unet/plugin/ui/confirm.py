"""Ask before something is gone for good."""

from __future__ import annotations

from qtpy.QtWidgets import QMessageBox, QWidget

from napari_tumor_unet.plugin.ui.plain import plain


def confirmed(parent: QWidget, title: str, question: str) -> bool:
    """Return whether the user says yes; the Enter key says no."""
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    return bool(QMessageBox.question(parent, title, plain(question), yes | no, no) == yes)
