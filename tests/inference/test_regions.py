"""Thresholds and connected regions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_tumor_unet.inference.regions import (
    Matches,
    count_regions,
    drop_faint_regions,
    drop_small_regions,
    find_regions,
    match_regions,
    threshold_mask,
    voxels_of,
)

masks = arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.integers(0, 1))


def test_no_threshold_makes_tumour_of_zero_probability() -> None:
    probability = np.array([[[0, 1, 128, 255]]], np.uint8)
    assert threshold_mask(probability, 0.0).tolist() == [[[0, 1, 1, 1]]]
    assert threshold_mask(probability, 0.5).tolist() == [[[0, 0, 1, 1]]]
    assert threshold_mask(probability, 1.0).tolist() == [[[0, 0, 0, 1]]]


@pytest.fixture
def regions() -> np.ndarray:
    """Regions of 8, 3 and 1 voxels, in slices 0 and 1, 3, and 4."""
    mask = np.zeros((5, 8, 8), np.uint8)
    mask[:2, 1:3, 1:3] = mask[3, 5:8, 5] = mask[4, 1, 1] = 1
    return mask


@pytest.mark.parametrize(("share", "left", "changed"), [(0, 12, []), (0.25, 11, [4]), (0.5, 8, [3, 4])])
def test_of_regions_alike_in_probability_those_under_a_share_of_the_largest_are_dropped(
    regions: np.ndarray, share: float, left: int, changed: list[int]
) -> None:
    assert drop_faint_regions(regions, regions * np.uint8(200), 0.5, share).slices == changed
    assert regions.sum() == left


def test_a_large_region_that_hardly_reaches_the_threshold_goes_and_a_sure_one_stays(
    regions: np.ndarray,
) -> None:
    probability = regions * np.uint8(130)
    probability[3] = regions[3] * 250
    assert drop_faint_regions(regions, probability, 0.5, 0.5) == ([0, 1, 4], 1)
    assert regions[3].sum() == regions.sum() == 3


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_none_and_one_region_stay_as_they_are(value: int, threshold: float) -> None:
    mask = np.full((2, 3, 4), value, np.uint8)
    assert drop_faint_regions(mask, mask * np.uint8(255), threshold, 1.0) == ([], value)
    assert (mask == value).all()


@given(st.data(), st.floats(0, 1), st.floats(0, 1))
def test_the_heaviest_region_is_never_dropped(data: st.DataObject, threshold: float, share: float) -> None:
    shapes = array_shapes(min_dims=3, max_dims=3, max_side=7)
    probability = data.draw(arrays(np.uint8, shapes, elements=st.integers(0, 255)))
    mask = threshold_mask(probability, threshold)
    left = mask.copy()
    changed, n = drop_faint_regions(left, probability, threshold, share)
    assert n == count_regions(left)
    assert left.any() == mask.any()
    assert changed == [z for z in range(len(mask)) if (left[z] != mask[z]).any()]
    assert drop_faint_regions(left, probability, threshold, share) == ([], n)


def test_regions_of_too_few_voxels_are_dropped_the_only_one_too(regions: np.ndarray) -> None:
    assert drop_small_regions(regions, 4) == ([3, 4], 1)
    assert drop_small_regions(regions, 9) == ([0, 1], 0)
    assert not regions.any()


def test_regions_are_listed_with_where_to_find_them(regions: np.ndarray) -> None:
    found = find_regions(regions)
    assert [(r.voxels, r.slices, r.largest_slice) for r in found] == [(8, 2, 0), (3, 1, 3), (1, 1, 4)]
    assert find_regions(regions, most=2) == found[:2]


@given(masks)
def test_the_regions_together_are_the_mask(mask: np.ndarray) -> None:
    together = np.zeros_like(mask)
    for region in find_regions(mask, most=mask.size):
        indices = voxels_of(mask, region)
        assert len(indices[0]) == region.voxels
        assert region.seed in set(zip(*(i.tolist() for i in indices), strict=True))
        together[indices] += 1
    np.testing.assert_array_equal(together, mask)


def test_a_region_that_is_gone_has_no_voxels(regions: np.ndarray) -> None:
    first = find_regions(regions)[0]
    regions[:2] = 0
    assert len(voxels_of(regions, first)[0]) == 0
    assert len(voxels_of(np.zeros_like(regions), first)[0]) == 0


def test_regions_that_share_a_voxel_match(regions: np.ndarray) -> None:
    predicted = np.zeros_like(regions)
    predicted[0, 1, 1] = predicted[3, 0, 5] = 1  # in the first region, and beside the second
    found = match_regions(predicted > 0, regions > 0)
    assert found == Matches(reference=3, found=1, predicted=2, false=1)


def test_one_region_may_match_several(regions: np.ndarray) -> None:
    assert match_regions(np.ones_like(regions, bool), regions > 0) == Matches(3, 3, 1, 0)
    assert match_regions(regions > 0, np.ones_like(regions, bool)) == Matches(1, 1, 3, 0)


def test_voxels_that_touch_at_a_corner_are_one_region() -> None:
    corner = np.eye(2, dtype=bool)[:, :, None] & np.eye(2, dtype=bool)[:, None]
    assert match_regions(corner, ~corner) == Matches(reference=1, found=0, predicted=1, false=1)


def test_empty_masks_have_no_regions_to_match(regions: np.ndarray) -> None:
    empty = np.zeros_like(regions, bool)
    assert match_regions(empty, empty) == Matches(0, 0, 0, 0)
    assert match_regions(empty, regions > 0) == Matches(3, 0, 0, 0)
    assert match_regions(regions > 0, empty) == Matches(0, 0, 3, 3)


@given(masks, st.integers(0, 2**32 - 1))
def test_matches_are_those_found_region_by_region(mask: np.ndarray, seed: int) -> None:
    other = (np.random.default_rng(seed).random(mask.shape) < 0.2).astype(np.uint8)
    found = match_regions(mask > 0, other > 0)
    hit = [bool(other[voxels_of(mask, region)].any()) for region in find_regions(mask, most=mask.size)]
    reached = [bool(mask[voxels_of(other, region)].any()) for region in find_regions(other, most=mask.size)]
    assert (found.predicted, found.false) == (count_regions(mask), hit.count(False))
    assert (found.reference, found.found) == (count_regions(other), reached.count(True))
