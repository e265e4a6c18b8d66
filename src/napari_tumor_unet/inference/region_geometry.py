"""Measure one region of a mask: its diameters where their product is largest, and its extent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.inference.chords import Chords, Plane
from napari_tumor_unet.inference.mask_runs import Runs
from napari_tumor_unet.inference.region_measures import Line, RegionMeasures
from napari_tumor_unet.scan.grid import Grid

SMALLEST_MM = 10.0
"""Both diameters of a measurable region, at least (RANO)."""
THICK_MM = 5.0
"""Slices over it ask for diameters of twice their thickness (RANO)."""
_MOST_WORK = 8_000_000  # pairs of corners; a region like a sponge has more, and not all slices are tried
_MANY_POINTS = 1000  # whose distances take longer than their hull


def measure_region(runs: Runs, grid: Grid, shapes: dict[bytes, tuple[Chords, int, float]]) -> RegionMeasures:
    """Measure a region on the grid of its mask; what was measured of others of the same shape is kept."""
    corner = np.array([runs.z[0], runs.y.min(), runs.start.min()])
    spacing = grid.spacing if grid.in_mm else (1.0, 1.0, 1.0)
    moved = Runs(runs.z - corner[0], runs.y - corner[1], runs.start - corner[2], runs.stop - corner[2])
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


def _planes_of(runs: Runs, pixel: tuple[float, float]) -> dict[int, Plane]:
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
