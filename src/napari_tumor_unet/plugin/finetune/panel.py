"""The panel "Fine-tune": trains a model further on corrected masks, and shows whether that helped."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import Any, NamedTuple

import napari
from magicgui.widgets import Container, ProgressBar
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QMessageBox

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import ModelError, file_hash, read_card
from napari_tumor_unet.plugin.finetune.cases_section import CasesSection
from napari_tumor_unet.plugin.finetune.controller import FineTuningController
from napari_tumor_unet.plugin.finetune.curves import TrainingCurves
from napari_tumor_unet.plugin.finetune.report import FineTuningReport
from napari_tumor_unet.plugin.finetune.resume_section import ResumeSection
from napari_tumor_unet.plugin.finetune.settings_form import SettingsForm
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.device_field import DeviceField
from napari_tumor_unet.plugin.ui.panel import Panel
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import align, button, choice, folded, row, text_label, wrap
from napari_tumor_unet.training.events import Epoch, Estimate, Reading, Scored, Step, Waiting
from napari_tumor_unet.training.finetuning.run_store import Interrupted
from napari_tumor_unet.worker import tasks

_PAUSE = 500  # milliseconds without a change before an estimate is made


class _ModelRead(NamedTuple):
    """What the panel checks cases against."""

    name: str
    hash: str = ""
    learned_hashes: tuple[str, ...] = ()
    error: str = ""


class FineTunePanel(Panel):
    """Offers models, cases and settings, and shows the run.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose dock holds the panel.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        Autosaving.of(self._viewer)
        self.controller = FineTuningController.of(self._context)
        self._since = (0.0, 0)  # when the first step of this run ended, and its number
        self._estimating: QtJob | None = None
        self.interrupted = ResumeSection(self._resume)
        self.model = choice("model", lambda: list(registry.all_models()), "The model to go on from.")
        self.cases = CasesSection(self._viewer)
        self.settings = SettingsForm()
        self.device = DeviceField(self._context)
        self.estimate = text_label(tooltip="Measured by two steps on noise.")
        self.start = button("Fine-tune", "Begin to learn; you can go on painting.", self._start)
        self.pause = button("Pause", "Wait after this step, or go on.", self._pause)
        self.stop = button("Stop", "End now, and keep the best so far.", self._stop)
        self.cancel = button("Cancel", "End now, and forget what was learned.", self._cancel)
        self.progress = ProgressBar(value=0, max=1)
        self.curves = TrainingCurves(self._viewer)
        self.report = FineTuningReport(self.controller)
        self._build()
        self._estimate_timer = timer(self.native, _PAUSE, self._estimate)
        self._scroll_timer = timer(self.native, 0, self._scroll)
        self._connect()
        self._on_model()
        self._show_state()
        self.interrupted.refresh()
        self._context.warm_up()

    def _build(self) -> None:
        which: Container[Any] = Container(widgets=[self.model])
        how: Container[Any] = Container(widgets=[self.settings.epochs, self.device])
        for fields in (which, how):
            fields.margins = (0, 0, 0, 0)
        self._running = row(self.pause, self.stop, self.cancel)
        self._curves = wrap(self.curves)
        self._scrolled = self.lay_out(
            self.interrupted,
            which,
            self.cases,
            how,
            folded("Advanced", self.settings.advanced),
            self.estimate,
            self.start,
            self._running,
            self.progress,
            self.message,
            self.details,
            self._curves,
            self.report,
        )
        align(which, self.cases.fields, how, self.report.fields)
        align(self.settings.advanced)

    def _connect(self) -> None:
        self.model.changed.connect(self._on_model)
        self.cases.cases.changed.connect(self._estimate_soon)
        for field in (*self.settings.fields.values(), self.device):
            field.changed.connect(self._estimate_soon)
        controller, connect = self.controller, self.connections.add
        connect(controller.began, self._on_began)
        connect(controller.progressed, self._on_event)
        connect(controller.ended, self._on_ended)
        connect(controller.decided, self._on_decided)
        connect(self._context.models_changed, self.model.reset_choices)
        connect(self._context.marked, self.cases.cases.refresh)
        self.connections.at_close(self._cancel_estimate)

    def _on_model(self, *_: object) -> None:
        worker = create_worker(_read_model, self.model.value, _start_thread=False)
        worker.returned.connect(self._on_model_read)
        worker.start()
        self._estimate_timer.start()

    def _on_model_read(self, model: _ModelRead) -> None:
        with suppress(RuntimeError):  # the panel may be gone
            if model.name != self.model.value:
                return  # another model was chosen meanwhile
            if model.error:
                self.message.value = model.error
            else:
                self.cases.cases.check_for(model.hash, model.learned_hashes)

    def _estimate_soon(self, *_: object) -> None:
        self._estimate_timer.start()

    def _estimate(self) -> None:
        """Estimate time and memory, unless a run is under way."""
        if self.controller.running or not self.cases.slices:
            self.estimate.value = ""
            return
        self._cancel_estimate()
        try:
            path = str(registry.find_model(self.model.value))
        except ModelError:
            return
        self._estimating = job = QtJob(self._context)
        job.finished.connect(self._on_estimate)
        arguments = (path, self.settings.value, self.cases.slices, self.device.value)
        job.start(self._context.worker, tasks.estimate, *arguments)

    def _cancel_estimate(self) -> None:
        if self._estimating is not None:
            self._estimating.cancel()

    def _on_estimate(self, estimate: Estimate) -> None:
        memory = estimate.memory / 1e9
        self.estimate.value = f"About {_duration(estimate.seconds)} and {memory:.1f} GB of memory."

    def _start(self) -> None:
        try:
            self.controller.start(
                str(self.model.value),
                self.cases.lessons(),
                self.cases.files(),
                self.settings.value,
                self.device.value,
            )
        except TumourUnetError as error:
            self.show_message(Message(str(error), "error"))
            show_error(str(error))

    def _resume(self, run: Interrupted) -> None:
        try:
            self.controller.resume(run, self.device.value)
        except TumourUnetError as error:
            show_error(str(error))
        self.interrupted.refresh()

    def _pause(self) -> None:
        self.controller.send_command("go on" if self.controller.paused else "pause")
        self._show_state()

    def _stop(self) -> None:
        self.controller.send_command("stop")

    def _cancel(self) -> None:
        done = self.curves.epochs
        if done:
            answer = QMessageBox.question(
                self.native, "Cancel", f"Forget what was learned in {done} epochs? Stop keeps the best of it."
            )
            if answer != QMessageBox.StandardButton.Yes:
                return
        self.controller.cancel()

    def _on_began(self, epochs: list[Epoch], total: int) -> None:
        self._since = (0.0, 0)
        self.curves.begin(epochs, total)
        self.progress.value, self.progress.max = 0, 1
        self.show_message(Message("Copying the scans"))
        self._show_state()
        self._scroll_timer.start()

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
        remaining = f", {_duration(left)} left" if done > first else ""
        self.message.value = f"Epoch {step.epoch} of {step.epochs}{remaining}"

    def _on_ended(self, _: bool) -> None:
        self.report.show_report(self.controller.report)
        self._show_state()
        self._scroll_timer.start()
        if not self.controller.report:
            self.interrupted.refresh()

    def _on_decided(self) -> None:
        self.report.show_report(None)
        self._show_state()

    def _show_state(self) -> None:
        """Show the widgets that fit the state of the run."""
        running, undecided = self.controller.running, self.controller.report is not None
        ready = not running and not undecided
        self.start.enabled = ready
        self.start.visible = not running
        self._running.visible = self.progress.visible = running
        self.estimate.visible = ready
        self._curves.visible = running or undecided
        self.pause.text = "Go on" if self.controller.paused else "Pause"
        self.model.enabled = self.device.enabled = self.interrupted.enabled = ready
        self.settings.enable(ready)
        if not running:
            text = "" if undecided else self.controller.message
            self.show_message(Message(text, details=self.controller.details))
        if undecided and not self.report.visible:  # the panel was opened since
            self.report.show_report(self.controller.report)

    def _scroll(self) -> None:
        """Scroll to the end, where new parts of the panel are."""
        bar = self._scrolled.verticalScrollBar()
        bar.setValue(bar.maximum())


def _read_model(name: str) -> _ModelRead:
    """Hash a model's file and read its card, in a thread: the file may be large, or its disk slow."""
    try:
        path = registry.find_model(name)
        return _ModelRead(name, file_hash(path), tuple(read_card(path).data))
    except (ModelError, OSError) as error:
        return _ModelRead(name, error=str(error))


def _duration(seconds: float) -> str:
    """Write a duration in words, rounded up."""
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
