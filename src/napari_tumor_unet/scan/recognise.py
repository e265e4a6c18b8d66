"""Know a scan again by its voxels, however they are stored, ordered and named."""

from __future__ import annotations

import math

import numpy as np

from napari_tumor_unet.scan.scan import Scan

_TOLERANCE = 1e-4  # of either number: files hold what was computed with other rounding


def brightness_of(scan: Scan) -> tuple[float, float]:
    """Return mean and standard deviation of all voxels of FLAIR, read slice by slice."""
    sums = np.zeros(2)
    for z in range(scan.shape[0]):
        plane = scan.slice("flair", z).astype(np.float64)
        sums += plane.sum(), np.square(plane).sum()
    mean, square = (float(total) / math.prod(scan.shape) for total in sums)
    return mean, math.sqrt(max(square - mean**2, 0.0))


def is_same_scan(brightness: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two scans on one grid, by their :func:`brightness_of`, are the same one."""
    scale = max(map(abs, (*brightness, *other)))
    return all(abs(a - b) <= _TOLERANCE * scale for a, b in zip(brightness, other, strict=True))
