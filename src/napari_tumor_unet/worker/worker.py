"""Run a generator of the core in a process of its own: progress, cancel, plain callbacks.

A window that computes freezes, and a computation that dies takes its process with it. So there is one
child process for each :class:`Worker`; it stays between jobs, with its imports and models warm.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

from loky.backend import get_context

from napari_tumor_unet._common import PASSIVE_THREADS
from napari_tumor_unet.worker.child import CancelledError, DiedError, JobError, Task, serve_jobs

# loky's processes start like multiprocessing's "spawn", but never run the user's main script again.
_CONTEXT = get_context("loky")
_GRACE = 0.25  # seconds in which a cancelled job may end by itself
_POLL = 0.05  # seconds between looks at whether a job was cancelled


@dataclass(frozen=True)
class Callbacks:
    """What a job calls, from a thread of its own; exactly one of the last three ends it."""

    event: Callable[[Any], None]
    finished: Callable[[Any], None]
    failed: Callable[[JobError], None]
    cancelled: Callable[[], None]


class Job:
    """A handle on one running job."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self._commands: SimpleQueue[Any] = SimpleQueue()

    def send_command(self, command: Any) -> None:
        """Send the task a command: its next ``yield`` of a :class:`AcceptsCommand` gives it, others None."""
        self._commands.put(command)

    def cancel(self) -> None:
        """Ask the job to end; it does within a second, whatever it is doing."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the child no longer works for the job; whether that is so."""
        return self._ended.wait(timeout)


class Worker:
    """A child process that runs one job after another.

    Nothing is started before the first job, or :meth:`warm_up`. A child that was killed, or died, is
    replaced with the next job. The child ends with its parent.

    Parameters
    ----------
    environment : mapping, optional
        Variables that the child gets beside its parent's.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**PASSIVE_THREADS, **(environment or {})}
        self._lock = threading.Lock()  # held while a job runs
        self._start_lock = threading.Lock()
        self._process: Any = None
        self._connection: Any = None
        self._answered: Any = None  # the child that has answered, its imports done
        self._used = time.monotonic()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the child, if there is one."""
        process = self._process  # another thread may take it away
        return process.pid if process is not None and process.is_alive() else None

    @property
    def is_ready(self) -> bool:
        """Whether the child has answered before: its imports are done."""
        return self.pid is not None and self._answered is self._process

    def warm_up(self, task: Task, *args: Any) -> Job:
        """Run a task, imports say, in the background, so that the next job finds it done."""
        return self.run(task, *args, callbacks=Callbacks(_ignore, _ignore, _ignore, _ignore))

    def run(
        self,
        task: Task,
        *args: Any,
        callbacks: Callbacks,
        answer: Callable[[Any], Any] | None = None,
    ) -> Job:
        """Start a job and return at once; it waits for the one before it.

        Parameters
        ----------
        task : callable
            A generator function that the child can import. What it yields goes to ``callbacks.event``,
            what it returns to ``callbacks.finished``.
        *args
            Its arguments: small ones, as they are pickled. Functions among them are called in the job's own
            thread, and the task gets what they return: a file may be looked for there.
        callbacks : Callbacks
        answer : callable, optional
            For a task that asks for more than its arguments, as for voxels: the task's first argument is a
            function then, and what it is called with is answered here, in the job's own thread.
        """
        job = Job()
        threading.Thread(
            target=self._serve, args=(job, task, args, callbacks, answer), name="tumor-unet-job", daemon=True
        ).start()
        return job

    def end_if_unused(self, seconds: float) -> None:
        """End a child that no job has used for so long; the next job starts another."""
        if time.monotonic() - self._used >= seconds and self._lock.acquire(blocking=False):
            self._kill()
            self._lock.release()

    def close(self) -> None:
        """End the child, and with it whatever it is doing."""
        self._closed = True
        self._kill()

    def _serve(self, job: Job, task: Task, args: tuple[Any, ...], callbacks: Callbacks, answer: Any) -> None:
        end: Callable[[], None]
        try:
            with self._turn(job):
                given = tuple(arg() if callable(arg) else arg for arg in args)
                result = self._converse(job, task, given, callbacks, answer)
            end = partial(callbacks.finished, result)
        except CancelledError:
            end = callbacks.cancelled
        except JobError as error:
            end = partial(callbacks.failed, error)
        except Exception as error:
            end = partial(
                callbacks.failed, JobError(str(error) or type(error).__name__, traceback.format_exc())
            )
        job._ended.set()
        end()

    @contextmanager
    def _turn(self, job: Job) -> Iterator[None]:
        """Wait until the job before has ended, and reserve the child."""
        while not self._lock.acquire(timeout=_POLL):
            if job._cancelled.is_set():
                raise CancelledError
        try:
            yield
        finally:
            self._used = time.monotonic()
            self._lock.release()

    def _converse(
        self, job: Job, task: Task, args: tuple[Any, ...], callbacks: Callbacks, answer: Any
    ) -> Any:
        """Send a task to the child and pass on what it says until it ends."""
        if job._cancelled.is_set() or self._closed:
            raise CancelledError
        may_be_dead = self.pid is not None  # it may have died since the last job, unnoticed
        try:
            connection = self._child()
            connection.send((task, args, answer is not None))
            for kind, content in self._answers(connection, job):
                may_be_dead, self._answered = False, self._process
                if kind == "asked":
                    reply = _attempt(answer, content)
                    if not job._cancelled.is_set():
                        connection.send(reply)
                elif kind == "event":
                    callbacks.event(content)
                elif kind == "finished":
                    return content
                elif kind == "failed":
                    raise JobError(*content)
        except (EOFError, OSError) as error:
            process = self._process
            self._kill()
            if self._closed or job._cancelled.is_set():
                raise CancelledError from error
            if may_be_dead:
                return self._converse(job, task, args, callbacks, answer)
            raise DiedError(_cause(process.exitcode if process is not None else None)) from error
        except (JobError, CancelledError):
            raise
        except Exception:  # of a callback, or of pickling: the child still works for this job
            self._kill()
            raise

    def _answers(self, connection: Any, job: Job) -> Iterator[tuple[str, Any]]:
        """Yield what the child sends, as long as the job is not cancelled."""
        asked = 0.0
        while True:
            if job._cancelled.is_set():
                if not asked:
                    connection.send("cancel")
                    asked = time.monotonic()
                elif time.monotonic() - asked > _GRACE:
                    self._kill()
                    raise CancelledError
            while not job._commands.empty():
                connection.send(("command", job._commands.get()))
            if connection.poll(_POLL):
                kind, content = connection.recv()
                if not job._cancelled.is_set():
                    yield kind, content
                elif kind in ("finished", "failed", "cancelled"):
                    raise CancelledError

    def _child(self) -> Any:
        """Return the connection to a living child."""
        with self._start_lock:
            if self.pid is None:
                ours, theirs = _CONTEXT.Pipe(duplex=True)
                self._process = _CONTEXT.Process(
                    target=serve_jobs, args=(theirs,), daemon=True, env=dict(self._environment)
                )
                self._process.start()
                theirs.close()  # so that the child's end of the pipe ends with the child
                self._connection = ours
            return self._connection

    def _kill(self) -> None:
        with self._start_lock:
            if self._process is not None:
                if self._process.is_alive():
                    # SIGTERM waits for Python code to run; Windows has no SIGKILL, its terminate is one.
                    os.kill(self._process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
                self._process.join(1)
                self._connection.close()
                self._process = self._connection = None


def _cause(exit_code: int | None) -> str:
    """Say how a process ended, of which nobody expected it."""
    if exit_code is None or exit_code >= 0:
        return f"it ended with code {exit_code}"
    number = -exit_code
    if number == getattr(signal, "SIGKILL", None):
        return "it needed more memory than there is, or somebody killed it"
    return f"it crashed ({signal.strsignal(number)})"


def _ignore(*_: Any) -> None:
    pass


def _attempt(answer: Callable[[Any], Any], question: Any) -> tuple[str, Any]:
    """Answer what the child asks, or say why there is no answer."""
    try:
        return "answer", answer(question)
    except Exception as error:
        return "no answer", (str(error) or type(error).__name__, traceback.format_exc())
