"""Score one mask against another: all numbers of the comparison, and the rules behind them.

A model is scored over scans in :mod:`napari_tumor_unet.evaluation.scan_score`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from napari_tumor_unet._text import UNDEFINED, signed
from napari_tumor_unet.evaluation.compare import ComparisonError, MaskPair, align, binarise, match_regions
from napari_tumor_unet.evaluation.lesions import lesion_wise_dice
from napari_tumor_unet.evaluation.overlap import Counts, overlap
from napari_tumor_unet.inference.measures import measure_on_grid, read_any_labels
from napari_tumor_unet.inference.result_check import about_part
from napari_tumor_unet.io.write import unedited_model, warnings_of
from napari_tumor_unet.scan.grid import grid_of_spacing
from napari_tumor_unet.scan.patient_names import of_two_patients

_BY_A_MODEL = "A model made the reference, and nobody edited it: it is no truth."

RULES = (
    "Two empty masks agree: their Dice and IoU count as 1. If one alone is empty, they count as 0. Distances "
    "and surface Dice are undefined if either is empty, precision without a prediction, recall without a "
    "reference. Regions are connected by faces, edges or corners; one is found, or not false, if a single "
    "voxel of it is in the other mask. Lesion-wise Dice follows BraTS 2023: the mean over lesions and false "
    "regions, these with 0; what is within 3 voxels of a lesion belongs to it, and lesions up to "
    "50 mm³ do not count. Products are of the two diameters of each region, in the slices of the first axis; "
    "their sum is over the measurable regions, at most five, each mask's own. Percents are of the reference."
)


@dataclass(frozen=True)
class Score:
    """How well a prediction agrees with a reference; what is undefined is None.

    Attributes
    ----------
    label : int or None
        The label compared; None for all labels as one.
    dice, iou, precision, recall : float or None
    voxels_both, voxels_predicted, voxels_reference : int
    volume_predicted_ml, volume_reference_ml, volume_difference_ml : float or None
        The difference is prediction less reference; None where voxels have no known volume.
    unit : {"mm", "voxel"}
        Of the distances and the tolerance.
    hausdorff95, average_surface_distance, surface_dice : float or None
        See :class:`napari_tumor_unet.evaluation.surface_distance.SurfaceDistances`.
    tolerance : float
        Of the surface Dice.
    regions_reference, regions_found, regions_predicted, regions_false : int
        See :class:`napari_tumor_unet.evaluation.compare.LesionDetection`.
    lesion_wise_dice : float
        See :mod:`napari_tumor_unet.evaluation.lesions`.
    notes : tuple of str
        What else must be known to read the numbers.
    sum_of_products_predicted_mm2, sum_of_products_reference_mm2 : float or None
        See :class:`napari_tumor_unet.inference.measures.Measures`; None unless the masks have slices, with a
        known spacing.
    sum_of_products_difference_mm2 : float or None
        Prediction less reference.
    volume_difference_percent, sum_of_products_difference_percent : float or None
        The differences, of the reference; None where that has nothing.
    """

    label: int | None
    dice: float
    iou: float
    precision: float | None
    recall: float | None
    voxels_both: int
    voxels_predicted: int
    voxels_reference: int
    volume_predicted_ml: float | None
    volume_reference_ml: float | None
    volume_difference_ml: float | None
    unit: str
    hausdorff95: float | None
    average_surface_distance: float | None
    surface_dice: float | None
    tolerance: float
    regions_reference: int
    regions_found: int
    regions_predicted: int
    regions_false: int
    lesion_wise_dice: float
    notes: tuple[str, ...] = ()
    sum_of_products_predicted_mm2: float | None = None
    sum_of_products_reference_mm2: float | None = None
    sum_of_products_difference_mm2: float | None = None
    volume_difference_percent: float | None = None
    sum_of_products_difference_percent: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the score as JSON holds it."""
        return dataclasses.asdict(self) | {"notes": list(self.notes)}

    def as_rows(self) -> list[tuple[str, str]]:
        """Return names and values as people read them."""
        unit = "mm" if self.unit == "mm" else "voxels"
        tolerance = f"{self.tolerance:g} {self.unit if self.tolerance == 1 else unit}"
        volumes = (self.volume_predicted_ml, self.volume_reference_ml, self.volume_difference_ml)
        products = (
            *(self.sum_of_products_predicted_mm2, self.sum_of_products_reference_mm2),
            self.sum_of_products_difference_mm2,
        )
        sizes = [
            *_sizes("volume", volumes, self.volume_difference_percent, "ml"),
            *_sizes("products", products, self.sum_of_products_difference_percent, "mm²"),
        ]
        return [
            ("Dice", format_number(self.dice)),
            ("IoU", format_number(self.iou)),
            ("precision", format_number(self.precision)),
            ("recall", format_number(self.recall)),
            *sizes,
            ("Hausdorff 95 %", format_number(self.hausdorff95, unit)),
            ("mean surface distance", format_number(self.average_surface_distance, unit)),
            (f"surface Dice, {tolerance}", format_number(self.surface_dice)),
            ("lesion-wise Dice", format_number(self.lesion_wise_dice)),
            ("regions found", f"{self.regions_found} of {self.regions_reference}"),
            ("false regions", f"{self.regions_false} of {self.regions_predicted}"),
            ("voxels in both", f"{self.voxels_both:,}"),
            ("voxels predicted", f"{self.voxels_predicted:,}"),
            ("voxels of reference", f"{self.voxels_reference:,}"),
        ]


def score(
    prediction: ArrayLike | str | Path,
    reference: ArrayLike | str | Path,
    *,
    spacing: Sequence[float] | None = None,
    label: int | None = None,
    tolerance: float = 1.0,
) -> Score:
    """Compare two masks.

    Parameters
    ----------
    prediction, reference : array, str or Path
        Labels (Y, X) or (Z, Y, X) of one shape, where 0 is background; or files or folders that
        :func:`read_mask` reads. If both files know where they lie, the prediction is brought to the
        reference's grid.
    spacing : sequence of float, optional
        Distance between voxels along each axis in mm; by default that of the files, or 1 voxel.
    label : int, optional
        Compare this label alone; by default all that is not 0.
    tolerance : float
        Of the surface Dice, in mm, or in voxels where the spacing is unknown.

    Raises
    ------
    ComparisonError
        If the masks cannot be compared.
    ScanError
        If a file cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> prediction, reference = np.zeros((2, 4, 8, 8), np.uint8)
    >>> prediction[1:3, 2:6, 2:6] = reference[1:3, 2:6, 3:7] = 1
    >>> result = score(prediction, reference, spacing=(5, 1, 1))
    >>> result.dice, result.hausdorff95, result.regions_found
    (0.75, 1.0, 1)
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ComparisonError(f"The tolerance must be 0 or more; {tolerance:g} is not.")
    (p, its_grid), (r, grid) = read_any_labels(prediction), read_any_labels(reference)
    pair = align(p, its_grid, r, grid)
    told = (*_told_beside(prediction, reference), *of_two_patients(_names(prediction), _names(reference)))
    pair = dataclasses.replace(pair, notes=(*told, *pair.notes))
    if spacing is not None:
        if len(spacing) != r.ndim or not all(math.isfinite(s) and s > 0 for s in spacing):
            raise ComparisonError(
                f"The spacing {[float(s) for s in spacing]} does not fit masks of {r.ndim} axes."
            )
        pair = dataclasses.replace(pair, grid=grid_of_spacing(r.shape, spacing, in_mm=True))
    return score_masks(pair, label, tolerance)


def _told_beside(prediction: ArrayLike | str | Path, reference: ArrayLike | str | Path) -> tuple[str, ...]:
    """Say what the JSON files beside masks tell: no truth, as a model made it, or of a part of the scan."""
    its_file, file = _file(prediction), _file(reference)
    by_model = (_BY_A_MODEL,) if file and unedited_model(file) else ()
    warnings = [text for one in (its_file, file) if one for text in warnings_of(one)]
    return (*by_model, *dict.fromkeys(about_part(warnings)))


def _file(mask: ArrayLike | str | Path) -> Path | None:
    return Path(mask) if isinstance(mask, str | Path) and Path(mask).is_file() else None


def _names(mask: ArrayLike | str | Path) -> tuple[str, ...]:
    """Return the names of a file and of its folder; of an array none."""
    return (Path(mask).name, Path(mask).absolute().parent.name) if isinstance(mask, str | Path) else ()


def score_masks(pair: MaskPair, label: int | None, tolerance: float, counts: Counts | None = None) -> Score:
    """Compare two masks on one grid, all labels as one or one label alone; count unless that is done."""
    grid = pair.grid
    p, r = binarise(pair, label)
    counts = counts or overlap(p, r)
    surfaces = None
    if counts.predicted and counts.reference:
        from napari_tumor_unet.evaluation.surface_distance import surface_distances

        surfaces = surface_distances(p, r, grid.spacing, tolerance)
    regions = match_regions(p, r)
    ml = grid.voxel_ml
    volumes: _Compared = (None, None, None, None)
    products = volumes
    if ml is not None:
        volumes = _compared(counts.predicted * ml, counts.reference * ml)
        if p.ndim == 3:
            sums = (measure_on_grid(mask, grid).sum_of_products_mm2 or 0.0 for mask in (p, r))
            products = _compared(*sums)
    return Score(
        label=label,
        dice=counts.dice,
        iou=counts.iou,
        precision=counts.precision,
        recall=counts.recall,
        voxels_both=counts.true_positive,
        voxels_predicted=counts.predicted,
        voxels_reference=counts.reference,
        volume_predicted_ml=volumes[0],
        volume_reference_ml=volumes[1],
        volume_difference_ml=volumes[2],
        unit="mm" if grid.in_mm else "voxel",
        hausdorff95=surfaces.hausdorff95 if surfaces else None,
        average_surface_distance=surfaces.average if surfaces else None,
        surface_dice=surfaces.dice if surfaces else None,
        tolerance=tolerance,
        regions_reference=regions.reference,
        regions_found=regions.found,
        regions_predicted=regions.predicted,
        regions_false=regions.false,
        lesion_wise_dice=lesion_wise_dice(p, r, 1.0 if ml is None else 1000 * ml),
        notes=(*pair.notes, *rules_at_work({label: counts})),
        sum_of_products_predicted_mm2=products[0],
        sum_of_products_reference_mm2=products[1],
        sum_of_products_difference_mm2=products[2],
        volume_difference_percent=volumes[3],
        sum_of_products_difference_percent=products[3],
    )


def rules_at_work(totals: Mapping[int | None, Counts]) -> list[str]:
    """Name the rules by which empty masks, or labels that a mask lacks, have a Dice.

    Parameters
    ----------
    totals : mapping
        Counts of each label compared, or of all labels as one under None.
    """
    if None in totals:
        return _rules_of_masks(totals[None])
    one_only = [
        (_labels(totals, (False, True)), "in the reference alone"),
        (_labels(totals, (True, False)), "in the prediction alone"),
    ]
    neither = [(_labels(totals, (False, False)), "in neither mask")]
    told = ((_sentence(one_only), 0), (_sentence(neither), 1))
    return [f"{sentence}: by rule Dice and IoU count as {value}." for sentence, value in told if sentence]


def _rules_of_masks(counts: Counts) -> list[str]:
    if counts.predicted and counts.reference:
        return []
    if not (counts.predicted or counts.reference):
        return ["Both masks are empty; by rule Dice and IoU count as 1."]
    which = "reference" if counts.predicted else "prediction"
    return [f"The {which} is empty; by rule Dice and IoU count as 0."]


def _labels(totals: Mapping[int | None, Counts], where: tuple[bool, bool]) -> list[str]:
    """List the labels that are in the prediction, in the reference, or not."""
    return [str(n) for n, counts in totals.items() if (counts.predicted > 0, counts.reference > 0) == where]


def _sentence(placed: list[tuple[list[str], str]]) -> str:
    """Say where labels are, without the full stop; nothing of no labels."""
    parts: list[str] = []
    for labels, where in placed:
        if labels:
            names = " and ".join(filter(None, (", ".join(labels[:-1]), labels[-1])))
            many = len(labels) > 1
            verb = "" if parts else "are " if many else "is "
            parts.append(f"label{'s' * many} {names} {verb}{where}")
    return ", ".join(parts).capitalize()


_Compared = tuple[float | None, float | None, float | None, float | None]


def _compared(predicted: float, reference: float) -> _Compared:
    """Return two sizes, their difference, and that in percent of the reference."""
    difference = predicted - reference
    return predicted, reference, difference, 100 * difference / reference if reference else None


def _sizes(
    what: str, sizes: tuple[float | None, ...], percent: float | None, unit: str
) -> Iterator[tuple[str, str]]:
    """Name two sizes and their difference, where they are known."""
    predicted, reference, difference = sizes
    if predicted is None or reference is None or difference is None:
        return
    digits = 2 if unit == "ml" else 0
    yield f"{what} predicted", f"{predicted:.{digits}f} {unit}"
    yield f"{what} of reference", f"{reference:.{digits}f} {unit}"
    share = "" if percent is None else f" ({signed(percent, 1)} %)"
    yield f"difference of {what}", f"{signed(difference, digits)} {unit}{share}"


def format_number(value: float | None, unit: str = "") -> str:
    """Write a number as people read it: a count whole, a share with four digits, a measure with its unit."""
    if value is None:
        return UNDEFINED
    if unit:
        return f"{value:.2f} {unit}"
    return str(value) if isinstance(value, int) else f"{value:z.4f}"
