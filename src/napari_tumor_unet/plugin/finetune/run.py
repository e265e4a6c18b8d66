"""A run of fine-tuning on disk, prepared, opened and deleted outside the window's thread."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from napari_tumor_unet._common import atomic_write
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.io.datasets.snapshot import snapshot_in
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.finetune.case_inspection import LayerCase
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.events import Epoch
from napari_tumor_unet.training.finetuning.run_plan import FineTuning, RunPlan, draft_plan
from napari_tumor_unet.training.finetuning.run_store import (
    PARENT,
    Interrupted,
    discard,
    epochs_of,
    give_up,
    lock_of,
    new_run,
)
from napari_tumor_unet.worker.remote_scan import planes_of
from napari_tumor_unet.worker.worker import Job

_GRACE = 1.0  # seconds in which another thread may look at a run


@dataclass
class Run:
    """A run that this window holds, until its model is kept or discarded.

    Attributes
    ----------
    folder : Path
    lock : FileLock
        Acquired.
    plan : RunPlan
    epochs : list of Epoch
        Epochs done so far.
    progressed : bool
        Whether the run has made a step in this process.
    was_there : bool
        Whether the run was begun by another process.
    """

    folder: Path
    lock: FileLock
    plan: RunPlan
    epochs: list[Epoch]
    progressed: bool = False
    was_there: bool = False

    def let_go(self, job: Job | None = None) -> None:
        """Let other windows resume the run; delete it if it was begun here and there is nothing to resume."""
        if self.epochs or self.was_there:
            self.lock.release()
        else:
            self.delete(job)

    def delete(self, job: Job | None = None) -> None:
        """Delete the folder in a thread, when the child is done with it; nobody resumes it meanwhile."""
        give_up(self.folder)
        threading.Thread(target=self._delete, args=(job,), daemon=True).start()

    def _delete(self, job: Job | None) -> None:
        if job is not None:
            job.wait(10)
        self.lock.release()
        discard(self.folder)


def prepare_run(model: str, cases: Sequence[tuple[Case | LayerCase, bool]], settings: FineTuning) -> Run:
    """Make the folder of a run, with a copy of the model and the draft of the plan, and lock it.

    Raises
    ------
    ModelError
        If there is no such model.
    ScanError
        If the disk refuses the run.
    """
    path = registry.find_model(model)
    with ExitStack() as undo:
        try:
            folder = new_run()
            undo.callback(discard, folder)
            lock = lock_of(folder)
            lock.acquire()
            undo.callback(lock.release)
            with atomic_write(folder / PARENT) as partial:
                shutil.copyfile(path, partial)
            plan = _plan_of(path.name.removesuffix(registry.ENDING), cases, settings, folder)
            draft_plan(folder, plan)
        except OSError as error:
            raise ScanError(f"The fine-tuning cannot be prepared on disk: {error.strerror}.") from error
        except ValueError as error:  # JSON holds no such text
            raise ScanError("The name of a scan's file is no text; give it another one.") from error
        undo.pop_all()
    return Run(folder, lock, plan, [])


def open_run(run: Interrupted) -> Run:
    """Lock an interrupted run.

    Raises
    ------
    ScanError
        If the run is gone, or another window holds it.
    """
    lock = lock_of(run.folder)
    try:
        lock.acquire(timeout=_GRACE)
    except OSError as error:  # Timeout is one
        raise ScanError("That fine-tuning is gone, or another window goes on with it.") from error
    return Run(run.folder, lock, run.plan, epochs_of(run.folder), was_there=True)


def answer(layers: list[LayerCase], question: tuple[int, range | None]) -> Any:
    """Answer the child with planes of a scan, or with its mask."""
    i, indices = question
    return layers[i].mask if indices is None else planes_of(layers[i].scan, indices)


def _plan_of(
    model: str, cases: Sequence[tuple[Case | LayerCase, bool]], settings: FineTuning, folder: Path
) -> RunPlan:
    """Plan a run; the child copies the layers into snapshots, in the order of the cases."""
    sides: tuple[list[Case], list[Case]] = ([], [])
    copies = 0
    for case, held_out in cases:
        if isinstance(case, LayerCase):
            case = case.copied_to(snapshot_in(folder, copies))
            copies += 1
        sides[held_out].append(case)
    return RunPlan(model, settings, *map(tuple, sides))
