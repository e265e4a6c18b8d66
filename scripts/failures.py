"""A figure of what the model gets wrong, on the sample's FLAIR changed by numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scripts.figures import sample, save_figure
from scripts.tumour_at_all import paint_over

from napari_tumor_unet import segment
from napari_tumor_unet.evaluation.report_pictures import draw_slice
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.scan.head import find_midline

_LESIONS = ((15, 72, 110), (16, 105, 96), (17, 80, 152), (18, 118, 150), (18, 96, 100), (19, 64, 140))
Volume = NDArray[np.float32]


def write(path: Path) -> None:
    """Segment the sample changed in six ways, and draw the slice of each that is most wrong."""
    scan, mask = sample()
    figure = Figure(figsize=(9, 6.6), facecolor="white")
    cases = _cases(scan.flair_alone(), scan, mask)
    for axes, (what, changed, truth) in zip(figure.subplots(2, 3).flat, cases, strict=True):
        result = segment(changed)
        drawn = np.asarray(result.mask) > 0
        z = int((drawn ^ truth).sum(axis=(1, 2)).argmax())
        draw_slice(changed, "flair", z, drawn[z].astype(np.uint8), [], axes)
        if truth[z].any():
            line = axes.contour(truth[z], levels=[0.5], colors="white", linewidths=0.9, linestyles="dashed")
            line.set_path_effects([withStroke(linewidth=1.8, foreground="black")])
        ml = np.prod(scan.spacing) / 1000
        sizes = f"drawn {drawn.sum() * ml:.1f} ml, true {truth.sum() * ml:.1f} ml"
        axes.set_title(f"{what}\n{sizes}, {'warned' if result.warnings else 'not warned'}", size=9)
    figure.tight_layout(h_pad=2)
    save_figure(figure, path)


def _cases(flair: Scan, scan: Scan, mask: NDArray[np.bool_]) -> list[tuple[str, Scan, NDArray[np.bool_]]]:
    """Return what was changed, the scan with it, and its true mask."""
    healthy = paint_over(flair, mask)
    midline = find_midline(voxels := np.asarray(flair.sequences["flair"], np.float32))
    assert healthy is not None
    assert midline is not None
    without = np.asarray(healthy.sequences["flair"])
    bright = float(np.median(voxels[mask]))
    z, y, x = (int(at) for at in np.argwhere(mask).mean(axis=0))
    second = _ball(flair, (z + 1, y + 20, round(2 * midline[0] - x)), 18)
    lesions = np.any([_ball(flair, place, 7) for place in _LESIONS], axis=0)
    none = np.zeros_like(mask)

    def changed(to: Any) -> Scan:
        return replace(flair, sequences={"flair": to})

    return [
        ("Half of the tumour's contrast", changed((without + voxels) / 2), mask),
        ("A third of the tumour's contrast", changed(without + (voxels - without) / 3), mask),
        ("A second tumour", changed(_brightened(voxels, second, bright)), mask | second),
        ("No tumour", healthy, none),
        ("No tumour, six lesions", changed(_brightened(without, lesions, bright)), none),
        ("T1 taken for FLAIR", changed(scan.sequences["pre"]), mask),
    ]


def _ball(scan: Scan, centre: tuple[int, int, int], radius: float) -> NDArray[np.bool_]:
    """Return the voxels within a radius in mm."""
    away = np.indices(np.shape(scan.sequences["flair"])) - np.reshape(centre, (3, 1, 1, 1))
    return np.asarray(np.linalg.norm(away * np.reshape(scan.spacing, (3, 1, 1, 1)), axis=0) < radius)


def _brightened(voxels: Volume, where: NDArray[np.bool_], level: float) -> Volume:
    """Return voxels that have a level in some places, with soft edges."""
    return np.asarray(voxels + gaussian_filter(where.astype(np.float32), (0, 1, 1)) * (level - voxels))
