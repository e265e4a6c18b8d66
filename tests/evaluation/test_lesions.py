"""Lesion-wise Dice, against the definition written out voxel by voxel."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet.evaluation.lesions import lesion_wise_dice
from napari_tumor_unet.evaluation.score import score

Voxels = set[tuple[int, ...]]


def cube(*corners: tuple[int, int, int], side: int = 4) -> np.ndarray:
    mask = np.zeros((12, 40, 40), bool)
    for z, y, x in corners:
        mask[z : z + side, y : y + side, x : x + side] = True
    return mask


A, B, C = (2, 2, 2), (2, 30, 2), (2, 2, 30)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        (cube(A), cube(A), 1.0),
        (cube(A), cube(A, B), 1 / 2),  # one was missed
        (cube(A, B), cube(A), 1 / 2),  # one is false
        (cube(A, C), cube(A, B), 1 / 3),
        (cube(), cube(A), 0.0),
        (cube(A), cube(), 0.0),
        (cube(), cube(), 1.0),
        (
            cube(A) | cube(B, side=3),
            cube(A) | cube(B, side=3),
            1.0,
        ),  # 27 mm3 do not count, nor are they false
        (cube(A), cube(A) | cube(B, side=3), 1.0),
        (cube(A), cube(A, (2, 2, 9)), 64 * 2 / (64 + 128)),  # 3 voxels apart: one lesion
        (cube((2, 2, 8)), cube(A), 0.0),  # near enough to be a match, and none of it right
    ],
)
def test_known_cases(prediction: np.ndarray, reference: np.ndarray, expected: float) -> None:
    assert lesion_wise_dice(prediction, reference) == pytest.approx(expected)


def test_it_is_among_the_scores_and_a_missed_small_lesion_costs_as_much_as_a_large_one() -> None:
    reference = cube(A, side=10) | cube(B, side=4)
    found = score(cube(A, side=10).astype(np.uint8), reference.astype(np.uint8), spacing=(1, 1, 1))
    assert found.lesion_wise_dice == 0.5
    assert found.dice > 0.9
    assert ("lesion-wise Dice", "0.5000") in found.as_rows()


def test_lesions_are_measured_in_mm3() -> None:
    assert lesion_wise_dice(cube(A), cube(A, B), voxel_mm3=0.5) == 1.0  # none is over 50 mm3


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.1), st.sampled_from([5.0, 26.0, 60.0]))
def test_it_is_what_the_rules_say(seed: int, share: float, voxel_mm3: float) -> None:
    chance = np.random.default_rng(seed)
    prediction, reference = chance.random((2, 4, 11, 12)) < share
    found = lesion_wise_dice(prediction, reference, voxel_mm3)
    assert found == pytest.approx(by_the_rules(voxels(prediction), voxels(reference), voxel_mm3))


def by_the_rules(prediction: Voxels, reference: Voxels, voxel_mm3: float) -> float:
    lesions = [component & reference for component in components(dilated(reference))]
    parts = components(prediction)
    scores, matched = [], []
    for lesion in lesions:
        hits = [part for part in parts if part & dilated(lesion)]
        matched += hits
        found = set().union(*hits)
        if len(lesion) * voxel_mm3 > 50:
            scores.append(2 * len(found & lesion) / (len(found) + len(lesion)))
    judged = len(scores) + sum(part not in matched for part in parts)
    return sum(scores) / judged if judged else 1.0


def voxels(mask: np.ndarray) -> Voxels:
    return {tuple(int(i) for i in place) for place in np.argwhere(mask)}


def dilated(mask: Voxels) -> Voxels:
    steps = [step for step in product((-1, 0, 1), repeat=3) if sum(map(abs, step)) < 3]
    for _ in range(3):
        mask = {(z + a, y + b, x + c) for z, y, x in mask for a, b, c in steps}
    return mask


def components(mask: Voxels) -> list[Voxels]:
    left, found = set(mask), []
    while left:
        edge = [left.pop()]
        component = set(edge)
        while edge:
            z, y, x = edge.pop()
            near = {(z + a, y + b, x + c) for a, b, c in product((-1, 0, 1), repeat=3)} & left
            left -= near
            component |= near
            edge += near
        found.append(component)
    return found
