"""Train one fold of a cross-validation, and score it on the scans that it holds out."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FoldJob:
    """A fold of a split, and how to train it: small, and picklable.

    Attributes
    ----------
    data, split : Path
    fold : int
    out : Path
        The model's file; its folder beside it keeps the checkpoint.
    recipe, start, epochs, resume, device
        As for :func:`napari_tumor_unet.train`.
    """

    data: Path
    split: Path
    fold: int
    out: Path
    recipe: str
    start: str | None
    epochs: int | None
    resume: bool
    device: str

    @property
    def name(self) -> str:
        """Of the fold."""
        return f"fold {self.fold}"


@dataclass(frozen=True)
class FoldScore:
    """Dice of each scan that a fold held out, on its own grid."""

    fold: int
    dice: dict[str, float]


def train_fold(job: FoldJob) -> Generator[Any, None, FoldScore]:
    """Train a fold, or go on with it, and score its model on the scans held out.

    Yields
    ------
    Reading, Step, Epoch
        As they come, so that a process whose parent is gone ends.

    Raises
    ------
    TumourUnetError
        As :func:`napari_tumor_unet.train` and :func:`napari_tumor_unet.evaluate`.
    """
    from napari_tumor_unet.evaluation.evaluate import evaluate
    from napari_tumor_unet.io.datasets.split import plan_training
    from napari_tumor_unet.training.train import begin, steps_of

    plan = plan_training(job.data, job.split, job.fold)
    training = begin(job.out, plan, None, None, job.resume, job.device)
    trained = yield from steps_of(training, job.recipe, job.start, job.epochs)
    scores = evaluate(plan.held_out, model=trained.in_memory, device=job.device).scores
    return FoldScore(job.fold, {score.name: score.volume.dice for score in scores})
