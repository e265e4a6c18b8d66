"""The panel "Fine-tune": trains a model further on corrected masks, and shows whether that helped."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import file_hash, read_card
from napari_tumor_unet.plugin.finetune.case_inspection import LayerCase
from napari_tumor_unet.plugin.finetune.cases_section import CasesSection
from napari_tumor_unet.plugin.finetune.controller import FineTuningController
from napari_tumor_unet.plugin.finetune.report import FineTuningReport
from napari_tumor_unet.plugin.finetune.resume_section import ResumeSection
from napari_tumor_unet.plugin.finetune.run_section import RunSection, in_words
from napari_tumor_unet.plugin.finetune.settings_form import SettingsForm
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.device_field import DeviceField
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.panel import Panel, Section
from napari_tumor_unet.plugin.ui.plain import show_error, show_info
from napari_tumor_unet.plugin.ui.primary import show_primary
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.threads import Latest, in_thread
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import align, button, choice, fields, folded, text_label
from napari_tumor_unet.training.events import Estimate
from napari_tumor_unet.training.finetuning.run_store import Interrupted
from napari_tumor_unet.worker import tasks

_START = "Begin to learn; you can go on painting."
_PAUSE = 500  # milliseconds without a change before an estimate is made


class _ModelRead(NamedTuple):
    """What the panel checks cases against."""

    hash: str
    learned_hashes: tuple[str, ...]


class FineTunePanel(Panel):
    """Offers models, cases and settings, and shows the run."""

    def build(self) -> None:
        """Make the panel's content."""
        Autosaving.of(self._viewer)
        self.controller = FineTuningController.of(self._context)
        self._estimating: QtJob | None = None
        self.interrupted = ResumeSection(self._resume)
        self._listing, self._reading = Latest(), Latest()
        self._models: tuple[str, ...] = (registry.DEFAULT_MODEL,)
        self.model = choice("model", lambda: self._models, "The model to go on from.")
        self.cases = CasesSection(self._viewer)
        self.settings = SettingsForm()
        self.device = DeviceField(self._context)
        self.estimate = text_label(tooltip="Measured by two steps on noise.")
        self.start = button("Fine-tune", _START, self._start)
        self.export = button(
            "Export for nnU-Net...", "Write the checked pairs as a dataset of nnU-Net.", self._export
        )
        self.run = RunSection(self._viewer, self.controller, self.show_message)
        self.report = FineTuningReport(self.controller)
        self.estimate.visible = False
        self._arrange()
        self._estimate_timer = timer(self.native, _PAUSE, self._estimate)
        self._connect()
        self._on_model()
        self._list_models()
        self._show_state()
        self._lead()
        self.interrupted.refresh()
        self._context.warm_up()

    def _arrange(self) -> None:
        which, how = fields(self.model), fields(self.settings.epochs, self.device)
        self._choices = Section(
            self.interrupted,
            which,
            self.cases,
            how,
            folded("Advanced", Section(self.settings.advanced, self.export)),
            self.estimate,
            self.start,
        )
        self.lay_out(self._choices, self.message, self.details, self.run, self.report, self.run.plots)
        align(which, self.cases.fields, how, self.report.fields)
        align(self.settings.advanced)

    def _connect(self) -> None:
        self.model.changed.connect(self._on_model)
        self.cases.cases.changed.connect(self._estimate_soon)
        self.cases.cases.changed.connect(self._lead)
        for field in (*self.settings.fields.values(), self.device):
            field.changed.connect(self._estimate_soon)
        controller, connect = self.controller, self.connections.add
        connect(self._viewer.layers.events.inserted, self._lead)
        connect(self._viewer.layers.events.removed, self._lead)
        connect(controller.began, self._on_began)
        connect(controller.opened, self._on_opened)
        connect(controller.ended, self._on_ended)
        connect(controller.decided, self._on_decided)
        connect(controller.keeping_failed, self.report.show_refusal)
        connect(self._context.models_changed, self._list_models)
        connect(self._context.marked, self.cases.cases.refresh)
        self.connections.at_close(self._cancel_estimate)

    def _list_models(self) -> None:
        self._listing(lambda: tuple(registry.all_models()), self._on_models)

    def _on_models(self, models: tuple[str, ...]) -> None:
        self._models = models
        self.model.reset_choices()

    def _on_model(self, *_: object) -> None:
        if self.model.value is not None:
            self._reading(partial(_read_model, self.model.value), self._on_model_read, self._on_model_unread)
        self._estimate_timer.start()

    def _on_model_read(self, model: _ModelRead) -> None:
        self.cases.cases.check_for(model.hash, model.learned_hashes)

    def _on_model_unread(self, error: str) -> None:
        self.show_message(Message(error, "error"))

    def _lead(self, *_: object) -> None:
        """Let the button stand out that comes next; the one that begins needs something to learn from."""
        lacking = self.cases.lacking
        self.start.enabled, self.start.tooltip = not lacking, lacking or _START
        primary = self.cases.add_all if not len(self.cases.cases) and self.cases.can_match else None
        show_primary(primary if lacking else self.start, (self.start, self.cases.add_all))

    def _estimate_soon(self, *_: object) -> None:
        self._estimate_timer.start()

    def _estimate(self) -> None:
        """Estimate time and memory, unless a run is under way."""
        self.estimate.visible = False
        if self.controller.running or not self.cases.slices:
            return
        self._cancel_estimate()
        self._estimating = job = QtJob(self._context)
        job.finished.connect(self._on_estimate)
        for ended in (job.finished, job.failed, job.cancelled):
            ended.connect(partial(self._forget_estimate, job))
        path = partial(registry.find_model, str(self.model.value))
        arguments = (path, self.settings.value, self.cases.slices, self.device.value)
        job.start(self._context.worker, tasks.estimate, *arguments)

    def _cancel_estimate(self) -> None:
        if self._estimating is not None:
            self._estimating.cancel()

    def _forget_estimate(self, job: QtJob, *_: object) -> None:
        job.deleteLater()
        if self._estimating is job:  # and not a later one
            self._estimating = None

    def _on_estimate(self, estimate: Estimate) -> None:
        memory = estimate.memory / 1e9
        self.estimate.value = f"About {in_words(estimate.seconds)} and {memory:.1f} GB of memory."
        self.estimate.visible = True

    def _start(self) -> None:
        try:
            cases = self.cases.collect()
            self.controller.start(str(self.model.value), cases, self.settings.value, self.device.value)
        except TumourUnetError as error:
            self.show_message(Message(str(error), "error"))
            show_error(str(error))

    def _export(self) -> None:
        try:
            pairs = [case for case, _ in self.cases.collect(to_learn=False)]
        except TumourUnetError as error:
            show_error(str(error))
            return
        name, _ = FileDialog.getSaveFileName(
            self.native,
            "A new folder for the dataset, Dataset and three digits first",
            "Dataset501_Tumour",
            folder=True,
        )
        if name:
            self.export.enabled = False
            in_thread(partial(_write_dataset, pairs, Path(name)), self._on_exported, self._on_not_exported)

    def _on_exported(self, told: str) -> None:
        self.export.enabled = True
        show_info(told)

    def _on_not_exported(self, error: str) -> None:
        self.export.enabled = True
        show_error(error)

    def _resume(self, run: Interrupted) -> None:
        try:
            self.controller.resume(run, self.device.value)
        except TumourUnetError as error:
            show_error(str(error))

    def _on_began(self) -> None:
        self._show_state()

    def _on_opened(self, *_: object) -> None:
        self.interrupted.refresh()

    def _on_ended(self, _: bool) -> None:
        self.report.show_report(self.controller.report)
        self._show_state()
        if not self.controller.report:
            self.interrupted.refresh()

    def _on_decided(self) -> None:
        self.report.show_report(None)
        self._show_state()

    def _show_state(self) -> None:
        """Show the widgets that fit the state of the run."""
        running, undecided = self.controller.running, self.controller.report is not None
        ready = not running and not undecided
        self._choices.visible = ready
        self.run.show_state()
        if not running:
            self.show_message(Message() if undecided else self.controller.message)
        if undecided and not self.report.visible:  # the panel was opened since
            self.report.show_report(self.controller.report)


def _read_model(name: str) -> _ModelRead:
    """Hash a model's file and read its card."""
    path = registry.find_model(name)
    return _ModelRead(file_hash(path), tuple(read_card(path).data))


def _write_dataset(pairs: list[Case | LayerCase], out: Path) -> str:
    from napari_tumor_unet.io.datasets.nnunet import export_nnunet

    return export_nnunet(pairs, out).told(out.name)
