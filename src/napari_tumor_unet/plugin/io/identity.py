"""Ask, once, whether a file may carry the patient's identity."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QMessageBox, QWidget

from napari_tumor_unet.plugin.ui.settings import segmentation_settings

_QUESTION = "This file will carry the patient's identity. Save it?"
_WHY = (
    "A DICOM Segmentation, and its report, hold the patient's name, number and date of birth as the scan's "
    "own files do, so that archives and viewers can tell whose they are. Nothing else that is saved does."
)


def may_name_patient(parent: QWidget | None) -> bool:
    """Return whether the user lets a file carry the patient's identity, now or once and for all."""
    settings = segmentation_settings()
    if settings.name_patient:
        return True
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Save as DICOM")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(_QUESTION)
    box.setInformativeText(_WHY)
    box.setStandardButtons(QMessageBox.StandardButton.Save | QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    box.setCheckBox(remember := QCheckBox("Do not ask again"))
    agreed = bool(box.exec() == QMessageBox.StandardButton.Save)
    if agreed and remember.isChecked():
        settings.name_patient = True
    box.deleteLater()
    return agreed
