"""Fine-tunings on disk: what one is of, and which were interrupted. Importing it costs no torch."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from napari_tumor_unet.io.datasets.pairs import Pair
from napari_tumor_unet.io.datasets.snapshot import Snapshot
from napari_tumor_unet.training.events import Epoch, read_metrics

FOLDER_VARIABLE = "NAPARI_TUMOR_UNET_RUNS"
"""Environment variable that names another folder for the runs."""
PARENT, TUNED = "parent.safetensors", "tuned.safetensors"
_PLAN = "plan.json"
_WHEN = "%Y%m%d-%H%M%S"  # UTC; a run's folder is called after it


@dataclass(frozen=True)
class FineTuning:
    """How to fine-tune.

    Attributes
    ----------
    epochs : int
        How many.
    learning_rate : float
        Its peak; it falls to zero.
    batch_size : int
        Slices in one step.
    layers : {"all", "decoder"}
        Which layers learn.
    augmentation : float
        Strength of the random changes: 0 is none, 1 as in the training of the bundled model.
    slices : int
        Slices in an epoch, half of them with tumour.
    seed : int
        Of all chance.
    """

    epochs: int = 20
    learning_rate: float = 3e-4
    batch_size: int = 8
    layers: Literal["all", "decoder"] = "all"
    augmentation: float = 0.5
    slices: int = 240
    seed: int = 1


@dataclass(frozen=True)
class RunPlan:
    """What a fine-tuning is of.

    Attributes
    ----------
    model : str
        What the parent is called.
    settings : FineTuning
    cases, held_out : tuple of Snapshot or Pair
        To learn from, and to be judged by.
    """

    model: str
    settings: FineTuning
    cases: tuple[Snapshot | Pair, ...]
    held_out: tuple[Snapshot | Pair, ...]


@dataclass(frozen=True)
class Interrupted:
    """A fine-tuning that has not ended, and that nobody works on.

    Attributes
    ----------
    folder : Path
    plan : RunPlan
    epochs : int
        Those that are done.
    began : datetime
    """

    folder: Path
    plan: RunPlan
    epochs: int
    began: datetime

    def __str__(self) -> str:
        scans = len(self.plan.cases)
        return (
            f"{self.plan.model}, {scans} scan{'s' if scans > 1 else ''}, {self.epochs} of "
            f"{self.plan.settings.epochs} epochs, begun {self.began.astimezone():%d %b %H:%M}"
        )


def runs_folder() -> Path:
    """Where runs are; it may not be there yet."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_data_path("napari-tumor-unet", appauthor=False) / "fine-tuning"


def new_run() -> Path:
    """Make the folder of a run; nobody but the user can look into it."""
    runs_folder().mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{datetime.now(UTC):{_WHEN}}-", dir=runs_folder()))


def lock_of(folder: Path) -> FileLock:
    """What the process holds that a run belongs to, until it is kept or discarded."""
    return FileLock(folder / ".lock", timeout=0)


def write_plan(folder: Path, plan: RunPlan) -> None:
    """Write what a run is of; from then on it can be resumed."""
    partial = folder / f".partial-{_PLAN}"
    partial.write_text(json.dumps(dataclasses.asdict(plan), default=str), encoding="utf-8")
    partial.replace(folder / _PLAN)


def read_plan(folder: Path) -> RunPlan:
    """Read what :func:`write_plan` wrote.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    try:
        content = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
        return RunPlan(
            content["model"],
            FineTuning(**content["settings"]),
            tuple(map(_case, content["cases"])),
            tuple(map(_case, content["held_out"])),
        )
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("The plan of the fine-tuning is damaged.") from error


def interrupted() -> list[Interrupted]:
    """The fine-tunings that can be resumed, the latest first; what is stale or damaged is cleared away."""
    found = []
    folders = sorted(runs_folder().glob("[0-9]*-[0-9]*-*/"), reverse=True) if runs_folder().is_dir() else []
    for folder in folders:
        try:
            with lock_of(folder):
                plan = read_plan(folder)
                if not (folder / PARENT).is_file():
                    raise ValueError
        except Timeout:
            continue  # somebody works on it
        except (OSError, ValueError):
            _clear(folder)
            continue
        found.append(Interrupted(folder, plan, len(epochs_of(folder)), _began(folder)))
    return found


def discard(folder: Path) -> None:
    """Delete a run, and the copies of scans in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Delete a run that was never whole; one that is just being made is left alone."""
    if (folder / _PLAN).exists() or datetime.now(UTC) - _began(folder) > timedelta(days=1):
        discard(folder)


def _began(folder: Path) -> datetime:
    return datetime.strptime("-".join(folder.name.split("-")[:2]), _WHEN).replace(tzinfo=UTC)


def epochs_of(folder: Path) -> list[Epoch]:
    """Those that a run has done."""
    try:
        return read_metrics(folder)
    except (OSError, ValueError, TypeError):
        return []


def _case(entry: dict[str, Any]) -> Snapshot | Pair:
    slices = None if entry["slices"] is None else tuple(entry["slices"])
    if "path" in entry:
        return Snapshot(entry["name"], entry["patient"], Path(entry["path"]), slices)
    others = {sequence: Path(path) for sequence, path in entry["others"].items()}
    return Pair(entry["name"], entry["patient"], Path(entry["scan"]), Path(entry["mask"]), others, slices)
