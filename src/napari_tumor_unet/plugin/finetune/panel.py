"""The panel "Fine-tune": trains a model further on corrected masks, and shows whether that helped."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import napari
from magicgui.widgets import Container, Label
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QSizePolicy

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import file_hash, read_card
from napari_tumor_unet.plugin.finetune.cases_section import CasesSection
from napari_tumor_unet.plugin.finetune.controller import FineTuningController
from napari_tumor_unet.plugin.finetune.report import FineTuningReport
from napari_tumor_unet.plugin.finetune.resume_section import ResumeSection
from napari_tumor_unet.plugin.finetune.run_section import RunSection, in_words
from napari_tumor_unet.plugin.finetune.settings_form import SettingsForm
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.device_field import DeviceChoice
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.plugin.ui.widgets import Scrolled, align, append, button, choice, folded
from napari_tumor_unet.training.events import Estimate
from napari_tumor_unet.training.finetuning.run_store import Interrupted
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.child import JobError

_WIDTH = 300  # pixels, as the panels beside it
_PAUSE = 500  # milliseconds without a change before an estimate is made


class _ModelRead(NamedTuple):
    """What the panel checks cases against."""

    name: str
    hash: str
    learned_hashes: tuple[str, ...]


class FineTunePanel(Container[Any]):
    """Offers models, cases and settings, and shows the run.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose dock holds the panel.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._context = ViewerContext.of(viewer)
        self._viewer = self._context.viewer
        Autosaving.of(self._viewer)
        self.controller = FineTuningController.of(self._context)
        self._estimating: QtJob | None = None
        self.interrupted = ResumeSection(self._resume)
        self.model = choice("model", lambda: list(registry.all_models()), "The model to go on from.")
        self.cases = CasesSection(self._viewer)
        self.settings = SettingsForm()
        self._devices = DeviceChoice(self._context)
        self.device = self._devices.field
        self.estimate = Label(value="", tooltip="Measured by two steps on noise.")
        self.start = button("Fine-tune", "Begin to learn; you can go on painting.", self._start)
        self.run = RunSection(self.controller)
        self.report = FineTuningReport(self.controller)
        how: Container[Any] = Container(widgets=[self.settings.epochs, self.device])
        self._build(how)
        self._estimate_timer = QTimer(self.native)
        self._estimate_timer.setSingleShot(True)
        self._estimate_timer.setInterval(_PAUSE)
        self._connect()
        self._on_model()
        self._show_state()
        self.interrupted.refresh()
        self._context.warm_up()

    def _build(self, how: Container[Any]) -> None:
        which: Container[Any] = Container(widgets=[self.model])
        body: Container[Any] = Container(widgets=[self.interrupted, which, self.cases, how], labels=False)
        advanced: Container[Any] = Container(labels=False)
        append(advanced, folded("Advanced", self.settings.advanced))
        body.extend([advanced, self.estimate, self.start, self.run, self.report])
        body.native.layout().addStretch()
        super().__init__(labels=False)
        scrolled = Scrolled(body, _WIDTH)
        append(self, scrolled)
        for part in (self, which, how, advanced):
            part.margins = (0, 0, 0, 0)
        self.estimate.native.setWordWrap(True)
        self.estimate.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        align(which, self.cases.fields, how, self.report.fields)
        align(self.settings.advanced)
        self._scrolled = scrolled

    def _connect(self) -> None:
        self.model.changed.connect(self._on_model)
        self.cases.cases.changed.connect(self._estimate_soon)
        for field in (*self.settings.fields.values(), self.device):
            field.changed.connect(self._estimate_soon)
        self._estimate_timer.timeout.connect(self._estimate)
        self._viewer.events.theme.connect(self._apply_theme)
        self.controller.began.connect(self._on_began)
        self.controller.opened.connect(self._on_opened)
        self.controller.ended.connect(self._on_ended)
        self.controller.decided.connect(self._on_decided)
        self.controller.keeping_failed.connect(self.report.show_refusal)
        self._context.models_changed.connect(self.model.reset_choices)
        self._context.marked.connect(self.cases.cases.refresh)
        self.native.destroyed.connect(self._disconnect)
        self._apply_theme()

    def _on_model(self, *_: object) -> None:
        if self.model.value is not None:
            name = str(self.model.value)
            in_thread(_read_model, name, returned=self._on_model_read, failed=self._on_model_unread)
        self._estimate_timer.start()

    def _on_model_read(self, model: _ModelRead) -> None:
        if model.name == self.model.value:  # no other was chosen meanwhile
            self.cases.cases.check_for(model.hash, model.learned_hashes)

    def _on_model_unread(self, error: JobError) -> None:
        self.run.message.value = str(error)

    def _estimate_soon(self, *_: object) -> None:
        self._estimate_timer.start()

    def _estimate(self) -> None:
        """Estimate time and memory, unless a run is under way."""
        if self.controller.running or not self.cases.slices:
            self.estimate.value = ""
            return
        if self._estimating is not None:
            self._estimating.cancel()
        self._estimating = job = QtJob(self._context)
        job.finished.connect(self._on_estimate)
        arguments = (str(self.model.value), self.settings.value, self.cases.slices, self.device.value)
        job.start(self._context.worker, tasks.estimate, *arguments)

    def _on_estimate(self, estimate: Estimate) -> None:
        memory = estimate.memory / 1e9
        self.estimate.value = f"About {in_words(estimate.seconds)} and {memory:.1f} GB of memory."

    def _start(self) -> None:
        try:
            self.controller.start(
                str(self.model.value),
                self.cases.collect(),
                self.settings.value,
                self.device.value,
            )
        except TumourUnetError as error:
            self.run.message.value = str(error)
            show_error(str(error))

    def _resume(self, run: Interrupted) -> None:
        try:
            self.controller.resume(run, self.device.value)
        except TumourUnetError as error:
            show_error(str(error))

    def _on_began(self) -> None:
        self._show_state()
        QTimer.singleShot(0, self._scroll)

    def _on_opened(self, *_: object) -> None:
        self.interrupted.refresh()

    def _on_ended(self, _: bool) -> None:
        self.report.show_report(self.controller.report)
        self._show_state()
        QTimer.singleShot(0, self._scroll)
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
        self.run.show_state()
        self.estimate.visible = ready
        self.model.enabled = self.device.enabled = self.interrupted.enabled = ready
        self.settings.enable(ready)
        if undecided and not self.report.visible:  # the panel was opened since
            self.report.show_report(self.controller.report)

    def _scroll(self) -> None:
        """Scroll to the end, where new parts of the panel are."""
        with suppress(RuntimeError):  # the panel may be gone
            bar = self._scrolled.verticalScrollBar()
            bar.setValue(bar.maximum())

    def _apply_theme(self, *_: object) -> None:
        self.run.curves.apply_theme(self._viewer.theme)

    def _disconnect(self) -> None:
        """Stop following the viewer and the run, as the panel is closed; both go on."""
        self._viewer.events.theme.disconnect(self._apply_theme)
        self._devices.let_go()
        self.cases.disconnect_viewer()
        with suppress(RuntimeError):  # with the whole window the session goes first
            self._context.models_changed.disconnect(self.model.reset_choices)
            self._context.marked.disconnect(self.cases.cases.refresh)
            self.controller.began.disconnect(self._on_began)
            self.controller.opened.disconnect(self._on_opened)
            self.run.disconnect_controller()
            self.controller.ended.disconnect(self._on_ended)
            self.controller.decided.disconnect(self._on_decided)
            self.controller.keeping_failed.disconnect(self.report.show_refusal)
            if self._estimating is not None:
                self._estimating.cancel()


def _read_model(name: str) -> _ModelRead:
    """Hash a model's file and read its card."""
    path = registry.find_model(name)
    return _ModelRead(name, file_hash(path), tuple(read_card(path).data))
