"""Scan to network input, and network output back to the scan's own grid.

The same code serves training and use, and its settings travel inside the model file: a network fed
with anything else than what it was trained on is wrong without saying so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict
from torch import Tensor
from torch.nn import functional as F

from napari_tumor_unet.scan import SEQUENCES, Scan, Sequence
from napari_tumor_unet.scan.head import corners_of, find_deep, find_head, is_masked

_MOST_SLICES = 48  # that statistics are taken from
_MOST_PIXELS = 160  # of a slice's side that statistics are taken from


@dataclass(frozen=True)
class Preparation:
    """How a model's input is made of a scan.

    Attributes
    ----------
    size : int
        Side of the square input, in pixels.
    field : {"head", "image"}
        Bring the head, or the whole image, to that size.
    neighbours : int
        FLAIR slices above and below that come as further channels.
    neighbour_mm : float
        How far apart they are, where the scan's spacing is known; else they are next to each other.
    intensities : {"head", "brain"}
        What is 0 in the network's input: the mean of the whole head, fat included, or the median of what
        looks like brain, which does not care whether fat is bright, suppressed or cut off. The head's
        standard deviation is 1 in both.
    """

    # An unknown entry of a model file may change the result.
    __pydantic_config__ = ConfigDict(extra="forbid")

    size: int = 192
    field: Literal["head", "image"] = "head"
    neighbours: int = 1
    neighbour_mm: float = 5.0
    intensities: Literal["head", "brain"] = "head"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is 1 or more, not {self.size}.")
        if self.neighbours < 0:
            raise ValueError(f"neighbours is 0 or more, not {self.neighbours}.")
        if not self.neighbour_mm > 0:
            raise ValueError(f"neighbour_mm is more than 0, not {self.neighbour_mm}.")
        if self.field not in ("head", "image"):
            raise ValueError(f"field is head or image, not {self.field!r}.")
        if self.intensities not in ("head", "brain"):
            raise ValueError(f"intensities is head or brain, not {self.intensities!r}.")

    @property
    def channels(self) -> int:
        """Channels of the input: pre, FLAIR, post, then the neighbours from the lowest to the highest."""
        return len(SEQUENCES) + 2 * self.neighbours


@dataclass(frozen=True)
class Frame:
    """What preparation found out about one scan.

    Attributes
    ----------
    box : tuple of int
        (top, bottom, left, right) of the square, in pixels; it may reach past the image.
    mean, std : mapping of sequence to float
        Of the head's voxels, without the brightest and darkest percent; the mean may be the brain's median.
    step : int
        Slices between a slice and its neighbours.
    air : mapping of sequence to (float, float)
        Where the value of the air lies between those of the head, as in standardised scans: that value, and
        the dark one that stands for it.
    """

    box: tuple[int, int, int, int]
    mean: dict[Sequence, float]
    std: dict[Sequence, float]
    step: int
    air: dict[Sequence, tuple[float, float]] = field(default_factory=dict)


def find_frame(scan: Scan, preparation: Preparation) -> Frame:
    """Measure the scan's head and intensities, from a subsample where the scan is large."""
    height, width = scan.shape[1:]
    indices = sampled_slices(scan)
    stride = max(1, min(height, width) // _MOST_PIXELS)
    samples = {s: np.stack([scan.slice(s, i)[::stride, ::stride] for i in indices]) for s in scan.sequences}
    head = find_head(samples["flair"])
    deep = find_deep(head) if preparation.intensities == "brain" else None
    mean, std, dark_air = {}, {}, {}
    for sequence, sample in samples.items():
        values = sample[head]
        low, high = np.percentile(values, (1, 99))
        air = float(np.median(corners_of(sample)))
        if low < air and is_masked(sample):
            dark_air[sequence] = (air, float(low))
            air = float(low)
        clipped = values.clip(low, high)
        mean[sequence] = float(clipped.mean()) if deep is None else _tissue_median(sample[deep], air)
        std[sequence] = float(clipped.std()) or 1.0
    return Frame(
        box=_box(head, stride, scan) if preparation.field == "head" else (0, height, 0, width),
        mean=mean,
        std=std,
        step=max(1, round(preparation.neighbour_mm / scan.spacing[0])) if scan.in_mm else 1,
        air=dark_air,
    )


def _tissue_median(values: NDArray[np.float32], air: float) -> float:
    """The median of tissue: of what is no fluid, so at least half as far from air as the median of all."""
    middle = (float(np.median(values)) + air) / 2
    tissue = values[values > middle]
    return float(np.median(tissue)) if len(tissue) else middle


def sampled_slices(scan: Scan) -> NDArray[np.int_]:
    """The slices that :func:`find_frame` looks at."""
    depth = scan.shape[0]
    return np.unique(np.linspace(0, depth - 1, min(depth, _MOST_SLICES)).round().astype(int))


def prepare(scan: Scan, frame: Frame, preparation: Preparation, indices: Iterable[int]) -> Tensor:
    """The network's input (N, C, size, size), float32, for the slices named."""
    size = preparation.size
    cache: dict[tuple[Sequence, int], Tensor] = {}

    def channel(sequence: Sequence, index: int) -> Tensor:
        index = min(max(index, 0), scan.shape[0] - 1)
        sequence = sequence if sequence in scan.sequences else "flair"
        if (sequence, index) not in cache:
            pixels = scan.slice(sequence, index)
            if sequence in frame.air:
                value, dark = frame.air[sequence]
                pixels = np.where(pixels == value, np.float32(dark), pixels)
            pixels = (pixels - frame.mean[sequence]) / frame.std[sequence]
            square = _crop(torch.from_numpy(pixels.clip(-4, 8)), frame.box)
            cache[sequence, index] = F.interpolate(
                square[None, None], (size, size), mode="bilinear", antialias=True
            )[0, 0]
        return cache[sequence, index]

    offsets = [o * frame.step for o in range(-preparation.neighbours, preparation.neighbours + 1) if o]
    return torch.stack(
        [
            torch.stack(
                [channel(sequence, i) for sequence in SEQUENCES] + [channel("flair", i + o) for o in offsets]
            )
            for i in indices
        ]
    )


def restore(probability: Tensor, frame: Frame, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring a probability (N, size, size) back to the scan's grid (N, Y, X), as 0 to 255."""
    top, bottom, left, right = frame.box
    square = F.interpolate(
        probability[:, None], (bottom - top, right - left), mode="bilinear", antialias=True
    )
    full = torch.zeros((len(probability), *shape), dtype=torch.uint8)
    inside = (slice(max(top, 0), min(bottom, shape[0])), slice(max(left, 0), min(right, shape[1])))
    part = square[
        :, 0, inside[0].start - top : inside[0].stop - top, inside[1].start - left : inside[1].stop - left
    ]
    full[:, inside[0], inside[1]] = (part * 255).round().clamp(0, 255).to(torch.uint8)
    return full.numpy()


def _box(head: NDArray[np.bool_], stride: int, scan: Scan) -> tuple[int, int, int, int]:
    """The square (in mm) around the head with a margin of 4 % at each side, in pixels."""
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
