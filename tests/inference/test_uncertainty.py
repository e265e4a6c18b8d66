"""Expected errors, and the slices that hold most of them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_tumor_unet.inference.regions import threshold_mask
from napari_tumor_unet.inference.result import blank
from napari_tumor_unet.inference.uncertainty import doubtful_voxels, expected_errors, most_doubtful

probabilities = arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=7))
thresholds = st.floats(0, 1)
doubts = arrays(np.float64, st.integers(0, 20), elements=st.floats(0, 1e6))


def test_what_is_certain_is_not_doubted_and_an_even_chance_is_half_a_voxel() -> None:
    probability = np.zeros((4, 2, 3), np.uint8)
    probability[1] = 255
    probability[2] = 127
    probability[3, 0, :2] = 51, 204
    assert expected_errors(probability, 0.5) == pytest.approx([0, 0, 6 * 127 / 255, 0.4])


def test_a_voxel_is_as_wrong_as_the_threshold_makes_it() -> None:
    probability = np.full((1, 1, 10), 204, np.uint8)
    assert expected_errors(probability, 0.5) == pytest.approx([2])
    assert expected_errors(probability, 0.9) == pytest.approx([8])


@given(probabilities, thresholds)
def test_errors_are_those_of_the_mask_of_that_threshold(probability: np.ndarray, threshold: float) -> None:
    p = probability / 255
    wrong = np.abs(threshold_mask(probability, threshold) - p)
    np.testing.assert_allclose(expected_errors(probability, threshold), wrong.sum((1, 2)), atol=1e-9)


@given(probabilities, thresholds, st.floats(0.01, 1))
def test_voxels_are_doubtful_that_are_wrong_so_often(
    probability: np.ndarray, threshold: float, least: float
) -> None:
    wrong = [expected_errors(p.reshape(1, 1, 1), threshold)[0] for p in probability.ravel()]
    marked = doubtful_voxels(probability, threshold, least)
    np.testing.assert_array_equal(marked.ravel(), np.array(wrong) >= least)


@given(probabilities, thresholds)
def test_no_threshold_expects_fewer_errors_than_one_half(probability: np.ndarray, threshold: float) -> None:
    best = expected_errors(probability, 0.5)
    assert (best <= expected_errors(probability, threshold) + 1e-9).all()


def test_a_calibrated_probability_is_wrong_as_often_as_expected() -> None:
    rng = np.random.default_rng(0)
    probability = rng.integers(0, 256, (3, 300, 300)).astype(np.uint8)
    truth = rng.random(probability.shape) < probability / 255
    wrong = (threshold_mask(probability, 0.4) != truth).sum((1, 2))
    np.testing.assert_allclose(expected_errors(probability, 0.4), wrong, rtol=0.02)


def test_a_large_blank_volume_is_never_there_as_floats() -> None:
    probability = blank((60, 512, 512))
    probability[7, 100:110, 100:110] = 100
    tracemalloc.start()
    errors = expected_errors(probability, 0.5)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.flatnonzero(errors).tolist() == [7]
    assert most < 2 * probability[0].nbytes


def test_the_most_doubtful_come_first_and_equal_ones_in_their_order() -> None:
    assert most_doubtful(np.array([5.0, 80, 0, 80, 40, 2])) == (1, 3, 4)
    assert most_doubtful(np.array([5.0, 80, 0, 80, 40, 2]), share=1) == (1, 3, 4, 0, 5)


@pytest.mark.parametrize("errors", [[], [0.0, 0.0], [0.4, 0.9]])
def test_where_not_one_voxel_is_probably_wrong_nothing_is_doubtful(errors: list[float]) -> None:
    assert most_doubtful(np.array(errors)) == ()


@given(doubts, st.floats(0.01, 0.99))
def test_they_are_the_fewest_that_hold_the_share(errors: np.ndarray, share: float) -> None:
    found = list(most_doubtful(errors, share, least=0))
    wanted = share * errors.sum()
    assert len(set(found)) == len(found)
    assert (np.diff(errors[found]) <= 0).all()
    assert errors[found].sum() >= wanted * (1 - 1e-9)
    assert not found or errors[found[:-1]].sum() <= wanted * (1 + 1e-9)
    assert set(most_doubtful(errors, share, least=5)) == {z for z in found if errors[z] >= 5}
