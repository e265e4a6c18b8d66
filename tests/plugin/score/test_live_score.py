"""What crosses to the child to be measured, and that its numbers are those of the whole volume."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet.evaluation.compare import MaskPair, labels_in, slice_overlaps
from napari_tumor_unet.evaluation.score import Score, score_masks
from napari_tumor_unet.plugin.score.mask_pair import PairCounts, answer_with_box
from napari_tumor_unet.scan.grid import grid_of_spacing
from napari_tumor_unet.worker import tasks
from tests.evaluation.test_score import PAIRS, SPACING, Pair


def counted(pair: Pair, labels: list[int | None]) -> PairCounts:
    masks = MaskPair(
        *pair, grid_of_spacing(pair[0].shape, SPACING[-pair[0].ndim :], in_mm=True), ("A note.",)
    )
    return PairCounts(masks, labels_in(masks), {label: slice_overlaps(masks, label) for label in labels})


def measured(of: PairCounts) -> list[Score]:
    return list(tasks.score(partial(answer_with_box, of), of.totals, 1.0))


@pytest.mark.parametrize("at", [(0, 0, 0), (9, 30, 40), (19, 59, 79)])
@pytest.mark.parametrize("labels", [[None], [2], [1, 2]])
def test_the_box_around_both_masks_alone_crosses(at: tuple[int, ...], labels: list[int | None]) -> None:
    pair = np.zeros((2, 20, 60, 80), np.uint8)
    pair[(0, *at)] = pair[1, 9:11, 30:33, 40:44] = 2
    of, crossed = counted(tuple(pair), labels), []

    def ask(planes: range | None) -> Any:
        answer = answer_with_box(of, planes)
        if planes is not None:
            crossed.append(answer)
        return answer

    assert list(tasks.score(ask, of.totals, 1.0)) == [score_masks(of.pair, n, 1.0) for n in labels]
    box = [max(a + 1, b) - min(a, c) for a, b, c in zip(at, (11, 33, 44), (9, 30, 40), strict=True)]
    for blocks in zip(*crossed, strict=True):
        assert sum(block.size for block in blocks) <= np.prod([n + 2 for n in box])


@given(PAIRS, st.none() | st.integers(1, 4), st.integers(0, 2), st.booleans())
def test_numbers_of_the_box_are_those_of_the_whole(
    pair: Pair, label: int | None, air: int, each: bool
) -> None:
    pair = tuple(np.pad(mask, air) for mask in pair)
    of = counted(pair, [1, 2, 3] if each else [label])
    assert measured(of) == [score_masks(of.pair, n, 1.0) for n in of.slices]


@given(PAIRS, st.integers(0, 5))
def test_masks_in_one_slice_of_several_are_no_plane(pair: Pair, z: int) -> None:
    volume = tuple(np.zeros((6, 6, 6), np.uint8) for _ in pair)
    for mask, of in zip(volume, pair, strict=True):
        plane = of[0] if of.ndim == 3 else of
        mask[z, : plane.shape[0], : plane.shape[1]] = plane
    of = counted(volume, [None])
    assert measured(of) == [score_masks(of.pair, None, 1.0)]


def test_what_was_counted_is_not_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    of = counted(tuple(np.ones((2, 3, 4, 5), np.uint8)), [None])
    monkeypatch.delattr("napari_tumor_unet.evaluation.score.overlap")
    assert measured(of)[0].voxels_both == 60
