"""Run many small jobs at once: the seam behind which processes of this machine, or a cluster, do them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

import psutil  # type: ignore[import-untyped]
from loky.backend.context import cpu_count

from napari_tumor_unet._common import TumourUnetError, explain
from napari_tumor_unet.worker.child import DiedError, JobError, Task
from napari_tumor_unet.worker.worker import Callbacks, Worker

Job = TypeVar("Job")
_MEMORY = 500_000_000  # bytes of a worker with torch and a model, before its first scan
_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # of Linux, that limit memory
_POLL = 0.5  # seconds; on Windows Ctrl-C does not end a wait


class LostEngineError(TumourUnetError):
    """An engine that is gone with all its jobs; the message is one sentence without its end."""


class Engine(Protocol):
    """Does tasks, each a generator function that its processes can import, as ``concurrent.futures`` does."""

    @property
    def in_flight(self) -> int:
        """How many jobs keep it busy; more only take memory."""
        ...

    def submit(self, task: Task, *args: Any) -> Future[Any]:
        """Start a task; the future fails with JobError, DiedError or LostEngineError."""
        ...

    def close(self) -> None:
        """End whatever it is doing."""
        ...


def run_jobs(
    engine: Engine, task: Task, jobs: Iterable[Job], *args: Any
) -> Iterator[tuple[Job, Future[Any]]]:
    """Do a task for each job, a bounded number at once, and yield each as it ends.

    A job whose process died is done once more at the end, alone: another one may have taken the memory.

    Parameters
    ----------
    engine : Engine
    task : callable
    jobs : iterable
        Walked as they are needed. Each is the task's first argument.
    *args
        Its other arguments.
    """
    died: list[Job] = []
    running: dict[Future[Any], Job] = {}
    jobs = iter(jobs)
    while True:
        for job in islice(jobs, max(0, engine.in_flight - len(running))):
            running[engine.submit(task, job, *args)] = job
        if not running:
            break
        for future in wait(running, _POLL, FIRST_COMPLETED).done:
            job = running.pop(future)
            error = future.exception()
            if isinstance(error, LostEngineError):
                raise error
            if isinstance(error, DiedError) and error.again:
                died.append(job)
            else:
                yield job, future
    for job in died:
        future = engine.submit(task, job, *args)
        while not wait([future], _POLL).done:
            pass
        if isinstance(error := future.exception(), LostEngineError):
            raise error
        yield job, future


def result_or_error(future: Future[Any], name: str) -> tuple[Any, str, str]:
    """Return what a job gave; or None, one sentence on why it gave nothing, and the traceback if any."""
    error = future.exception()
    if error is None:
        return future.result(), "", ""
    if isinstance(error, DiedError):
        return None, f"{name} ended its process more than once: {error.cause}.", ""
    if isinstance(error, JobError):
        return None, str(error), error.details
    if isinstance(error, Exception):
        return None, *explain(error, name)
    raise error


def free_memory() -> int:
    """Return how many bytes are free in the machine; in a container, or a job, its limit at most."""
    free = int(psutil.virtual_memory().available)
    for line in _OWN_GROUPS.read_text().splitlines() if _OWN_GROUPS.exists() else ():
        _, kinds, group = line.split(":", 2)
        root, name = (_GROUPS / "memory", "memory.limit_in_bytes") if kinds else (_GROUPS, "memory.max")
        folder = root / group.lstrip("/")
        for above in (folder, *folder.parents):
            with suppress(OSError, ValueError):  # there is none, or it is "max"
                free = min(free, int((above / name).read_text()))
    return free


class LocalPool:
    """Processes of this machine, each with a warm model.

    Parameters
    ----------
    workers : int
        How many.
    threads : int, optional
        Of each; by default they share the processor's cores out.

    Raises
    ------
    TumourUnetError
        If the memory that is free is not enough for so many.
    """

    def __init__(self, workers: int, threads: int | None = None) -> None:
        free = free_memory()
        if 1 < workers > (most := max(1, free // _MEMORY)):
            need, there = (f"{size / 1e9:.1f} GB" for size in (workers * _MEMORY, free))
            raise TumourUnetError(
                f"{workers} workers need {need} of memory, and {there} are free; take {most} at most."
            )
        self._size = workers
        share = str(threads or max(1, cpu_count() // workers))
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
        self._workers = [Worker(dict.fromkeys(names, share)) for _ in range(workers)]
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    @property
    def in_flight(self) -> int:
        """As many as there are processes."""
        return self._size

    def submit(self, task: Task, *args: Any) -> Future[Any]:
        """Start a task in an idle process; waits for one."""
        future: Future[Any] = Future()
        worker = self._idle.get()

        def free() -> None:
            self._idle.put(worker)

        def finished(result: Any) -> None:
            free()
            future.set_result(result)

        def failed(error: JobError) -> None:
            free()
            future.set_exception(error)

        def cancelled() -> None:
            failed(JobError("It was cancelled."))

        worker.run(task, *args, callbacks=Callbacks(_ignore, finished, failed, cancelled))
        return future

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        for worker in self._workers:
            worker.close()


def _ignore(_: Any) -> None:
    pass
