"""One label of many, where two masks agree, and their slices."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given

from napari_tumor_unet.evaluation.compare import MaskPair, agreement, labels_in, slice_overlaps
from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.evaluation.score import rules_at_work, score
from napari_tumor_unet.scan.grid import grid_of_spacing
from tests.evaluation.test_score import EITHER_LABEL, PAIRS, SPACING, Pair


def aligned(pair: Pair) -> MaskPair:
    return MaskPair(*pair, grid_of_spacing(pair[0].shape, SPACING[-pair[0].ndim :], in_mm=True))


def test_a_label_is_compared_alone() -> None:
    p, r = np.array([[1, 2, 2, 0]]), np.array([[1, 1, 2, 2]])
    assert [score(p, r, label=label).dice for label in (None, 1, 2)] == pytest.approx([6 / 7, 2 / 3, 0.5])
    assert score(p, r, label=2) == dataclasses.replace(score(p == 2, r == 2), label=2)
    assert score(p, r, label=300).notes == ("Label 300 is in neither mask: by rule Dice and IoU count as 1.",)


@pytest.mark.parametrize("where", ["prediction", "reference"])
def test_a_label_that_one_mask_lacks_is_named(where: str) -> None:
    masks = {"prediction": np.array([[1, 2]]), "reference": np.array([[1, 2]])}
    masks[where] = np.array([[1, 255]])
    assert score(**masks, label=1).notes == ()
    assert score(**masks, label=255).notes == (
        f"Label 255 is in the {where} alone: by rule Dice and IoU count as 0.",
    )


def test_labels_that_one_mask_lacks_are_named_together() -> None:
    both, predicted, wanted = Counts(1, 1, 1), Counts(0, 1, 0), Counts(0, 0, 1)
    assert rules_at_work({1: both}) == []
    assert rules_at_work({1: predicted, 2: wanted, 3: both, 4: predicted, 5: predicted, 6: Counts()}) == [
        "Label 2 is in the reference alone, labels 1, 4 and 5 in the prediction alone: by rule Dice and IoU "
        "count as 0.",
        "Label 6 is in neither mask: by rule Dice and IoU count as 1.",
    ]


def test_the_labels_of_both_masks_are_listed() -> None:
    pair = np.array([[0, 7, 2]], np.uint16), np.array([[2, 0, 300]], np.uint16)
    assert labels_in(aligned(pair)) == [2, 7, 300]
    assert labels_in(aligned((np.array([[True]]), np.array([[False]])))) == [1]


@given(PAIRS, EITHER_LABEL)
def test_codes_of_agreement_add_up_to_the_counts(pair: Pair, label: int | None) -> None:
    codes = agreement(aligned(pair), label)
    none, both, false, missed = np.bincount(codes.ravel(), minlength=4)
    found = score(*pair, label=label)
    assert (both, both + false, both + missed) == (
        found.voxels_both,
        found.voxels_predicted,
        found.voxels_reference,
    )
    assert none + both + false + missed == codes.size
    assert (codes.dtype, codes.shape) == (np.uint8, pair[0].shape)


def test_codes_say_which_mask_a_voxel_is_in() -> None:
    assert agreement(aligned((np.array([[0, 2, 2, 1]]), np.array([[0, 2, 1, 2]]))), 2).tolist() == [
        [0, 1, 2, 3]
    ]


@given(PAIRS, EITHER_LABEL)
def test_slices_add_up_to_the_whole(pair: Pair, label: int | None) -> None:
    slices = slice_overlaps(aligned(pair), label)
    assert len(slices) == (len(pair[0]) if pair[0].ndim == 3 else 1)
    whole = sum(slices[1:], slices[0])
    found = score(*pair, label=label)
    assert vars(whole) == {
        "true_positive": found.voxels_both,
        "predicted": found.voxels_predicted,
        "reference": found.voxels_reference,
    }
