"""One viewer's fine-tuning: the child that computes it, its run on disk, and what is told of it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, Signal

from napari_tumor_unet.io.datasets.pairs import Pair
from napari_tumor_unet.io.datasets.snapshot import Snapshot
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.ui.errors import tell_failure
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
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
from napari_tumor_unet.worker.remote_scan import handle_of, planes_of
from napari_tumor_unet.worker.worker import JobError, Worker


class Tuning(QObject):
    """Lives as long as its viewer's window; what runs when that closes can be resumed.

    It has a child process of its own, so that scans can be segmented and scored meanwhile.

    Attributes
    ----------
    began : Signal
        A run has begun, or goes on; with the epochs it has done already.
    progressed : Signal
        Anything that the run tells.
    ended : Signal
        It has ended: with ``True`` if there is a report.
    decided : Signal
        Its new model was kept, or discarded.
    report : Report or None
        Of the last run, until it is decided.
    plan : RunPlan or None
        Of the run, or of the last one.
    paused : bool
        Whether it was told to pause.
    said, details : str
        What the user was told of the end, and the traceback if it was an error.
    """

    began = Signal(list)
    progressed = Signal(object)
    ended = Signal(bool)
    decided = Signal()

    def __init__(self, context: ViewerContext) -> None:
        super().__init__(context)
        self._context = context
        self._worker = Worker()
        self._job: QtJob | None = None
        self._folder: Path | None = None
        self._moved = False
        self._lock: Any = None
        self.report: tasks.Report | None = None
        self.plan: RunPlan | None = None
        self.paused = False
        self.said = self.details = ""
        self.destroyed.connect(partial(_close, self._worker))

    @classmethod
    def of(cls, context: ViewerContext) -> Tuning:
        """The session's, made when first asked for."""
        found = context.findChild(cls)
        return found if found is not None else cls(context)

    @property
    def running(self) -> bool:
        """Whether a run is under way, paused or not."""
        return self._job is not None

    def start(
        self,
        model: str,
        lessons: Sequence[Lesson],
        files: Sequence[tuple[Pair, bool]],
        settings: FineTuning,
        device: str,
    ) -> None:
        """Begin a run.

        Parameters
        ----------
        model : str
            Name of the parent, or its file.
        lessons : sequence of Lesson
            Scans and masks as they are now.
        files : sequence of (Pair, bool)
            More of them on disk, and whether each is held out.
        settings : FineTuning
        device : str

        Raises
        ------
        ScanError
            If another run is under way or undecided, or nothing is there to learn from.
        ModelError
            If there is no such model.
        """
        self._refuse_a_second()
        if not any(not lesson.held_out for lesson in lessons) and all(held_out for _, held_out in files):
            raise ScanError("There is no scan to learn from; add one, or hold fewer out.")
        path = registry.find_model(model)
        try:
            folder = new_run()
            self._hold(folder)
            shutil.copyfile(path, folder / PARENT)
        except OSError as error:
            if self._folder is not None:
                self._forget()
            raise ScanError(f"The fine-tuning cannot be prepared on disk: {error.strerror}.") from error
        copies = [
            (Snapshot(lesson.name, lesson.patient, folder / f"{i}.npz", lesson.slices), lesson.held_out)
            for i, lesson in enumerate(lessons)
        ]
        every = (*copies, *files)
        learned = tuple(case for case, held_out in every if not held_out)
        judged = tuple(case for case, held_out in every if held_out)
        self.plan = RunPlan(path.name.removesuffix(registry.ENDING), settings, learned, judged)
        handles = tuple(handle_of(lesson.scan) for lesson in lessons)
        answer = partial(_answer, list(lessons))
        self._begin(tasks.fine_tune, folder, self.plan, handles, device, answer=answer)

    def resume(self, run: Interrupted, device: str) -> None:
        """Go on with a run that was interrupted.

        Raises
        ------
        ScanError
            If another run is under way or undecided, or that one is gone or another window's by now.
        """
        self._refuse_a_second()
        try:
            self._hold(run.folder)
        except OSError as error:  # Timeout is one
            raise ScanError("That fine-tuning is gone, or another window goes on with it.") from error
        self.plan = run.plan
        self._begin(tasks.resume_fine_tuning, run.folder, device)

    def tell(self, command: Command) -> None:
        """Pause, go on or stop."""
        if self._job is not None:
            self._job.tell(command)
            self.paused = command == "pause"

    def cancel(self) -> None:
        """End the run, and forget it."""
        if self._job is not None:
            self._job.cancel()

    def keep(self, name: str) -> None:
        """Store the new model among the user's.

        Raises
        ------
        ModelError
            If the name is taken or impossible, or the model cannot be written.
        """
        registry.add_model(self.report.folder / TUNED, name)
        self._decide(f"The new model is {name.strip()!r}.")
        self._context.models_changed.emit()

    def discard(self) -> None:
        """Leave nothing of the run."""
        self._decide("The new model was discarded.")

    def _refuse_a_second(self) -> None:
        if self.running:
            raise ScanError("A fine-tuning is under way; wait for it, or stop it.")
        if self.report is not None:
            raise ScanError("Keep or discard the last fine-tuning's model first.")

    def _hold(self, folder: Path) -> None:
        lock = lock_of(folder)
        lock.acquire()
        self._folder, self._lock = folder, lock

    def _begin(self, task: Any, *arguments: Any, answer: Any = None) -> None:
        self.said = self.details = ""
        self.paused = False
        self._job = job = QtJob(self)
        self._moved = False
        job.progressed.connect(self._on_progressed)
        job.finished.connect(self._on_finished)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_cancelled)
        job.start(self._worker, task, *arguments, answer=answer)
        self.began.emit(epochs_of(self._folder))

    def _on_progressed(self, event: object) -> None:
        self._moved |= isinstance(event, Step | Epoch)
        self.progressed.emit(event)

    def _on_finished(self, report: tasks.Report) -> None:
        self.report = report
        self._end(report.advice.said, ok=True)
        show_info(f"The fine-tuning has ended. {report.advice.said}")

    def _on_failed(self, error: JobError) -> None:
        names = [case.name for case in (*self.plan.cases, *self.plan.held_out)]
        said = str(error)
        if epochs_of(self._folder):
            said += " What was learned can be resumed." if self._moved else ""
            self._release()
        else:
            self._forget()
        self.details = tell_failure(said, error.details, self._context.parent(), names)
        self._end(said, ok=False)

    def _on_cancelled(self) -> None:
        self._forget()
        self._end("Fine-tuning cancelled and forgotten.", ok=False)

    def _end(self, said: str, *, ok: bool) -> None:
        self.said = said
        job, self._job = self._job, None
        job.deleteLater()
        with suppress(RuntimeError):  # the window may be gone
            self.ended.emit(ok)

    def _decide(self, said: str) -> None:
        self.report, self.said = None, said
        self._forget()
        self.decided.emit()

    def _forget(self) -> None:
        """Delete the run's folder, as soon as the child is done with it."""
        folder, job = self._folder, self._job
        self._release()
        threading.Thread(target=_discard, args=(folder, job and job.handle), daemon=True).start()

    def _release(self) -> None:
        self._lock.release()
        self._folder = self._lock = None


def _answer(lessons: list[Lesson], question: tuple[int, range | None]) -> Any:
    """Planes of a scan, or its mask: the answer to the child."""
    i, indices = question
    return lessons[i].mask if indices is None else planes_of(lessons[i].scan, indices)


def _discard(folder: Path, job: Any) -> None:
    if job is not None:
        job.wait(10)
    discard(folder)


def _close(worker: Worker, *_: Any) -> None:
    worker.close()
