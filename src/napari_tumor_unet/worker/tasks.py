"""Tasks of the child process. napari's own process imports only their names, so torch stays out of it.

Whatever takes time to import, a function imports: the child of a first click waits for no more than it needs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.worker.needs import Needs
from napari_tumor_unet.worker.remote_scan import Planes, ScanHandle, remote_scan

if TYPE_CHECKING:
    from napari_tumor_unet.evaluation.scan_score import ScanScore
    from napari_tumor_unet.inference.scan_job import Outcome, ScanJob
    from napari_tumor_unet.io.datasets.pairs import Case
    from napari_tumor_unet.training.events import Estimate
    from napari_tumor_unet.training.finetuning.run_plan import FineTuning
    from napari_tumor_unet.training.finetuning.verdict import FineTuned

_models: dict[tuple[str, str], Any] = {}
_loading = threading.Lock()  # a worker of a cluster has several threads
_fits: dict[tuple[Any, ...], Any] = {}
_MOST_FITTED = 16
_AT_ONCE = 2**20  # voxels of an answer


def warm_up(model: Path) -> Generator[Any, None, None]:
    """Import what takes time, load the model and compute once."""
    from napari_tumor_unet.inference.predict import run
    from napari_tumor_unet.scan import scan_from_volume

    yield from run(scan_from_volume(np.zeros((4, 64, 64), np.float32)), _model(model))


def devices() -> Generator[Any, None, tuple[tuple[str, ...], str]]:
    """:func:`napari_tumor_unet.model.device.devices`, which torch alone knows."""
    from napari_tumor_unet.model.device import devices

    yield from ()
    return devices()


def segment(
    ask: Callable[[range], Planes],
    handle: ScanHandle,
    model: Path,
    threshold: float | None,
    device: str,
    first: int,
    only: bool,
) -> Generator[Any, None, Any]:
    """Segment a scan that the parent holds: :func:`napari_tumor_unet.inference.predict.run`.

    Returns
    -------
    findings, provenance
        The mask has crossed already, slice by slice.
    """
    from napari_tumor_unet.inference.predict import run

    scan, loaded = remote_scan(handle, ask), _model(model)
    fitted = _fitted(scan, loaded.preprocessing)
    result = yield from run(
        scan, loaded, threshold=threshold, device=device, first=first, only=only, fitted=fitted
    )
    return result.findings, result.provenance


def segment_one(job: ScanJob, needs: Needs) -> Generator[Any, None, Outcome]:
    """Segment a scan of many: :func:`napari_tumor_unet.inference.scan_job.segment_scan`."""
    from napari_tumor_unet.evaluation.report import write_report
    from napari_tumor_unet.inference.scan_job import Outcome, segment_scan

    try:
        loaded = _needed_model(needs)
    except TumourUnetError as error:
        return Outcome(job.name, error=str(error))
    return (yield from segment_scan(job, loaded, write_report))


def score_one(
    case: Case,
    needs: Needs,
    device: str,
    flair_alone: bool,
    spacing: tuple[float, float, float] | None = None,
) -> Generator[Any, None, ScanScore | str]:
    """Score a case of many: :func:`napari_tumor_unet.evaluation.scan_score.score_case`."""
    from napari_tumor_unet.evaluation.scan_score import score_case
    from napari_tumor_unet.model.device import choose_device, enough_memory

    yield from ()
    try:
        loaded, chosen = _needed_model(needs), choose_device(device)
        with enough_memory(chosen):
            scan, mask = case.read()
            return score_case(
                case, scan, mask, loaded, device=chosen, flair_alone=flair_alone, spacing=spacing
            )
    except TumourUnetError as error:
        return str(error)


def score(
    ask: Callable[[range | None], Any], counts: Mapping[int | None, Counts], tolerance: float
) -> Generator[Any, None, None]:
    """Compare two masks that the parent holds, label by label; None stands for all labels as one.

    Parameters
    ----------
    ask : callable
        Gives the grid of the box around both masks and what must be known of it, or, for a range, those
        planes of both masks in the box.
    counts : mapping
        What the parent has counted of each label to compare.
    tolerance : float
        See :func:`napari_tumor_unet.evaluation.score.score`.

    Yields
    ------
    Score
        Of each label.
    """
    from napari_tumor_unet.evaluation.compare import MaskPair
    from napari_tumor_unet.evaluation.score import score_masks

    grid, notes = ask(None)
    height, width = grid.shape[-2:]
    together = max(1, _AT_ONCE // (height * width))
    n = math.prod(grid.shape[:-2])
    blocks = [ask(range(z, min(z + together, n))) for z in range(0, n, together)]
    p, r = (np.concatenate(mask).reshape(grid.shape) for mask in zip(*blocks, strict=True))
    pair = MaskPair(p, r, grid, notes)
    for label, counted in counts.items():
        yield score_masks(pair, label, tolerance, counted)


def export_package(model: Path, out: Path) -> Generator[Any, None, None]:
    """:func:`napari_tumor_unet.inference.bioimageio.export_bioimageio`."""
    from napari_tumor_unet.inference.bioimageio import export_bioimageio

    yield from ()
    export_bioimageio(_model(model), out)


def estimate(model: Path, settings: FineTuning, slices: int, device: str) -> Generator[Any, None, Estimate]:
    """:func:`napari_tumor_unet.training.finetuning.estimate.estimate`."""
    from napari_tumor_unet.model.device import choose_device, enough_memory
    from napari_tumor_unet.training.finetuning.estimate import estimate

    yield from ()
    chosen = choose_device(device)
    with enough_memory(chosen):
        return estimate(_model(model), settings, slices, chosen)


def fine_tune(
    ask: Callable[[tuple[int, range | None]], Any], folder: Path, handles: tuple[ScanHandle, ...], device: str
) -> Generator[Any, Any, FineTuned]:
    """Copy the scans that the parent holds into a run's folder, where a draft of the plan is, and fine-tune.

    The parent is asked for planes of a scan, by its number, or for its mask, without a range.
    """
    from napari_tumor_unet.io.datasets.snapshot import snapshot_in, write_snapshot
    from napari_tumor_unet.training.finetuning.run_plan import finish_plan

    for i, handle in enumerate(handles):
        write_snapshot(snapshot_in(folder, i), remote_scan(handle, _asking_for(ask, i)), ask((i, None)))
    finish_plan(folder)
    return (yield from resume_fine_tuning(folder, device))


def resume_fine_tuning(folder: Path, device: str) -> Generator[Any, Any, FineTuned]:
    """Fine-tune by the plan in a run's folder, from its checkpoint on if there is one.

    Yields
    ------
    Reading, Scored, Step, Epoch, Waiting
        As of :func:`napari_tumor_unet.training.finetuning.finetune.fine_tune`.

    Returns
    -------
    FineTuned
        The new model is in the folder.
    """
    from napari_tumor_unet.model.device import choose_device, enough_memory
    from napari_tumor_unet.model.model_file import load_model
    from napari_tumor_unet.training.finetuning.finetune import fine_tune
    from napari_tumor_unet.training.finetuning.run_plan import read_plan
    from napari_tumor_unet.training.finetuning.run_store import PARENT, TUNED

    chosen = choose_device(device)
    with enough_memory(chosen):
        plan = read_plan(folder)
        parent = load_model(folder / PARENT)
        parent = dataclasses.replace(parent, card=dataclasses.replace(parent.card, name=plan.model))
        steps = fine_tune(
            plan.cases, plan.held_out, parent, plan.settings, folder, out=folder / TUNED, device=chosen
        )
        tuned = yield from steps
    return dataclasses.replace(tuned, in_memory=None)  # the window has no torch


def _asking_for(ask: Callable[[tuple[int, range]], Planes], scan: int) -> Callable[[range], Planes]:
    return lambda indices: ask((scan, indices))


def _model(path: str | Path) -> Any:
    """Return a model, from memory while its file and its name, which its masks tell, are the same."""
    from napari_tumor_unet.model.card import file_hash
    from napari_tumor_unet.model.model_file import load_model

    key = file_hash(Path(path)), Path(path).name
    with _loading:
        if key not in _models:
            _models.clear()
            _models[key] = load_model(path)
        return _models[key]


def _needed_model(needs: Needs) -> Any:
    loaded = _model(needs.find_model())
    needs.check_hash(loaded.hash)
    return loaded


def _fitted(scan: Scan, preprocessing: Any) -> Any:
    """Fit the preprocessing to a scan; from memory while the voxels that are measured are the same."""
    from napari_tumor_unet.model.preprocessing import fit_preprocessing, sampled_slices

    digest = hashlib.blake2b(digest_size=16)
    for z in sampled_slices(scan):
        for volume in scan.sequences.values():
            digest.update(np.ascontiguousarray(volume[z]).data)
    kinds = tuple((sequence, str(volume.dtype)) for sequence, volume in scan.sequences.items())
    key = (digest.digest(), kinds, scan.shape, scan.spacing, scan.in_mm, preprocessing)
    if key not in _fits:
        if len(_fits) == _MOST_FITTED:
            _fits.pop(next(iter(_fits)))
        _fits[key] = fit_preprocessing(scan, preprocessing)
    return _fits[key]
