from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_tumor_unet.evaluation.overlap import dice, iou
from tests.conftest import Refused

MASKS = st.tuples(*[hnp.arrays(bool, (2, 3, 4))] * 2)
SCORES = pytest.mark.parametrize("score", [dice, iou])
EMPTY, FULL = np.zeros((2, 3, 4)), np.ones((2, 3, 4))


@given(MASKS)
def test_dice_is_twice_the_overlap_over_both_sizes(masks: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = masks
    if a.any() or b.any():
        assert dice(a, b) == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))


@given(MASKS)
def test_iou_is_the_overlap_over_the_union(masks: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = masks
    if a.any() or b.any():
        assert iou(a, b) == pytest.approx((a & b).sum() / (a | b).sum())


@given(MASKS)
def test_scores_do_not_depend_on_the_order(masks: tuple[np.ndarray, np.ndarray]) -> None:
    assert dice(*masks) == dice(*masks[::-1])
    assert iou(*masks) == iou(*masks[::-1])


@SCORES
def test_two_empty_masks_agree(score: type) -> None:
    assert score(EMPTY, EMPTY) == 1


@SCORES
def test_one_empty_mask_scores_0(score: type) -> None:
    assert score(EMPTY, FULL) == score(FULL, EMPTY) == 0


@SCORES
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_whatever_is_not_0_is_foreground(score: type, dtype: type) -> None:
    labels = np.array([0, 1, 2, 200]).astype(dtype)
    assert score(labels, labels > 0) == 1


@SCORES
def test_masks_of_two_shapes_are_refused(score: type, refused: Refused) -> None:
    with refused(ValueError, "(2, 3, 4)", "(1, 3, 4)"):
        score(FULL, FULL[:1])
