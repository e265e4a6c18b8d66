"""Questions before something is gone for good."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QLabel, QMessageBox, QWidget

from napari_tumor_unet.plugin.ui.confirm import confirmed


@pytest.mark.parametrize("answer", [Qt.Key.Key_Return, Qt.Key.Key_Escape, QMessageBox.StandardButton.Yes])
def test_only_yes_is_yes_and_names_are_no_markup(qtbot: Any, answer: Any) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    shown: list[str] = []

    def give_answer() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(10, give_answer)
            return
        shown.extend(label.text() for label in box.findChildren(QLabel))
        if isinstance(answer, Qt.Key):
            qtbot.keyClick(box, answer)
        else:
            qtbot.mouseClick(box.button(answer), Qt.MouseButton.LeftButton)

    QTimer.singleShot(0, give_answer)
    assert confirmed(parent, "Delete", "Delete <b>P1</b>?") is (answer == QMessageBox.StandardButton.Yes)
    assert not any("<b>" in text for text in shown)
