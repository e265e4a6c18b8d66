"""Runs of fine-tuning on disk: folders, locks, and which were interrupted. Importing it costs no torch.

A run's folder carries a mark from its making to the end of its deletion. Nothing without one is deleted, as
the folder of the runs may hold other things; and a run with a whole epoch, only when the user says so.
"""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock

from napari_tumor_unet._common import plural, user_folder
from napari_tumor_unet.training.events import CHECKPOINT, Epoch, read_metrics
from napari_tumor_unet.training.finetuning.run_plan import PLAN, RunError, RunPlan, read_plan

FOLDER_VARIABLE = "NAPARI_TUMOR_UNET_RUNS"
"""Environment variable that names another folder for the runs."""
PARENT, TUNED = "parent.safetensors", "tuned.safetensors"
MARK = ".napari-tumor-unet-run"
_GIVEN_UP = ".given-up"
_WHEN = "%Y%m%d-%H%M%S"  # UTC; a run's folder is called after it


@dataclass(frozen=True)
class Interrupted:
    """A run that has not ended, and that no process works on.

    Attributes
    ----------
    folder : Path
    plan : RunPlan
    epochs : int
        Epochs done.
    began : datetime
    """

    folder: Path
    plan: RunPlan
    epochs: int
    began: datetime

    def __str__(self) -> str:
        held_out = f"{len(self.plan.held_out)} held out, " if self.plan.held_out else ""
        return (
            f"{self.plan.model!r}, {plural(len(self.plan.cases), 'scan')}, {held_out}{self.epochs} of "
            f"{self.plan.settings.epochs} epochs, begun {self.began.astimezone():%d %b %H:%M}"
        )


@dataclass(frozen=True)
class UnusableRun:
    """A run that this version cannot resume, for a reason in a few words; the user may delete it.

    Attributes
    ----------
    folder : Path
    reason : str
    began : datetime
    """

    folder: Path
    reason: str
    began: datetime

    def __str__(self) -> str:
        return f"{self.reason}, begun {self.began.astimezone():%d %b %H:%M}"


def runs_folder() -> Path:
    """Return the folder of all runs, which may not exist yet."""
    return user_folder("fine-tuning", FOLDER_VARIABLE)


def new_run() -> Path:
    """Make the folder of a run, into which only the user can look."""
    runs_folder().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{datetime.now(UTC):{_WHEN}}-", dir=runs_folder()))
    (folder / MARK).touch()
    return folder


def lock_of(folder: Path) -> FileLock:
    """Return the lock that the process of a run holds until the run is kept or discarded, in any thread."""
    return FileLock(folder / ".lock", timeout=0, thread_local=False)


def find_interrupted() -> list[Interrupted | UnusableRun]:
    """Find the runs with a whole epoch that no process works on, the latest first; clear others away.

    Those are runs that were given up, or came to no whole epoch and are a day old.
    """
    runs = []
    for folder in _folders_of_runs():
        if folder.name.startswith("."):
            _delete(folder)
            continue
        try:
            with lock_of(folder) as lock:
                if _is_new(folder, lock):
                    shutil.rmtree(folder)
                    continue
                given_up, run = (folder / _GIVEN_UP).exists(), _look_at(folder)
        except (OSError, NotImplementedError):  # a process works on it, or the disk knows no locks
            continue
        if given_up:
            discard(folder)
        elif run is not None:
            runs.append(run)
        elif datetime.now(UTC) - _began(folder) > timedelta(days=1):
            discard(folder)
    return sorted(runs, key=lambda run: run.began, reverse=True)


def give_up(folder: Path) -> None:
    """Let a run be offered no more, and be deleted as soon as no process works on it."""
    with suppress(OSError):
        (folder / _GIVEN_UP).touch()


def discard(folder: Path) -> None:
    """Delete a run, and the copies of scans in it; nobody finds it meanwhile."""
    with suppress(OSError):
        (folder / MARK).touch()  # those of the version before have none
    with suppress(OSError):  # Windows renames no folder in use
        folder = folder.rename(folder.with_name(f".{folder.name}"))
    _delete(folder)


def _delete(folder: Path) -> None:
    """Delete a folder, its mark last: were the process to end meanwhile, the rest could still be told."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name != MARK:
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _folders_of_runs() -> list[Path]:
    """List the folders that have a mark, or are whole runs of the version before, which made none."""
    folders = []
    with suppress(OSError):
        for folder in runs_folder().iterdir():
            with suppress(OSError):  # others' folders may be closed to the user
                if not folder.is_symlink() and ((folder / MARK).is_file() or _is_of_version_before(folder)):
                    folders.append(folder)
    return folders


def _is_of_version_before(folder: Path) -> bool:
    if not re.fullmatch(r"\d{8}-\d{6}-\w{8}", folder.name) or not (folder / PARENT).is_file():
        return False
    try:
        return bool(read_plan(folder))
    except RunError:
        return False


def _is_new(folder: Path, lock: FileLock) -> bool:
    """Whether a run was deleted meanwhile, and its lock made its folder anew."""
    return [str(path) for path in folder.iterdir()] == [lock.lock_file]


def _look_at(folder: Path) -> Interrupted | UnusableRun | None:
    """Return a run, or None if it has come to no whole epoch: nothing would be lost with it."""
    begun = (folder / CHECKPOINT).exists()
    if not begun and not (folder / PLAN).exists():
        return None
    try:
        plan = read_plan(folder)
        if not begun:
            return None
        if not (folder / PARENT).is_file():
            raise RunError("its first model is missing")
    except RunError as error:
        return UnusableRun(folder, error.reason, _began(folder))
    return Interrupted(folder, plan, len(epochs_of(folder)), _began(folder))


def _began(folder: Path) -> datetime:
    try:
        return datetime.strptime("-".join(folder.name.split("-")[:2]), _WHEN).replace(tzinfo=UTC)
    except ValueError:  # the user gave it another name
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC)


def epochs_of(folder: Path) -> list[Epoch]:
    """Read the epochs that a run has done; none if their table is missing or damaged."""
    try:
        return read_metrics(folder)
    except (OSError, ValueError, TypeError, OverflowError, csv.Error):
        return []
