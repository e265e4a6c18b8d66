"""Train one fold of a cross-validation, or one of several models, and score it on the scans held out."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_tumor_unet.evaluation.scan_score import Summary
    from napari_tumor_unet.training.recipe import Recipe


@dataclass(frozen=True)
class FoldJob:
    """A fold of a split, and how to train it: small, and picklable.

    Attributes
    ----------
    data, split : Path
    fold : int or None
        Which one is held out; None for the part "val".
    out : Path
        The model's file; its folder beside it keeps the checkpoint.
    recipe, start, epochs, device
        As for :func:`napari_tumor_unet.train`.
    watch : bool
        Whether to score what is held out after each epoch too.
    """

    data: Path
    split: Path
    fold: int | None
    out: Path
    recipe: str | Recipe
    start: str | None = None
    epochs: int | None = None
    device: str = "auto"
    watch: bool = True

    @property
    def name(self) -> str:
        """Of the fold, or the model."""
        return self.out.stem if self.fold is None else f"fold {self.fold}"


@dataclass(frozen=True)
class FoldScore:
    """Dice of each scan that a fold held out, on its own grid, and the summary of all its scores."""

    dice: dict[str, float]
    summary: Summary


def train_fold(job: FoldJob) -> Generator[Any, None, FoldScore]:
    """Train a fold, or go on with it where a process left it, and score its model on the scans held out.

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
    training = begin(job.out, plan if job.watch else replace(plan, held_out=()), None, None, True, job.device)
    trained = yield from steps_of(training, job.recipe, job.start, job.epochs)
    result = evaluate(plan.held_out, model=trained.in_memory, device=job.device)
    return FoldScore({score.name: score.volume.dice for score in result.scores}, result.summary)
