"""Segment or score many scans at once, or train the folds of a split, by an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from napari_tumor_unet.inference.scan_job import Outcome, ScanJob
from napari_tumor_unet.training.fold import FoldJob, FoldScore, train_fold
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.engine import Engine, result_or_error, run_jobs
from napari_tumor_unet.worker.needs import Needs

if TYPE_CHECKING:
    from napari_tumor_unet.evaluation.scan_score import ScanScore
    from napari_tumor_unet.io.datasets.pairs import Case


def segment_on(engine: Engine, jobs: Iterable[ScanJob], needs: Needs) -> Iterator[Outcome]:
    """Do the jobs, each with an outcome, in the order in which they end.

    Parameters
    ----------
    engine : Engine
    jobs : iterable of ScanJob
    needs : Needs
        The model among them.

    Raises
    ------
    LostEngineError
        If the engine itself is gone; what is done is in the files.
    """
    for job, future in run_jobs(engine, tasks.segment_one, jobs, needs):
        outcome, error, details = result_or_error(future, job.name)
        yield outcome or Outcome(job.name, error=error, details=details)


def score_on(
    engine: Engine,
    cases: Iterable[Case],
    needs: Needs,
    device: str,
    flair_alone: bool,
    spacing: tuple[float, float, float] | None = None,
) -> Iterator[tuple[Case, ScanScore | str]]:
    """Score cases, in the order in which they end; a sentence tells why there is no score."""
    for case, future in run_jobs(engine, tasks.score_one, cases, needs, device, flair_alone, spacing):
        score, error, _ = result_or_error(future, case.name)
        yield case, score or error


def train_on(engine: Engine, folds: Iterable[FoldJob]) -> Iterator[tuple[FoldJob, FoldScore | str]]:
    """Train folds, in the order in which they end; a sentence tells why one is not trained."""
    for job, future in run_jobs(engine, train_fold, folds):
        score, error, _ = result_or_error(future, job.name)
        yield job, score or error
