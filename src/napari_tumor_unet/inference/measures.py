"""Measure the regions of a mask as a radiologist does: volume, two diameters, their product.

A region is what hangs together by faces, edges or corners. In each of its axial slices, along the scan's own
planes, the longest diameter is the longest chord that lies in the mask from end to end, and the other one the
longest such chord perpendicular to it; the region has those of the slice where their product is largest. The
edges of voxels count, not their centres.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_tumor_unet import _text
from napari_tumor_unet._common import TumourUnetError, plural
from napari_tumor_unet.inference.chords import Chords, Plane
from napari_tumor_unet.inference.regions import threshold_mask
from napari_tumor_unet.scan.grid import Grid, grid_of_spacing, is_possible_spacing

SMALLEST_MM = 10.0
"""Both diameters of a measurable region, at least (RANO)."""
THICK_MM = 5.0
"""Slices over it ask for diameters of twice their thickness (RANO)."""
MOST_REGIONS = 5
"""Measurable regions that the sum of products has, at most (RANO)."""
SURE, UNSURE = 0.75, 0.25
"""Probabilities of the voxels that the range of the volume is from."""
_MOST_WORK = 8_000_000  # pairs of corners; a region like a sponge has more, and not all slices are tried
_MANY_POINTS = 1000  # whose distances take longer than their hull

DEFINITION = (
    "Longest diameter: the longest line within a region in an axial slice, edges of voxels included; "
    "perpendicular: the longest at right angles to it in that slice; both of the slice where their product "
    "is largest. Slices count from 0, from below. Measurable: both at least 10 mm (twice the slice distance "
    "where that is over 5 mm), on two slices or more."
)
"""What the numbers are, to be said beside them."""

Point = tuple[float, float, float]
Line = tuple[Point, Point]


class MeasureError(TumourUnetError, ValueError):
    """A mask that cannot be measured; the message is one sentence that says why."""


@dataclass(frozen=True)
class RegionMeasures:
    """Measures of one region; lengths are in mm, or in voxels where the spacing is unknown.

    Attributes
    ----------
    voxels, slices : int
    volume_ml : float or None
        None where the spacing is unknown.
    longest_diameter, perpendicular_diameter, product : float
        Of the slice where the product is largest.
    slice : int
        Index of that slice, from below, the first being 0.
    longest_line, perpendicular_line : tuple of two points
        Ends of the diameters as indices (z, y, x), of which whole numbers are voxels' centres.
    longest_line_mm, perpendicular_line_mm : tuple of two points, or None
        The same ends (x, y, z) in LPS mm; None where it is unknown how the scan lies.
    seed : tuple of int
        The first voxel (z, y, x) of the region.
    largest_extent : float
        Largest distance of two of its points in space, whether or not what is between belongs to it.
    measurable : bool or None
        Whether both diameters are at least 10 mm, or twice the slice distance where that is over 5 mm, and
        the region is seen on two slices or more; None where the spacing is unknown.
    unit : {"mm", "voxel"}
    """

    voxels: int
    slices: int
    volume_ml: float | None
    longest_diameter: float
    perpendicular_diameter: float
    product: float
    slice: int
    longest_line: Line
    perpendicular_line: Line
    longest_line_mm: Line | None
    perpendicular_line_mm: Line | None
    seed: tuple[int, int, int]
    largest_extent: float
    measurable: bool | None
    unit: str

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON holds them; those in mm are None where the spacing is unknown."""
        mm = self.unit == "mm"
        return {
            "volume_ml": self.volume_ml,
            "voxels": self.voxels,
            "slices": self.slices,
            "longest_diameter_mm": self.longest_diameter if mm else None,
            "perpendicular_diameter_mm": self.perpendicular_diameter if mm else None,
            "product_mm2": self.product if mm else None,
            "slice": self.slice,
            "measurable": self.measurable,
            "largest_extent_mm": self.largest_extent if mm else None,
            "longest_line_mm": self.longest_line_mm,
            "perpendicular_line_mm": self.perpendicular_line_mm,
            "longest_line": self.longest_line,
            "perpendicular_line": self.perpendicular_line,
        }

    @property
    def diameters(self) -> str:
        """Both diameters in words, in whole mm or voxels."""
        unit = "mm" if self.unit == "mm" else "voxels"
        return f"{self.longest_diameter:.0f} x {self.perpendicular_diameter:.0f} {unit}"

    def as_cells(self) -> tuple[str, ...]:
        """Return volume, slices, diameters, product, slice, and whether measurable, as people read them."""
        in_mm = self.unit == "mm"
        volume = f"{self.voxels:,} voxels" if self.volume_ml is None else f"{self.volume_ml:.2f} ml"
        lengths = (self.longest_diameter, self.perpendicular_diameter)
        return (
            volume,
            str(self.slices),
            *(f"{length:.1f}{' mm' if in_mm else ''}" for length in lengths),
            f"{self.product:.0f}{' mm²' if in_mm else ''}",
            str(self.slice),
            {True: "yes", False: "no", None: "unknown"}[self.measurable],
        )


@dataclass(frozen=True)
class Measures:
    """Measures of a mask.

    Attributes
    ----------
    voxels : int
    volume_ml : float or None
        None where the spacing is unknown.
    regions : tuple of RegionMeasures
        The largest first, by voxels.
    volume_range_ml : (float, float) or None
        The volume of what the model is rather sure of, and that of all that it does not rule out: the model's
        own doubt, and no confidence interval; None where there is no probability.
    unit : {"mm", "voxel"}
    """

    voxels: int
    volume_ml: float | None
    regions: tuple[RegionMeasures, ...]
    volume_range_ml: tuple[float, float] | None = None
    unit: str = "mm"

    @property
    def measurable(self) -> tuple[RegionMeasures, ...]:
        """The regions that the sum of products is of."""
        return tuple(region for region in self.regions if region.measurable)[:MOST_REGIONS]

    @property
    def sum_of_products_mm2(self) -> float | None:
        """Sum over the five largest measurable regions; None where the spacing is unknown."""
        return sum(region.product for region in self.measurable) if self.unit == "mm" else None

    @property
    def diameters(self) -> str:
        """The largest region's diameters and the sum of products in words; empty without a region."""
        if not self.regions:
            return ""
        largest, unit = self.regions[0], "mm" if self.unit == "mm" else "voxels"
        text = (
            f"Diameters {largest.longest_diameter:.1f} x {largest.perpendicular_diameter:.1f} {unit} "
            f"in slice {largest.slice}"
        )
        if self.sum_of_products_mm2 is None:
            return f"{text}; the spacing is unknown"
        return (
            f"{text}; sum of products {self.sum_of_products_mm2:.0f} mm² ({len(self.measurable)} measurable)"
        )

    def __str__(self) -> str:
        if not self.regions:
            return "No region."
        size = f"{self.voxels:,} voxels" if self.volume_ml is None else f"{self.volume_ml:.2f} ml"
        if self.volume_range_ml is not None:
            low, high = self.volume_range_ml
            size += f" ({low:.1f} to {high:.1f} by the model's own doubt)"
        return f"{size}, {plural(len(self.regions), 'region')}. {self.diameters}."

    def to_json(self) -> dict[str, Any]:
        """Return the measures as JSON holds them."""
        return {
            "volume_ml": self.volume_ml,
            "volume_range_ml": self.volume_range_ml,
            "sum_of_products_mm2": self.sum_of_products_mm2,
            "regions": [region.to_json() for region in self.regions],
        }


def measure(
    mask: ArrayLike | str | Path,
    *,
    spacing: Sequence[float] | None = None,
    probability: NDArray[np.uint8] | None = None,
    threshold: float = 0.5,
) -> Measures:
    """Measure a mask and its regions.

    Parameters
    ----------
    mask : array, str or Path
        Labels (Y, X) or (Z, Y, X), axial slices from below, where 0 is background; or a file or folder that
        :func:`read_mask` reads.
    spacing : sequence of float, optional
        Distance between voxels (z, y, x) in mm; by default that of the file, else numbers are in voxels.
    probability : array of uint8, optional
        What the mask was made of, 0 to 255, for a range of the volume.
    threshold : float
        Probability from which a voxel is in the mask.

    Raises
    ------
    MeasureError
        If the mask is no volume, or the spacing impossible.
    ScanError
        If a file cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((5, 64, 64), np.uint8)
    >>> mask[1:4, 10:40, 10:50] = 1
    >>> region = measure(mask, spacing=(5, 1, 1)).regions[0]
    >>> region.longest_diameter, region.slices, region.measurable
    (50.0, 3, True)
    """
    return measure_on_grid(*labels_of(mask, spacing), probability, threshold)


def labels_of(
    mask: ArrayLike | str | Path, spacing: Sequence[float] | None = None
) -> tuple[NDArray[Any], Grid]:
    """Return labels (Z, Y, X) and their grid; parameters and errors as of :func:`measure`."""
    if isinstance(mask, str | Path):
        from napari_tumor_unet.io.read import read_labels  # takes longer than a panel may take to open

        scan = read_labels(mask)
        labels, grid = np.asarray(scan.sequences["flair"]), scan.grid
    else:
        labels = np.asarray(mask)
        labels = labels[None] if labels.ndim == 2 else labels
        grid = grid_of_spacing(labels.shape, [1.0] * labels.ndim, in_mm=False)
    if labels.ndim != 3 or 0 in labels.shape:
        raise MeasureError(f"A mask of shape {labels.shape} cannot be measured: slices (Z, Y, X) are needed.")
    if spacing is not None:
        if len(spacing) != 3 or not is_possible_spacing(spacing):
            numbers = [float(s) for s in spacing]
            raise MeasureError(f"The spacing {numbers} is not three distances (z, y, x) in mm.")
        grid = with_spacing(grid, spacing)
    return labels, grid


def with_spacing(grid: Grid, spacing: Sequence[float]) -> Grid:
    """Return a grid with another spacing in mm, its axes and its first voxel as they are."""
    matrix = grid.matrix / grid.spacing * np.asarray(spacing, float)
    return Grid(grid.shape, matrix, grid.offset, in_mm=True, placed=grid.placed)


def measure_on_grid(
    mask: NDArray[Any], grid: Grid, probability: NDArray[np.uint8] | None = None, threshold: float = 0.5
) -> Measures:
    """Measure a mask (Z, Y, X) on its grid; other parameters as of :func:`measure`."""
    foreground = mask if mask.dtype == bool else mask.view(bool) if mask.dtype == np.uint8 else mask != 0
    runs = _runs_of(foreground)
    shapes: dict[bytes, tuple[Chords, int, float]] = {}  # many regions are of a voxel or two
    regions = [_measure_region(part, grid, shapes) for part in _regions_of(runs, mask.shape)]
    regions.sort(key=lambda region: -region.voxels)
    voxels, voxel_ml = int((runs.stop - runs.start).sum()), grid.voxel_ml
    bounds = None
    if probability is not None and voxel_ml is not None:
        sure = threshold_mask(probability, max(SURE, threshold)).view(bool) & foreground
        unsure = threshold_mask(probability, min(UNSURE, threshold)).view(bool) | foreground
        bounds = (np.count_nonzero(sure) * voxel_ml, np.count_nonzero(unsure) * voxel_ml)
    return Measures(
        voxels=voxels,
        volume_ml=None if voxel_ml is None else voxels * voxel_ml,
        regions=tuple(regions),
        volume_range_ml=bounds,
        unit="mm" if grid.in_mm else "voxel",
    )


def as_csv(masks: Sequence[tuple[str, Measures]]) -> str:
    """Write a line a region of named masks, and one for a mask without any; numbers are not rounded."""
    columns = [
        *(
            "mask",
            "region",
            "volume_ml",
            "voxels",
            "slices",
            "longest_diameter_mm",
            "perpendicular_diameter_mm",
        ),
        *("product_mm2", "slice", "measurable", "largest_extent_mm", "sum_of_products_mm2"),
    ]
    rows = [
        {"mask": name, "sum_of_products_mm2": measures.sum_of_products_mm2, "region": i + 1} | region
        for name, measures in masks
        for i, region in enumerate(
            measures.to_json()["regions"] or [{"region": None, "volume_ml": 0, "voxels": 0}]
        )
    ]
    return _text.as_csv(columns, rows)


class _Runs(NamedTuple):
    """Voxels that follow each other in a row: slice, row, first column, and the one after the last."""

    z: NDArray[np.intp]
    y: NDArray[np.intp]
    start: NDArray[np.intp]
    stop: NDArray[np.intp]


def _runs_of(mask: NDArray[np.bool_]) -> _Runs:
    """Find the runs of a mask (Z, Y, X), in order: far quicker than to label a volume that is mostly air."""
    _, height, width = mask.shape
    flat = np.flatnonzero(mask)
    if not len(flat):
        return _Runs(*np.zeros((4, 0), np.intp))
    first = np.ones(len(flat), bool)
    first[1:] = (np.diff(flat) > 1) | (flat[1:] % width == 0)
    starts = flat[first]
    last = flat[np.append(np.flatnonzero(first)[1:], len(flat)) - 1]
    rows = starts // width
    return _Runs(rows // height, rows % height, starts % width, last % width + 1)


def _regions_of(runs: _Runs, shape: tuple[int, ...]) -> Iterator[_Runs]:
    """Split runs into those of each region, connected by faces, edges or corners."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(runs.z)
    if not n:
        return
    # With a free place about each slice and row, no run touches one that it should not.
    height, width = shape[1] + 2, shape[2] + 2
    row = runs.z * height + runs.y
    begins, ends = row * width + runs.start, row * width + runs.stop
    touching = [np.zeros((2, 0), np.intp)]
    for rows in (1, height - 1, height, height + 1):
        low = np.searchsorted(ends, begins + rows * width, "left")
        high = np.searchsorted(begins, ends + rows * width, "right")
        count = np.maximum(high - low, 0)
        own = np.repeat(np.arange(n), count)
        other = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
        touching.append(np.stack([own, other]))
    pairs = np.concatenate(touching, axis=1)
    labels = connected_components(coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), (n, n)), False)[1]
    order = np.argsort(labels, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        yield _Runs(*(column[part] for column in runs))


def _measure_region(
    runs: _Runs, grid: Grid, shapes: dict[bytes, tuple[Chords, int, float]]
) -> RegionMeasures:
    corner = np.array([runs.z[0], runs.y.min(), runs.start.min()])
    spacing = grid.spacing if grid.in_mm else (1.0, 1.0, 1.0)
    moved = _Runs(runs.z - corner[0], runs.y - corner[1], runs.start - corner[2], runs.stop - corner[2])
    key = np.stack(moved).tobytes()
    if key not in shapes:
        planes = _planes_of(moved, (spacing[1], spacing[2]))
        shapes[key] = (*_largest_product(planes), _largest_extent(planes, spacing[0]))
    chords, z, extent = shapes[key]
    voxels, slices = int((runs.stop - runs.start).sum()), len(np.unique(runs.z))
    in_plane = np.asarray(spacing[1:])
    lines = [
        np.column_stack([[z, z], ends / in_plane - 0.5]) + corner
        for ends in (chords.longest_ends, chords.perpendicular_ends)
    ]
    mm = [
        _as_line(line @ grid.matrix.T + grid.offset) if grid.placed and grid.in_mm else None for line in lines
    ]
    return RegionMeasures(
        voxels=voxels,
        slices=slices,
        volume_ml=None if grid.voxel_ml is None else voxels * grid.voxel_ml,
        longest_diameter=chords.longest,
        perpendicular_diameter=chords.perpendicular,
        product=chords.longest * chords.perpendicular,
        slice=int(corner[0]) + z,
        longest_line=_as_line(lines[0]),
        perpendicular_line=_as_line(lines[1]),
        longest_line_mm=mm[0],
        perpendicular_line_mm=mm[1],
        seed=(int(runs.z[0]), int(runs.y[0]), int(runs.start[0])),
        largest_extent=extent,
        measurable=_is_measurable(chords, slices, spacing[0]) if grid.in_mm else None,
        unit="mm" if grid.in_mm else "voxel",
    )


def _is_measurable(chords: Chords, slices: int, distance: float) -> bool:
    least = 2 * distance if distance > THICK_MM else SMALLEST_MM
    return slices > 1 and min(chords.longest, chords.perpendicular) >= least - 1e-6


def _planes_of(runs: _Runs, pixel: tuple[float, float]) -> dict[int, Plane]:
    """Draw the slices of a region, with row and column 0 at the region's own."""
    shape = int(runs.y.max()) + 1, int(runs.stop.max()) + 1
    planes = {}
    for part in np.split(np.arange(len(runs.z)), np.flatnonzero(np.diff(runs.z)) + 1):
        steps = np.zeros(shape, np.int8)
        steps[runs.y[part], runs.start[part]] = 1
        steps[runs.y[part], runs.stop[part]] = -1
        planes[int(runs.z[part[0]])] = Plane(steps.cumsum(axis=1, dtype=np.int8)[:, :-1].view(bool), pixel)
    return planes


def _largest_product(planes: dict[int, Plane]) -> tuple[Chords, int]:
    """Find the slice of a region whose two diameters have the largest product; of equal ones the lowest."""
    best, where, product, work = None, 0, 0.0, 0
    for z in sorted(planes, key=lambda z: -planes[z].hull_area):
        if 2 * planes[z].hull_area < product * (1 - 1e-9) or work > _MOST_WORK:
            break
        if planes[z].bound < product * (1 - 1e-9):
            continue
        chords = planes[z].chords()
        work += planes[z].work
        new = chords.longest * chords.perpendicular
        if best is None or new > product * (1 + 1e-9) or (new > product * (1 - 1e-9) and z < where):
            best, where, product = chords, z, new
    assert best is not None
    return best, where


def _largest_extent(planes: dict[int, Plane], distance: float) -> float:
    """Find the largest distance of two points of a region, of which the slices' hulls hold both."""
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    faces = [(face * distance, plane.hull) for z, plane in planes.items() for face in (z, z + 1)]
    points = np.concatenate([np.insert(hull, 0, height, axis=1) for height, hull in faces])
    if len(points) > _MANY_POINTS:
        points = points[ConvexHull(points).vertices]
    return float(pdist(points).max())


def _as_line(ends: NDArray[np.float64]) -> Line:
    first, second = ends.tolist()
    return tuple(first), tuple(second)
