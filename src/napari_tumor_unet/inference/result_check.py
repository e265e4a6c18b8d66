"""Check the result: warn of a mask that is unlike the masks of tumours.

The limits are those of the model, in its card: they hold for its own probabilities, and for those of models
that were fine-tuned from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_tumor_unet._common import size_in_words
from napari_tumor_unet.model.card import MaskLimits
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.scan.head import corners_of, find_deep, find_head

_PIXELS = 64  # of a slice's shorter side, at least
_SLICES = 6  # that the midline is sought in
_MOST_MARKED = 24  # slices that are compared with their other side
_FROM, _TO = 0.35, 0.75  # of the way up: brain, above the face and under the crown
_ANGLES = range(-8, 9, 2)  # degrees that a head may lie turned by
_SHIFT = 0.06  # of the width, that the midline may lie beside the middle of the head
_NAMED = 5  # slices in one warning; more are counted
_FLUID = 0.5  # of the brain's median: what is darker is no tissue

_UNSURE, _ALIKE, _SMALL, _GAPS, _PART = (
    "The model is unsure of the mask",
    "The mask is hardly brighter",
    "The mask is small",
    "FLAIR is empty",
    "Only ",
)


@dataclass(frozen=True)
class Signs:
    """What tells masks of tumours from others.

    Attributes
    ----------
    mean_probability : float
        Of the mask's voxels.
    contrast : float
        How much brighter the mask is in FLAIR than the same place on the other side, in robust standard
        deviations of the brain's tissue; NaN where no brain is seen.
    volume_ml : float
        NaN where the scan's spacing is unknown.
    """

    mean_probability: float
    contrast: float
    volume_ml: float


def doubts_of(
    scan: Scan,
    probability: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    limits: MaskLimits,
    computed: list[int] | None = None,
) -> tuple[str, ...]:
    """List why a mask may be of no tumour; empty where nothing speaks against it, or it is empty.

    Parameters
    ----------
    scan : Scan
    probability, mask : array
        (Z, Y, X), from 0 to 255 and from 0 to 1.
    limits : MaskLimits
        What masks of tumours have at least.
    computed : list of int, optional
        Slices that the model computed; by default all. Interpolated probabilities are lower at the ends.

    Returns
    -------
    tuple of str
        Sentences, each with a reason and what to do.
    """
    signs = signs_of(scan, probability, mask, computed)
    if signs is None:
        return ()
    doubts = []
    if signs.mean_probability < limits.mean_probability:
        doubts.append(
            f"{_UNSURE}: its mean probability is {signs.mean_probability:.2f}, that of "
            f"most tumours {limits.mean_probability:.2f} or more; check whether there is a tumour at all."
        )
    if signs.contrast < limits.contrast:
        doubts.append(
            f"{_ALIKE} in FLAIR than the same place on the other side of the head; check whether it is a "
            "tumour, or shading of the image."
        )
    if signs.volume_ml < limits.volume_ml:
        doubts.append(
            f"{_SMALL}, {size_in_words(0, signs.volume_ml)}; check whether it is a tumour, or a lesion of "
            "another disease."
        )
    return tuple(doubts)


def doubts_of_gaps(computed: Iterable[int], filled: Collection[int]) -> tuple[str, ...]:
    """Say which slices between those of the head show nothing, as where values are missing.

    Parameters
    ----------
    computed, filled : collection of int
        Slices that were looked at, and those in which there is something.
    """
    gaps = [z for z in computed if z not in filled and min(filled, default=z) < z < max(filled, default=z)]
    if not gaps:
        return ()
    first, last = min(gaps), max(gaps)
    where = f"slice {first}" if first == last else f"slices from {first} to {last}"
    return (f"{_GAPS} in {where}; a tumour there is missing from the mask, so take a whole scan.",)


def part_of_scan(slices: Sequence[int], depth: int) -> str:
    """Say which slices of a scan were segmented, each by itself, so that nothing looked at the whole mask."""
    if len(slices) == depth:
        return "Each slice was segmented by itself: segment the whole scan to have the mask checked."
    named = f"slice{'s' * (len(slices) > 1)} {', '.join(map(str, slices))}"
    which = named if len(slices) <= _NAMED else f"{len(slices)} slices"
    was = "was" if len(slices) == 1 else "were"
    return f"{_PART}{which} of {depth} {was} segmented; a tumour elsewhere may be missing from the mask."


def about_part(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return of warnings what :func:`part_of_scan` says."""
    return tuple(text for text in warnings if text.startswith(_PART))


def without_part(warnings: Iterable[str]) -> tuple[str, ...]:
    """Leave out of warnings what :func:`part_of_scan` says."""
    return tuple(text for text in warnings if not text.startswith(_PART))


def is_doubted(warnings: Iterable[str]) -> bool:
    """Tell whether one of a mask's warnings doubts the mask itself, by its words, as files keep no more."""
    return any(text.startswith((_UNSURE, _ALIKE, _SMALL, _GAPS, _PART)) for text in warnings)


def signs_of(
    scan: Scan,
    probability: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    computed: list[int] | None = None,
) -> Signs | None:
    """Measure a mask (Z, Y, X) and its surroundings; return None where it is empty."""
    marked = [z for z, plane in enumerate(mask) if plane.any()]
    if not marked:
        return None
    where = [z for z in marked if computed is None or z in computed] or marked
    inside = probability[where][mask[where] > 0]
    volume = np.nan if scan.voxel_ml is None else np.count_nonzero(mask) * scan.voxel_ml
    return Signs(float(inside.mean()) / 255, _contrast(scan, mask), volume)


@np.errstate(over="ignore", invalid="ignore")  # values near the end of float32 tell nothing
def _contrast(scan: Scan, mask: NDArray[np.uint8]) -> float:
    depth, height, width = scan.shape
    stride = max(1, min(height, width) // _PIXELS)
    there = np.flatnonzero(mask.any(axis=(1, 2)))
    there = there[:: -(-len(there) // _MOST_MARKED)]
    middle = np.linspace(_FROM * (depth - 1), _TO * (depth - 1), _SLICES).round().astype(int)

    def planes(indices: NDArray[np.int_]) -> NDArray[np.float32]:
        return np.stack([scan.slice("flair", int(z))[::stride, ::stride] for z in indices])

    around = planes(middle)
    head = find_head(around)
    air = float(np.median(corners_of(around)))
    deep = around[find_deep(head)] - air
    tissue = deep[deep > _FLUID * np.median(deep)]
    if not len(tissue):
        return float("nan")
    spread = 1.4826 * float(np.median(np.abs(tissue - np.median(tissue))))
    angle, centre = _find_midline(np.where(head, around - air, 0))
    flair, marked = planes(there) - air, mask[there, ::stride, ::stride] > 0
    other = _mirror(flair, angle, centre)
    single = marked & (_mirror(marked.astype(np.float32), angle, centre) < 0.5)
    where = single if single.sum() > marked.sum() // 20 else marked
    if not (where.any() and spread > 0):
        return float("nan")
    return float(np.median(flair[where] - other[where])) / spread


def _find_midline(voxels: NDArray[np.float32]) -> tuple[float, float]:
    """Find the angle in degrees, and the column, at which a head (Z, Y, X) is most like its mirror image."""
    width = voxels.shape[2]
    columns = np.flatnonzero(voxels.any(axis=(0, 1)))
    middle = (columns[0] + columns[-1]) / 2 if len(columns) else (width - 1) / 2
    reach = max(1, round(_SHIFT * width))
    best = (-np.inf, 0.0, middle)
    for angle in _ANGLES:
        turned = _turn(voxels, angle)
        for centre in middle + np.arange(-reach, reach + 0.5, 0.5):
            inside, opposite = _opposite(width, centre)
            one, two = turned[:, :, inside].ravel(), turned[:, :, opposite].ravel()
            norm = float(np.linalg.norm(one) * np.linalg.norm(two))
            likeness = float(one @ two) / norm if norm else 0.0
            best = max(best, (likeness, float(angle), float(centre)))
    return best[1], best[2]


def _mirror(voxels: NDArray[np.float32], angle: float, centre: float) -> NDArray[np.float32]:
    turned = _turn(voxels, angle)
    mirrored = np.zeros_like(turned)
    inside, opposite = _opposite(voxels.shape[2], centre)
    mirrored[:, :, inside] = turned[:, :, opposite]
    return _turn(mirrored, -angle)


def _turn(voxels: NDArray[np.float32], angle: float) -> NDArray[np.float32]:
    if not angle:
        return voxels
    turned: NDArray[np.float32] = ndimage.rotate(voxels, angle, axes=(1, 2), reshape=False, order=1)
    return turned


def _opposite(width: int, centre: float) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Return the columns that have one opposite them, and those."""
    opposite = np.round(2 * centre - np.arange(width)).astype(int)
    inside = np.flatnonzero((opposite >= 0) & (opposite < width))
    return inside, opposite[inside]
