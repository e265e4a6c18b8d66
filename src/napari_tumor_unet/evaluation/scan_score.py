"""Score a model on scans whose masks are known, and sum up the scores of a data set.

Definitions, for the rules of :mod:`napari_tumor_unet.evaluation.overlap` on empty masks:

per volume
    Dice and IoU of each scan's whole volume, on its own grid.
pooled
    Dice and IoU of the voxels of all scans taken together, on their own grids.
pooled at 128
    The same for every second pixel in x and y of prediction and reference: of 256 x 256 pixels 128 x 128
    are left, on which the student project measured.
per slice
    Mean Dice of slices: of all, where a tumour-free slice that is left empty counts as 1; and of those
    alone whose reference holds tumour.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import drain
from napari_tumor_unet.evaluation.agreement import Agreement, agreement_of
from napari_tumor_unet.evaluation.overlap import Counts, Statistics, overlap, statistics
from napari_tumor_unet.inference.measures import Measures, measure_on_grid, with_spacing
from napari_tumor_unet.inference.predict import run
from napari_tumor_unet.io.datasets.fingerprint import fingerprint
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.model.card import Card
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import Scan


@dataclass(frozen=True)
class View:
    """One slice of a scan to look at, its index from 0: FLAIR, prediction and reference (Y, X)."""

    index: int
    flair: NDArray[np.float32]
    prediction: NDArray[np.bool_]
    reference: NDArray[np.bool_]


@dataclass(frozen=True)
class ScanScore:
    """What one scan scored.

    ``view`` is its slice with the most tumour of those that count, by the reference if it has any;
    ``measures`` are those of prediction and reference, where the spacing is known; ``learned_from`` is
    whether the model has learned from the scan, as far as its card tells; ``counted`` are the slices that
    count where not all do.
    """

    name: str
    volume: Counts
    at_128: Counts
    slices: tuple[Counts, ...]
    view: View
    measures: tuple[Measures, Measures] | None = None
    learned_from: bool = False
    counted: tuple[int, ...] | None = None

    @property
    def judged(self) -> Counts:
        """Counts of the slices that count, by default of the volume."""
        if self.counted is None:
            return self.volume
        return sum((self.slices[z] for z in self.counted), Counts())


@dataclass(frozen=True)
class Summary:
    """What a data set scored; the definitions are those of this module.

    Attributes
    ----------
    scans, scans_without_tumour : int
        Counts; the second by reference.
    dice, iou : Statistics
        Per volume.
    worst : tuple of (name, Dice)
        The three lowest.
    missed : tuple of str
        Scans whose tumour was missed entirely: no voxel of it was found.
    learned_from : tuple of str
        Scans that the model has learned from, whose scores tell nothing of new patients.
    pooled, pooled_at_128 : Counts
        Of all scans together.
    slice_dice, tumour_slice_dice : float
        Per slice, with and without tumour-free slices; NaN where there is none.
    tumour_slices, tumour_free_slices, false_positive_slices : int
        Counts; the last of tumour-free slices in which tumour was predicted.
    volumes_ml, products_mm2 : Agreement or None
        Of the masks' volumes and sums of products with those of the reference; None without spacing.
    """

    scans: int
    scans_without_tumour: int
    dice: Statistics
    iou: Statistics
    worst: tuple[tuple[str, float], ...]
    missed: tuple[str, ...]
    pooled: Counts
    pooled_at_128: Counts
    slice_dice: float
    tumour_slice_dice: float
    tumour_slices: int
    tumour_free_slices: int
    false_positive_slices: int
    volumes_ml: Agreement | None = None
    products_mm2: Agreement | None = None
    learned_from: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it; what is undefined is None."""
        values = dataclasses.asdict(self)
        for name in ("pooled", "pooled_at_128"):
            pooled: Counts = getattr(self, name)
            values[name] = {"dice": pooled.dice, "iou": pooled.iou}
        values["worst"] = [{"name": name, "dice": dice} for name, dice in self.worst]
        cleaned: dict[str, Any] = _nan_to_none(values)
        return cleaned


def score_case(
    case: Case,
    scan: Scan,
    reference: NDArray[np.bool_],
    model: Model,
    *,
    device: str = "auto",
    flair_alone: bool = False,
    spacing: tuple[float, float, float] | None = None,
    look_at: int | None = None,
) -> ScanScore:
    """Segment the scan of a case and compare the result with its mask.

    Parameters
    ----------
    case : Case
    scan, reference : Scan, array
        The scan and its mask, as :meth:`napari_tumor_unet.io.datasets.pairs.Case.read` returns them.
    model : Model
    device : str
        "auto", "cpu", "cuda" or "mps".
    flair_alone : bool
        Give the model no other sequence.
    spacing : tuple of float, optional
        Distance between voxels (z, y, x) in mm, for the measures, where the scan does not say.
    look_at : int, optional
        The slice of the view; by default that with the most tumour.
    """
    learned_from = _has_learned_from(model.card, case, scan, reference)
    if flair_alone:
        scan = scan.flair_alone()
    prediction = drain(run(scan, model, device=device)).mask > 0
    z = _most_tumour(prediction, reference, case.slices) if look_at is None else look_at
    view = View(z, scan.slice("flair", z), prediction[z], reference[z])
    score = score_scan(case.name, prediction, reference, view)
    score = dataclasses.replace(score, learned_from=learned_from, counted=case.slices)
    grid = scan.grid if spacing is None or scan.in_mm else with_spacing(scan.grid, spacing)
    if not grid.in_mm:
        return score
    return dataclasses.replace(
        score, measures=(measure_on_grid(prediction, grid), measure_on_grid(reference, grid))
    )


def _most_tumour(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], counted: Sequence[int] | None
) -> int:
    """Find the slice with the most tumour of those that count, by the reference if it has any there."""
    slices = np.asarray(counted or range(len(reference)))
    by_reference, by_prediction = (mask[slices].sum(axis=(1, 2)) for mask in (reference, prediction))
    area = by_reference if by_reference.any() else by_prediction
    return int(slices[area.argmax()])


def _has_learned_from(card: Card, case: Case, scan: Scan, mask: NDArray[np.bool_]) -> bool:
    if case.patient in card.patients:
        return True
    return bool(card.data) and fingerprint(scan, mask).case in card.data


def score_scan(
    name: str, prediction: NDArray[np.bool_], reference: NDArray[np.bool_], view: View
) -> ScanScore:
    """Compare two masks (Z, Y, X)."""
    slices = tuple(overlap(p, r) for p, r in zip(prediction, reference, strict=True))
    at_128 = overlap(prediction[:, ::2, ::2], reference[:, ::2, ::2])
    return ScanScore(name, sum(slices, Counts()), at_128, slices, view)


def summarise(scores: Sequence[ScanScore]) -> Summary:
    """Sum up one or more scans."""
    slices = [s for score in scores for s in score.slices]
    tumour = [s for s in slices if s.reference]
    free = [s for s in slices if not s.reference]
    measured = [score.measures for score in scores if score.measures is not None]
    by_dice = sorted(scores, key=lambda score: score.volume.dice)
    return Summary(
        scans=len(scores),
        scans_without_tumour=sum(not score.volume.reference for score in scores),
        dice=statistics([score.volume.dice for score in scores]),
        iou=statistics([score.volume.iou for score in scores]),
        worst=tuple((score.name, score.volume.dice) for score in by_dice[:3]),
        missed=tuple(s.name for s in by_dice if s.volume.reference and not s.volume.true_positive),
        pooled=sum((score.volume for score in scores), Counts()),
        pooled_at_128=sum((score.at_128 for score in scores), Counts()),
        slice_dice=_mean([s.dice for s in slices]),
        tumour_slice_dice=_mean([s.dice for s in tumour]),
        tumour_slices=len(tumour),
        tumour_free_slices=len(free),
        false_positive_slices=sum(bool(s.predicted) for s in free),
        volumes_ml=agreement_of([(p.volume_ml or 0, r.volume_ml or 0) for p, r in measured]),
        products_mm2=agreement_of(
            [(p.sum_of_products_mm2 or 0, r.sum_of_products_mm2 or 0) for p, r in measured]
        ),
        learned_from=tuple(score.name for score in scores if score.learned_from),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _nan_to_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nan_to_none(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_to_none(v) for v in value]
    return None if isinstance(value, float) and np.isnan(value) else value
