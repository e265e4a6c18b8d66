"""Regions of two masks that match, or do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_tumor_unet.evaluation.compare import LesionDetection, match_regions
from napari_tumor_unet.inference.regions import count_regions, find_regions, voxels_of

masks = arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.integers(0, 1))


@pytest.fixture
def regions() -> np.ndarray:
    """Regions of 8, 3 and 1 voxels, in slices 0 and 1, 3, and 4."""
    mask = np.zeros((5, 8, 8), np.uint8)
    mask[:2, 1:3, 1:3] = mask[3, 5:8, 5] = mask[4, 1, 1] = 1
    return mask


def test_regions_that_share_a_voxel_match(regions: np.ndarray) -> None:
    predicted = np.zeros_like(regions)
    predicted[0, 1, 1] = predicted[3, 0, 5] = 1  # in the first region, and beside the second
    found = match_regions(predicted > 0, regions > 0)
    assert found == LesionDetection(reference=3, found=1, predicted=2, false=1)


def test_one_region_may_match_several(regions: np.ndarray) -> None:
    assert match_regions(np.ones_like(regions, bool), regions > 0) == LesionDetection(3, 3, 1, 0)
    assert match_regions(regions > 0, np.ones_like(regions, bool)) == LesionDetection(1, 1, 3, 0)


def test_voxels_that_touch_at_a_corner_are_one_region() -> None:
    corner = np.eye(2, dtype=bool)[:, :, None] & np.eye(2, dtype=bool)[:, None]
    assert match_regions(corner, ~corner) == LesionDetection(reference=1, found=0, predicted=1, false=1)


def test_empty_masks_have_no_regions_to_match(regions: np.ndarray) -> None:
    empty = np.zeros_like(regions, bool)
    assert match_regions(empty, empty) == LesionDetection(0, 0, 0, 0)
    assert match_regions(empty, regions > 0) == LesionDetection(3, 0, 0, 0)
    assert match_regions(regions > 0, empty) == LesionDetection(0, 0, 3, 3)


@given(masks, st.integers(0, 2**32 - 1))
def test_matches_are_those_found_region_by_region(mask: np.ndarray, seed: int) -> None:
    other = (np.random.default_rng(seed).random(mask.shape) < 0.2).astype(np.uint8)
    found = match_regions(mask > 0, other > 0)
    hit = [bool(other[voxels_of(mask, region)].any()) for region in find_regions(mask, most=mask.size)]
    reached = [bool(mask[voxels_of(other, region)].any()) for region in find_regions(other, most=mask.size)]
    assert (found.predicted, found.false) == (count_regions(mask), hit.count(False))
    assert (found.reference, found.found) == (count_regions(other), reached.count(True))
