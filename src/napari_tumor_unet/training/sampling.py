"""Scans of a training as the network sees them, and the batches that are drawn from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_tumor_unet.model.preprocessing import Preparation, find_frame, prepare
from napari_tumor_unet.scan import SEQUENCES, Scan
from napari_tumor_unet.training.augmentation import augment, strip_skull
from napari_tumor_unet.training.recipe import Recipe

_FLAIR = SEQUENCES.index("flair")


@dataclass(frozen=True)
class PreparedScan:
    """A scan as the network sees it.

    Attributes
    ----------
    images : Tensor
        (Z, 3, size, size), float16.
    mask : Tensor
        (Z, size, size), bool.
    step : int
        Slices between a slice and its neighbours.
    slices : tuple of int, optional
        Those alone that are learned from, or judged; by default all.
    brain : Tensor, optional
        (Z, size, size), bool.
    """

    images: Tensor
    mask: Tensor
    step: int = 1
    slices: tuple[int, ...] | None = None
    brain: Tensor | None = None

    @property
    def used(self) -> list[int]:
        """The slices that are learned from, or judged."""
        return list(range(len(self.mask)) if self.slices is None else self.slices)

    def inputs(self, indices: list[int], neighbours: int, stretch: int = 1) -> Tensor:
        """The network's input (N, 3 + 2 * neighbours, size, size), float32; the end slices are repeated.

        ``stretch`` takes the neighbours from so many times as far.
        """
        offsets = [o * self.step * stretch for o in range(-neighbours, neighbours + 1) if o]
        beside = [self.images[_clamped(indices, o, len(self.images)), _FLAIR][:, None] for o in offsets]
        return torch.cat([self.images[indices], *beside], dim=1).float()


def prepare_scan(
    scan: Scan, mask: Any, preparation: Preparation, brain: NDArray[np.bool_] | None = None
) -> PreparedScan:
    """Prepare every slice of a scan, and its mask and brain (Z, Y, X) in the same way."""
    frame = find_frame(scan, preparation)
    alone = dataclasses.replace(preparation, neighbours=0)
    images = torch.cat([prepare(scan, frame, alone, [z]).half() for z in range(scan.shape[0])])
    unscaled = dataclasses.replace(frame, mean={"flair": 0.0}, std={"flair": 1.0}, air={})

    def seen(voxels: Any) -> Tensor:
        masks = Scan("mask", {"flair": voxels})
        parts = [prepare(masks, unscaled, alone, [z])[:, _FLAIR] > 0.5 for z in range(scan.shape[0])]
        return torch.cat(parts)

    return PreparedScan(images, seen(mask), frame.step, brain=None if brain is None else seen(brain))


def brain_of(scan: Scan, mask: Any) -> NDArray[np.bool_]:
    """The brain of a scan, roughly, and all of its mask (Z, Y, X)."""
    return strip_skull(np.stack([scan.slice("flair", z) for z in range(scan.shape[0])]), mask)


def without_skull(scan: Scan, brain: NDArray[np.bool_]) -> Scan:
    """The scan with all but its brain set to 0."""
    bare = {name: np.where(brain, np.asarray(array), 0) for name, array in scan.sequences.items()}
    return dataclasses.replace(scan, sequences=bare)


class Sampler:
    """Draws the batches of an epoch.

    Parameters
    ----------
    whole, stripped : list of PreparedScan
        The scans, and the same without skulls (or nothing, if the recipe wants none).
    recipe : Recipe
        How many slices of which kind, and how they are changed.

    Raises
    ------
    ValueError
        If there is no tumour in any mask.
    """

    def __init__(self, whole: list[PreparedScan], stripped: list[PreparedScan], recipe: Recipe) -> None:
        self._variants = (whole, stripped or whole)
        self._recipe = recipe
        where = [(s, z, bool(p.mask[z].any())) for s, p in enumerate(whole) for z in p.used]
        self._tumour = [(s, z) for s, z, tumour in where if tumour]
        if not self._tumour:
            raise ValueError("No training mask holds any tumour.")
        healthy = {s for s, p in enumerate(whole) if not p.mask.any()}
        self._healthy = [(s, z) for s, z, _ in where if s in healthy]
        free = [(s, z) for s, z, tumour in where if not tumour]
        self._free = [(s, z) for s, z in free if s not in healthy or not recipe.sampling.healthy_share]
        self._free = self._free or self._healthy or self._tumour

    @property
    def steps(self) -> int:
        """Whole batches in an epoch; slices that fill none are left out, other ones each time."""
        return max(1, self._slices // self._recipe.optimisation.batch_size)

    @property
    def _slices(self) -> int:
        sampling = self._recipe.sampling
        return sampling.slices or round(len(self._tumour) / sampling.tumour_share)

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches: images (N, C, H, W) and masks (N, 1, H, W), float32; all chance from ``generator``."""
        size = self._recipe.optimisation.batch_size
        draw = self._by_chance if self._recipe.sampling.slices else self._each_tumour_slice
        slices = draw(generator)
        for step in range(self.steps):
            images, masks, brains = self._batch(slices[step * size : (step + 1) * size], generator)
            yield augment(images, masks, self._recipe.augmentation, generator, brains)

    def _by_chance(self, generator: torch.Generator) -> list[tuple[int, int]]:
        share, healthy = self._recipe.sampling.tumour_share, self._recipe.sampling.healthy_share
        chances = torch.rand((self._slices, 2), generator=generator).tolist()

        def source(kind: float) -> list[tuple[int, int]]:
            if kind < share:
                return self._tumour
            return self._healthy if self._healthy and kind >= 1 - healthy else self._free

        return [source(kind)[int(which * len(source(kind)))] for kind, which in chances]

    def _each_tumour_slice(self, generator: torch.Generator) -> list[tuple[int, int]]:
        missing = self._slices - len(self._tumour)
        free: list[tuple[int, int]] = []
        while len(free) < missing:  # all of them once before any comes twice
            order = torch.randperm(len(self._free), generator=generator).tolist()
            free += [self._free[i] for i in order]
        slices = self._tumour + free[:missing]
        return [slices[i] for i in torch.randperm(len(slices), generator=generator).tolist()]

    def _batch(
        self, slices: list[tuple[int, int]], generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        settings, neighbours = self._recipe.augmentation, self._recipe.preparation.neighbours
        images, masks, brains = [], [], []
        for (scan, z), (strip, other, far) in zip(
            slices, torch.rand((len(slices), 3), generator=generator).tolist(), strict=True
        ):
            prepared = self._variants[strip < settings.stripped][scan]
            stretch = (0 if far < 0.4 else 2) if other < settings.other_spacing else 1
            images.append(prepared.inputs([z], neighbours, stretch))
            masks.append(prepared.mask[z])
            if prepared.brain is not None:
                brains.append(prepared.brain[z])
        outlines = torch.stack(brains)[:, None].float() if len(brains) == len(slices) else None
        return torch.cat(images), torch.stack(masks)[:, None].float(), outlines


def _clamped(indices: list[int], offset: int, n: int) -> list[int]:
    return [min(max(i + offset, 0), n - 1) for i in indices]
