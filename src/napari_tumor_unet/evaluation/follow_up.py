"""Follow the masks of one patient over time: how volume and products changed, and what is new.

The class is by size alone, by the limits of RANO-LGG (van den Bent et al., Lancet Oncology 12, 2011) for the
sum of the products: complete, nothing left; progressive, 25 % over the smallest sum since the baseline or
more; partial, 50 % under the baseline or more; minor, 25 % to 50 % under it; else stable. Nothing is
registered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from numpy.typing import ArrayLike

from napari_tumor_unet._common import plural
from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.region_tracks import track_regions, untracked
from napari_tumor_unet.evaluation.time_points import BY_SIZE, FollowUp, TimePoint
from napari_tumor_unet.evaluation.visits import (
    OrderedBy,
    Visit,
    as_date,
    date_told,
    names_of,
    time_order,
    visit_of,
)
from napari_tumor_unet.inference.measures import Measures, measure_on_grid
from napari_tumor_unet.io.file_names import scan_name

__all__ = [
    "BY_SIZE",
    "FollowUp",
    "TimePoint",
    "Visit",
    "as_date",
    "follow",
    "follow_up",
    "size_class",
    "time_order",
    "visit_of",
]
_DAYS_IN_A_YEAR = 365.25
_NAMED = "The dates are those in the names of files and folders."
_OTHERS = "these are masks of different patients"
_UNSAID = "and there is no class by size; add dates"
_ORDERS: dict[OrderedBy, str] = {
    "numbers": "the order is that of the numbers in the names; check it, or add dates",
    "names": f"the order is that of the names, which may not be that of time, {_UNSAID}",
    "list": f"the order is that of the list, which may not be that of time, {_UNSAID}",
}


def follow_up(
    masks: Sequence[ArrayLike | str | Path],
    *,
    dates: Sequence[str | date] | None = None,
    baseline: int = 1,
    spacing: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    same_frame: bool | None = None,
) -> FollowUp:
    """Follow the masks of one patient over time.

    Parameters
    ----------
    masks : sequence of array, str or Path
        As for :func:`napari_tumor_unet.measure`. They are ordered by ``dates``, by the numbers of visits in
        the names of all (``ses-01``, ``visit2``), or else as given; that is taken for their order in time
        where all are arrays, and gives files no class.
    dates : sequence of str or date, optional
        When each scan was taken, as ``2024-03-31``; by default as the names of files and folders tell.
    baseline : int
        Which mask the changes are since, in the order of time; 1 is the first.
    spacing : sequence of float, optional
        Distance between voxels (z, y, x) in mm, of all masks; by default those of the files.
    names : sequence of str, optional
        What the masks are called; by default their files' names.
    same_frame : bool, optional
        Whether voxels of one index are one place in all masks. By default they are if the files say that
        their grids are the same.

    Raises
    ------
    ComparisonError
        If the masks cannot be compared.
    ScanError
        If a file cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> before, after = np.zeros((2, 5, 64, 64), np.uint8)
    >>> before[1:4, 10:30, 10:30] = after[1:4, 10:50, 10:30] = 1
    >>> last = follow_up([before, after], spacing=(5, 1, 1)).time_points[-1]
    >>> last.volume_change, last.size_class
    (100.0, 'progressive')
    """
    if names is None:
        names = [
            scan_name(Path(m)) if isinstance(m, str | Path) else f"mask {i + 1}" for i, m in enumerate(masks)
        ]
    if dates is None:
        taken = [date_told(names_of(Path(m))) if isinstance(m, str | Path) else None for m in masks]
    else:
        taken = [as_date(text) for text in dates]
    if not len(names) == len(taken) == len(masks):
        raise ComparisonError(
            f"There are {len(masks)} masks and {len(taken)} dates; give a date for each mask."
        )
    visits = [
        visit_of(name, mask, when, spacing, replaces=True)
        for name, mask, when in zip(names, masks, taken, strict=True)
    ]
    result = follow(visits, baseline - 1, same_frame)
    return replace(result, notes=(_NAMED, *result.notes)) if dates is None and any(taken) else result


def follow(visits: Sequence[Visit], baseline: int = 0, same_frame: bool | None = None) -> FollowUp:
    """Put masks in order, and follow them; parameters as of :func:`follow_up`, but the baseline from 0.

    Raises
    ------
    ComparisonError
        If the masks cannot be compared.
    """
    if len(visits) < 2:
        raise ComparisonError("A follow-up needs two masks or more of one patient.")
    if not 0 <= baseline < len(visits):
        raise ComparisonError(f"There is no mask {baseline + 1} of {len(visits)} to be the baseline.")
    order, by = time_order([visit.told_by for visit in visits], [visit.taken for visit in visits])
    visits = [visits[i] for i in order]
    unknown = [visit.name for visit in visits if not visit.grid.in_mm]
    if unknown and len(unknown) < len(visits):
        raise ComparisonError(
            f"{unknown[0]} has no spacing in mm, so its size cannot be compared; give the spacing."
        )
    first = visits[0].grid
    if same_frame is None:
        one_scan = bool(visits[0].scan) and len({(v.scan, v.mask.shape) for v in visits}) == 1
        same_frame = one_scan or all(v.grid.placed and v.grid.is_same(first) for v in visits)
    elif same_frame and len({v.mask.shape for v in visits}) > 1:
        raise ComparisonError("The masks differ in shape, so that they share no frame of reference.")
    measures = [measure_on_grid(v.mask, v.grid) for v in visits]
    tracks, new = track_regions([v.mask for v in visits], measures) if same_frame else untracked(measures)
    points = [_time_point(i, visits, measures, baseline, tracks[i], new[i]) for i in range(len(visits))]
    alike = _alike(visits)
    points[baseline + 1 :] = [
        _classify(points, baseline, i, by, alike) for i in range(baseline + 1, len(points))
    ]
    notes = tuple(_notes(visits, points, by, same_frame))
    patients = tuple(dict.fromkeys(visit.patient for visit in visits if visit.patient))
    return FollowUp(tuple(points), baseline, same_frame, notes, patients)


def _alike(visits: Sequence[Visit]) -> str:
    """Say that masks are of several patients, or of one time; empty where nothing tells so."""
    if len({visit.patient for visit in visits if visit.patient}) > 1:
        return _OTHERS
    taken = [visit.taken for visit in visits if visit.taken]
    if max(Counter(visit.scan for visit in visits if visit.scan).values(), default=1) > 1:
        return "masks of one scan are among these"
    return "some masks have the same date" if len(set(taken)) < len(taken) else ""


def _classify(points: Sequence[TimePoint], baseline: int, i: int, by: OrderedBy, alike: str) -> TimePoint:
    """Give a time point after the baseline its class, or why it has none."""
    point, first = points[i], points[baseline]
    products = [p.measures.sum_of_products_mm2 or 0.0 for p in points]
    nadir = min(points[baseline:i], key=lambda p: p.measures.sum_of_products_mm2 or 0.0)
    if point.measures.volume_ml is None:
        reason = "no spacing is known"
    elif not products[baseline]:
        reason = "the baseline has no measurable region"
    elif by in ("list", "names"):
        reason = "the order of the masks in time is unknown"
    elif alike:
        reason = alike
    elif first.is_doubted:
        reason = "the baseline is not to be trusted"
    elif point.is_doubted:
        reason = "the mask is not to be trusted"
    elif nadir.is_doubted:
        reason = "the smallest mask since the baseline is not to be trusted"
    else:
        nearest = nadir.measures.sum_of_products_mm2 or 0.0
        named = size_class(point.measures.voxels, products[i], products[baseline], nearest)
        return replace(point, size_class=named)
    return replace(point, no_class_because=reason)


def _notes(
    visits: Sequence[Visit], points: Sequence[TimePoint], by: OrderedBy, same_frame: bool
) -> Iterator[str]:
    """Yield sentences on what has to be known of the numbers; none names a mask."""
    taken = [visit.taken for visit in visits if visit.taken]
    if len(taken) < len(visits) and by != "call":
        yield f"{'Not all masks have' if taken else 'No mask has'} a date, so {_ORDERS[by]}."
    if len({visit.patient for visit in visits if visit.patient}) == 1 and not all(v.patient for v in visits):
        yield "Not all names tell whose mask it is; check that all are of one patient."
    if (alike := _alike(visits)) and alike != _OTHERS:  # which the cautions say
        yield (
            f"{alike.capitalize()}; what differs between them is no change over time, and there is no class "
            "by size."
        )
    reasons = {point.no_class_because for point in points}
    if doubts := sorted(reason for reason in reasons if reason.endswith("trusted")):
        yield f"There is no class by size where {', or '.join(doubts)}."
    if not same_frame:
        yield "Regions are not matched between the scans, as their grids differ or do not say where they lie."
    said = Counter(visit.spacing for visit in visits)
    if given := said["given"]:
        yield f"The spacing of {plural(given, 'mask')} was given, as the file tells none."
    if replaced := said["replaced"]:
        yield f"The spacing of {plural(replaced, 'mask')} is the one given, not that of the file."
    if not visits[0].grid.in_mm:
        yield (
            "No spacing is known: changes are in percent of voxels, and hold only if all scans have voxels "
            "of one size; there is no class by size."
        )
    elif any("measurable" in reason for reason in reasons):
        yield "The baseline has no measurable region, so that there is no class by size."


def size_class(voxels: int, product: float, baseline: float, nadir: float) -> str:
    """Classify a sum of products by the limits of RANO-LGG, by size alone; empty without a baseline."""
    if not baseline:
        return ""
    if not voxels:
        return "complete"
    if product > 0 and product >= 1.25 * nadir - 1e-9:
        return "progressive"
    if product <= 0.5 * baseline + 1e-9:
        return "partial"
    return "minor" if product <= 0.75 * baseline + 1e-9 else "stable"


def _time_point(
    i: int,
    visits: Sequence[Visit],
    measures: Sequence[Measures],
    baseline: int,
    tracks: tuple[int, ...],
    new: tuple[bool | None, ...],
) -> TimePoint:
    in_mm = visits[i].grid.in_mm
    volumes = [m.volume_ml if in_mm and m.volume_ml is not None else float(m.voxels) for m in measures]
    products = [m.sum_of_products_mm2 or 0.0 for m in measures]
    since = slice(baseline, i)
    after = i > baseline
    start, now = visits[baseline].taken, visits[i].taken
    days = (now - start).days if start and now else None
    years = days / _DAYS_IN_A_YEAR if days else None
    regions, spacing = measures[i].regions, visits[i].grid.spacing
    return TimePoint(
        name=visits[i].name,
        taken=now,
        days=days,
        measures=measures[i],
        tracks=tracks,
        new=new,
        volume_change=_percent(volumes[i], volumes[baseline]),
        product_change=_percent(products[i], products[baseline]),
        volume_since_nadir=_percent(volumes[i], min(volumes[since])) if after else None,
        product_since_nadir=_percent(products[i], min(products[since])) if after else None,
        ml_per_year=(volumes[i] - volumes[baseline]) / years if years and in_mm else None,
        size_class="",
        plane=visits[i].mask[regions[0].slice] != 0 if regions else None,
        pixel=(spacing[1], spacing[2]),
        warnings=visits[i].warnings,
    )


def _percent(value: float, reference: float) -> float | None:
    return 100 * (value - reference) / reference if reference else None
