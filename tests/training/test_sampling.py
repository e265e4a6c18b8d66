from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet.model.preprocessing import fit_preprocessing
from napari_tumor_unet.model.settings import Preprocessing, UNetConfig
from napari_tumor_unet.scan import SEQUENCES
from napari_tumor_unet.training.augmentation import Augmentation
from napari_tumor_unet.training.recipe import Optimisation, Recipe, Sampling
from napari_tumor_unet.training.sampling import (
    PreprocessedCase,
    Sampler,
    find_brain,
    preprocess_case,
    strip_skull,
    without_skull,
)
from tests.conftest import Phantom, make_phantom

NOTHING = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))
RECIPE = Recipe(
    Preprocessing(size=8, context_slices=0),
    UNetConfig(),
    Optimisation(batch_size=2),
    augmentation=NOTHING,
)


def numbered(tumour: list[bool], first: int = 0) -> PreprocessedCase:
    """A scan whose pixels are the number of their slice."""
    numbers = torch.arange(first, first + len(tumour), dtype=torch.float16)
    images = numbers[:, None, None, None].expand(-1, 3, 8, 8)
    return PreprocessedCase(images, torch.tensor(tumour)[:, None, None].expand(-1, 8, 8))


def drawn(sampler: Sampler, seed: int = 0) -> list[tuple[int, bool]]:
    """The slices of an epoch by number, and whether their mask holds tumour."""
    batches = sampler.epoch(torch.Generator().manual_seed(seed))
    return [
        (round(float(i.mean())), bool(m.any()))
        for images, masks in batches
        for i, m in zip(images, masks, strict=True)
    ]


@given(tumour=st.lists(st.booleans(), min_size=4, max_size=30).filter(any), seed=st.integers(0, 100))
def test_an_epoch_of_the_seed_is_each_tumour_slice_once_and_as_many_without(
    tumour: list[bool], seed: int
) -> None:
    recipe = replace(RECIPE, optimisation=Optimisation(batch_size=1))
    slices = drawn(Sampler([numbered(tumour)], [], recipe), seed)
    with_tumour = sorted(number for number, has in slices if has)
    expected = [i for i, has in enumerate(tumour) if has]
    if all(tumour):
        assert with_tumour == sorted(expected * 2)
        return
    assert with_tumour == expected
    free = [number for number, has in slices if not has]
    assert len(free) == len(expected)
    counts = [free.count(i) for i, has in enumerate(tumour) if not has]
    assert max(counts) - min(counts) <= 1


def test_slices_and_masks_stay_together() -> None:
    slices = drawn(Sampler([numbered([True, False] * 6), numbered([False] * 6, 12)], [], RECIPE))
    assert all(has == (number < 12 and number % 2 == 0) for number, has in slices)


def test_drawing_by_chance_keeps_number_and_share() -> None:
    recipe = replace(RECIPE, sampling=Sampling(400, 0.75))
    slices = drawn(Sampler([numbered([True] + [False] * 9)], [], recipe))
    assert len(slices) == 400
    assert sum(has for _, has in slices) == pytest.approx(300, abs=40)


def test_chance_comes_from_the_generator_alone() -> None:
    sampler = Sampler([numbered([True, False] * 10)], [], replace(RECIPE, augmentation=Augmentation()))
    first, again, other = (
        torch.cat([images for images, _ in sampler.epoch(torch.Generator().manual_seed(seed))])
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_stripped_scans_are_drawn_as_often_as_asked() -> None:
    whole, stripped = numbered([True] * 10), numbered([True] * 10, first=100)
    recipe = replace(RECIPE, sampling=Sampling(200), augmentation=replace(NOTHING, skull_stripped=0.3))
    slices = drawn(Sampler([whole], [stripped], recipe))
    assert sum(number >= 100 for number, _ in slices) == pytest.approx(60, abs=20)


def test_without_tumour_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="No training mask"):
        Sampler([numbered([False] * 3)], [], RECIPE)


def test_scans_without_tumour_get_their_share() -> None:
    recipe = replace(RECIPE, sampling=Sampling(slices=400, tumour_share=0.5, healthy_share=0.3))
    scans = [numbered([True, False] * 20), numbered([False] * 3, first=100)]
    slices = drawn(Sampler(scans, [], recipe))
    assert 80 < sum(number >= 100 for number, _ in slices) < 160
    assert 160 < sum(has for _, has in slices) < 240


@pytest.mark.parametrize("neighbours", [0, 1, 2])
@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 1.0)], ids=["unknown", "thin slices"])
def test_inputs_are_made_as_in_use(
    phantom: Phantom, neighbours: int, spacing: tuple[float, float, float] | None
) -> None:
    scan, mask = phantom((12, 40, 36), spacing)
    preprocessing = Preprocessing(size=32, context_slices=neighbours)
    prepared = preprocess_case(scan, mask, preprocessing)
    used = fit_preprocessing(scan, preprocessing).apply(scan, range(12))
    torch.testing.assert_close(
        prepared.inputs(list(range(12)), neighbours), used, atol=4e-3, rtol=0
    )  # half precision


def test_the_end_slices_are_repeated_beyond_the_ends() -> None:
    scan = numbered([True] * 4)
    assert [round(float(c.mean())) for c in scan.inputs([0], 1)[0]] == [0, 0, 0, 0, 1]
    assert [round(float(c.mean())) for c in scan.inputs([3], 1, spread=2)[0]] == [3, 3, 3, 1, 3]


def test_the_mask_goes_the_way_of_the_image() -> None:
    scan, mask = make_phantom((4, 60, 40))
    bright = replace(scan, sequences={**scan.sequences, "flair": scan.sequences["flair"] + 500 * mask})
    prepared = preprocess_case(bright, mask, Preprocessing(size=48))
    flair = prepared.images[:, SEQUENCES.index("flair")].float()
    threshold = (flair[prepared.mask].mean() + flair[~prepared.mask].mean()) / 2
    assert ((flair > threshold) == prepared.mask).float().mean() > 0.98


def test_the_mask_of_a_standardised_scan_is_whole(phantom: Phantom) -> None:
    scan, mask = phantom()
    head = scan.sequences["flair"] > 30
    masked = {s: np.where(head, v, 0) for s, v in scan.sequences.items()}
    standardised = {
        s: np.where(head, (v - v[head].mean()) / v[head].std(), 0) for s, v in scan.sequences.items()
    }
    one, other = (
        preprocess_case(replace(scan, sequences=sequences), mask, Preprocessing(size=48)).mask
        for sequences in (masked, standardised)
    )
    assert torch.equal(one, other)


def test_taking_the_skull_away_keeps_all_tumour(phantom: Phantom) -> None:
    scan, mask = phantom((6, 60, 60), at=(0.6, 0.0))
    bare = without_skull(scan, find_brain(scan, mask))
    flair = scan.sequences["flair"]
    assert (bare.sequences["flair"][mask] == flair[mask]).all()
    assert (bare.sequences["flair"] == 0).mean() > (flair < 20).mean()


def test_stripping_leaves_the_brain_and_takes_the_scalp() -> None:
    y, x = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(-1, 1, 96), indexing="ij")
    r = np.hypot(y / 0.9, x / 0.75)
    brain, scalp = r < 0.72, (r > 0.88) & (r < 1)
    flair = np.stack([60.0 * brain + 80.0 * scalp + 15.0 * (r < 1)] * 4).astype(np.float32)
    kept = strip_skull(flair, np.zeros(flair.shape, bool))
    assert kept[:, brain].mean() > 0.95
    assert kept[:, scalp].mean() < 0.05


def test_stripping_never_takes_the_tumour(phantom: Phantom) -> None:
    scan, tumour = phantom(at=(-0.5, 0.0))
    assert strip_skull(scan.sequences["flair"], tumour)[tumour].all()
