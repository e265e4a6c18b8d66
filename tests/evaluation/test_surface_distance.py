"""Distances between surfaces, against SimpleITK's distance maps and its Hausdorff filter.

Both are exact Euclidean distances between voxel centres, and a surface is in both the voxels with a face at
the background. The percentile is numpy's default, which interpolates between the nearest ranks, as torch's
does. The average is over the voxels of both surfaces pooled, not the mean of the two directed averages that
SimpleITK's AverageHausdorffDistance is. MONAI rounds to float32: hence the tolerance of the comparisons.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_tumor_unet.evaluation.surface_distance import surface_distances

SHAPES = hnp.array_shapes(min_dims=2, max_dims=3, max_side=7)
SPACINGS = st.sampled_from([0.3, 0.9375, 1.0, 2.5, 5.5])
TOLERANCES = st.sampled_from([0.0, 0.4, 1.0, 1.3, 3.1])  # no distance that a grid of the spacings has, but 1
Pair = tuple[np.ndarray, np.ndarray, tuple[float, ...]]


def blobs(shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    """One to three boxes, with holes where one was subtracted: masks with an inside, at the border or not."""
    boxes = st.lists(hnp.basic_indices(shape, allow_ellipsis=False), min_size=1, max_size=3)

    def union(parts: list[Any]) -> np.ndarray:
        mask = np.zeros(shape, bool)
        for part in parts:
            mask[part] ^= True
        return mask

    return (boxes.map(union) | hnp.arrays(bool, shape)).filter(np.any)


@st.composite
def pairs(draw: Callable[..., Any], shapes: st.SearchStrategy[tuple[int, ...]] = SHAPES) -> Pair:
    shape = draw(shapes)
    return draw(blobs(shape)), draw(blobs(shape)), draw(st.tuples(*[SPACINGS] * len(shape)))


def contour(mask: np.ndarray, spacing: tuple[float, ...]) -> sitk.Image:
    """The voxels with a face at the background; a single slice is a plane."""
    if mask.ndim == 3 and len(mask) == 1:
        mask, spacing = mask[0], spacing[1:]
    image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    return sitk.LabelContour(image, fullyConnected=False)


def distances(start: sitk.Image, end: sitk.Image) -> np.ndarray:
    """From each voxel of a contour to the nearest of another."""
    there = sitk.SignedMaurerDistanceMap(end, squaredDistance=False, useImageSpacing=True)
    return sitk.GetArrayFromImage(there)[sitk.GetArrayFromImage(start) > 0].clip(0)


@pytest.mark.slow
@given(pairs(), TOLERANCES)
@settings(max_examples=40)
def test_distances_are_those_of_simpleitk(pair: Pair, tolerance: float) -> None:
    p, r, spacing = pair
    found = surface_distances(p, r, spacing, tolerance)
    a, b = contour(p, spacing), contour(r, spacing)
    both = distances(a, b), distances(b, a)
    either = np.concatenate(both)
    assert found.hausdorff95 == pytest.approx(max(np.percentile(d, 95) for d in both), rel=1e-4, abs=1e-4)
    assert found.average == pytest.approx(either.mean(), rel=1e-4, abs=1e-4)
    assert found.dice == pytest.approx((either <= tolerance + 1e-4).mean(), abs=1e-6)


@given(pairs())
def test_no_distance_is_above_simpleitks_hausdorff_distance(pair: Pair) -> None:
    p, r, spacing = pair
    reference = sitk.HausdorffDistanceImageFilter()
    reference.Execute(contour(p, spacing), contour(r, spacing))
    largest = reference.GetHausdorffDistance() * (1 + 1e-4) + 1e-4
    found = surface_distances(p, r, spacing, largest)
    assert max(found.average, found.hausdorff95) <= largest
    assert found.dice == 1


@given(pairs())
def test_distances_do_not_depend_on_the_order(pair: Pair) -> None:
    p, r, spacing = pair
    one, other = surface_distances(p, r, spacing, 1.0), surface_distances(r, p, spacing, 1.0)
    assert vars(one) == pytest.approx(vars(other), rel=1e-6)


@given(pairs(hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=6)), st.data())
def test_distances_do_not_depend_on_how_the_axes_run(pair: Pair, data: st.DataObject) -> None:
    p, r, spacing = pair
    order = data.draw(st.permutations(range(p.ndim)))
    flips = tuple(slice(None, None, data.draw(st.sampled_from([1, -1]))) for _ in order)
    turned = (mask.transpose(order)[flips] for mask in (p, r))
    found = surface_distances(*turned, [spacing[axis] for axis in order], 1.0)
    was = surface_distances(p, r, spacing, 1.0)
    assert vars(found) == pytest.approx(vars(was), rel=1e-6)


@given(pairs(), st.integers(1, 4))
def test_air_around_several_slices_changes_nothing(pair: Pair, air: int) -> None:
    p, r, spacing = pair
    if p.ndim == 2 or len(p) > 1:
        around = surface_distances(np.pad(p, air), np.pad(r, air), spacing, 1.0)
        assert around == surface_distances(p, r, spacing, 1.0)


@given(pairs(st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_a_volume_of_one_slice_is_a_plane(pair: Pair) -> None:
    p, r, spacing = pair
    assert surface_distances(p[None], r[None], (9.0, *spacing), 1.0) == surface_distances(p, r, spacing, 1.0)


@given(pairs())
def test_a_mask_is_at_no_distance_from_itself(pair: Pair) -> None:
    mask, _, spacing = pair
    assert vars(surface_distances(mask, mask, spacing, 0.0)) == {"hausdorff95": 0, "average": 0, "dice": 1}


@given(pairs(), st.floats(0.1, 10))
def test_distances_grow_with_the_spacing(pair: Pair, factor: float) -> None:
    p, r, spacing = pair
    was = surface_distances(p, r, spacing, 1.7)
    found = surface_distances(p, r, [factor * s for s in spacing], factor * 1.7)
    assert found.hausdorff95 == pytest.approx(factor * was.hausdorff95, rel=1e-5)
    assert found.average == pytest.approx(factor * was.average, rel=1e-5)
    assert found.dice == was.dice


@pytest.mark.parametrize("at", [(0, 0, 0), (2, 3, 3), (4, 6, 6)])
def test_one_voxel_is_its_own_surface_the_border_too(at: tuple[int, int, int]) -> None:
    p, r = np.zeros((2, 5, 7, 7), bool)
    p[at] = r[2, 3, 0] = True
    apart = np.linalg.norm((np.array(at) - (2, 3, 0)) * (5.0, 1.0, 0.5))
    found = surface_distances(p, r, (5.0, 1.0, 0.5), apart - 0.01)
    assert (found.hausdorff95, found.average) == pytest.approx((apart, apart), rel=1e-6)
    assert found.dice == 0


def test_the_inside_of_a_mask_is_no_surface() -> None:
    full = np.ones((5, 5, 5), bool)
    hollow = full.copy()
    hollow[2, 2, 2] = False
    corners = surface_distances(full, hollow, (1, 1, 1), 0.0)
    assert corners.dice == pytest.approx((98 + 98) / (98 + 98 + 6))  # 6 voxels are around the hole
    assert corners.average == pytest.approx(6 / 202)  # 1 from each of them to the outer surface


def test_the_surface_of_a_single_slice_is_its_outline() -> None:
    full = np.ones((1, 5, 5), bool)
    hollow = full.copy()
    hollow[0, 2, 2] = False
    found = surface_distances(full, hollow, (9.0, 1.0, 1.0), 0.0)
    assert found.dice == pytest.approx((16 + 16) / (16 + 16 + 4))
    assert found.hausdorff95 == 1


def test_what_is_exactly_at_the_tolerance_lies_within_it() -> None:
    p, r = np.zeros((2, 4, 6), bool)
    p[1, 1], r[1, 4] = True, True
    assert surface_distances(p, r, (1.0, 0.1), 0.3).dice == 1  # 3 x 0.1 is more than 0.3 to a computer
    assert surface_distances(p, r, (1.0, 0.1), 0.299).dice == 0
