"""The part of the panel "Fine-tune" for scores before and after, and whether to keep the new model."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import Container, LineEdit
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QHeaderView,
    QLabel,
    QMessageBox,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_tumor_unet.model.card import ModelError
from napari_tumor_unet.model.registry import new_name
from napari_tumor_unet.plugin.finetune.controller import FineTuningController
from napari_tumor_unet.plugin.ui.table import TextTable
from napari_tumor_unet.plugin.ui.widgets import button, row, text_label, wrap
from napari_tumor_unet.worker.tasks import Report

_COLUMNS = ("scan", "Dice before", "after", "change")
_HEIGHT = 120  # pixels
_PICTURES = 620, 640  # pixels of the window with pictures


class FineTuningReport(Container[Any]):
    """Shows the report of a run until its model is kept or discarded.

    Parameters
    ----------
    controller : FineTuningController
    """

    def __init__(self, controller: FineTuningController) -> None:
        self._controller = controller
        self.advice = text_label()
        self.table = TextTable(_COLUMNS, _HEIGHT)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.setMaximumHeight(_HEIGHT)
        self.pictures = button(
            "Pictures...", "Truth, and what was found before and after, of each scan.", self._show_pictures
        )
        self.called = LineEdit(label="name", tooltip="What the new model is to be called.")
        self.keep = button("Keep", "Store the new model among your own.", self._keep)
        self.discard = button("Discard", "Delete the new model, and all that the run left.", self._discard)
        self.fields = Container(widgets=[self.called])
        self.fields.margins = (0, 0, 0, 0)
        super().__init__(
            widgets=[
                wrap(self.table),
                self.advice,
                self.pictures,
                self.fields,
                row(self.keep, self.discard),
            ],
            labels=False,
        )
        self.margins = (0, 0, 0, 0)
        self.show_report(None)

    def show_report(self, report: Report | None) -> None:
        """Show a report, or hide the section."""
        self.visible = report is not None
        self.table.setRowCount(0)
        if report is None:
            return
        for change in report.changes:
            name = f"{change.name} (bundled sample)" if change.is_sample else change.name
            numbers = (f"{change.before.dice:.3f}", f"{change.after.dice:.3f}", f"{change.gain:+.3f}")
            self.table.add_row((name, *numbers), left=1)
        self.advice.value = report.advice.said
        self.called.value = new_name(f"{self._controller.parent_name} tuned")

    def _keep(self) -> None:
        report = self._controller.report
        if report is not None and not report.advice.keep:
            answer = QMessageBox.question(
                self.native,
                "Keep the model",
                f"{report.advice.said} Keep the new model all the same?",
                QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No,
                QMessageBox.StandardButton.No,
            )
            if answer != QMessageBox.StandardButton.Yes:
                return
        try:
            self._controller.keep(self.called.value)
        except ModelError as error:
            show_error(str(error))
            return
        show_info(self._controller.message)

    def _discard(self) -> None:
        self._controller.discard()

    def _show_pictures(self) -> None:
        report = self._controller.report
        if report is None:
            return
        window = QScrollArea(self.native)
        window.setWindowFlag(Qt.WindowType.Window)
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        window.setWindowTitle("Before and after")
        content = QWidget()
        layout = QVBoxLayout(content)
        for path in report.pictures:
            label = QLabel()
            label.setPixmap(
                QPixmap(str(path)).scaledToWidth(_PICTURES[0], Qt.TransformationMode.SmoothTransformation)
            )
            layout.addWidget(label)
        window.setWidget(content)
        window.resize(_PICTURES[0] + 60, min(_PICTURES[1], content.sizeHint().height() + 10))
        window.show()
