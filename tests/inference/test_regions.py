"""Thresholds and connected regions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_tumor_unet.inference.regions import (
    count_regions,
    drop_faint_regions,
    drop_small_regions,
    find_regions,
    left_out,
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
    assert drop_faint_regions(regions, probability, 0.5, 0.5) == ([0, 1, 4], 1, 2, 9)
    assert regions[3].sum() == regions.sum() == 3


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_none_and_one_region_stay_as_they_are(value: int, threshold: float) -> None:
    mask = np.full((2, 3, 4), value, np.uint8)
    assert drop_faint_regions(mask, mask * np.uint8(255), threshold, 1.0) == ([], value, 0, 0)
    assert (mask == value).all()


@given(st.data(), st.floats(0, 1), st.floats(0, 1))
def test_the_heaviest_region_is_never_dropped(data: st.DataObject, threshold: float, share: float) -> None:
    shapes = array_shapes(min_dims=3, max_dims=3, max_side=7)
    probability = data.draw(arrays(np.uint8, shapes, elements=st.integers(0, 255)))
    mask = threshold_mask(probability, threshold)
    left = mask.copy()
    changed, n, dropped, voxels = drop_faint_regions(left, probability, threshold, share)
    assert n == count_regions(left)
    assert left.any() == mask.any()
    assert changed == [z for z in range(len(mask)) if (left[z] != mask[z]).any()]
    assert (n + dropped, left.sum() + voxels) == (count_regions(mask), mask.sum())
    out = left_out(probability, threshold, left)
    assert sorted(len(z) for z, _, _ in out) == sorted(
        region.voxels for region in find_regions(mask, most=mask.size) if not left[region.seed]
    )
    for region in out:
        assert (mask[region] > left[region]).all()
    assert drop_faint_regions(left, probability, threshold, share) == ([], n, 0, 0)


def test_regions_of_too_few_voxels_are_dropped_the_only_one_too(regions: np.ndarray) -> None:
    assert drop_small_regions(regions, 4) == ([3, 4], 1, 2, 4)
    assert drop_small_regions(regions, 9) == ([0, 1], 0, 1, 8)
    assert not regions.any()


def test_regions_are_listed_with_where_to_find_them(regions: np.ndarray) -> None:
    found = find_regions(regions)
    assert [(r.voxels, r.slices, r.seed[0]) for r in found] == [(8, 2, 0), (3, 1, 3), (1, 1, 4)]
    assert [(r.ends, r.centre) for r in found[:2]] == [((0, 1), (0.5, 1.5, 1.5)), ((3, 3), (3, 6, 5))]
    assert find_regions(regions, most=2) == found[:2]
    assert find_regions(regions[3:], first=3) == found[1:]


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
