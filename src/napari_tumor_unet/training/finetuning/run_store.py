"""Runs of fine-tuning on disk: plans, locks, and which runs were interrupted. Importing it costs no torch.

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
from typing import Annotated, Any, Literal

from filelock import FileLock
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError, WrapSerializer

from napari_tumor_unet._common import TumourUnetError, plural, regular_file, user_folder, write_whole
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.model.settings import Count, Seed
from napari_tumor_unet.training.events import CHECKPOINT, Epoch, read_metrics

FOLDER_VARIABLE = "NAPARI_TUMOR_UNET_RUNS"
"""Environment variable that names another folder for the runs."""
PARENT, TUNED = "parent.safetensors", "tuned.safetensors"
MARK = ".napari-tumor-unet-run"
_PLAN, _DRAFT, _GIVEN_UP = "plan.json", ".partial-plan.json", ".given-up"
_WHEN = "%Y%m%d-%H%M%S"  # UTC; a run's folder is called after it
_UNKNOWN_ENTRY = "unexpected_keyword_argument"  # to pydantic


@dataclass(frozen=True)
class FineTuning:
    """Settings of a fine-tuning.

    Attributes
    ----------
    epochs : int
        Number of epochs.
    learning_rate : float
        Peak of the learning rate, which falls to zero.
    batch_size : int
        Slices in one step.
    layers : {"all", "decoder"}
        Which layers learn.
    augmentation : float
        Strength of the random changes: 0 is none, 1 as in the training of the bundled model.
    slices : int
        Slices in an epoch, half of them with tumour.
    seed : int
        Seed of all chance.
    """

    # An unknown entry of a plan may change the model.
    __pydantic_config__ = ConfigDict(extra="forbid")

    epochs: Count = 20
    learning_rate: float = 3e-4
    batch_size: Count = 8
    layers: Literal["all", "decoder"] = "all"
    augmentation: float = 0.5
    slices: Count = 240
    seed: Seed = 1


class RunError(TumourUnetError, ValueError):
    """A run that this version cannot resume, for a ``reason`` in a few words; the message is one sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The fine-tuning cannot be resumed: {reason}.")
        self.reason = reason


def _read_entry(entry: Any) -> Any:
    """Read the entry of a case; that of a snapshot names one file, as ``path``."""
    if isinstance(entry, dict) and "path" in entry:
        path = entry.pop("path")
        return entry | {"scan": path, "mask": path}
    return entry


def _write_entry(case: Case, write: Any) -> Any:
    if case.is_snapshot:
        return {"name": case.name, "patient": case.patient, "path": case.scan, "slices": case.slices}
    return write(case)


_Cases = tuple[Annotated[Case, BeforeValidator(_read_entry), WrapSerializer(_write_entry)], ...]


@dataclass(frozen=True)
class RunPlan:
    """Model, settings and cases of a fine-tuning.

    Attributes
    ----------
    model : str
        Name of the parent.
    settings : FineTuning
    cases, held_out : tuple of Case
        Cases to learn from, and to be judged by.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # as of settings

    model: str
    settings: FineTuning
    cases: _Cases
    held_out: _Cases


_RUN_PLAN = TypeAdapter(RunPlan)


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
        return (
            f"{self.plan.model}, {plural(len(self.plan.cases), 'scan')}, {self.epochs} of "
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


def draft_plan(folder: Path, plan: RunPlan) -> None:
    """Write the plan of a run whose cases are still to be copied; :func:`finish_plan` makes it count."""
    write_whole(folder / _DRAFT, _RUN_PLAN.dump_json(plan))


def finish_plan(folder: Path) -> None:
    """Let the plan count, as the last thing that is missing: from then on the run can be resumed."""
    (folder / _DRAFT).replace(folder / _PLAN)


def read_plan(folder: Path) -> RunPlan:
    """Read the plan of a run.

    Raises
    ------
    RunError
        If the plan is missing, damaged, or of a newer version.
    """
    try:
        return _RUN_PLAN.validate_json(regular_file(folder / _PLAN).read_bytes())
    except (OSError, ValueError) as error:
        wrong = error.errors() if isinstance(error, ValidationError) else []
        newer = any(entry["type"] == _UNKNOWN_ENTRY for entry in wrong)
        raise RunError("made by a newer version" if newer else "its plan cannot be read") from error


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
    if not begun and not (folder / _PLAN).exists():
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
