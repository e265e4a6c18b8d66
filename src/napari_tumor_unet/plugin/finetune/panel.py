"""The panel "Fine-tune": a model learns from corrected masks, and shows whether that helped."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import Any

import napari
from magicgui.widgets import Container, Label, ProgressBar
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QMessageBox, QSizePolicy

from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import ModelError, file_hash, read_card
from napari_tumor_unet.plugin.finetune.cases_section import PairsSection
from napari_tumor_unet.plugin.finetune.controller import Tuning
from napari_tumor_unet.plugin.finetune.curves import TuningCurves
from napari_tumor_unet.plugin.finetune.report import TuningReport
from napari_tumor_unet.plugin.finetune.resume_section import InterruptedSection
from napari_tumor_unet.plugin.finetune.settings_form import SettingsForm
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.device_field import DeviceChoice
from napari_tumor_unet.plugin.ui.errors import show_details
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.plugin.ui.widgets import Scrolled, align, append, button, choice, folded, row
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.events import Epoch, Estimate, Reading, Scored, Step, Waiting
from napari_tumor_unet.training.finetuning.run_store import Interrupted
from napari_tumor_unet.worker import tasks

_WIDTH = 300  # pixels, as the panels beside it
_PAUSE = 500  # milliseconds without a change before an estimate is made


class FineTunePanel(Container):
    """Choose a model, what it learns from and how, and watch it learn.

    Parameters
    ----------
    viewer : Viewer
        The one whose dock it is in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._context = ViewerContext.of(viewer)
        self._viewer = self._context.viewer
        Autosaving.of(self._viewer)
        self._tuning = Tuning.of(self._context)
        self._since = (0.0, 0)  # when the first step of this run ended, and which it was
        self._estimating: QtJob | None = None
        self.interrupted = InterruptedSection(self._resume)
        self.model = choice("model", lambda: list(registry.all_models()), "The model to go on from.")
        self.pairs = PairsSection(self._viewer)
        self.settings = SettingsForm()
        self._devices = DeviceChoice(self._context)
        self.device = self._devices.field
        self.estimate = Label(value="", tooltip="Measured by two steps on noise.")
        self.start = button("Fine-tune", "Begin to learn; you can go on painting.", self._start)
        self.pause = button("Pause", "Wait after this step, or go on.", self._pause)
        self.stop = button("Stop", "End now, and keep the best so far.", lambda: self._tuning.tell("stop"))
        self.cancel = button("Cancel", "End now, and forget what was learned.", self._cancel)
        self.progress = ProgressBar(value=0, max=1)
        self.said = Label(value="")
        self.details = button("Details", "What exactly went wrong.", self._show_details)
        self.curves = TuningCurves()
        self.report = TuningReport(self._tuning)
        how = Container(widgets=[self.settings.epochs, self.device])
        self._build(how)
        self._soon = QTimer(self.native, singleShot=True, interval=_PAUSE)
        self._connect()
        self._on_model()
        self._show_state()
        self.interrupted.look()
        self._context.warm_up()

    def _build(self, how: Container) -> None:
        which = Container(widgets=[self.model])
        body = Container(widgets=[self.interrupted, which, self.pairs, how], labels=False)
        advanced = Container(labels=False)
        append(advanced, folded("Advanced", self.settings.advanced))
        running = row(self.pause, self.stop, self.cancel)
        body.extend([advanced, self.estimate, self.start, running, self.progress, self.said, self.details])
        curves = Container(labels=False)
        append(curves, self.curves)
        body.extend([curves, self.report])
        body.native.layout().addStretch()
        super().__init__(labels=False)
        scrolled = Scrolled(body, _WIDTH)
        append(self, scrolled)
        for part in (self, which, how, advanced, curves):
            part.margins = (0, 0, 0, 0)
        for label in (self.said, self.estimate):
            label.native.setWordWrap(True)
            label.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        align(which, self.pairs.fields, how, self.report.fields)
        align(self.settings.advanced)
        self._running, self._curves, self._scrolled = running, curves, scrolled

    def _connect(self) -> None:
        self.model.changed.connect(self._on_model)
        self.pairs.changed_pairs.connect(self._look_again)
        for field in (*self.settings.fields.values(), self.device):
            field.changed.connect(self._look_again)
        self._soon.timeout.connect(self._estimate)
        self._viewer.events.theme.connect(self._wear)
        self._tuning.began.connect(self._on_began)
        self._tuning.progressed.connect(self._on_event)
        self._tuning.ended.connect(self._on_ended)
        self._tuning.decided.connect(self._on_decided)
        self._context.models_changed.connect(self.model.reset_choices)
        self._context.marked.connect(self.pairs.look_again)
        self.native.destroyed.connect(self._let_go)
        self._wear()

    def _on_model(self, *_: object) -> None:
        try:
            path = registry.find_model(self.model.value)
            self.pairs.check_for(file_hash(path), read_card(path).data)
        except (ModelError, OSError) as error:
            self.said.value = str(error)
        self._soon.start()

    def _look_again(self, *_: object) -> None:
        self._soon.start()

    def _estimate(self) -> None:
        """How long it will take, and how much memory, if nothing is under way."""
        if self._tuning.running or not self.pairs.slices:
            self.estimate.value = ""
            return
        if self._estimating is not None:
            self._estimating.cancel()
        try:
            path = str(registry.find_model(self.model.value))
        except ModelError:
            return
        self._estimating = job = QtJob(self._context)
        job.finished.connect(self._on_estimate)
        arguments = (path, self.settings.value, self.pairs.slices, self.device.value)
        job.start(self._context.worker, tasks.estimate, *arguments)

    def _on_estimate(self, estimate: Estimate) -> None:
        memory = estimate.memory / 1e9
        self.estimate.value = f"About {_duration(estimate.seconds)} and {memory:.1f} GB of memory."

    def _start(self) -> None:
        try:
            self._tuning.start(
                str(self.model.value),
                self.pairs.lessons(),
                self.pairs.files(),
                self.settings.value,
                self.device.value,
            )
        except (ScanError, ModelError) as error:
            self.said.value = str(error)
            show_error(str(error))

    def _resume(self, run: Interrupted) -> None:
        try:
            self._tuning.resume(run, self.device.value)
        except ScanError as error:
            show_error(str(error))
        self.interrupted.look()

    def _pause(self) -> None:
        self._tuning.tell("go on" if self._tuning.paused else "pause")
        self._show_state()

    def _cancel(self) -> None:
        done = self.curves.epochs
        if done:
            answer = QMessageBox.question(
                self.native, "Cancel", f"Forget what was learned in {done} epochs? Stop keeps the best of it."
            )
            if answer != QMessageBox.StandardButton.Yes:
                return
        self._tuning.cancel()

    def _show_details(self) -> None:
        show_details(self._tuning.said, self._tuning.details, self.native)

    def _on_began(self, epochs: list[Epoch]) -> None:
        self._since = (0.0, 0)
        self.curves.begin(epochs, self._tuning.plan.settings.epochs)
        self.progress.value, self.progress.max = 0, 1
        self.said.value = "Copying the scans"
        self._show_state()
        QTimer.singleShot(0, self._scroll)

    def _on_event(self, event: Any) -> None:
        self.curves.show_event(event)
        if isinstance(event, Waiting):
            self.said.value = "Paused."
        elif isinstance(event, Reading):
            self.said.value = f"Reading scan {event.scan} of {event.scans}"
        elif isinstance(event, Scored):
            when = "after" if event.after else "before"
            self.said.value = f"Scoring {when}: scan {event.scan} of {event.scans}"
        elif isinstance(event, Step):
            self._show_step(event)

    def _show_step(self, step: Step) -> None:
        done, total = (step.epoch - 1) * step.steps + step.step, step.epochs * step.steps
        if not self._since[1]:
            self._since = (time.monotonic(), done)
        self.progress.max, self.progress.value = total, done
        began, first = self._since
        left = (time.monotonic() - began) / max(1, done - first) * (total - done)
        said = f", {_duration(left)} left" if done > first else ""
        self.said.value = f"Epoch {step.epoch} of {step.epochs}{said}"

    def _on_ended(self, _: bool) -> None:
        self.report.show_report(self._tuning.report)
        self._show_state()
        QTimer.singleShot(0, self._scroll)
        if not self._tuning.report:
            self.interrupted.look()

    def _on_decided(self) -> None:
        self.report.show_report(None)
        self._show_state()

    def _show_state(self) -> None:
        """Show what can be done now."""
        running, undecided = self._tuning.running, self._tuning.report is not None
        ready = not running and not undecided
        self.start.enabled = ready
        self.start.visible = not running
        self._running.visible = self.progress.visible = running
        self.estimate.visible = ready
        self._curves.visible = running or undecided
        self.pause.text = "Go on" if self._tuning.paused else "Pause"
        self.details.visible = bool(self._tuning.details) and not running
        self.model.enabled = self.device.enabled = self.interrupted.enabled = ready
        self.settings.enable(ready)
        if not running:
            self.said.value = "" if undecided else self._tuning.said
        if undecided and not self.report.visible:  # the panel was opened since
            self.report.show_report(self._tuning.report)

    def _scroll(self) -> None:
        """Show what is new, which is at the end."""
        with suppress(RuntimeError):  # the panel may be gone
            bar = self._scrolled.verticalScrollBar()
            bar.setValue(bar.maximum())

    def _wear(self, *_: object) -> None:
        self.curves.wear(self._viewer.theme)

    def _let_go(self) -> None:
        """The panel is closed; the viewer, and what runs, go on."""
        self._viewer.events.theme.disconnect(self._wear)
        self._devices.let_go()
        self.pairs.let_go()
        with suppress(RuntimeError):  # with the whole window the session goes first
            self._context.models_changed.disconnect(self.model.reset_choices)
            self._context.marked.disconnect(self.pairs.look_again)
            self._tuning.began.disconnect(self._on_began)
            self._tuning.progressed.disconnect(self._on_event)
            self._tuning.ended.disconnect(self._on_ended)
            self._tuning.decided.disconnect(self._on_decided)
            if self._estimating is not None:
                self._estimating.cancel()


def _duration(seconds: float) -> str:
    """In words, no finer than it is known."""
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
