"""The fine-tuning of one viewer: the child process that computes it, and its run on disk."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, Signal

from napari_tumor_unet.io.datasets.pairs import Pair
from napari_tumor_unet.io.datasets.snapshot import Snapshot
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.ui.errors import show_failure
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.viewer_context import BusyError, ViewerContext
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.events import Command, Epoch, Step
from napari_tumor_unet.training.finetuning.cases import Lesson
from napari_tumor_unet.training.finetuning.run_store import (
    PARENT,
    TUNED,
    FineTuning,
    Interrupted,
    RunPlan,
    discard,
    epochs_of,
    lock_of,
    new_run,
)
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.child import JobError
from napari_tumor_unet.worker.remote_scan import handle_of, planes_of
from napari_tumor_unet.worker.worker import Worker


@dataclass
class _Run:
    """A run that this window holds, until its model is kept or discarded."""

    folder: Path
    lock: FileLock
    plan: RunPlan
    progressed: bool = False  # in this process: a step at least


class FineTuningController(QObject):
    """Controls the fine-tuning of one viewer; lives as long as the viewer's window.

    A run that is under way when the window closes can be resumed. The controller has a child process of its
    own, so that scans can be segmented and scored meanwhile.

    Attributes
    ----------
    began : Signal
        A run has begun, or is resumed; with its finished epochs, and the number of all.
    progressed : Signal
        An event of the run.
    ended : Signal
        The run has ended; with ``True`` if there is a report.
    decided : Signal
        The new model was kept or discarded.
    report : Report or None
        The report of the last run, until its model is kept or discarded.
    paused : bool
        Whether the run was asked to pause.
    message, details : str
        The sentence about the end of the run, and the traceback of an error.
    """

    began = Signal(list, int)
    progressed = Signal(object)
    ended = Signal(bool)
    decided = Signal()

    def __init__(self, context: ViewerContext) -> None:
        super().__init__(context)
        self._context = context
        self._worker = Worker()
        self._job: QtJob | None = None
        self._run: _Run  # set as long as a run is under way or undecided
        self.report: tasks.Report | None = None
        self.paused = False
        self.message = self.details = ""
        self.destroyed.connect(partial(_close, self._worker))

    @classmethod
    def of(cls, context: ViewerContext) -> FineTuningController:
        """Return the controller of a viewer, made when first asked for."""
        controller: FineTuningController | None = context.findChild(cls)
        return controller if controller is not None else cls(context)

    @property
    def running(self) -> bool:
        """Whether a run is under way, paused or not."""
        return self._job is not None

    @property
    def parent_name(self) -> str:
        """Name of the model that the run started from."""
        return self._run.plan.model

    @property
    def child_pid(self) -> int | None:
        """Process that computes, if it has started."""
        return self._worker.pid

    def start(
        self,
        model: str,
        lessons: Sequence[Lesson],
        files: Sequence[tuple[Pair, bool]],
        settings: FineTuning,
        device: str,
    ) -> None:
        """Start a run.

        Parameters
        ----------
        model : str
            Name of the model to start from, or its file.
        lessons : sequence of Lesson
            Layers as they are now.
        files : sequence of (Pair, bool)
            Cases on disk, each with whether it is held out.
        settings : FineTuning
        device : str

        Raises
        ------
        BusyError
            If another run is under way or undecided.
        ScanError
            If there is nothing to learn from, or the disk refuses the run.
        ModelError
            If there is no such model.
        """
        self._check_idle()
        if not any(not lesson.held_out for lesson in lessons) and all(held_out for _, held_out in files):
            raise ScanError("There is no scan to learn from; add one, or hold fewer out.")
        path = registry.find_model(model)
        folder, lock = _new_run_from(path)
        copies = [
            (Snapshot(lesson.name, lesson.patient, folder / f"{i}.npz", lesson.slices), lesson.held_out)
            for i, lesson in enumerate(lessons)
        ]
        every: list[tuple[Snapshot | Pair, bool]] = [*copies, *files]
        learned = tuple(case for case, held_out in every if not held_out)
        judged = tuple(case for case, held_out in every if held_out)
        plan = RunPlan(path.name.removesuffix(registry.ENDING), settings, learned, judged)
        handles = tuple(handle_of(lesson.scan) for lesson in lessons)
        answer = partial(_answer, list(lessons))
        self._run = _Run(folder, lock, plan)
        self._begin(tasks.fine_tune, folder, plan, handles, device, answer=answer)

    def resume(self, run: Interrupted, device: str) -> None:
        """Resume an interrupted run.

        Raises
        ------
        BusyError
            If another run is under way or undecided.
        ScanError
            If the run is gone, or another window holds it.
        """
        self._check_idle()
        lock = lock_of(run.folder)
        try:
            lock.acquire()
        except OSError as error:  # Timeout is one
            raise ScanError("That fine-tuning is gone, or another window goes on with it.") from error
        self._run = _Run(run.folder, lock, run.plan)
        self._begin(tasks.resume_fine_tuning, run.folder, device)

    def send_command(self, command: Command) -> None:
        """Pause, go on or stop."""
        if self._job is not None:
            self._job.tell(command)
            self.paused = command == "pause"

    def cancel(self) -> None:
        """End the run, and delete its folder."""
        if self._job is not None:
            self._job.cancel()

    def keep(self, name: str) -> None:
        """Store the new model among the user's models.

        Raises
        ------
        ModelError
            If the name is taken or impossible, or the model cannot be written.
        """
        registry.add_model(self._run.folder / TUNED, name)
        self._decide(f"The new model is {name.strip()!r}.")
        self._context.models_changed.emit()

    def discard(self) -> None:
        """Delete the new model and the folder of its run."""
        self._decide("The new model was discarded.")

    def _check_idle(self) -> None:
        if self.running:
            raise BusyError("A fine-tuning is under way; wait for it, or stop it.")
        if self.report is not None:
            raise BusyError("Keep or discard the last fine-tuning's model first.")

    def _begin(self, task: Any, *arguments: Any, answer: Any = None) -> None:
        self.message = self.details = ""
        self.paused = False
        self._job = job = QtJob(self)
        job.progressed.connect(self._on_progressed)
        job.finished.connect(self._on_finished)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_cancelled)
        job.start(self._worker, task, *arguments, answer=answer)
        self.began.emit(epochs_of(self._run.folder), self._run.plan.settings.epochs)

    def _on_progressed(self, event: object) -> None:
        self._run.progressed |= isinstance(event, Step | Epoch)
        self.progressed.emit(event)

    def _on_finished(self, report: tasks.Report) -> None:
        self.report = report
        self._end(report.advice.said, ok=True)
        show_info(f"The fine-tuning has ended. {report.advice.said}")

    def _on_failed(self, error: JobError) -> None:
        run, message = self._run, str(error)
        names = [case.name for case in (*run.plan.cases, *run.plan.held_out)]
        if epochs_of(run.folder):
            message += " What was learned can be resumed." if run.progressed else ""
            run.lock.release()
        else:
            self._forget()
        self.details = show_failure(message, error.details, self._context.parent(), names)
        self._end(message, ok=False)

    def _on_cancelled(self) -> None:
        self._forget()
        self._end("Fine-tuning cancelled and forgotten.", ok=False)

    def _end(self, message: str, *, ok: bool) -> None:
        self.message = message
        job, self._job = self._job, None
        if job is not None:
            job.deleteLater()
        with suppress(RuntimeError):  # the window may be gone
            self.ended.emit(ok)

    def _decide(self, message: str) -> None:
        self.report, self.message = None, message
        self._forget()
        self.decided.emit()

    def _forget(self) -> None:
        """Delete the folder of the run, as soon as the child is done with it."""
        self._run.lock.release()
        arguments = (self._run.folder, self._job and self._job.handle)
        threading.Thread(target=_discard, args=arguments, daemon=True).start()


def _new_run_from(model: Path) -> tuple[Path, FileLock]:
    """Make the folder of a run with a copy of the model, and lock it.

    The copy is made at once, as the user may delete the model next; it takes milliseconds.
    """
    with ExitStack() as undo:
        try:
            folder = new_run()
            undo.callback(discard, folder)
            lock = lock_of(folder)
            lock.acquire()
            undo.callback(lock.release)
            shutil.copyfile(model, folder / PARENT)
        except OSError as error:
            raise ScanError(f"The fine-tuning cannot be prepared on disk: {error.strerror}.") from error
        undo.pop_all()
    return folder, lock


def _answer(lessons: list[Lesson], question: tuple[int, range | None]) -> Any:
    """Answer the child with planes of a scan, or with its mask."""
    i, indices = question
    return lessons[i].mask if indices is None else planes_of(lessons[i].scan, indices)


def _discard(folder: Path, job: Any) -> None:
    if job is not None:
        job.wait(10)
    discard(folder)


def _close(worker: Worker, *_: Any) -> None:
    worker.close()
