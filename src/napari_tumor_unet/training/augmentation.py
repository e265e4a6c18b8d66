"""Random changes of training slices, a whole batch at a time, so that they cost little beside the network."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from napari_tumor_unet.model.settings import CONFIG, LATER, Real, Share


@dataclass(frozen=True, config=CONFIG)
class Augmentation:
    """How much of each change; probabilities are per slice.

    Attributes
    ----------
    flip : float
        Probability of a left-right flip.
    rotation, scale, shift : float
        Largest angle (degrees), largest relative change of size, largest shift (share of the image).
    elastic : float
        Largest elastic displacement, as a share of the image.
    intensity : float
        Strength of changes of contrast, brightness, gamma, bias field and noise; 0 is none.
    low_resolution : float
        Probability of a slice blurred as by coarser pixels.
    flair_alone, one_missing : float
        Probability that T1 before and after contrast are both, or one of them, replaced by FLAIR.
    skull_stripped : float
        Probability that the slice comes from the scan with its skull removed; ``stripped`` in files.
    other_spacing : float
        Probability that the slices of the context are further away than usual, or missing.
    carvemix : float
        Probability that the tumour of another slice is blended in, if it lies in the head there;
        ``implanted`` in files.
    necrotic_core : float
        Probability that a tumour gets a dark core, as by necrosis or after surgery; ``hollow`` in files.
    shading : float
        Probability of strong smooth shading, as near the elements of a coil.
    dark_scalp : float
        Probability that all around the brain gets another brightness, mostly darker, as by fat suppression.
    lesions : float
        Probability of small bright spots in the brain that are no tumour, as in multiple sclerosis.
    """

    flip: Share = 0.5
    rotation: Annotated[Real, Field(ge=0, le=180)] = 20.0
    scale: Share = 0.2
    shift: Share = 0.06
    elastic: Share = 0.03
    intensity: Annotated[Real, Field(ge=0, le=3)] = 1.0
    low_resolution: Share = 0.15
    flair_alone: Share = 0.3
    one_missing: Share = 0.1
    skull_stripped: Annotated[Share, Field(alias="stripped")] = 0.25
    other_spacing: Share = 0.15
    carvemix: Annotated[Share, Field(alias="implanted")] = 0.0
    necrotic_core: Annotated[Share, Field(alias="hollow")] = 0.0
    shading: Share = field(default=0.0, metadata=LATER)
    dark_scalp: Share = field(default=0.0, metadata=LATER)
    lesions: Share = field(default=0.0, metadata=LATER)


def augment(
    images: Tensor,
    masks: Tensor,
    settings: Augmentation,
    generator: torch.Generator,
    brains: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Change a batch.

    Parameters
    ----------
    images : Tensor
        (N, C, H, W), standardised; channels pre, FLAIR, post, then the FLAIR slices of the context.
    masks : Tensor
        (N, 1, H, W), 0 and 1.
    settings : Augmentation
        How much.
    generator : torch.Generator
        Where all chance comes from.
    brains : Tensor, optional
        (N, 1, H, W), 0 and 1; without it scalps stay as they are, and there are no lesions.

    Returns
    -------
    images, masks : Tensor
        Of the same shapes; masks again 0 and 1.
    """
    if settings.carvemix:
        images, masks = _carvemix(images, masks, settings.carvemix, generator)
    if settings.necrotic_core:
        images = _darken_core(images, masks, settings.necrotic_core, generator)
    if brains is not None and settings.lesions:
        images = _add_lesions(images, masks, brains, settings.lesions, generator)
    if brains is not None and settings.dark_scalp:
        images = _darken_scalp(images, brains, settings.dark_scalp, generator)
    grid = _random_grid(images, settings, generator)
    images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    masks = (F.grid_sample(masks, grid, padding_mode="zeros", align_corners=False) > 0.5).float()
    if settings.shading:
        images = _shade(images, settings.shading, generator)
    if settings.intensity:
        images = _change_intensities(images, settings.intensity, generator)
    images = _lower_resolution(images, settings.low_resolution, generator)
    return _drop_sequences(images, settings, generator), masks


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _chance(n: int, probability: float, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator) < probability


def _carvemix(
    images: Tensor, masks: Tensor, probability: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Blend the tumours of other slices in, some of them fainter, where they were in their own heads.

    Heads fill their frames alike, so that a tumour comes to lie in the same part of the brain; after the
    idea of CarveMix (Zhang et al., MICCAI 2021).
    """
    n = len(images)
    chosen = _chance(n, probability, generator)
    mirrored = _chance(n, 0.5, generator)[:, None, None, None]
    strength = _uniform((n, 1, 1, 1), 0.5, 1.0, generator)
    order = torch.randperm(n, generator=generator)
    donors = torch.where(mirrored, images[order].flip(-1), images[order])
    tumours = torch.where(mirrored, masks[order].flip(-1), masks[order])
    rim = 2 * (images.shape[2] // 64) + 1
    wide = F.max_pool2d(tumours, rim, 1, rim // 2)
    soft = F.avg_pool2d(wide, rim, 1, rim // 2, count_include_pad=False)
    flair = images[:, 1:2]
    air = flair < flair.amin((2, 3), keepdim=True) + 0.5
    chosen &= (wide * air).sum((1, 2, 3)) < 0.02 * wide.sum((1, 2, 3))
    there = chosen[:, None, None, None].float()
    blended = images + there * strength * soft * (donors - images)
    return blended, torch.maximum(masks, there * tumours)


def _darken_core(images: Tensor, masks: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Darken the inside of tumours, at most to what the fluid of the ventricles has."""
    n, channels, height, width = images.shape
    window = 2 * (height // 16) + 1
    depth = F.avg_pool2d(masks, window, 1, window // 2)
    depth = depth / depth.amax((2, 3), keepdim=True).clamp(min=1e-3)
    rough = F.interpolate(_uniform((n, 1, 9, 9), -0.3, 0.3, generator), (height, width), mode="bicubic")
    limit = _uniform((n, 1, 1, 1), 0.5, 0.9, generator)
    core = F.avg_pool2d(torch.sigmoid(20 * (depth + rough - limit)) * masks, 3, 1, 1)
    core *= _chance(n, probability, generator)[:, None, None, None]
    flair = _uniform((n, 1, 1, 1), -1.6, 0.3, generator)
    t1 = _uniform((n, 1, 1, 1), -1.6, -0.2, generator)
    level = torch.cat([t1, flair, t1 + 0.2, *[flair] * (channels - 3)], dim=1)
    return images + core * (torch.minimum(images, level) - images)


def _add_lesions(
    images: Tensor, masks: Tensor, brains: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Brighten up to eight small ellipses in FLAIR, away from tumours and from the brain's edge."""
    n, channels, height, width = images.shape
    rim = 2 * (height // 24) + 1
    inside = 1 - F.max_pool2d(torch.maximum(1 - brains, masks), rim, 1, rim // 2)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    images = images.clone()
    chosen = _chance(n, probability, generator) & (inside.sum((1, 2, 3)) > 0)
    for i in chosen.nonzero().flatten().tolist():
        places = inside[i].flatten()
        count = int(torch.randint(1, 9, (1,), generator=generator))
        spots = torch.zeros(height, width)
        for place in torch.multinomial(places, min(count, int(places.sum())), generator=generator).tolist():
            angle, size, stretch = _uniform((3,), 0, 1, generator).tolist()
            cos, sin = math.cos(math.pi * angle), math.sin(math.pi * angle)
            dy, dx = y - place // width, x - place % width
            short = (0.004 + 0.014 * size**2) * height
            along, across = (cos * dx + sin * dy) / (short * (1 + 2 * stretch)), (cos * dy - sin * dx) / short
            spots = torch.maximum(spots, torch.exp(-0.5 * (along**2 + across**2) ** 2))
        level, dark, beside = _uniform((3,), 0, 1, generator).tolist()
        flair_alone = torch.equal(images[i, 0], images[i, 1]), torch.equal(images[i, 2], images[i, 1])
        weights = torch.tensor([1.0] + [beside] * (channels - 3))[:, None, None]
        flair = images[i, [1, *range(3, channels)]]
        flair = flair + weights * spots * (0.4 + 1.6 * level - flair).clamp(min=0)
        images[i, [1, *range(3, channels)]] = flair
        for channel, copied in zip((0, 2), flair_alone, strict=True):
            images[i, channel] = images[i, 1] if copied else images[i, channel] - 0.6 * dark * spots
    return images


def _darken_scalp(images: Tensor, brains: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Scale what lies around the brain, between air and its own value; each sequence in its own way."""
    n, channels = images.shape[:2]
    rim = 2 * (images.shape[2] // 96) + 1
    around = 1 - F.avg_pool2d(F.max_pool2d(brains, rim, 1, rim // 2), rim, 1, rim // 2)
    factors = _uniform((n, 3, 1, 1), 0.05, 1.2, generator)
    factors[:, 1] = factors[:, 1] ** 1.5
    factors[~_chance(n, probability, generator)] = 1
    factors = torch.where(
        (images[:, :3] == images[:, 1:2]).all(dim=(2, 3), keepdim=True), factors[:, 1:2], factors
    )
    air = images.amin((2, 3), keepdim=True)
    return air + (images - air) * (1 - around * (1 - factors[:, [0, 1, 2] + [1] * (channels - 3)]))


def _shade(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Multiply by a smooth field that does not change the head's mean much; alike for all channels."""
    n, _, height, width = images.shape
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    terms = torch.stack([x**2, y**2, x, y, x * y])
    weights = _uniform((n, 5), -0.4, 0.4, generator)
    weights[:, :2] = weights[:, :2] * 1.25 + 0.2  # coils lie around the head
    field = torch.einsum("nt,thw->nhw", weights, terms)[:, None]
    air = images.amin((2, 3), keepdim=True)
    head = (images[:, 1:2] > air[:, 1:2] + 0.5).float()
    field = field - (field * head).sum((2, 3), keepdim=True) / head.sum((2, 3), keepdim=True).clamp(min=1)
    field = field * _chance(n, probability, generator)[:, None, None, None]
    return air + (images - air) * torch.exp(field.clamp(-1, 1))


def _random_grid(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Draw the sampling positions (N, H, W, 2) of a random affine and, in half of the slices, elastic map."""
    n = len(images)
    angle = torch.deg2rad(_uniform((n,), -settings.rotation, settings.rotation, generator))
    wide, high = (1 + _uniform((n, 2), -settings.scale, settings.scale, generator)).T
    mirror = 1 - 2 * _chance(n, settings.flip, generator).float()
    right, down = _uniform((n, 2), -2 * settings.shift, 2 * settings.shift, generator).T
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [cos * wide * mirror, -sin * high, right, sin * wide * mirror, cos * high, down]
    matrix = torch.stack(rows, dim=1).view(n, 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    if settings.elastic:
        coarse = _uniform((n, 2, 7, 7), -2 * settings.elastic, 2 * settings.elastic, generator)
        coarse *= _chance(n, 0.5, generator).float()[:, None, None, None]
        displacement = F.interpolate(coarse, images.shape[-2:], mode="bicubic", align_corners=True)
        grid = grid + displacement.permute(0, 2, 3, 1)
    return grid


def _change_intensities(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change contrast, brightness, gamma, bias field and noise, alike for all slices of a sequence."""
    n, channels, height, width = images.shape
    sequence = [0, 1, 2] + [1] * (channels - 3)  # the context is FLAIR

    def each(low: float, high: float) -> Tensor:
        return _uniform((n, 3, 1, 1), low, high, generator)[:, sequence]

    gamma = torch.exp(strength * each(-0.35, 0.35))
    span = 6.0  # most of a standardised head lies within it
    unit = ((images + 2) / span).clamp(min=0)
    images = unit**gamma * span - 2
    images = images * torch.exp(strength * each(-0.25, 0.25)) + strength * each(-0.3, 0.3)
    coarse = _uniform((n, 1, 4, 4), -0.25, 0.25, generator)
    field = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    field *= _chance(n, 0.4, generator).float()[:, None, None, None]
    images = (images + 2) * torch.exp(strength * field) - 2
    level = strength * _uniform((n, 1, 1, 1), 0, 0.2, generator)
    level = level * _chance(n, 0.3, generator)[:, None, None, None]
    return images + level * torch.randn(images.shape, generator=generator)


def _lower_resolution(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    chosen = _chance(len(images), probability, generator)
    if not chosen.any():
        return images
    factor = float(_uniform((1,), 0.4, 0.8, generator))
    size = images.shape[-2:]
    small = F.interpolate(images[chosen], scale_factor=factor, mode="bilinear", antialias=True)
    images = images.clone()
    images[chosen] = F.interpolate(small, size, mode="bilinear")
    return images


def _drop_sequences(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Replace sequences by FLAIR, as preprocessing does with those that are missing."""
    n = len(images)
    alone = _chance(n, settings.flair_alone, generator)
    one = _chance(n, settings.one_missing, generator)
    pre = _chance(n, 0.5, generator)
    images = images.clone()
    for channel, missing in ((0, alone | (one & pre)), (2, alone | (one & ~pre))):
        images[missing, channel] = images[missing, 1]
    return images
