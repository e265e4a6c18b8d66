"""The part of the panel "Fine-tune" for scores before and after, and whether to keep the new model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from magicgui.widgets import LineEdit
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QKeyEvent, QPixmap
from qtpy.QtWidgets import (
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_tumor_unet.model.registry import new_name
from napari_tumor_unet.plugin.finetune.controller import FineTuningController
from napari_tumor_unet.plugin.ui.confirm import confirmed
from napari_tumor_unet.plugin.ui.lines import LinesTable
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import show_error
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.plugin.ui.widgets import button, fields, row, text_label, wrap
from napari_tumor_unet.training.finetuning.verdict import FineTuned

_HIGHEST = 240  # pixels of the table
_PICTURES = 620, 640  # pixels of the window with pictures


class FineTuningReport(Section):
    """Shows the report of a run until its model is kept or discarded.

    Parameters
    ----------
    controller : FineTuningController
    """

    def __init__(self, controller: FineTuningController) -> None:
        self._controller = controller
        self.advice = text_label()
        self.table = LinesTable(("Dice before and after",), _HIGHEST)
        self.pictures = button(
            "Pictures...", "Truth, and what was found before and after, of each scan.", self._show_pictures
        )
        self.called = LineEdit(label="name", tooltip="What the new model is to be called.")
        self.keep = button("Keep", "Store the new model among your own.", self._keep)
        self.discard = button(
            "Discard...", "Delete the new model, and all that the run left, after a question.", self._discard
        )
        self.fields = fields(self.called)
        super().__init__(
            self.advice, wrap(self.table), self.pictures, self.fields, row(self.keep, self.discard)
        )
        self.show_report(None)

    def show_report(self, report: FineTuned | None) -> None:
        """Show a report, or hide the section."""
        self.visible = report is not None
        self._let_decide(True)
        self.table.setRowCount(0)
        if report is None:
            return
        for change in report.changes:
            name = f"{change.name} (bundled sample)" if change.is_sample else change.name
            dice = f"{change.before.dice:.3f} → {change.after.dice:.3f} ({change.gain:+.3f})"
            self.table.show_lines(self.table.append(), (name, dice))
        self.advice.value = report.advice.said
        self.called.value = new_name(f"{self._controller.parent_name} tuned")

    def show_refusal(self, error: str) -> None:
        """Show why the model was not kept, and let the user decide once more."""
        self._let_decide(True)
        show_error(error)

    def _keep(self) -> None:
        report = self._controller.report
        if report is not None and report.advice.verdict == "discard":
            question = f"{report.advice.said} Keep the new model all the same?"
            if not confirmed(self.native, "Keep the model", question):
                return
        self._let_decide(False)
        self._controller.keep(self.called.value)

    def _let_decide(self, ready: bool) -> None:
        self.keep.enabled = self.discard.enabled = ready

    def _discard(self) -> None:
        what = f"the new model, tuned from {self._controller.parent_name!r}, with its scores and pictures"
        if confirmed(self.native, "Discard the model", f"Discard {what}? It cannot be brought back."):
            self._controller.discard()

    def _show_pictures(self) -> None:
        if self._controller.report is not None:
            in_thread(partial(_read_pictures, self._controller.report.pictures), self._on_pictures)

    def _on_pictures(self, pictures: list[QImage]) -> None:
        window = _Closable(self.native)
        window.setWindowFlag(Qt.WindowType.Window)
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        window.setWindowTitle("Before and after")
        content = QWidget()
        layout = QVBoxLayout(content)
        for picture in pictures:
            label = QLabel()
            label.setPixmap(QPixmap.fromImage(picture))
            layout.addWidget(label)
        window.setWidget(content)
        window.resize(_PICTURES[0] + 60, min(_PICTURES[1], content.sizeHint().height() + 10))
        window.show()


class _Closable(QScrollArea):
    """Closes at Esc, as a dialog does."""

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)


def _read_pictures(paths: Sequence[Path]) -> list[QImage]:
    smooth = Qt.TransformationMode.SmoothTransformation
    return [QImage(str(path)).scaledToWidth(_PICTURES[0], smooth) for path in paths]
