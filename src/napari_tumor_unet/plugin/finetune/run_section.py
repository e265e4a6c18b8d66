"""The part of the panel "Fine-tune" for the run under way: its progress, its curves, and how to end it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from magicgui.widgets import ProgressBar
from napari import Viewer

from napari_tumor_unet._common import plural
from napari_tumor_unet.plugin.finetune.controller import FineTuningController
from napari_tumor_unet.plugin.finetune.curves import TrainingCurves
from napari_tumor_unet.plugin.ui.confirm import confirmed
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import button, row, wrap
from napari_tumor_unet.training.events import Epoch, Reading, Scored, Step, Waiting


class RunSection(Section):
    """Shows the run of a controller.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose theme the curves follow.
    controller : FineTuningController
    show_message : callable
        Shows a message in the panel.

    Attributes
    ----------
    plots : Container
        The curves, which the panel puts below its message.
    """

    def __init__(
        self, viewer: Viewer, controller: FineTuningController, show_message: Callable[[Message], None]
    ) -> None:
        self._controller = controller
        self._show_message = show_message
        self._since = (0.0, 0)  # when the first step of this run ended, and its number
        self.pause = button("Pause", "Wait after this step, or resume.", self._pause)
        self.stop = button("Stop", "End now, and keep the best so far; after the first epoch.", self._stop)
        self.cancel = button("Cancel", "End now, and keep nothing.", self._cancel)
        self.progress = ProgressBar(value=0, max=1)
        self.curves = TrainingCurves(viewer)
        self.plots = wrap(self.curves)
        super().__init__(self.progress, row(self.pause, self.stop, self.cancel))
        self.connections.add(controller.began, self._on_began)
        self.connections.add(controller.opened, self._on_opened)
        self.connections.add(controller.progressed, self._on_event)

    def show_state(self) -> None:
        """Show the widgets that fit the state of the run."""
        self.visible = self._controller.running
        self.plots.visible = self._controller.running or self._controller.report is not None
        self.pause.text = "Resume" if self._controller.paused else "Pause"

    def _pause(self) -> None:
        self._controller.send_command("go on" if self._controller.paused else "pause")
        self.show_state()

    def _stop(self) -> None:
        self._controller.send_command("stop")

    def _cancel(self) -> None:
        if not self.curves.epochs or self._may_forget():
            self._controller.cancel()

    def _may_forget(self) -> bool:
        """Ask whether to forget what was learned; the run waits for the answer."""
        go_on = not self._controller.paused
        self._controller.send_command("pause")
        done = plural(self.curves.epochs, "epoch")
        question = f"Forget what was learned in {done}? Stop keeps the best of it. It waits for your answer."
        forget = confirmed(self.native, "Cancel the fine-tuning", question)
        if go_on and not forget:
            self._controller.send_command("go on")
        return forget

    def _on_began(self) -> None:
        self._since = (0.0, 0)
        self.curves.begin([], 1)
        self.progress.value, self.progress.max = 0, 1
        self.pause.enabled, self.stop.enabled = True, False
        self._show_message(Message("Copying the scans"))

    def _on_opened(self, epochs: Sequence[Epoch], total: int) -> None:
        self.curves.begin(epochs, total)
        self.stop.enabled = bool(epochs)

    def _on_event(self, event: Any) -> None:
        self.curves.show_event(event)
        if isinstance(event, Epoch):
            self.stop.enabled = True  # there is something to keep
        if isinstance(event, Waiting):
            self._show_message(Message("Paused."))
        elif isinstance(event, Reading):
            self._show_message(Message(f"Reading scan {event.scan} of {event.scans}"))
        elif isinstance(event, Scored):
            when = "after" if event.after else "before"
            if event.after:  # the learning is over
                self.pause.enabled = self.stop.enabled = False
            self.progress.max, self.progress.value = event.scans, event.scan
            self._show_message(Message(f"Scoring {when}: scan {event.scan} of {event.scans}"))
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
        self._show_message(Message(f"Epoch {step.epoch} of {step.epochs}{remaining}"))


def in_words(seconds: float) -> str:
    """Write a duration, rounded up."""
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
