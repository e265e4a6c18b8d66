"""The masks of one patient over time, in numbers, words and tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet import _text
from napari_tumor_unet._common import SPECK_ML
from napari_tumor_unet.inference.measures import Measures
from napari_tumor_unet.inference.result import in_short

_ALONE, _DECIDE = "by size alone", "steroids, clinical state, enhancement and confirmation decide"
BY_SIZE = f"{_ALONE}; {_DECIDE}"
"""What has to be said with each class."""
_NO_CLASS = "what differs between them is no change over time, and there is no class by size"
_SPECKS = f"New regions under {SPECK_ML} ml are counted, and not told of with the class."


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
        In voxels where no spacing is known.
    tracks : tuple of int
        A number for each region, the same as that of the region before it that it overlaps; 0 where scans
        share no frame of reference.
    new : tuple of bool or None
        Whether each region overlaps none of the masks before; None where that is unknown.
    volume_change, product_change : float or None
        Since the baseline, in percent, of the voxels where no spacing is known; None where there was nothing,
        or nothing measurable.
    volume_since_nadir, product_since_nadir : float or None
        Since the smallest one from the baseline to the mask before; None up to the baseline.
    ml_per_year : float or None
        Since the baseline; None where dates are unknown.
    size_class : str
        "complete", "partial", "minor", "stable" or "progressive", by size alone; empty up to the baseline,
        and where there is a reason to give none.
    no_class_because : str
        That reason.
    plane : array or None
        (Y, X); the mask in the slice of the largest region's diameters.
    pixel : tuple of float
        Its size (y, x) in mm.
    warnings : tuple of str
        Of the run that made the mask.
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
    warnings: tuple[str, ...] = ()
    no_class_because: str = ""

    @property
    def size(self) -> float:
        """The volume in ml, or the number of voxels where no spacing is known."""
        volume = self.measures.volume_ml
        return self.measures.voxels if volume is None else volume

    @property
    def verdict(self) -> str:
        """The class in words that say what it does not say; empty where there is none."""
        return f"{self.size_class} {BY_SIZE}" if self.size_class else ""

    @property
    def trust(self) -> str:
        """What the warnings say of the mask, in a word or two; empty where there are none."""
        if not self.warnings:
            return ""
        return "not to be trusted" if self.is_doubted else "to be checked"

    @property
    def is_doubted(self) -> bool:
        """Whether a warning doubts the mask itself."""
        return bool(_doubts_in(self.warnings))

    def caution(self, *, named: bool = True) -> str:
        """Say it with the first reason; of others than doubts of the mask only if files may be named."""
        doubts = _doubts_in(self.warnings)
        others = [text for text in self.warnings if text not in doubts] if named else []
        reason = in_short([*doubts, *others]).removesuffix(".")
        if doubts:
            reason = f"{reason[0].lower()}{reason[1:]}"
        return f"{self.trust}: {reason}" if reason else self.trust

    @property
    def _new_ml(self) -> list[float | None]:
        """The volumes of the new regions."""
        return [region.volume_ml for region, new in zip(self.measures.regions, self.new, strict=True) if new]

    @property
    def has_new(self) -> bool:
        """Whether there is a new region, and not only specks."""
        return any(volume is None or volume >= SPECK_ML for volume in self._new_ml)

    @property
    def has_new_specks(self) -> bool:
        """Whether there is a new region that is but a speck."""
        return any(volume is not None and volume < SPECK_ML for volume in self._new_ml)

    @property
    def new_in_words(self) -> str:
        """How large the largest new region is, in brackets; empty where that is unknown."""
        volumes = [volume for volume in self._new_ml if volume is not None]
        return f" (largest {max(volumes):.2f} ml)" if volumes else ""

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
            "warnings": list(self.warnings),
            "no_class_because": self.no_class_because or None,
        }


@dataclass(frozen=True)
class FollowUp:
    """The masks of one patient in the order of time; ``baseline`` is the index of that one, from 0.

    ``patients`` are those whom the names tell for certain; with two or more the masks are not of one.
    """

    time_points: tuple[TimePoint, ...]
    baseline: int
    matched: bool
    notes: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the follow-up as JSON holds it."""
        return {
            "time_points": [point.to_json() for point in self.time_points],
            "baseline": self.baseline + 1,
            "regions_matched": self.matched,
            "class_is": BY_SIZE,
            "notes": [*self.cautions(), *self.notes],
        }

    @property
    def unit(self) -> str:
        """Of the sizes: ml, or voxels where no spacing is known."""
        return "voxels" if self.time_points[0].measures.volume_ml is None else "ml"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What has to be said of the last class and of single masks, and notes; as sentences."""
        return tuple(filter(None, (self.conclusion(), *self.cautions(), *self.notes)))

    def conclusion(self, *, named: bool = True) -> str:
        """Say the last class with new regions, which make none; by names or, for a report, numbers."""
        last = self.time_points[-1].size_class
        new = ", ".join(
            f"{point.name if named else i}{point.new_in_words}"
            for i, point in enumerate(self.time_points, 1)
            if point.has_new
        )
        regions = f"new regions in {'' if named else 'scan '}{new}" if new else ""
        if not last:
            return f"N{regions[1:]}." if regions else ""
        also = f", {'and' if last == 'progressive' else 'but'} with {regions}" if regions else ""
        return f"Last{'' if named else ' scan'}: {last} {_ALONE}{also}; {_DECIDE}."

    def cautions(self, *, named: bool = True) -> tuple[str, ...]:
        """Say which masks are of others, or not to be trusted; by names or, for a report, numbers."""
        who = f": {', '.join(self.patients)}" if named else ""
        others = f"These are masks of different patients{who}; {_NO_CLASS}."
        return (
            *((others,) if len(self.patients) > 1 else ()),
            *(
                f"{point.name if named else f'Scan {i}'} is {point.caution(named=named)}."
                for i, point in enumerate(self.time_points, 1)
                if point.warnings
            ),
            *((_SPECKS,) if any(point.has_new_specks for point in self.time_points) else ()),
        )

    def as_table(self, *, named: bool = True) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return titles and rows as people read them; with dates and names, or without, for a report."""
        columns = (
            *(("mask", "date") if named else ("scan", "day")),
            *("volume", "since baseline", "since nadir", "sum of products", "since baseline", "since nadir"),
            *("ml a year", "regions", "by size alone"),
        )
        rows = [self._row(i, named) for i in range(len(self.time_points))]
        trusts = [point.trust for point in self.time_points]
        return columns, [
            (*row[:-1], ", ".join(filter(None, (row[-1], trust))))
            for row, trust in zip(rows, trusts, strict=True)
        ]

    def lines_of(self, i: int) -> tuple[str, ...]:
        """Return a time point in a few lines, for where a table has no room; the first is its name."""
        _, date, size, *changes, per_year, regions, by_size = self._row(i, named=True)
        volume, products = (("", ""), ("", "")) if i == self.baseline else (changes[:2], changes[3:])
        days = self.time_points[i].days
        when = (date, f"day {days}") if date and days is not None else (date,)
        return tuple(
            filter(
                None,
                (
                    self.time_points[i].name,
                    " · ".join(filter(None, when)),
                    _with_changes(size, *volume) + (f", {per_year} ml a year" if per_year else ""),
                    _with_changes(f"products {changes[2]}", *products) if changes[2] else "",
                    " · ".join(filter(None, (f"regions: {regions}", by_size))),
                    self.time_points[i].caution(),
                ),
            )
        )

    def _row(self, i: int, named: bool) -> tuple[str, ...]:
        point = self.time_points[i]
        date = "" if point.taken is None else point.taken.isoformat()
        who = (point.name, date) if named else (str(i + 1), "" if point.days is None else str(point.days))
        new, in_mm = _count_new(point), point.measures.volume_ml is not None
        regions = f"{len(point.tracks)}, {new} new" if new else str(len(point.tracks))
        return (
            *who,
            f"{point.size:.2f} ml" if in_mm else f"{point.size:,} voxels",
            *map(_as_change, (point.volume_change, point.volume_since_nadir)),
            f"{point.measures.sum_of_products_mm2 or 0:.0f} mm²" if in_mm else "",
            *map(_as_change, (point.product_change, point.product_since_nadir)),
            "" if point.ml_per_year is None else _text.signed(point.ml_per_year, 1),
            regions,
            "baseline"
            if i == self.baseline
            else point.size_class or ("no class" if i > self.baseline else ""),
        )

    def as_csv(self) -> str:
        """Write a line a time point; numbers are not rounded, and empty where they are undefined."""
        rows = [
            point.to_json() | {"regions": len(point.tracks), "new_regions": _count_new(point)}
            for point in self.time_points
        ]
        rows = [
            row
            | {
                "class_is": BY_SIZE,
                "warnings": " ".join(row.pop("warnings")),
                "no_class_because": row.pop("no_class_because"),
            }
            for row in rows
        ]  # last, so that columns stay where they were
        return _text.as_csv(list(rows[0]), rows)


def _doubts_in(warnings: Iterable[str]) -> list[str]:
    """Return the warnings that doubt the mask itself."""
    from napari_tumor_unet.inference.result_check import is_doubted  # with scipy

    return [text for text in warnings if is_doubted([text])]


def _with_changes(size: str, since_baseline: str, since_nadir: str) -> str:
    baseline = f"{since_baseline} since baseline" if since_baseline else ""
    nadir = f"{since_nadir} since nadir" if since_nadir else ""
    changes = ", ".join(filter(None, (baseline, nadir)))
    return f"{size} ({changes})" if changes else size


def _as_change(percent: float | None) -> str:
    return "" if percent is None else f"{_text.signed(percent)} %"


def _count_new(point: TimePoint) -> int | None:
    return None if None in point.new else sum(map(bool, point.new))
