"""Run jobs on a cluster of dask.distributed, the extra ``cluster``: what crosses are paths and outcomes."""

from __future__ import annotations

import ctypes
import logging
import math
import pickle
import sys
import time
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from napari_tumor_unet._common import TumourUnetError, drain
from napari_tumor_unet.worker.child import DiedError, Task
from napari_tumor_unet.worker.engine import LostEngineError
from napari_tumor_unet.worker.needs import Needs

_PATIENCE = 10  # seconds until a scheduler counts as unreachable, or lost
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_AHEAD = 2  # jobs for each thread of a worker, so that it never waits for the next one


class Cluster:
    """Workers on other machines, or this one, that share a folder.

    Parameters
    ----------
    address : str
        Of the scheduler, tcp://HOST:8786, or its scheduler file.
    needs : Needs
        What each worker must have; those that come later are checked as they come.
    out : Path, optional
        A folder that is written in, which all must share.

    Attributes
    ----------
    threads : int
        Of all workers, when they were last counted.

    Raises
    ------
    TumourUnetError
        If distributed is not installed, the scheduler does not answer, or a worker lacks something.
    """

    def __init__(self, address: str, needs: Needs, out: Path | None = None) -> None:
        try:
            from distributed import Client
            from distributed.comm import get_address_host
        except ImportError as error:
            raise TumourUnetError(
                'A cluster needs the extra cluster: pip install "napari-tumor-unet[cluster]".'
            ) from error
        is_file = "://" not in address and Path(address).is_file()
        for name in ("distributed", "distributed.client", "distributed.core", "distributed.batched"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what goes wrong is told in a sentence
        where = {"scheduler_file": address} if is_file else {"address": address}
        try:
            if not is_file:
                get_address_host(address)  # of an unknown protocol a client may wait for ever
            self._client = Client(**where, timeout=_PATIENCE, set_as_default=False)
        except Exception as error:  # of the network, of a name, of a file that is none
            name = Path(address).name if is_file else address
            raise TumourUnetError(
                f"No scheduler answers at {name}; give the address of one that runs, as tcp://HOST:8786, or "
                "its scheduler file."
            ) from error
        self._executor = self._client.get_executor(pure=False)  # keys are random, and hold no name
        self._needs, self._out = needs, out
        self._checked: AbstractSet[str] = set()
        self.threads, self._asked = 0, -math.inf
        try:
            self._count()
        except BaseException:
            self.close()
            raise

    @property
    def in_flight(self) -> int:
        """Two for each thread of the workers that there are now."""
        if time.monotonic() - self._asked > 1:
            try:
                self._count()
            except TumourUnetError as error:
                raise LostEngineError(str(error).rstrip(".")) from error
        return max(1, _AHEAD * self.threads)

    def submit(self, task: Task, *args: Any) -> Future[Any]:
        """Start a task; it crosses as bytes, as dask replaces arguments that are equal to one of its keys."""
        future: Future[Any] = Future()
        inner = self._executor.submit(_do, pickle.dumps((task, args)))
        inner.add_done_callback(partial(_pass_on, future))
        return future

    def close(self) -> None:
        """Leave the cluster; workers end the jobs that they are at."""
        self._client.close(timeout=1)

    def _count(self) -> None:
        """Count the workers, and check those that are new: a bad one would fail all jobs, as it is quick."""
        try:
            threads: dict[str, int] = self._client.nthreads()
        except (OSError, TimeoutError, ValueError) as error:
            raise LostEngineError("The scheduler of the cluster was lost") from error
        if new := threads.keys() - self._checked:
            self._check([*new])
            self._checked |= new
        self.threads, self._asked = sum(threads.values()), time.monotonic()

    def _check(self, workers: list[str]) -> None:
        with self._needs.with_probe(self._out) if self._out else nullcontext(self._needs) as needs:
            answers = self._client.run(_complaint, needs, workers=workers, on_error="return")
        for answer in answers.values():
            if isinstance(answer, OSError):  # it was lost meanwhile
                continue
            if isinstance(answer, Exception):
                raise TumourUnetError(
                    f"A worker cannot import the plugin as it is here ({type(answer).__name__}); install the "
                    "same version everywhere."
                )
            if answer:
                raise TumourUnetError(answer)


def _complaint(needs: Needs) -> str:
    """Say, on a worker, what it lacks. This runs between its messages: no torch."""
    return needs.complaint()


def _do(job: bytes) -> Any:
    """Do a task, on a thread of a worker."""
    _keep_freed_memory()
    task, args = pickle.loads(job)
    return drain(task(*args))


@cache
def _keep_freed_memory() -> None:
    """Undo dask's MALLOC_TRIM_THRESHOLD_: memory that each tensor gets anew costs half as much time again."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # of another libc than glibc, whose own upper limits these are
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_MMAP_THRESHOLD, 2**25)
            mallopt(_M_TRIM_THRESHOLD, 2**26)


def _pass_on(future: Future[Any], inner: Future[Any]) -> None:
    from distributed.scheduler import KilledWorker

    if inner.cancelled():
        future.set_exception(LostEngineError("The scheduler of the cluster was lost"))
        return
    error = inner.exception()
    if error is None:
        future.set_result(inner.result())
    elif isinstance(error, KilledWorker):
        cause = "worker after worker died of it, perhaps for lack of memory"
        future.set_exception(DiedError(cause, again=False))
    else:
        future.set_exception(error)
