"""Jobs for Qt: callbacks from another thread become signals on the window's own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_tumor_unet.plugin.ui.connections import Emitter
from napari_tumor_unet.worker.worker import Callbacks, Job, Worker

_MOST_WAITING = 8  # calls; a window that is slower than its job must not fill the memory with them
_TURN = 0.02  # seconds of signals at a stretch, before the window may draw and answer again


class QtJob(QObject):
    """One job; its signals arrive on the thread that made it, the last being one of the last three."""

    progressed = Signal(object)
    finished = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    _called = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._calls: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._passing_on = False
        self._held = False
        self._cancelled = False
        self._stop = threading.Event()
        self._called.connect(self._pass_on)
        self._emit_called = Emitter(self, self._called)
        self.destroyed.connect(self._stop.set)

    def start(self, worker: Worker, task: Any, *args: Any, answer: Any = None) -> None:
        """Start a task; see :meth:`napari_tumor_unet.worker.worker.Worker.run`."""
        self.begin(partial(worker.run, task, *args, answer=answer))

    def begin(self, run: Callable[..., Job]) -> None:
        """Start a job by what makes one of its ``callbacks``."""
        names = ("progressed", "finished", "failed", "cancelled")
        self._job = run(callbacks=Callbacks(*(partial(self._call, name) for name in names)))

    @property
    def handle(self) -> Job | None:
        """The job itself, to be waited for."""
        return self._job

    def send_command(self, command: Any) -> None:
        """Send the task a command; see :meth:`napari_tumor_unet.worker.worker.Job.send_command`."""
        if self._job is not None:
            self._job.send_command(command)

    def cancel(self) -> None:
        """End the job: :attr:`cancelled` is emitted now, and the child stops within a second.

        What the job still says, or has said and nobody has heard, is not emitted.
        """
        if self._job is not None and not self._cancelled:
            self._cancelled = True
            self._stop.set()
            self._job.cancel()
            self.cancelled.emit()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Emit nothing but :attr:`cancelled` meanwhile."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            if self._calls and not self._cancelled:
                QTimer.singleShot(0, self._pass_on)

    def _call(self, name: str, *content: Any) -> None:
        """From the job's thread: keep a call for the window's, when there is room."""
        while len(self._calls) >= _MOST_WAITING and not self._stop.wait(0.01):
            pass
        if self._stop.is_set():
            return
        self._calls.append((name, content))
        if not self._passing_on:
            self._passing_on = True
            self._emit_called()

    def _pass_on(self) -> None:
        """Emit what was called, a little at a time: Qt draws nothing before it has served all signals."""
        if self._held:
            return
        end = time.monotonic() + _TURN
        while self._calls and not self._cancelled and time.monotonic() < end:
            name, content = self._calls.popleft()
            getattr(self, name).emit(*content)
        if self._cancelled:
            return
        self._passing_on = bool(self._calls)
        if self._calls:  # asked again: the thread may have called since the line above
            self._passing_on = True
            QTimer.singleShot(0, self._pass_on)
