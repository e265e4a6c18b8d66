"""Masks that are smoothed and filled."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_tumor_unet.inference.smoothing import fill_holes, smooth_outline

masks = arrays(np.uint8, (2, 9, 9), elements=st.integers(0, 1))


@given(masks)
def test_filling_adds_alone_and_leaves_nothing_to_fill(mask: np.ndarray) -> None:
    filled = mask.copy()
    fill_holes(filled)
    assert (filled >= mask).all()
    again = filled.copy()
    fill_holes(again)
    np.testing.assert_array_equal(again, filled)


@given(masks)
def test_slices_are_smoothed_each_by_itself_as_masks(mask: np.ndarray) -> None:
    both, alone = mask.copy(), mask[:1].copy()
    smooth_outline(both)
    smooth_outline(alone)
    np.testing.assert_array_equal(both[:1], alone)
    assert set(np.unique(both)) <= {0, 1}


def test_a_corner_is_rounded_and_an_edge_stays() -> None:
    mask = np.zeros((1, 20, 20), np.uint8)
    mask[0, 5:15, 5:15] = 1
    smooth_outline(mask)
    assert not mask[0, 5, 5]
    assert mask[0, 5, 10]
    assert mask[0].sum() > 80
