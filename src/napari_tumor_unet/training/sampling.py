"""Cases of a training as the network sees them, and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_tumor_unet.model.preprocessing import fit_preprocessing
from napari_tumor_unet.model.settings import Preprocessing
from napari_tumor_unet.scan import SEQUENCES, Scan
from napari_tumor_unet.scan.head import fill_planes, find_head
from napari_tumor_unet.training.augmentation import augment
from napari_tumor_unet.training.recipe import Recipe

_FLAIR = SEQUENCES.index("flair")


@dataclass(frozen=True)
class PreprocessedCase:
    """A scan as the network sees it.

    Attributes
    ----------
    images : Tensor
        (Z, 3, size, size), float16.
    mask : Tensor
        (Z, size, size), bool.
    context_step : int
        Slices between a slice and the next one of its context.
    slices : tuple of int, optional
        Those alone that are learned from, or judged; by default all.
    brain : Tensor, optional
        (Z, size, size), bool.
    """

    images: Tensor
    mask: Tensor
    context_step: int = 1
    slices: tuple[int, ...] | None = None
    brain: Tensor | None = None

    @property
    def used(self) -> list[int]:
        """The slices that are learned from, or judged."""
        return list(range(len(self.mask)) if self.slices is None else self.slices)

    def inputs(self, indices: list[int], context_slices: int, spread: int = 1) -> Tensor:
        """Make the network's input (N, 3 + 2 * context_slices, size, size), float32.

        The end slices are repeated; ``spread`` takes the context from so many times as far.
        """
        last, step = len(self.images) - 1, self.context_step * spread
        offsets = [o * step for o in range(-context_slices, context_slices + 1) if o]
        around = [torch.tensor(indices).add(o).clamp(0, last) for o in offsets]
        context = [self.images[those, _FLAIR][:, None] for those in around]
        return torch.cat([self.images[indices], *context], dim=1).float()


def preprocess_case(
    scan: Scan, mask: Any, preprocessing: Preprocessing, brain: NDArray[np.bool_] | None = None
) -> PreprocessedCase:
    """Preprocess every slice of a scan, and its mask and brain (Z, Y, X) in the same way."""
    fitted = fit_preprocessing(scan, preprocessing)
    fitted = replace(fitted, settings=replace(preprocessing, context_slices=0))
    images = torch.cat([fitted.apply(scan, [z]).half() for z in range(scan.shape[0])])
    unscaled = replace(fitted, mean={"flair": 0.0}, std={"flair": 1.0}, air={})

    def resampled(voxels: Any) -> Tensor:
        masks = Scan("mask", {"flair": voxels})
        return torch.cat([unscaled.apply(masks, [z])[:, _FLAIR] > 0.5 for z in range(scan.shape[0])])

    outlined = None if brain is None else resampled(brain)
    return PreprocessedCase(images, resampled(mask), fitted.step, brain=outlined)


def find_brain(scan: Scan, mask: Any) -> NDArray[np.bool_]:
    """Mark the brain of a scan, roughly, and all of its mask (Z, Y, X)."""
    return strip_skull(np.stack([scan.slice("flair", z) for z in range(scan.shape[0])]), mask)


def without_skull(scan: Scan, brain: NDArray[np.bool_]) -> Scan:
    """Set all but the brain (Z, Y, X) of a scan to 0."""
    bare = {name: np.where(brain, np.asarray(array), 0) for name, array in scan.sequences.items()}
    return replace(scan, sequences=bare)


def strip_skull(flair: NDArray[np.float32], keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Make a rough brain mask (Z, Y, X), for skull-stripped training scans alone.

    Scalp and skull are a shell of much the same thickness; under it the brain is the largest region.

    Parameters
    ----------
    flair : array
        (Z, Y, X).
    keep : array of bool
        Voxels known to be brain, the tumour say.
    """
    head = fill_planes(find_head(flair))
    depth = np.stack([ndimage.distance_transform_edt(s) for s in head])
    deep = depth > 0.055 * np.sqrt(head.sum(axis=(1, 2)).max())
    tissue = deep & (flair > 0.5 * np.median(flair[deep]))
    cross = ndimage.generate_binary_structure(2, 1)
    disk = ndimage.iterate_structure(cross, max(1, flair.shape[1] // 85))[None]
    core = ndimage.binary_erosion(tissue, disk)
    regions, n = ndimage.label(core)
    if n:
        core = regions == np.bincount(regions.ravel())[1:].argmax() + 1
    brain = (ndimage.binary_dilation(core, disk) & deep) | keep
    closed = ndimage.binary_closing(brain, disk) | keep  # closing eats what touches the image's edge
    return fill_planes(closed)


class Sampler:
    """Draws the batches of an epoch.

    Parameters
    ----------
    whole, stripped : list of PreprocessedCase
        The scans, and the same without skulls (or nothing, if the recipe wants none).
    recipe : Recipe
        How many slices of which kind, and how they are changed.

    Raises
    ------
    ValueError
        If there is no tumour in any mask.
    """

    def __init__(
        self, whole: list[PreprocessedCase], stripped: list[PreprocessedCase], recipe: Recipe
    ) -> None:
        self._variants = (whole, stripped or whole)
        self._recipe = recipe
        where = [(s, z, bool(p.mask[z].any())) for s, p in enumerate(whole) for z in p.used]
        self._tumour = [(s, z) for s, z, tumour in where if tumour]
        if not self._tumour:
            raise ValueError("No training mask holds any tumour.")
        healthy = {s for s, case in enumerate(whole) if not case.mask.any()}
        self._healthy = [(s, z) for s, z, _ in where if s in healthy]
        apart = healthy if recipe.sampling.healthy_share else set()
        background = [(s, z) for s, z, tumour in where if not tumour and s not in apart]
        self._background = background or self._healthy or self._tumour

    @property
    def steps(self) -> int:
        """Whole batches in an epoch; slices that fill none are left out, other ones each time."""
        return max(1, self._slices // self._recipe.optimisation.batch_size)

    @property
    def _slices(self) -> int:
        sampling = self._recipe.sampling
        return sampling.slices or round(len(self._tumour) / sampling.tumour_share)

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches: images (N, C, H, W) and masks (N, 1, H, W), float32, all by ``generator``."""
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
            return self._healthy if self._healthy and kind >= 1 - healthy else self._background

        return [source(kind)[int(which * len(source(kind)))] for kind, which in chances]

    def _each_tumour_slice(self, generator: torch.Generator) -> list[tuple[int, int]]:
        missing = self._slices - len(self._tumour)
        background: list[tuple[int, int]] = []
        while len(background) < missing:  # all of them once before any comes twice
            order = torch.randperm(len(self._background), generator=generator).tolist()
            background += [self._background[i] for i in order]
        slices = self._tumour + background[:missing]
        return [slices[i] for i in torch.randperm(len(slices), generator=generator).tolist()]

    def _batch(
        self, slices: list[tuple[int, int]], generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        settings, context_slices = self._recipe.augmentation, self._recipe.preprocessing.context_slices
        images, masks, brains = [], [], []
        for (scan, z), (strip, other, far) in zip(
            slices, torch.rand((len(slices), 3), generator=generator).tolist(), strict=True
        ):
            prepared = self._variants[strip < settings.skull_stripped][scan]
            spread = (0 if far < 0.4 else 2) if other < settings.other_spacing else 1
            images.append(prepared.inputs([z], context_slices, spread))
            masks.append(prepared.mask[z])
            if prepared.brain is not None:
                brains.append(prepared.brain[z])
        outlines = torch.stack(brains)[:, None].float() if len(brains) == len(slices) else None
        return torch.cat(images), torch.stack(masks)[:, None].float(), outlines
