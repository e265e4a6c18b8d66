"""The events and the result of a segmentation; importing them costs no torch."""

from __future__ import annotations

import dataclasses
import math
import mmap
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import plural, size_in_words
from napari_tumor_unet.inference.regions import count_regions
from napari_tumor_unet.model.card import NOT_FOR_THE_CLINIC
from napari_tumor_unet.scan.grid import Grid, grid_of_spacing

if TYPE_CHECKING:
    from napari_tumor_unet.inference.measures import Measures

_NOTHING = "No tumour found."


@dataclass(frozen=True)
class Slices:
    """Progress: probability (n, Y, X), 0 to 255, and mask of the slices named, and how many are done."""

    indices: tuple[int, ...]
    probability: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    done: int
    total: int


@dataclass(frozen=True)
class Warned:
    """Reasons to check a run's result, or not to trust it, as sentences; all that are known so far."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """Size of the tumour in a mask.

    Attributes
    ----------
    voxels, slices, regions : int
        Tumour voxels, slices with tumour, connected regions (faces, edges or corners touching).
    volume_ml : float or None
        None where the scan's spacing is unknown.
    """

    voxels: int
    slices: int
    regions: int
    volume_ml: float | None

    @property
    def sizes(self) -> tuple[str, str, str]:
        """Volume, slices and regions, each in words."""
        volume = size_in_words(self.voxels, self.volume_ml)
        return volume, plural(self.slices, "slice"), plural(self.regions, "region")

    @property
    def size(self) -> str:
        """Volume, slices and regions in words."""
        return ", ".join(self.sizes)

    def __str__(self) -> str:
        if not self.voxels:
            return f"{_NOTHING} {NOT_FOR_THE_CLINIC}"
        return f"Tumour: {self.size}. {NOT_FOR_THE_CLINIC}"


@dataclass(frozen=True)
class LeftOut:
    """Regions that reach the threshold and are not in the mask, as they are weaker, or smaller, than others.

    Attributes
    ----------
    regions, voxels : int
    volume_ml : float or None
        None where the scan's spacing is unknown.
    """

    regions: int
    voxels: int
    volume_ml: float | None


_KEYS = {"min_region_weight": "smallest_region"}
"""Keys in files and layers that are not called as the attributes."""


@dataclass(frozen=True)
class Provenance:
    """How a mask was made; no patient and no path is named.

    ``left_out``, and ``brightness``, mean and standard deviation of the scan's FLAIR, are None in results of
    versions that did not tell them. ``only_slices`` are those that runs of one slice each have segmented;
    None where a run took the whole scan, or did not tell.
    """

    model: str
    model_hash: str
    version: str
    threshold: float
    min_region_weight: float
    sequences: tuple[str, ...]
    device: str
    precision: str
    date: str
    seconds: float
    left_out: LeftOut | None = None
    brightness: tuple[float, float] | None = None
    only_slices: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entries as files and layers hold them."""
        entries = dataclasses.asdict(self)
        if self.only_slices is None:  # as of nearly all masks
            del entries["only_slices"]
        return {_KEYS.get(name, name): value for name, value in entries.items()}

    @classmethod
    def unknown(cls) -> Provenance:
        """Return that of a mask of which nothing is known."""
        return cls("", "", "", 0.5, 0.0, (), "", "", "", 0.0)

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Provenance:
        """Return what :meth:`to_json` gave, lists as tuples; other entries are passed over."""
        keys = {field.name: _KEYS.get(field.name, field.name) for field in dataclasses.fields(cls)}
        fields: dict[str, Any] = {name: entries[key] for name, key in keys.items() if key in entries}
        fields |= {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        if isinstance(left_out := fields.get("left_out"), Mapping):
            fields["left_out"] = LeftOut(**left_out)
        return cls(**fields)


@dataclass(frozen=True)
class Segmentation:
    """The result of a run.

    Attributes
    ----------
    probability : array of uint8
        (Z, Y, X) on the scan's grid; 255 is certain tumour. Empty where it is not known any more.
    mask : array of uint8
        (Z, Y, X), 0 and 1.
    findings : Findings
    provenance : Provenance
    warnings : tuple of str
        Reasons to check the result, or not to trust it; empty where nothing speaks against it.
    grid : Grid, optional
        Where the scan's voxels lie.
    """

    probability: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    findings: Findings
    provenance: Provenance
    warnings: tuple[str, ...] = ()
    grid: Grid | None = field(default=None, repr=False, compare=False)

    @cached_property
    def measures(self) -> Measures:
        """Diameters, product and volume of each region; in voxels where the scan's spacing is unknown."""
        from napari_tumor_unet.inference.measures import measure_on_grid

        grid = self.grid or grid_of_spacing(self.mask.shape, (1.0, 1.0, 1.0), in_mm=False)
        probability = self.probability if self.probability.size else None
        return measure_on_grid(self.mask, grid, probability, self.provenance.threshold)

    def to_json(self) -> dict[str, Any]:
        """Return findings, measures, warnings and provenance, as a sidecar file holds them."""
        return {
            "findings": dataclasses.asdict(self.findings),
            "measures": self.measures.to_json(),
            "warnings": list(self.warnings),
            "provenance": self.provenance.to_json(),
            "note": NOT_FOR_THE_CLINIC,
        }


def headline(findings: Findings, warnings: Collection[str]) -> str:
    """Say what was found in few words, with the strongest caution that the warnings call for."""
    from napari_tumor_unet.inference.result_check import is_doubted, without_part

    found = " · ".join(findings.sizes) if findings.voxels else _NOTHING
    if not warnings:
        return found
    others = without_part(warnings)
    if is_doubted(others):
        caution = "Not to be trusted"
    else:
        caution = "Check" if len(others) == len(warnings) else "Not the whole scan"
    return f"{caution}: {found[0].lower()}{found[1:]}"


def in_short(warnings: Sequence[str]) -> str:
    """Return what the first sentence says before it says why or what to do, and how many more there are."""
    if not warnings:
        return ""
    first = re.split(r"[:;] ", warnings[0], maxsplit=1)[0]
    if len(warnings) == 1:
        return first
    return f"{first.removesuffix('.')}, and {len(warnings) - 1} more"


def count_left_out(regions: Collection[tuple[NDArray[np.intp], ...]], voxel_ml: float | None) -> LeftOut:
    """Count regions that were left out, given by the indices of their voxels."""
    voxels = sum(len(region[0]) for region in regions)
    return LeftOut(len(regions), voxels, None if voxel_ml is None else voxels * voxel_ml)


def spacing_said_by_user(spacing: Iterable[float]) -> dict[str, Any]:
    """Return what a sidecar says of a spacing (z, y, x) that the scan's file does not tell."""
    return {"mm": list(spacing), "said_by": "user"}


def measure(mask: NDArray[np.uint8], voxel_ml: float | None, regions: int | None = None) -> Findings:
    """Measure a mask (Z, Y, X).

    Parameters
    ----------
    mask : array of uint8
    voxel_ml : float or None
        Volume of a voxel, if the spacing is known.
    regions : int, optional
        Number of its regions, where they were counted already.
    """
    voxels = int(np.count_nonzero(mask))
    return Findings(
        voxels=voxels,
        slices=int(mask.any(axis=(1, 2)).sum()),
        regions=count_regions(mask) if regions is None else regions,
        volume_ml=None if voxel_ml is None else voxels * voxel_ml,
    )


def blank(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Zeros that take memory only where something is written, and there in small pages.

    For NumPy's own Linux is asked for huge pages, of which a single one holds several slices.
    """
    if sys.platform == "win32":
        return np.zeros(shape, np.uint8)
    memory = mmap.mmap(-1, math.prod(shape), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if sys.platform == "linux":
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.uint8).reshape(shape)


def update(plane: NDArray[np.uint8], new: NDArray[np.uint8]) -> None:
    """Overwrite a slice (Y, X) where it differs: what stays as it was takes no memory in a blank volume."""
    rows = np.flatnonzero((plane != new).any(axis=1))
    plane[rows] = new[rows]
