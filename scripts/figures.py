"""Figures that are no window: diameters and reports, of the sample, its true mask, and made shapes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt
from scripts.camera import save, without_empty_end
from scripts.sample_files import write_nifti

from napari_tumor_unet import read_scan, segment
from napari_tumor_unet.evaluation.follow_up import follow_up
from napari_tumor_unet.evaluation.report import follow_up_page, scan_page
from napari_tumor_unet.evaluation.report_pictures import draw_lines, draw_slice
from napari_tumor_unet.inference.measures import measure
from napari_tumor_unet.io.datasets.sample import sample_mask, sample_scan
from napari_tumor_unet.io.read import read_labels
from napari_tumor_unet.scan import Scan

DATES = ("2023-01-01", "2023-07-01", "2024-01-01", "2024-07-01")
_SHARES = (1.0, 0.5, 0.8, 1.2)
_A4 = Bbox([[0.4, 0.4], [7.9, 11.3]])  # inches


def write(folder: Path) -> None:
    """Draw what is measured, and the reports of a scan and of a follow-up."""
    scan, mask = sample()
    masks = [_grown(mask, share) for share in _SHARES]
    compared = follow_up(masks, spacing=scan.spacing, dates=DATES, same_frame=True)
    save_figure(_lines(scan, mask), folder / "diameters.webp")
    save_figure(follow_up_page(compared).as_figure(), folder / "follow-up.webp", _A4)
    save_figure(scan_page(scan, segment(scan)).as_figure(), folder / "report.webp", _A4)


def save_figure(figure: Figure, path: Path, box: Bbox | None = None) -> None:
    """Write a figure, or a box of it in inches, as a picture of the docs."""
    drawn = BytesIO()
    figure.savefig(drawn, dpi=100, bbox_inches=box)
    save(without_empty_end(Image.open(drawn).convert("RGB")), path)


def masks_over_time(folder: Path) -> list[Path]:
    """Write the sample's true mask shrunk and grown, as files of four sessions."""
    scan, mask = sample()
    return [
        write_nifti(folder / f"sub-01_ses-0{i}_mask.nii.gz", _grown(mask, share), scan.spacing)
        for i, share in enumerate(_SHARES, 1)
    ]


def sample() -> tuple[Scan, NDArray[np.bool_]]:
    """Return the sample scan and the true mask of its tumour."""
    return read_scan(sample_scan()), np.asarray(read_labels(sample_mask()).sequences["flair"]) > 0


def _lines(scan: Scan, mask: NDArray[np.bool_]) -> Figure:
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
    return figure


def _phantom(plane: NDArray[np.bool_], axes: Axes) -> None:
    region = measure(np.stack([plane, plane]), spacing=(5, 1, 1)).regions[0]
    axes.imshow(plane, cmap="gray_r", vmax=2.5)
    draw_lines(axes, [region.longest_line, region.perpendicular_line], "black", "white")
    axes.set_title(f"{region.diameters}, {region.product:.0f} mm²", size=9)
    axes.set_axis_off()


def _grown(mask: NDArray[np.bool_], share: float) -> NDArray[np.uint8]:
    """Shrink or grow a mask in its slices until its volume is a share of what it was."""
    depth = np.stack([distance_transform_edt(p) - distance_transform_edt(~p) for p in mask])
    least = np.sort(depth[mask.any(axis=(1, 2))], axis=None)[-round(share * mask.sum())]
    return (depth >= least).astype(np.uint8)
