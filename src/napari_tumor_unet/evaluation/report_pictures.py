"""The pictures of a report, which print in grey: slices with outline and lines, curves, silhouettes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from napari_tumor_unet.evaluation.page import Picture
from napari_tumor_unet.evaluation.time_points import FollowUp, TimePoint
from napari_tumor_unet.inference.measures import Line, RegionMeasures
from napari_tumor_unet.inference.result import Segmentation
from napari_tumor_unet.scan import SEQUENCES, Scan, Sequence

_SEQUENCE_NAMES: dict[Sequence, str] = {
    "pre": "T1 before contrast",
    "flair": "FLAIR",
    "post": "T1 after contrast",
}
_MOST_SCANS = 6
_KEY_SLICES, _DOUBTFUL = 2, 3
_BAR_MM = 50


def scan_pictures(
    scan: Scan, result: Segmentation, doubtful: tuple[int, ...]
) -> tuple[tuple[Picture, ...], ...]:
    """Picture the slices of the largest regions in each sequence, the area by slice, and doubtful slices."""
    regions: dict[int, list[RegionMeasures]] = {}
    for region in result.measures.regions:
        if region.slice in regions or len(regions) < _KEY_SLICES:
            regions.setdefault(region.slice, []).append(region)
    sequences = [sequence for sequence in ("flair", *SEQUENCES) if sequence in scan.sequences]
    _, y, x = scan.spacing if scan.in_mm else (1.0, 1.0, 1.0)
    height = scan.shape[1] * y / (scan.shape[2] * x)
    rows = []
    for index, measured in regions.items():
        lines = [line for region in measured for line in (region.longest_line, region.perpendicular_line)]
        caption = f"slice {index}: {measured[0].as_cells()[2]} x {measured[0].as_cells()[3]}"
        rows.append(
            tuple(
                Picture(
                    partial(draw_slice, scan, sequence, index, result.mask[index], lines),
                    f"{_SEQUENCE_NAMES[sequence]}, {caption}",
                    height,
                )
                for sequence in dict.fromkeys(sequences)
            )
        )
    if len(set(sequences)) == 1:
        rows = [tuple(picture for row in rows for picture in row)] if rows else []
    last = [
        Picture(
            partial(draw_slice, scan, "flair", index, result.mask[index], []),
            f"Doubtful: slice {index}",
            height,
        )
        for index in doubtful[:_DOUBTFUL]
    ]
    area = (np.count_nonzero(result.mask, axis=(1, 2)) * y * x) / (100 if scan.in_mm else 1)
    unit = "cm²" if scan.in_mm else "pixels"
    marked = list(regions)
    curve = Picture(
        partial(_draw_profile, area, marked),
        f"Area in each slice, {unit}; dots: slices above",
        0.75,
        ticks=True,
    )
    return (*rows, (curve, *last))


def tells_sides(scan: Scan) -> bool:
    """Tell whether the scan's file says which side is left."""
    return scan.geometry is not None and scan.geometry.oriented


def draw_slice(
    scan: Scan, sequence: Sequence, index: int, mask: NDArray[np.uint8], lines: list[Line], axes: Axes
) -> None:
    """Draw a slice with the mask's outline and lines, all white on black rims as grey print shows them."""
    pixels = scan.slice(sequence, index)
    low, high = np.percentile(pixels, (1, 99.8))
    _, y, x = scan.spacing if scan.in_mm else (1.0, 1.0, 1.0)
    axes.imshow(pixels, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=y / x)
    rim = [withStroke(linewidth=2.2, foreground="black")]
    if mask.any():
        outline = axes.contour(mask, levels=[0.5], colors="white", linewidths=0.8)
        outline.set_path_effects([withStroke(linewidth=1.8, foreground="black")])
    draw_lines(axes, lines, "white", "black")
    style: dict[str, Any] = {"ha": "center", "color": "white", "fontsize": 7, "path_effects": rim}
    if tells_sides(scan):
        axes.text(0.04, 0.5, "R", transform=axes.transAxes, **style)
        axes.text(0.96, 0.5, "L", transform=axes.transAxes, **style)
    if scan.in_mm and _BAR_MM / x < pixels.shape[1] / 2:
        start, bottom = pixels.shape[1] * 0.05, pixels.shape[0] * 0.95
        axes.plot(
            [start, start + _BAR_MM / x], [bottom, bottom], color="white", linewidth=1.5, path_effects=rim
        )
        axes.text(start, bottom * 0.985, f"{_BAR_MM} mm", color="white", fontsize=6, path_effects=rim)
    axes.set_axis_off()


def draw_lines(axes: Axes, lines: list[Line], colour: str, edge: str) -> None:
    """Draw diameters on a slice, the longest solid and the perpendicular dashed in turn."""
    for i, line in enumerate(lines):
        (_, y0, x0), (_, y1, x1) = line
        style = "-" if i % 2 == 0 else (0, (3, 1.5))
        axes.plot(
            [x0, x1],
            [y0, y1],
            color=colour,
            linestyle=style,
            linewidth=1.1,
            path_effects=[withStroke(linewidth=2.2, foreground=edge)],
        )


def _draw_profile(area: NDArray[np.float64], marked: list[int], axes: Axes) -> None:
    axes.fill_between(np.arange(len(area)), area, step="mid", color="0.8", edgecolor="0.2", linewidth=0.8)
    axes.plot(marked, area[marked], "o", color="black", markersize=4)
    axes.set_xlabel("slice, from below", fontsize=6, labelpad=1)
    axes.tick_params(labelsize=6, length=2, pad=1)
    axes.set_ylim(0, None)
    axes.spines[["top", "right"]].set_visible(False)


def curves(result: FollowUp) -> tuple[Picture, ...]:
    """Picture the sizes over time."""
    days = [point.days for point in result.time_points]
    dated = None not in days
    at = [float(day or 0) for day in days] if dated else [float(i + 1) for i in range(len(days))]
    label = "days since baseline" if dated else "scan"
    kinds = [(f"Volume, {result.unit}", [point.size for point in result.time_points])]
    if result.unit == "ml":
        products = [point.measures.sum_of_products_mm2 or 0.0 for point in result.time_points]
        kinds.append(("Sum of products, mm²", products))
    return tuple(
        Picture(partial(_draw_curve, at, values, result.baseline, label), caption, 0.6, ticks=True)
        for caption, values in kinds
    )


def _draw_curve(at: list[float], values: list[float], baseline: int, label: str, axes: Axes) -> None:
    axes.plot(at, values, "-o", color="black", markersize=4, linewidth=1.2)
    axes.axhline(values[baseline], color="0.5", linewidth=0.8, linestyle=":")
    for i, (x, value) in enumerate(zip(at, values, strict=True)):
        below = i > 0 and 0.2 * max(values) < value < values[i - 1]
        axes.annotate(
            f"{value:.3g}" if value < 1000 else f"{value:.0f}",
            (x, value),
            (0, -11 if below else 5),
            textcoords="offset points",
            fontsize=7,
            ha="center",
        )
    axes.set_xlabel(label, fontsize=7, labelpad=1)
    if label == "scan":
        axes.set_xticks(at)
    axes.tick_params(labelsize=6.5, length=2, pad=1)
    axes.set_ylim(0, max([*values, 1e-6]) * 1.2)
    axes.margins(x=0.08)
    axes.spines[["top", "right"]].set_visible(False)


def silhouettes(result: FollowUp) -> tuple[Picture, ...]:
    """Draw the mask of each scan in the slice of its largest region's diameters, all at one scale."""
    shown = [(i, point) for i, point in enumerate(result.time_points) if point.measures.regions]
    side = 1.2 * max((point.measures.regions[0].longest_diameter for _, point in shown), default=1)
    pictures = []
    for i, point in shown[-_MOST_SCANS:]:
        region = point.measures.regions[0]
        _, _, longest, across, *_ = region.as_cells()
        caption = f"Scan {i + 1}, slice {region.slice}: {longest} x {across}"
        pictures.append(Picture(partial(_draw_silhouette, point, side), caption))
    return tuple(pictures)


def _draw_silhouette(point: TimePoint, side: float, axes: Axes) -> None:
    region, (y, x) = point.measures.regions[0], point.pixel
    assert point.plane is not None
    axes.imshow(point.plane, cmap="gray_r", vmin=0, vmax=2.5, aspect=y / x, interpolation="nearest")
    draw_lines(axes, [region.longest_line, region.perpendicular_line], "black", "white")
    ends = np.array([*region.longest_line, *region.perpendicular_line])[:, 1:]
    middle = (ends.min(axis=0) + ends.max(axis=0)) / 2
    axes.set_xlim(middle[1] - side / 2 / x, middle[1] + side / 2 / x)
    axes.set_ylim(middle[0] + side / 2 / y, middle[0] - side / 2 / y)
    axes.set_xticks([])
    axes.set_yticks([])
