"""Follow the masks of one patient over time: how volume and products changed, and what is new.

The class is by size alone, by the limits of RANO-LGG (van den Bent et al., Lancet Oncology 12, 2011) for the
sum of the products: complete, nothing left; progressive, 25 % over the smallest sum since the baseline or
more; partial, 50 % under the baseline or more; minor, 25 % to 50 % under it; else stable. Nothing is
registered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_tumor_unet import _text
from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.inference.measures import (
    Measures,
    labels_of,
    measure_on_grid,
)
from napari_tumor_unet.inference.regions import box_around, label_regions
from napari_tumor_unet.io.file_names import scan_name
from napari_tumor_unet.scan.grid import Grid

BY_SIZE = "by size alone; steroids, clinical state, enhancement and confirmation decide"
"""What has to be said with each class."""
_SESSION = re.compile(r"(?:^|[\W_])ses-([A-Za-z0-9]+)")
_DAYS_IN_A_YEAR = 365.25


@dataclass(frozen=True)
class Visit:
    """A mask (Z, Y, X) on its grid, and when the scan was taken, if that is known."""

    name: str
    mask: NDArray[Any]
    grid: Grid
    taken: date | None = None


@dataclass(frozen=True)
class TimePoint:
    """What a mask holds beside the baseline, and beside the smallest one since.

    Attributes
    ----------
    name : str
    taken : date or None
    days : int or None
        Since the baseline; None where dates are unknown.
    measures : Measures
    tracks : tuple of int
        A number for each region, the same as that of the region before it that it overlaps; 0 where scans
        share no frame of reference.
    new : tuple of bool or None
        Whether each region overlaps none of the masks before; None where that is unknown.
    volume_change, product_change : float or None
        Since the baseline, in percent; None where there was nothing, or nothing measurable.
    volume_since_nadir, product_since_nadir : float or None
        Since the smallest one from the baseline to the mask before; None up to the baseline.
    ml_per_year : float or None
        Since the baseline; None where dates are unknown.
    size_class : str
        "complete", "partial", "minor", "stable" or "progressive", by size alone; empty up to the baseline,
        and where it had nothing measurable.
    plane : array or None
        (Y, X); the mask in the slice of the largest region's diameters.
    pixel : tuple of float
        Its size (y, x) in mm.
    """

    name: str
    taken: date | None
    days: int | None
    measures: Measures
    tracks: tuple[int, ...]
    new: tuple[bool | None, ...]
    volume_change: float | None
    product_change: float | None
    volume_since_nadir: float | None
    product_since_nadir: float | None
    ml_per_year: float | None
    size_class: str
    plane: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)
    pixel: tuple[float, float] = (1.0, 1.0)

    @property
    def verdict(self) -> str:
        """The class in words that say what it does not say; empty where there is none."""
        return f"{self.size_class} {BY_SIZE}" if self.size_class else ""

    def to_json(self) -> dict[str, Any]:
        """Return the time point as JSON holds it."""
        regions = [
            region | {"track": track or None, "new": new}
            for region, track, new in zip(
                self.measures.to_json()["regions"], self.tracks, self.new, strict=True
            )
        ]
        return {
            "name": self.name,
            "date": None if self.taken is None else self.taken.isoformat(),
            "days_since_baseline": self.days,
            "volume_ml": self.measures.volume_ml,
            "sum_of_products_mm2": self.measures.sum_of_products_mm2,
            "volume_change_since_baseline_percent": self.volume_change,
            "volume_change_since_nadir_percent": self.volume_since_nadir,
            "product_change_since_baseline_percent": self.product_change,
            "product_change_since_nadir_percent": self.product_since_nadir,
            "ml_per_year_since_baseline": self.ml_per_year,
            "class_by_size_alone": self.size_class or None,
            "regions": regions,
        }


@dataclass(frozen=True)
class FollowUp:
    """The masks of one patient in the order of time; ``baseline`` is the index of that one, from 0."""

    time_points: tuple[TimePoint, ...]
    baseline: int
    matched: bool
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the follow-up as JSON holds it."""
        return {
            "time_points": [point.to_json() for point in self.time_points],
            "baseline": self.baseline + 1,
            "regions_matched": self.matched,
            "class_is": BY_SIZE,
            "notes": list(self.notes),
        }

    @property
    def remarks(self) -> tuple[str, ...]:
        """What has to be said of the last class, and notes; as sentences."""
        verdict = self.time_points[-1].verdict
        new = [p.name for p in self.time_points if any(p.new)]
        return (
            *((f"Last: {verdict}.",) if verdict else ()),
            *((f"New regions in {', '.join(new)}.",) if new else ()),
            *self.notes,
        )

    def as_table(self, *, named: bool = True) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return titles and rows as people read them; with dates and names, or without, for a report."""
        columns = (
            *(("mask", "date") if named else ("scan", "day")),
            *("volume", "since baseline", "since nadir", "sum of products", "since baseline", "since nadir"),
            *("ml a year", "regions", "by size alone"),
        )
        return columns, [self._row(i, named) for i in range(len(self.time_points))]

    def _row(self, i: int, named: bool) -> tuple[str, ...]:
        point = self.time_points[i]
        date = "" if point.taken is None else point.taken.isoformat()
        who = (point.name, date) if named else (str(i + 1), "" if point.days is None else str(point.days))
        new = _count_new(point)
        regions = f"{len(point.tracks)}, {new} new" if new else str(len(point.tracks))
        return (
            *who,
            f"{point.measures.volume_ml or 0:.2f} ml",
            *map(_as_change, (point.volume_change, point.volume_since_nadir)),
            f"{point.measures.sum_of_products_mm2 or 0:.0f} mm²",
            *map(_as_change, (point.product_change, point.product_since_nadir)),
            "" if point.ml_per_year is None else f"{point.ml_per_year:+.1f}",
            regions,
            "baseline" if i == self.baseline else point.size_class,
        )

    def as_csv(self) -> str:
        """Write a line a time point; numbers are not rounded, and empty where they are undefined."""
        rows = [
            point.to_json() | {"regions": len(point.tracks), "new_regions": _count_new(point)}
            for point in self.time_points
        ]
        rows = [row | {"class_is": BY_SIZE} for row in rows]
        return _text.as_csv(list(rows[0]), rows)


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
        As for :func:`napari_tumor_unet.measure`. They are ordered by ``dates``, by the sessions in the names
        of all (``ses-01``, as BIDS has them), or else as given.
    dates : sequence of str or date, optional
        When each scan was taken, as ``2024-03-31``.
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
    taken = [None] * len(masks) if dates is None else [as_date(text) for text in dates]
    if not len(names) == len(taken) == len(masks):
        raise ComparisonError(
            f"There are {len(masks)} masks and {len(taken)} dates; give a date for each mask."
        )
    visits = [
        Visit(name, *labels_of(mask, spacing), when)
        for name, mask, when in zip(names, masks, taken, strict=True)
    ]
    order = time_order([str(m) if isinstance(m, str | Path) else "" for m in masks], taken)
    return follow([visits[i] for i in order], baseline - 1, same_frame)


def time_order(names: Sequence[str], taken: Sequence[date | None]) -> list[int]:
    """Order masks by date, by the session in their names, or as they are."""
    indices = list(range(len(names)))
    if all(taken):
        return sorted(indices, key=lambda i: taken[i] or date.min)
    sessions = [_SESSION.findall(name) for name in names]
    if all(sessions):
        return sorted(
            indices,
            key=lambda i: [
                (not p.isdigit(), int(p) if p.isdigit() else 0, p)
                for p in re.findall(r"\d+|\D+", sessions[i][-1])
            ],
        )
    return indices


def follow(visits: Sequence[Visit], baseline: int = 0, same_frame: bool | None = None) -> FollowUp:
    """Follow masks in the order of time; parameters as of :func:`follow_up`, but the baseline from 0.

    Raises
    ------
    ComparisonError
        If the masks cannot be compared.
    """
    if len(visits) < 2:
        raise ComparisonError("A follow-up needs two masks or more of one patient.")
    if not 0 <= baseline < len(visits):
        raise ComparisonError(f"There is no mask {baseline + 1} of {len(visits)} to be the baseline.")
    for visit in visits:
        if not visit.grid.in_mm:
            raise ComparisonError(
                f"{visit.name} has no spacing in mm, so its size cannot be compared; give the spacing."
            )
    first = visits[0].grid
    if same_frame is None:
        same_frame = all(v.grid.placed and v.grid.is_same(first) for v in visits)
    elif same_frame and len({v.mask.shape for v in visits}) > 1:
        raise ComparisonError("The masks differ in shape, so that they share no frame of reference.")
    measures = [measure_on_grid(v.mask, v.grid) for v in visits]
    tracks, new = _match(visits, measures) if same_frame else _unmatched(measures)
    points = [_time_point(i, visits, measures, baseline, tracks[i], new[i]) for i in range(len(visits))]
    notes = []
    if not same_frame:
        notes.append(
            "It is unknown whether the scans share a frame of reference, as their grids differ or have no "
            "place, so regions are not matched between them."
        )
    if not measures[baseline].sum_of_products_mm2:
        notes.append("The baseline has no measurable region, so that there is no class by size.")
    return FollowUp(tuple(points), baseline, same_frame, tuple(notes))


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
    volumes = [m.volume_ml or 0.0 for m in measures]
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
        ml_per_year=(volumes[i] - volumes[baseline]) / years if years else None,
        size_class=size_class(measures[i].voxels, products[i], products[baseline], min(products[since]))
        if after
        else "",
        plane=visits[i].mask[regions[0].slice] != 0 if regions else None,
        pixel=(spacing[1], spacing[2]),
    )


def _match(
    visits: Sequence[Visit], measures: Sequence[Measures]
) -> tuple[list[tuple[int, ...]], list[tuple[bool | None, ...]]]:
    """Give each region the number of the last one at its place, or of that which it overlaps most."""
    box = box_around(np.logical_or.reduce([v.mask != 0 for v in visits]))
    labelled = [label_regions(v.mask[box] != 0)[0] for v in visits]
    places = np.zeros_like(labelled[0])  # the number of what was last there
    all_tracks: list[tuple[int, ...]] = []
    all_new: list[tuple[bool | None, ...]] = []
    taken = 0
    for labels, measured in zip(labelled, measures, strict=True):
        inside = labels > 0
        shape = len(measured.regions) + 1, taken + 1
        pairs = np.ravel_multi_index((labels[inside], places[inside]), shape)
        overlaps = np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)[:, 1:]
        track_of = np.zeros(shape[0], np.int32)
        own = [int(labels[tuple(np.subtract(r.seed, [b.start for b in box]))]) for r in measured.regions]
        is_new = [not overlaps[label].any() for label in own]
        for label, first in zip(own, is_new, strict=True):
            taken += first
            track_of[label] = taken if first else overlaps[label].argmax() + 1
        places[inside] = track_of[labels[inside]]
        all_new.append(tuple(first and bool(all_tracks) for first in is_new))
        all_tracks.append(tuple(track_of[own].tolist()))
    return all_tracks, all_new


def _unmatched(measures: Sequence[Measures]) -> tuple[list[tuple[int, ...]], list[tuple[bool | None, ...]]]:
    return [(0,) * len(m.regions) for m in measures], [(None,) * len(m.regions) for m in measures]


def _percent(value: float, reference: float) -> float | None:
    return 100 * (value - reference) / reference if reference else None


def _as_change(percent: float | None) -> str:
    return "" if percent is None else f"{percent:+.0f} %"


def _count_new(point: TimePoint) -> int | None:
    return None if None in point.new else sum(map(bool, point.new))


def as_date(text: str | date) -> date:
    """Take a text such as ``2024-03-31`` for a date.

    Raises
    ------
    ComparisonError
        If it is none.
    """
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ComparisonError(f"{text.strip()!r} is no date; write dates as 2024-03-31.") from None
