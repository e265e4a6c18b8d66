"""What ``napari-tumor-unet train --folds`` does: a cross-validation by an engine."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import typer

from napari_tumor_unet._text import defined
from napari_tumor_unet.cli.cohort import engine_of, stoppable
from napari_tumor_unet.cli.console import complain, out, print_left_out, table
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.fold import FoldJob, FoldScore


def cross_validate(
    first: FoldJob, split: Path | None, folds: int, *, resume: bool, workers: int | None, cluster: str
) -> None:
    """Train the folds of a split, each into a model of its own, and print the Dice of all scans held out.

    Parameters
    ----------
    first : FoldJob
        How to train; of the name of its ``out`` each fold makes one of its own: model_fold0.safetensors.
    split : Path, optional
        With a column fold; by default one is written beside the models.
    folds : int
        How many there are.
    resume : bool
        Whether each may go on with a training begun before.
    workers, cluster
        As the options.
    """
    from napari_tumor_unet.evaluation.overlap import statistics
    from napari_tumor_unet.io.datasets.split import plan_training
    from napari_tumor_unet.training.train import check_name
    from napari_tumor_unet.worker.cohort import train_on
    from napari_tumor_unet.worker.needs import Needs

    print_left_out(plan_training(first.data, split).left_out)  # the same for each fold
    split = split or _written_split(first, folds, resume)
    jobs = [_job_of(first, split, fold) for fold in _numbers(split, folds)]
    for job in jobs:  # a job itself goes on, where its process died
        check_name(job.out, resume)
    dice: dict[str, float] = {}
    failed = 0
    rows = table("held out", "scans", "mean Dice", "SD")
    with (
        stoppable("the same command with --resume goes on from the last whole epochs"),
        engine_of(
            workers or (None if cluster else 1), cluster, Needs.of_plugin(), first.out.parent
        ) as engine,
    ):
        assert engine is not None
        for job, score in train_on(engine, jobs):
            if isinstance(score, FoldScore):
                spread = statistics([*score.dice.values()])
                out.print(f"{job.name}: Dice {spread.mean:.4f} on {len(score.dice)} scans held out.")
                rows.add_row(job.name, *_cells([*score.dice.values()]))
                dice |= score.dice
            else:
                failed += 1
                complain(f"{job.name}: {score}")
    if dice:
        rows.add_section()
        rows.add_row("all", *_cells([*dice.values()]))
        out.print(rows)
    if failed:
        complain(f"{failed} of {len(jobs)} folds failed.")
        raise typer.Exit(1)


def _cells(dice: list[float]) -> list[str]:
    from napari_tumor_unet.evaluation.overlap import statistics

    spread = statistics(dice)
    return [str(len(dice)), f"{spread.mean:.4f}", defined(spread.standard_deviation, ".4f")]


def _job_of(first: FoldJob, split: Path, fold: int) -> FoldJob:
    path = first.out.with_name(f"{first.out.stem}_fold{fold}{first.out.suffix}")
    return replace(first, split=split.absolute(), fold=fold, out=path)


def _numbers(split: Path, folds: int) -> tuple[int, ...]:
    from napari_tumor_unet.io.datasets.split import folds_in

    numbers = folds_in(split)
    if len(numbers) != folds:
        raise ScanError(f"The split {split.name} has {len(numbers)} folds, not {folds}.")
    return numbers


def _written_split(first: FoldJob, folds: int, resume: bool) -> Path:
    from napari_tumor_unet.io.datasets.pairs import find_pairs
    from napari_tumor_unet.io.datasets.split import write_folds
    from napari_tumor_unet.io.write import why_no_lesson

    path = first.out.with_name(f"{first.out.stem}_folds.csv")
    if not os.path.lexists(path):
        taught = find_pairs(first.data).without(lambda case: why_no_lesson(case.mask))
        write_folds(path, taught.pairs, folds)
    elif not resume:
        raise ScanError(f"{path.name} exists already; resume its training, or choose another name.")
    return path
