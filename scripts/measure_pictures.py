"""Make the pictures of docs/measures.md, of the bundled sample and its true mask alone.

Run from the repository's root: ``python scripts/measure_pictures.py``
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_tumor_unet.evaluation.follow_up import follow_up
from napari_tumor_unet.evaluation.report import follow_up_page
from napari_tumor_unet.evaluation.report_pictures import draw_lines, draw_slice
from napari_tumor_unet.inference.measures import measure
from napari_tumor_unet.io.datasets.sample import sample_mask, sample_scan
from napari_tumor_unet.io.read import read_labels, read_scan
from napari_tumor_unet.scan import Scan

_DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Write both pictures."""
    scan, mask = read_scan(sample_scan()), np.asarray(read_labels(sample_mask()).sequences["flair"]) > 0
    _lines(scan, mask)
    masks = [_grown(mask, share) for share in (1.0, 0.5, 0.8, 1.2)]
    dates = ("2023-01-01", "2023-07-01", "2024-01-01", "2024-07-01")
    page = follow_up_page(follow_up(masks, spacing=scan.spacing, dates=dates, same_frame=True))
    figure = page.as_figure()
    box = Bbox([[0.4, 4.4], [7.9, 11.3]])  # of an A4 sheet: what is below is empty
    figure.savefig(_DOCS / "follow_up.png", dpi=90, bbox_inches=box, metadata={"Software": None})


def _lines(scan: Scan, mask: NDArray[np.bool_]) -> None:
    """Draw the diameters of the sample's tumour, of a crescent, and of a ring."""
    largest = measure(mask, spacing=scan.spacing).regions[0]
    lines = [largest.longest_line, largest.perpendicular_line]
    figure = Figure(figsize=(9, 3.4), facecolor="white")
    axes = figure.subplots(1, 3)
    draw_slice(scan, "flair", largest.slice, mask[largest.slice].astype(np.uint8), lines, axes[0])
    axes[0].set_title(f"{largest.diameters}, {largest.product:.0f} mm²", size=9)
    y, x = np.mgrid[-64:64, -64:64]
    radius = np.hypot(x, y)
    crescent = (radius < 50) & (np.hypot(x, y - 30) > 45)
    for there, plane in zip(axes[1:], (crescent, (radius < 50) & (radius > 25)), strict=True):
        _phantom(plane, there)
    figure.tight_layout()
    figure.savefig(_DOCS / "diameters.png", dpi=90, metadata={"Software": None})


def _phantom(plane: NDArray[np.bool_], axes: Axes) -> None:
    region = measure(np.stack([plane, plane]), spacing=(5, 1, 1)).regions[0]
    axes.imshow(plane, cmap="gray_r", vmax=2.5)
    draw_lines(axes, [region.longest_line, region.perpendicular_line], "black", "white")
    axes.set_title(f"{region.diameters}, {region.product:.0f} mm²", size=9)
    axes.set_axis_off()


def _grown(mask: NDArray[np.bool_], share: float) -> NDArray[np.uint8]:
    """Shrink or grow a mask in its slices until its volume is a share of what it was."""
    depth = np.stack([distance_transform_edt(p) - distance_transform_edt(~p) for p in mask])
    return (depth >= np.sort(depth[mask.any(axis=(1, 2))], axis=None)[-round(share * mask.sum())]).astype(
        np.uint8
    )


if __name__ == "__main__":
    main()
