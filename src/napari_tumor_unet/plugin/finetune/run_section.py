"""The part of the panel "Fine-tune" for the run under way: its progress, its curves, and how to end it."""

from __future__ import annotations

import math
import time
from typing import Any

from magicgui.widgets import Container, Label, ProgressBar
from qtpy.QtWidgets import QMessageBox, QSizePolicy

from napari_tumor_unet.plugin.finetune.controller import FineTuningController
from napari_tumor_unet.plugin.finetune.curves import TrainingCurves
from napari_tumor_unet.plugin.ui.errors import show_details
from napari_tumor_unet.plugin.ui.widgets import append, button, row
from napari_tumor_unet.training.events import Reading, Scored, Step, Waiting


class RunSection(Container[Any]):
    """Shows the run of a controller, and how it ended.

    Parameters
    ----------
    controller : FineTuningController
    """

    def __init__(self, controller: FineTuningController) -> None:
        self._controller = controller
        self._since = (0.0, 0)  # when the first step of this run ended, and its number
        self.pause = button("Pause", "Wait after this step, or go on.", self._pause)
        self.stop = button("Stop", "End now, and keep the best so far.", self._stop)
        self.cancel = button("Cancel", "End now, and forget what was learned.", self._cancel)
        self.progress = ProgressBar(value=0, max=1)
        self.message = Label(value="")
        self.details = button("Details", "What exactly went wrong.", self._show_details)
        self.curves = TrainingCurves()
        self._buttons = row(self.pause, self.stop, self.cancel)
        super().__init__(widgets=[self._buttons, self.progress, self.message, self.details], labels=False)
        self.margins = (0, 0, 0, 0)
        self.message.native.setWordWrap(True)
        self.message.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        append(self, self.curves)
        controller.began.connect(self._on_began)
        controller.opened.connect(self.curves.begin)
        controller.progressed.connect(self._on_event)

    def show_state(self) -> None:
        """Show the widgets that fit the state of the run."""
        running, undecided = self._controller.running, self._controller.report is not None
        self._buttons.visible = self.progress.visible = running
        self.curves.setVisible(running or undecided)
        self.pause.text = "Go on" if self._controller.paused else "Pause"
        self.details.visible = bool(self._controller.message.details) and not running
        if not running:
            self.message.value = "" if undecided else self._controller.message.text

    def disconnect_controller(self) -> None:
        """Stop following the run, as the section is closed."""
        self._controller.began.disconnect(self._on_began)
        self._controller.opened.disconnect(self.curves.begin)
        self._controller.progressed.disconnect(self._on_event)

    def _pause(self) -> None:
        self._controller.send_command("go on" if self._controller.paused else "pause")
        self.show_state()

    def _stop(self) -> None:
        self._controller.send_command("stop")

    def _cancel(self) -> None:
        done = self.curves.epochs
        if done:
            answer = QMessageBox.question(
                self.native, "Cancel", f"Forget what was learned in {done} epochs? Stop keeps the best of it."
            )
            if answer != QMessageBox.StandardButton.Yes:
                return
        self._controller.cancel()

    def _show_details(self) -> None:
        message = self._controller.message
        show_details(message.text, message.details, self.native)

    def _on_began(self) -> None:
        self._since = (0.0, 0)
        self.curves.begin([], 1)
        self.progress.value, self.progress.max = 0, 1
        self.message.value = "Copying the scans"

    def _on_event(self, event: Any) -> None:
        self.curves.show_event(event)
        if isinstance(event, Waiting):
            self.message.value = "Paused."
        elif isinstance(event, Reading):
            self.message.value = f"Reading scan {event.scan} of {event.scans}"
        elif isinstance(event, Scored):
            when = "after" if event.after else "before"
            self.message.value = f"Scoring {when}: scan {event.scan} of {event.scans}"
        elif isinstance(event, Step):
            self._show_step(event)

    def _show_step(self, step: Step) -> None:
        done, total = (step.epoch - 1) * step.steps + step.step, step.epochs * step.steps
        if not self._since[1]:
            self._since = (time.monotonic(), done)
        self.progress.max, self.progress.value = total, done
        began, first = self._since
        left = (time.monotonic() - began) / max(1, done - first) * (total - done)
        remaining = f", {in_words(left)} left" if done > first else ""
        self.message.value = f"Epoch {step.epoch} of {step.epochs}{remaining}"


def in_words(seconds: float) -> str:
    """Write a duration, rounded up."""
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
