"""What a run of fine-tuning is to do, and its file in the run's folder. Importing it costs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError, WrapSerializer

from napari_tumor_unet._common import TumourUnetError, regular_file, write_whole
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.model.settings import Count, Seed

PLAN = "plan.json"
_DRAFT = ".partial-plan.json"
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


_AS_JSON = TypeAdapter(RunPlan)


def draft_plan(folder: Path, plan: RunPlan) -> None:
    """Write the plan of a run whose cases are still to be copied; :func:`finish_plan` makes it count."""
    write_whole(folder / _DRAFT, _AS_JSON.dump_json(plan))


def finish_plan(folder: Path) -> None:
    """Let the plan count, as the last thing that is missing: from then on the run can be resumed."""
    (folder / _DRAFT).replace(folder / PLAN)


def read_plan(folder: Path) -> RunPlan:
    """Read the plan of a run.

    Raises
    ------
    RunError
        If the plan is missing, damaged, or of a newer version.
    """
    try:
        return _AS_JSON.validate_json(regular_file(folder / PLAN).read_bytes())
    except (OSError, ValueError) as error:
        wrong = error.errors() if isinstance(error, ValidationError) else []
        newer = any(entry["type"] == _UNKNOWN_ENTRY for entry in wrong)
        raise RunError("made by a newer version" if newer else "its plan cannot be read") from error
