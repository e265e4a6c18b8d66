"""Runs of fine-tuning on disk: plans, locks, and which runs were interrupted. Importing it costs no torch."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from filelock import FileLock, Timeout
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, WrapSerializer

from napari_tumor_unet._common import plural, user_folder, write_whole
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.training.events import Epoch, read_metrics

FOLDER_VARIABLE = "NAPARI_TUMOR_UNET_RUNS"
"""Environment variable that names another folder for the runs."""
PARENT, TUNED = "parent.safetensors", "tuned.safetensors"
_PLAN, _DRAFT = "plan.json", ".partial-plan.json"
_WHEN = "%Y%m%d-%H%M%S"  # UTC; a run's folder is called after it


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

    epochs: int = 20
    learning_rate: float = 3e-4
    batch_size: int = 8
    layers: Literal["all", "decoder"] = "all"
    augmentation: float = 0.5
    slices: int = 240
    seed: int = 1


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


def runs_folder() -> Path:
    """Return the folder of all runs, which may not exist yet."""
    return user_folder("fine-tuning", FOLDER_VARIABLE)


def new_run() -> Path:
    """Make the folder of a run, into which only the user can look."""
    runs_folder().mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{datetime.now(UTC):{_WHEN}}-", dir=runs_folder()))


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
    ValueError
        If the plan is missing or damaged.
    """
    try:
        return _RUN_PLAN.validate_json((folder / _PLAN).read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError("The plan of the fine-tuning is damaged; start anew.") from error


def interrupted() -> list[Interrupted]:
    """Find the runs that can be resumed, the latest first, and delete what is stale or damaged."""
    runs = []
    for folder in runs_folder().glob(".[0-9]*"):  # a process ended before it was deleted
        shutil.rmtree(folder, ignore_errors=True)
    folders = sorted(runs_folder().glob("[0-9]*-[0-9]*-*/"), reverse=True) if runs_folder().is_dir() else []
    for folder in folders:
        try:
            with lock_of(folder):
                plan = read_plan(folder)
                if not (folder / PARENT).is_file():
                    raise ValueError
        except Timeout:
            continue  # a process works on it
        except (OSError, ValueError):
            _clear(folder)
            continue
        runs.append(Interrupted(folder, plan, len(epochs_of(folder)), _began(folder)))
    return runs


def discard(folder: Path) -> None:
    """Delete a run, and the copies of scans in it; nobody finds it meanwhile."""
    with suppress(OSError):  # Windows renames no folder in use
        folder = folder.rename(folder.with_name(f".{folder.name}"))
    shutil.rmtree(folder, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Delete a run that is damaged or was never finished, unless it is just being made."""
    if (folder / _PLAN).exists() or datetime.now(UTC) - _began(folder) > timedelta(days=1):
        discard(folder)


def _began(folder: Path) -> datetime:
    return datetime.strptime("-".join(folder.name.split("-")[:2]), _WHEN).replace(tzinfo=UTC)


def epochs_of(folder: Path) -> list[Epoch]:
    """Read the epochs that a run has done."""
    try:
        return read_metrics(folder)
    except (OSError, ValueError, TypeError):
        return []
