from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import max_pool2d

from napari_tumor_unet.training.augmentation import Augmentation, augment

NOTHING = Augmentation(**dict.fromkeys((f.name for f in dataclasses.fields(Augmentation)), 0.0))


def batch(n: int = 6, channels: int = 5, height: int = 32, width: int = 32) -> tuple[Tensor, Tensor]:
    """Smooth images and round masks."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    waves = torch.stack([torch.sin((c + 1) * (x + 2 * y)) for c in range(channels)])
    mask = ((y + 0.2) ** 2 + (x - 0.3) ** 2 < 0.2).float()
    return waves.repeat(n, 1, 1, 1), mask.repeat(n, 1, 1, 1)


def changed(
    seed: int = 0, inputs: tuple[Tensor, Tensor] | None = None, **settings: Any
) -> tuple[Tensor, Tensor]:
    """A batch after the changes named alone."""
    generator = torch.Generator().manual_seed(seed)
    return augment(*(inputs or batch()), dataclasses.replace(NOTHING, **settings), generator)


@given(
    n=st.integers(1, 4),
    channels=st.sampled_from([3, 5, 7]),
    height=st.integers(8, 40),
    width=st.integers(8, 40),
    seed=st.integers(0, 999),
)
def test_shapes_are_kept_and_masks_stay_binary(
    n: int, channels: int, height: int, width: int, seed: int
) -> None:
    inputs = batch(n, channels, height, width)
    images, masks = augment(*inputs, Augmentation(), torch.Generator().manual_seed(seed))
    assert (images.shape, masks.shape) == (inputs[0].shape, inputs[1].shape)
    assert images.dtype == masks.dtype == torch.float32
    assert images.isfinite().all()
    assert set(masks.unique().tolist()) <= {0.0, 1.0}


def test_one_seed_gives_one_result() -> None:
    one, again, other = (
        augment(*batch(), Augmentation(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not torch.equal(one[0], other[0])


def test_global_chance_is_not_touched() -> None:
    before = torch.get_rng_state()
    augment(*batch(), Augmentation(), torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_inputs_are_left_as_they_are() -> None:
    images, masks = batch()
    copies = images.clone(), masks.clone()
    augment(images, masks, Augmentation(), torch.Generator().manual_seed(0))
    assert torch.equal(images, copies[0])
    assert torch.equal(masks, copies[1])


def test_without_changes_nothing_changes() -> None:
    images, masks = changed()
    torch.testing.assert_close(images, batch()[0], atol=1e-5, rtol=0)
    assert torch.equal(masks, batch()[1])


def test_a_flip_is_left_right_of_image_and_mask() -> None:
    images, masks = changed(flip=1.0)
    torch.testing.assert_close(images, batch()[0].flip(-1), atol=1e-5, rtol=0)
    assert torch.equal(masks, batch()[1].flip(-1))


@pytest.mark.parametrize(
    "change", [{"rotation": 30}, {"scale": 0.3}, {"shift": 0.2}, {"elastic": 0.08}], ids=str
)
def test_image_and_mask_move_together(change: dict[str, float]) -> None:
    _, masks = batch()
    images, moved = changed(inputs=(masks.repeat(1, 3, 1, 1), masks), **change)
    assert not torch.equal(moved, masks)
    assert torch.equal((images[:, :1] > 0.5).float(), moved)


def test_intensities_change_without_the_mask() -> None:
    images, masks = changed(intensity=1.0)
    assert (images - batch()[0]).abs().mean() > 0.05
    assert torch.equal(masks, batch()[1])


def test_neighbouring_slices_change_as_flair_does() -> None:
    same = batch(channels=1)[0].repeat(1, 5, 1, 1)
    images, _ = changed(inputs=(same, batch()[1]), intensity=0.5)
    noise = 0.5 * 0.2
    for neighbour in (3, 4):
        assert (images[:, neighbour] - images[:, 1]).std() < 2 * noise
    assert (images[:, 0] - images[:, 1]).abs().mean() > 0.05


def test_coarser_pixels_blur() -> None:
    noise = torch.randn(4, 5, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred, _ = changed(inputs=(noise, batch(4)[1]), low_resolution=1.0)
    assert blurred.std() < 0.8 * noise.std()


def test_flair_alone_replaces_pre_and_post() -> None:
    images, _ = changed(flair_alone=1.0)
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 2], images[:, 1])


def test_flair_alone_holds_after_all_other_changes() -> None:
    settings = Augmentation(flair_alone=1.0)
    images, _ = augment(*batch(), settings, torch.Generator().manual_seed(0))
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 2], images[:, 1])


def test_one_missing_replaces_pre_or_post() -> None:
    images, _ = changed(inputs=batch(20), one_missing=1.0)
    dropped = [[torch.equal(image[c], image[1]) for c in (0, 2)] for image in images]
    assert all(sum(one) == 1 for one in dropped)
    assert 0 < sum(pre for pre, _ in dropped) < 20


def heads(n: int, *, tumours: bool) -> tuple[Tensor, Tensor]:
    """Grey heads in air (-2), as they are standardised, each with a bright tumour or none."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    images = torch.where(y**2 + x**2 < 0.8, 0.0, -2.0).repeat(n, 5, 1, 1)
    masks = ((y - 0.1) ** 2 + (x - 0.3) ** 2 < 0.08).float().repeat(n, 1, 1, 1) * tumours
    return images + 3 * masks, masks


def test_an_implanted_tumour_comes_with_its_mask() -> None:
    ill, well = heads(10, tumours=True), heads(10, tumours=False)
    images, masks = torch.cat([ill[0], well[0]]), torch.cat([ill[1], well[1]])
    mixed, where = changed(inputs=(images, masks), carvemix=1.0)
    given = where[10:].amax((1, 2, 3)) > 0
    assert 0 < given.sum() < 10
    new = where[10:][given][:, 0] > 0
    flair = mixed[10:][given][:, 1]
    assert (flair[new] > 0.4).all()
    assert flair[new].mean() > 1.0
    torch.testing.assert_close(mixed[10:][~given], images[10:][~given], atol=1e-4, rtol=0)


def test_no_tumour_is_implanted_in_air() -> None:
    images, masks = heads(10, tumours=True)
    images[5:], masks[5:] = -2.0, 0.0
    images[5:, :, 5:10, 5:10] = 0.0
    mixed, where = changed(inputs=(images, masks), carvemix=1.0)
    assert not where[5:].any()
    torch.testing.assert_close(mixed[5:], images[5:], atol=1e-4, rtol=0)


def test_a_hollow_tumour_is_dark_inside_and_tumour_all_the_same() -> None:
    images, masks = heads(8, tumours=True)
    dark, where = changed(inputs=(images, masks), necrotic_core=1.0)
    assert torch.equal(where, masks)
    for before, after, mask in zip(images, dark, masks, strict=True):
        assert after[1][mask[0] > 0].min() < 1.0
        assert after[1].min() >= -2.0
        away = max_pool2d(mask, 5, 1, 2)[0] == 0
        torch.testing.assert_close(after[:, away], before[:, away], atol=1e-4, rtol=0)
    assert dark[:, 1][masks[:, 0] > 0].max() > 2.0  # a rim is left


def brains() -> tuple[Tensor, Tensor, Tensor]:
    """Flat round heads in air of -2, with a tumour, and their brains."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    head, brain = ((y**2 + x**2 < radius**2).float() for radius in (0.9, 0.7))
    tumour = ((y - 0.2) ** 2 + (x - 0.3) ** 2 < 0.02).float()
    images = (2 * head - 2 + tumour).repeat(4, 5, 1, 1)
    return images, tumour.repeat(4, 1, 1, 1), brain.repeat(4, 1, 1, 1)


def with_brains(inputs: tuple[Tensor, Tensor, Tensor], **settings: Any) -> Tensor:
    images, masks, outlines = inputs
    generator = torch.Generator().manual_seed(0)
    changes = dataclasses.replace(NOTHING, **settings)
    changed_images, changed_masks = augment(images, masks, changes, generator, outlines)
    assert torch.equal(changed_masks, masks)
    return changed_images


def test_a_dark_scalp_leaves_the_brain_as_it_is() -> None:
    inputs = brains()
    dark = with_brains(inputs, dark_scalp=1.0)
    inside = inputs[2].bool().expand_as(dark)
    torch.testing.assert_close(dark[inside], inputs[0][inside], atol=1e-4, rtol=0)
    assert not torch.allclose(dark, inputs[0], atol=0.1)


def test_lesions_are_bright_spots_in_the_brain_away_from_the_tumour() -> None:
    images, masks, inside = brains()
    spotted = with_brains((images, masks, inside), lesions=1.0)
    difference = spotted[:, 1:2] - images[:, 1:2]
    assert (difference > 0.3).any()
    assert difference[masks > 0].abs().max() < 0.3
    assert difference[inside == 0].abs().max() < 0.3


def test_shading_is_smooth_and_leaves_the_air_dark() -> None:
    images, masks, _ = brains()
    shaded, same = changed(inputs=(images, masks), shading=1.0)
    assert torch.equal(same, masks)
    torch.testing.assert_close(shaded[images == -2], images[images == -2], atol=1e-4, rtol=0)
    ratio = ((shaded + 2) / (images + 2))[0, 1][images[0, 1] == 0]
    assert 1.1 < float(ratio.max() / ratio.min()) < 8
