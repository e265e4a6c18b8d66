"""Segment many scans beside a window: planned and watched by a thread, computed by an engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from napari_tumor_unet._common import explain, make_folder, remove_partials
from napari_tumor_unet.inference.batch import Plan
from napari_tumor_unet.io.write import finish_sidecars
from napari_tumor_unet.model.card import file_hash, read_card
from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.worker.child import CancelledError, JobError
from napari_tumor_unet.worker.cluster import Cluster
from napari_tumor_unet.worker.cohort import segment_on
from napari_tumor_unet.worker.engine import Engine, LocalPool, LostEngineError
from napari_tumor_unet.worker.needs import Needs
from napari_tumor_unet.worker.worker import Callbacks, Job


@dataclass(frozen=True)
class Computing:
    """By which model scans are segmented, and where.

    Attributes
    ----------
    model : str
        Name or file.
    workers : int
        Processes of this machine.
    cluster : str
        Address of a scheduler, or its scheduler file; it counts instead of ``workers``.
    """

    model: str
    workers: int = 1
    cluster: str = ""


class BatchJob(Job):
    """A job whose events are its plan, then an outcome for each scan; it begins at once.

    Parameters
    ----------
    plan : callable
        Finds the scans.
    out : Path
        Folder for the masks; made if need be.
    computing : Computing
    callbacks : Callbacks
        Called from a thread of its own.
    """

    def __init__(
        self, plan: Callable[[], Plan], out: Path, computing: Computing, *, callbacks: Callbacks
    ) -> None:
        super().__init__()
        self._engine: Engine | None = None
        threading.Thread(
            target=self._run, args=(plan, out, computing, callbacks), name="tumor-unet-job", daemon=True
        ).start()

    def cancel(self) -> None:
        """End the engine, whatever it is doing; masks that are done stay."""
        if self._cancelled.is_set() or self._ended.is_set():
            return
        super().cancel()
        if self._engine is not None:  # to close it takes a moment, that the window does not have
            with suppress(RuntimeError):  # Python is about to end
                threading.Thread(target=self._engine.close, name="tumor-unet-job", daemon=True).start()

    def _run(self, plan: Callable[[], Plan], out: Path, computing: Computing, callbacks: Callbacks) -> None:
        error: JobError | None = None
        try:
            self._segment(plan, out, computing, callbacks)
        except CancelledError:
            pass
        except LostEngineError as lost:
            error = JobError(f"{lost}; segment the same folder again to go on.")
        except Exception as other:
            error = JobError(*explain(other, out.name))
        self._ended.set()
        if self._cancelled.is_set():
            callbacks.cancelled()
        elif error is not None:
            callbacks.failed(error)
        else:
            callbacks.finished(None)

    def _segment(
        self, plan: Callable[[], Plan], out: Path, computing: Computing, callbacks: Callbacks
    ) -> None:
        planned = plan()
        self._go_on()
        callbacks.event(planned)
        if not planned.jobs:
            return
        make_folder(out)
        finish_sidecars(out)
        remove_partials(out)
        read_card(model := find_model(computing.model))  # whose errors come first
        known_as = computing.model if computing.cluster else str(model)  # which may be elsewhere on a cluster
        there = [job.files.path for job in planned.jobs[:1] if job.files.path.exists()]
        needs = Needs.of(known_as, file_hash(model), *there)
        try:
            with self._engine_for(computing, needs, out) as engine:
                for outcome in segment_on(engine, planned.jobs, needs):
                    self._go_on()
                    callbacks.event(outcome)
        finally:
            finish_sidecars(out)  # as a worker may have been killed at any moment
            remove_partials(out)

    @contextmanager
    def _engine_for(self, computing: Computing, needs: Needs, out: Path) -> Iterator[Engine]:
        if computing.cluster:
            self._engine = Cluster(computing.cluster, needs, out)
        else:
            self._engine = LocalPool(computing.workers)
        try:
            self._go_on()
            yield self._engine
        finally:
            self._engine.close()

    def _go_on(self) -> None:
        if self._cancelled.is_set():
            raise CancelledError
