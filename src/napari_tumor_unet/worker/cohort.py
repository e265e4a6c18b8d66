"""Segment many scans at once, by an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from napari_tumor_unet.inference.scan_job import Outcome, ScanJob
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.engine import Engine, result_or_error, run_jobs
from napari_tumor_unet.worker.needs import Needs


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
