"""Measure the regions of a mask as a radiologist does: volume, two diameters, their product.

A region is what hangs together by faces, edges or corners. In each of its axial slices, along the scan's own
planes, the longest diameter is the longest chord that lies in the mask from end to end, and the other one the
longest such chord perpendicular to it; the region has those of the slice where their product is largest. The
edges of voxels count, not their centres.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_tumor_unet import _text
from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.inference.chords import Chords
from napari_tumor_unet.inference.mask_runs import regions_of, runs_of
from napari_tumor_unet.inference.region_geometry import SMALLEST_MM, THICK_MM, measure_region
from napari_tumor_unet.inference.region_measures import (
    DEFINITION,
    MOST_REGIONS,
    Line,
    Measures,
    Point,
    RegionMeasures,
)
from napari_tumor_unet.inference.regions import threshold_mask
from napari_tumor_unet.scan.grid import Grid, grid_of_spacing, is_possible_spacing

__all__ = [
    "DEFINITION",
    "MOST_REGIONS",
    "SMALLEST_MM",
    "SURE",
    "THICK_MM",
    "UNSURE",
    "Line",
    "MeasureError",
    "Measures",
    "Point",
    "RegionMeasures",
    "as_csv",
    "labels_of",
    "measure",
    "measure_on_grid",
    "read_any_labels",
    "with_spacing",
]

SURE, UNSURE = 0.75, 0.25
"""Probabilities of the voxels that the range of the volume is from."""


class MeasureError(TumourUnetError, ValueError):
    """A mask that cannot be measured; the message is one sentence that says why."""


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
    labels, grid = read_any_labels(mask)
    if labels.ndim == 2:
        labels, grid = labels[None], grid_of_spacing((1, *labels.shape), (1.0, 1.0, 1.0), in_mm=False)
    if labels.ndim != 3 or 0 in labels.shape:
        raise MeasureError(f"A mask of shape {labels.shape} cannot be measured: slices (Z, Y, X) are needed.")
    return labels, grid if spacing is None else with_spacing(grid, spacing)


def read_any_labels(source: ArrayLike | str | Path) -> tuple[NDArray[Any], Grid]:
    """Return the labels of a file or an array of any shape, and their grid; of an array in voxels."""
    if isinstance(source, str | Path):
        from napari_tumor_unet.io.read import read_labels  # takes longer than a panel may take to open

        scan = read_labels(source)
        return np.asarray(scan.sequences["flair"]), scan.grid
    labels = np.asarray(source)
    return labels, grid_of_spacing(labels.shape, [1.0] * labels.ndim, in_mm=False)


def with_spacing(grid: Grid, spacing: Sequence[float]) -> Grid:
    """Return a grid with another spacing in mm, its axes and its first voxel as they are.

    Raises
    ------
    MeasureError
        If the spacing is impossible.
    """
    if len(spacing) != 3 or not is_possible_spacing(spacing):
        numbers = [float(s) for s in spacing]
        raise MeasureError(f"The spacing {numbers} is not three distances (z, y, x) in mm.")
    matrix = grid.matrix / grid.spacing * np.asarray(spacing, float)
    return Grid(grid.shape, matrix, grid.offset, in_mm=True, placed=grid.placed)


def measure_on_grid(
    mask: NDArray[Any], grid: Grid, probability: NDArray[np.uint8] | None = None, threshold: float = 0.5
) -> Measures:
    """Measure a mask (Z, Y, X) on its grid; other parameters as of :func:`measure`."""
    foreground = mask if mask.dtype == bool else mask.view(bool) if mask.dtype == np.uint8 else mask != 0
    runs = runs_of(foreground)
    shapes: dict[bytes, tuple[Chords, int, float]] = {}  # many regions are of a voxel or two
    regions = [measure_region(part, grid, shapes) for part in regions_of(runs, mask.shape)]
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
