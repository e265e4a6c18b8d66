"""The fine-tuning of one viewer: the child process that computes it, and its run on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject, Signal

from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.finetune.case_inspection import LayerCase
from napari_tumor_unet.plugin.finetune.run import Run, answer, open_run, prepare_run
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.plugin.ui.viewer_context import BusyError, Message, ViewerContext, close_worker
from napari_tumor_unet.training.events import Command, Epoch, Step
from napari_tumor_unet.training.finetuning.run_plan import FineTuning
from napari_tumor_unet.training.finetuning.run_store import TUNED, Interrupted
from napari_tumor_unet.training.finetuning.verdict import FineTuned
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.child import JobError
from napari_tumor_unet.worker.remote_scan import handle_of
from napari_tumor_unet.worker.worker import Worker

_Compute = Callable[[QtJob, Path], None]
_HOW_TO_PREFER = "Choose it in Segment tumour; there '...' > Use for the one click has the one click use it."


class FineTuningController(QObject):
    """Controls the fine-tuning of one viewer; lives as long as the viewer's window.

    A run that is under way when the window closes can be resumed. The controller has a child process of its
    own, so that scans can be segmented and scored meanwhile.

    Attributes
    ----------
    began : Signal
        A run has begun, or is resumed.
    opened : Signal
        The run is on disk; with its finished epochs, and the number of all.
    progressed : Signal
        An event of the run.
    ended : Signal
        The run has ended; with ``True`` if there is a report.
    decided : Signal
        The new model was kept or discarded.
    keeping_failed : Signal
        The new model was not kept; with the sentence that says why.
    running : bool
        Whether a run is under way, paused or not.
    report : FineTuned or None
        What the last run gave, until its model is kept or discarded.
    paused : bool
        Whether the run was asked to pause.
    message : Message
        How the run ended, or what became of its model.
    """

    began = Signal()
    opened = Signal(list, int)
    progressed = Signal(object)
    ended = Signal(bool)
    decided = Signal()
    keeping_failed = Signal(str)

    def __init__(self, context: ViewerContext) -> None:
        super().__init__(context)
        self._context = context
        self._worker = Worker()
        self._job: QtJob | None = None
        self._run: Run | None = None  # as long as a run on disk is under way or undecided
        self._names: list[str] = []  # of the scans, which the log must not hold
        self._compute: _Compute | None = None  # as long as a run is being prepared
        self._begun = 0  # runs so far
        self.running = False
        self.report: FineTuned | None = None
        self.paused = False
        self.message = Message()
        self.destroyed.connect(partial(close_worker, self._worker))

    @classmethod
    def of(cls, context: ViewerContext) -> FineTuningController:
        """Return the controller of a viewer, made when first asked for."""
        controller: FineTuningController | None = context.findChild(cls)
        return controller if controller is not None else cls(context)

    @property
    def parent_name(self) -> str:
        """Name of the model that the run started from."""
        return self._run.plan.model if self._run else ""

    @property
    def child_pid(self) -> int | None:
        """Process that computes, if it has started."""
        return self._worker.pid

    def start(
        self, model: str, cases: Sequence[tuple[Case | LayerCase, bool]], settings: FineTuning, device: str
    ) -> None:
        """Start a run; what is wrong with the model or the disk comes with :attr:`ended`.

        Parameters
        ----------
        model : str
            Name of the model to start from, or its file.
        cases : sequence of (Case or LayerCase, bool)
            Files, and layers as they are now, each with whether the case is held out.
        settings : FineTuning
        device : str

        Raises
        ------
        BusyError
            If another run is under way or undecided.
        """
        layers = [case for case, _ in cases if isinstance(case, LayerCase)]
        handles = tuple(handle_of(case.scan) for case in layers)
        self._prepare(
            partial(prepare_run, model, cases, settings),
            lambda job, folder: job.start(
                self._worker, tasks.fine_tune, folder, handles, device, answer=partial(answer, layers)
            ),
            [case.name for case, _ in cases],
        )

    def resume(self, run: Interrupted, device: str) -> None:
        """Resume an interrupted run; that it is gone, or another window holds it, comes with :attr:`ended`.

        Raises
        ------
        BusyError
            If another run is under way or undecided.
        """
        self._prepare(
            partial(open_run, run),
            lambda job, folder: job.start(self._worker, tasks.resume_fine_tuning, folder, device),
            [case.name for case in (*run.plan.cases, *run.plan.held_out)],
        )

    def send_command(self, command: Command) -> None:
        """Pause, go on or stop."""
        if self._job is not None:
            self._job.send_command(command)
            self.paused = command == "pause"

    def cancel(self) -> None:
        """End the run, and delete its folder; of one that has ended meanwhile, discard the model."""
        if self._job is not None:
            self._job.cancel()
        elif self.running:  # and still being prepared
            self._on_cancelled()
        elif self.report is not None:
            self.discard()

    def keep(self, name: str) -> None:
        """Store the new model among the user's models; then :attr:`decided` or :attr:`keeping_failed`."""
        if self._run is not None:
            add = partial(registry.add_model, self._run.folder / TUNED, name)
            in_thread(add, lambda _: self._on_kept(name.strip()), self.keeping_failed.emit)

    def discard(self) -> None:
        """Delete the new model and the folder of its run."""
        self._decide(Message("The new model was discarded."))

    def _prepare(self, prepare: Callable[[], Run], compute: _Compute, names: list[str]) -> None:
        """Prepare a run on disk in a thread, and then compute it in the child."""
        if self.running:
            raise BusyError("A fine-tuning is under way; wait for it, or stop it.")
        if self.report is not None:
            raise BusyError("Keep or discard the last fine-tuning's model first.")
        self.message, self.paused, self.running = Message(), False, True
        self._names, self._compute = names, compute
        self._begun += 1
        number = self._begun
        in_thread(prepare, partial(self._on_prepared, number), partial(self._on_refused, number))
        self.began.emit()

    def _on_prepared(self, number: int, run: Run) -> None:
        if self._compute is None or number != self._begun:  # cancelled meanwhile
            run.let_go()
            return
        compute, self._compute, self._run = self._compute, None, run
        self._job = job = QtJob(self)
        job.progressed.connect(self._on_progressed)
        job.finished.connect(self._on_finished)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_cancelled)
        compute(job, run.folder)
        self.opened.emit(run.epochs, run.plan.settings.epochs)

    def _on_refused(self, number: int, error: str) -> None:
        if self._compute is not None and number == self._begun:  # not cancelled meanwhile
            self._on_failed(JobError(error))

    def _on_progressed(self, event: object) -> None:
        if self._run is not None:
            self._run.progressed |= isinstance(event, Step | Epoch)
            if isinstance(event, Epoch):
                self._run.epochs.append(event)
        self.progressed.emit(event)

    def _on_finished(self, report: FineTuned) -> None:
        self.report = report
        self._end(Message(report.advice.said), ok=True)
        self._context.notify(Message(f"The fine-tuning has ended. {report.advice.said}"))

    def _on_failed(self, error: JobError) -> None:
        run, text = self._run, str(error)
        if run is not None:
            text += " What was learned can be resumed." if run.epochs and run.progressed else ""
            run.let_go(self._job and self._job.handle)
        message = self._context.notify(Message(text, "error", error.details), self._names)
        self._run = None
        self._end(message, ok=False)

    def _on_cancelled(self) -> None:
        self._forget()
        self._end(Message("Cancelled; nothing was kept."), ok=False)

    def _on_kept(self, name: str) -> None:
        self._context.models_changed.emit()
        text = f"The new model is {name!r}. {_HOW_TO_PREFER}"
        self._decide(self._context.notify(Message(text)))

    def _end(self, message: Message, *, ok: bool) -> None:
        self.message, self.running, self._compute = message, False, None
        job, self._job = self._job, None
        if job is not None:
            job.deleteLater()
        with suppress(RuntimeError):  # the window may be gone
            self.ended.emit(ok)

    def _decide(self, message: Message) -> None:
        self.report, self.message = None, message
        self._forget()
        self.decided.emit()

    def _forget(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.delete(self._job and self._job.handle)
