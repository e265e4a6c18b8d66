"""Jobs for Qt: callbacks from another thread become signals on the window's own."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_tumor_unet.jobs import Callbacks, Job, JobError, Worker


class QtJob(QObject):
    """One job; its signals arrive on the thread that made it, the last being one of the last three."""

    progressed = Signal(object)
    finished = Signal(object)
    failed = Signal(object)
    cancelled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None

    def start(self, worker: Worker, task: Any, *args: Any, shared: Any = None) -> None:
        """Start a task; see :meth:`napari_tumor_unet.jobs.Worker.run`."""
        callbacks = Callbacks(self._on_event, self._on_finished, self._on_failed, self._on_cancelled)
        self._job = worker.run(task, *args, callbacks=callbacks, shared=shared)

    def cancel(self) -> None:
        """Ask the job to end; :attr:`cancelled` follows within a second."""
        if self._job is not None:
            self._job.cancel()

    # The window, and with it this object, may be gone when the job's thread calls.

    def _on_event(self, event: Any) -> None:
        with suppress(RuntimeError):
            self.progressed.emit(event)

    def _on_finished(self, result: Any) -> None:
        with suppress(RuntimeError):
            self.finished.emit(result)

    def _on_failed(self, error: JobError) -> None:
        with suppress(RuntimeError):
            self.failed.emit(error)

    def _on_cancelled(self) -> None:
        with suppress(RuntimeError):
            self.cancelled.emit()
