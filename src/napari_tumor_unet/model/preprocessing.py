"""Scan to network input, and network output back to the scan's own grid.

The same code serves training and use, and its settings travel inside the model file: a network fed
with anything else than what it was trained on is wrong without saying so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_tumor_unet.model.settings import Preprocessing
from napari_tumor_unet.scan import SEQUENCES, Scan, Sequence
from napari_tumor_unet.scan.head import corners_of, find_deep, find_head, is_masked

_MOST_SLICES = 48  # that statistics are taken from
_MOST_PIXELS = 160  # of a slice's side that statistics are taken from
_BRAIN_PIXELS = 80  # of a slice's side that the brain's statistics are taken from


@dataclass(frozen=True)
class FittedPreprocessing:
    """Preprocessing with what it measured in one scan.

    Attributes
    ----------
    settings : Preprocessing
    box : tuple of int
        (top, bottom, left, right) of the square, in pixels; it may reach past the image.
    mean, std : mapping of sequence to float
        Of the head's voxels, without the brightest and darkest percent; the mean may be the brain's median.
    step : int
        Slices between a slice and the next one of its context.
    air : mapping of sequence to (float, float)
        Where the value of the air lies between those of the head, as in standardised scans: that value, and
        the dark one that stands for it.
    """

    settings: Preprocessing
    box: tuple[int, int, int, int]
    mean: dict[Sequence, float]
    std: dict[Sequence, float]
    step: int = 1
    air: dict[Sequence, tuple[float, float]] = field(default_factory=dict)

    def apply(self, scan: Scan, indices: Iterable[int]) -> Tensor:
        """Make the network's input (N, C, size, size), float32, of the slices named."""
        size, context = self.settings.size, self.settings.context_slices
        cache: dict[tuple[Sequence, int], Tensor] = {}

        def channel(sequence: Sequence, index: int) -> Tensor:
            index = min(max(index, 0), scan.shape[0] - 1)
            sequence = sequence if sequence in scan.sequences else "flair"
            if (sequence, index) not in cache:
                pixels = scan.slice(sequence, index)
                if sequence in self.air:
                    value, dark = self.air[sequence]
                    pixels = np.where(pixels == value, np.float32(dark), pixels)
                pixels = (pixels - self.mean[sequence]) / self.std[sequence]
                square = _crop(torch.from_numpy(pixels.clip(-4, 8)), self.box)
                cache[sequence, index] = F.interpolate(
                    square[None, None], (size, size), mode="bilinear", antialias=True
                )[0, 0]
            return cache[sequence, index]

        offsets = [o * self.step for o in range(-context, context + 1) if o]
        return torch.stack(
            [
                torch.stack([channel(s, i) for s in SEQUENCES] + [channel("flair", i + o) for o in offsets])
                for i in indices
            ]
        )

    def invert(self, probability: Tensor, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Bring a probability (N, size, size) back to the scan's grid (N, Y, X), as 0 to 255."""
        top, bottom, left, right = self.box
        square = F.interpolate(
            probability[:, None], (bottom - top, right - left), mode="bilinear", antialias=True
        )
        full = torch.zeros((len(probability), *shape), dtype=torch.uint8)
        rows, columns = slice(max(top, 0), min(bottom, shape[0])), slice(max(left, 0), min(right, shape[1]))
        part = square[:, 0, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        full[:, rows, columns] = (part * 255).round().clamp(0, 255).to(torch.uint8)
        return full.numpy()


def fit_preprocessing(scan: Scan, settings: Preprocessing) -> FittedPreprocessing:
    """Measure where the head is, and its intensities, from a subsample where the scan is large."""
    height, width = scan.shape[1:]
    indices = sampled_slices(scan)
    stride = max(1, min(height, width) // _MOST_PIXELS)
    samples = {s: np.stack([scan.slice(s, i)[::stride, ::stride] for i in indices]) for s in scan.sequences}
    head = find_head(samples["flair"])
    coarse = np.s_[:, :: (k := max(1, min(head.shape[1:]) // _BRAIN_PIXELS)), ::k]
    deep = find_deep(head[coarse]) if settings.intensities == "brain" else None
    mean, std, dark_air = {}, {}, {}
    for sequence, sample in samples.items():
        values = sample[head]
        low, high = np.percentile(values, (1, 99))
        air = float(np.median(corners_of(sample)))
        if low < air and is_masked(sample):
            dark_air[sequence] = (air, float(low))
            air = float(low)
        clipped = values.clip(low, high)
        mean[sequence] = float(clipped.mean()) if deep is None else _tissue_median(sample[coarse][deep], air)
        std[sequence] = float(clipped.std()) or 1.0
    return FittedPreprocessing(
        settings,
        box=_box(head, stride, scan) if settings.crop == "head" else (0, height, 0, width),
        mean=mean,
        std=std,
        step=max(1, round(settings.context_mm / scan.spacing[0])) if scan.in_mm else 1,
        air=dark_air,
    )


def _tissue_median(values: NDArray[np.float32], air: float) -> float:
    """Return the median of tissue: fluid, under half as far from air as the median of all, is left out."""
    middle = (float(np.percentile(values, 50)) + air) / 2  # np.median's sum of two may be over float32
    tissue = values[values > middle]
    return float(np.percentile(tissue, 50)) if len(tissue) else middle


def sampled_slices(scan: Scan) -> NDArray[np.int_]:
    """Return the indices of the slices that :func:`fit_preprocessing` measures."""
    depth = scan.shape[0]
    return np.unique(np.linspace(0, depth - 1, min(depth, _MOST_SLICES)).round().astype(int))


def _box(head: NDArray[np.bool_], stride: int, scan: Scan) -> tuple[int, int, int, int]:
    """Find the square (in mm) around the head with a margin of 4 % at each side, in pixels."""
    extents = []
    for axis in (1, 2):
        # Rows that hold a stray voxel or two do not count as head.
        profile = head.sum(axis=tuple({0, 1, 2} - {axis}))
        inside = np.flatnonzero(profile > 0.02 * profile.max())
        extents.append((inside[0] * stride, (inside[-1] + 1) * stride))
    spacing = scan.spacing[1:]
    side = 1.08 * max((stop - start) * s for (start, stop), s in zip(extents, spacing, strict=True))
    edges: list[int] = []
    for (start, stop), s in zip(extents, spacing, strict=True):
        pixels = max(1, round(side / s))
        first = round((start + stop - pixels) / 2)
        edges += [first, first + pixels]
    return edges[0], edges[1], edges[2], edges[3]


def _crop(pixels: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """Cut a box out of a slice (Y, X); what lies outside of the image is air, its darkest value."""
    top, bottom, left, right = box
    height, width = pixels.shape
    inside = pixels[max(top, 0) : bottom, max(left, 0) : right]
    padding = (max(-left, 0), max(right - width, 0), max(-top, 0), max(bottom - height, 0))
    return F.pad(inside, padding, value=float(pixels.min()))
