"""Image features for the check of the input: a few numbers of a scan's FLAIR that need no scale and no units.

The head is found anew in the slices that are measured, as the limits of the check were chosen so: with
the head that the preprocessing finds in its slices, 13 of 501 scans got other warnings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_tumor_unet.inference.regions import box_around
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.scan.head import corners_of, fill_planes, find_head, is_masked

_SLICES = 8
_FROM, _TO = 0.35, 0.75  # of the way up: brain, above the face and under the crown
_PIXELS = 128  # of a slice's shorter side, at least
_RIM = 0.3  # of the head's radius: scalp, skull and what lies between them and the brain
_NEAR = 0.1  # of the head's radius: neighbourhood that a voxel is compared with
_FLUID = 0.7  # of the brain's median: what is darker is no tissue, nor are voxels half in a sulcus


@dataclass(frozen=True)
class ImageFeatures:
    """Features of the middle slices of a scan's FLAIR.

    Attributes
    ----------
    air : float
        Value in the corners.
    lightness : float
        Where that value lies between the darkest (0) and the brightest (1).
    filled : float
        Share of the slices that the head fills; 1 where no head stands out, 0 where nothing does.
    roundness : float
        Dice of the head with the ellipse in its box; the median of the slices, as for the next two.
    symmetry : float
        Dice of the head with its mirror image, left to right.
    anterior_width_ratio : float
        Width of the head in front, at a quarter of its length, over its width behind.
    length_mm, width_mm : float
        Front to back, and across; in pixels where the spacing is unknown.
    truncation : float
        The largest share of a side of the image that the head touches.
    brain : float
        Median value of the brain.
    contrast : float
        Distance between the quartiles of the brain, over that between its median and the air.
    bone : float
        The head's brightest percent, over the brain's median; both above the air.
    tissue_skewness : float
        Quartile skewness of the brain's values over their neighbourhood's mean: negative where most of the
        tissue is bright and the rest dark, as white and grey matter in T1. NaN where too little is seen.
    """

    air: float
    lightness: float
    filled: float
    roundness: float = 0.0
    symmetry: float = 0.0
    anterior_width_ratio: float = 1.0
    length_mm: float = 0.0
    width_mm: float = 0.0
    truncation: float = 0.0
    brain: float = 0.0
    contrast: float = 0.0
    bone: float = 0.0
    tissue_skewness: float = float("nan")


@np.errstate(over="ignore", invalid="ignore")  # values near the end of float32 mean nothing
def measure_features(scan: Scan) -> ImageFeatures:
    """Measure a few slices of a scan's FLAIR."""
    depth, height, width = scan.shape
    stride = max(1, min(height, width) // _PIXELS)
    indices = np.unique(np.linspace(_FROM * (depth - 1), _TO * (depth - 1), _SLICES).round().astype(int))
    voxels = np.stack([scan.slice("flair", z)[::stride, ::stride] for z in indices])
    air = float(np.median(corners_of(voxels)))
    low, high = (float(v) for v in np.percentile(voxels, (0.5, 99.5)))
    if not high > low:
        return ImageFeatures(air, 0.0, 0.0)
    lightness = (air - low) / (high - low)
    dark = air
    if low < air and is_masked(voxels):  # standardised: as air is dark in all other scans
        voxels, dark = np.where(voxels == air, np.float32(low), voxels), low
    head = fill_planes(find_head(voxels))
    areas = head.sum(axis=(1, 2))
    voxels, head = (a[areas > 0.3 * areas.max()] for a in (voxels, head))
    pixel = (scan.spacing[1] * stride, scan.spacing[2] * stride)
    return ImageFeatures(
        air, lightness, float(head.mean()), **_shape(head, pixel), **_tissue(voxels - dark, head, dark)
    )


def _shape(head: NDArray[np.bool_], pixel: tuple[float, float]) -> dict[str, float]:
    numbers = []
    for plane in head:
        box = plane[box_around(plane)]
        length, width = box.shape
        y, x = np.ogrid[-1 : 1 : length * 1j, -1 : 1 : width * 1j]
        widths = box.sum(axis=1)
        front, behind = (
            widths[int(a * length) : int(a * length) + max(1, length // 10)].mean() for a in (0.2, 0.7)
        )
        roundness, symmetry = _dice(box, y**2 + x**2 <= 1), _dice(box, box[:, ::-1])
        numbers.append((roundness, symmetry, front / max(behind, 1), length * pixel[0], width * pixel[1]))
    sides = (head[:, 0], head[:, -1], head[:, :, 0], head[:, :, -1])
    names = ("roundness", "symmetry", "anterior_width_ratio", "length_mm", "width_mm")
    return dict(zip(names, np.median(numbers, axis=0).tolist(), strict=True)) | {
        "truncation": max(float(side.mean()) for side in sides),
    }


def _tissue(voxels: NDArray[np.float32], head: NDArray[np.bool_], air: float) -> dict[str, float]:
    radius = float(np.sqrt(np.median(head.sum(axis=(1, 2))) / np.pi))
    depth = np.stack([ndimage.distance_transform_edt(np.pad(plane, 1))[1:-1, 1:-1] for plane in head])
    brain = depth > _RIM * radius
    if not brain.any():
        return {}
    lower, median, upper = np.percentile(voxels[brain], (25, 50, 75))
    if not median > 0:
        return {}
    numbers = {
        "brain": float(median) + air,
        "contrast": float((upper - lower) / median),
        "bone": float(np.percentile(voxels[head], 99) / median),
    }
    tissue = brain & (voxels > _FLUID * median)
    weights = tissue.astype(np.float32)
    near = (0, _NEAR * radius, _NEAR * radius)
    mean = ndimage.gaussian_filter(voxels * weights, near, truncate=3)
    around = ndimage.gaussian_filter(weights, near, truncate=3)
    relative = voxels[tissue] * around[tissue] / mean[tissue]
    lower, middle, upper = np.percentile(relative, (25, 50, 75))
    if radius >= 25 and upper > lower:  # pixels: else grey matter is not seen
        numbers["tissue_skewness"] = float((lower + upper - 2 * middle) / (upper - lower))
    return numbers


def _dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))
