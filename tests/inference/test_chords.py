"""Chords in a plane: known shapes, and a search by brute force on small masks."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_tumor_unet.inference.chords import Chords, Plane

Mask = NDArray[np.bool_]
SMALL = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))).filter(lambda mask: mask.any())
PIXELS = st.sampled_from([(1.0, 1.0), (0.5, 1.25), (2.0, 0.75)])


def ellipse(shape: tuple[int, int], semi_axes: tuple[float, float], turned: float = 0) -> Mask:
    y, x = np.indices(shape) - (np.array(shape).reshape(2, 1, 1) - 1) / 2
    along = math.cos(turned) * x + math.sin(turned) * y
    across = math.cos(turned) * y - math.sin(turned) * x
    return (along / semi_axes[0]) ** 2 + (across / semi_axes[1]) ** 2 <= 1


def holds(mask: Mask, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each place is in a pixel of the mask, its edges included."""
    padded = np.pad(mask, 1)
    there = np.zeros(places.shape[:-1], bool)
    for dy in (-1e-6, 1e-6):
        for dx in (-1e-6, 1e-6):
            y, x = (np.floor(places[..., i] + d).astype(int) + 1 for i, d in enumerate((dy, dx)))
            there |= padded[np.clip(y, 0, padded.shape[0] - 1), np.clip(x, 0, padded.shape[1] - 1)]
    return there


def inside(mask: Mask, first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    steps = np.linspace(0, 1, 200)[:, None, None]
    return holds(mask, first + steps * (second - first)).all(axis=0)


def by_brute_force(mask: Mask, pixel: tuple[float, float]) -> float:
    """The longest of the chords between many places on the edges of the pixels."""
    edge = np.arange(5) / 4
    on_edges = [(y + e, x + f) for y, x in np.argwhere(mask) for e in edge for f in edge if {e, f} & {0, 1}]
    places = np.unique(np.array(on_edges), axis=0)
    first, second = (places[list(i)] for i in zip(*combinations(range(len(places)), 2), strict=True))
    lengths = np.hypot(*((second - first) * pixel).T)
    order = np.argsort(-lengths)
    for part in np.array_split(order, max(1, len(order) // 256)):
        if (there := inside(mask, first[part], second[part])).any():
            return float(lengths[part][there].max())
    raise AssertionError


def same(a: Chords, b: Chords) -> bool:
    return a[:2] == pytest.approx(b[:2], rel=1e-6)


@given(SMALL, PIXELS)
def test_no_chord_of_a_small_mask_is_longer_and_both_lie_in_it(
    mask: Mask, pixel: tuple[float, float]
) -> None:
    chords = Plane(mask, pixel).chords()
    assert chords.longest >= by_brute_force(mask, pixel) - 1e-6
    for ends, length in (
        (chords.longest_ends, chords.longest),
        (chords.perpendicular_ends, chords.perpendicular),
    ):
        assert np.hypot(*(ends[1] - ends[0])) == pytest.approx(length)
        assert inside(mask, *(end[None] / pixel for end in ends)).all()
    longest, other = (ends[1] - ends[0] for ends in chords[2:])
    assert longest @ other == pytest.approx(0, abs=1e-6)


@given(SMALL, PIXELS)
def test_no_chord_at_right_angles_is_longer(mask: Mask, pixel: tuple[float, float]) -> None:
    chords = Plane(mask, pixel).chords()
    along = (chords.longest_ends[1] - chords.longest_ends[0]) / chords.longest
    across = np.array([along[1], -along[0]])
    height, width = np.array(mask.shape) * pixel
    t = np.linspace(-height - width, height + width, 4001)
    for start in np.linspace(-height - width, height + width, 61):
        there = holds(mask, (start * along + t[:, None] * across) / pixel)
        runs = np.flatnonzero(np.diff(np.r_[0, there, 0]))
        if len(runs):
            assert np.diff(runs)[::2].max() * (t[1] - t[0]) <= chords.perpendicular + 2 * (t[1] - t[0])


@given(SMALL, PIXELS)
def test_turning_by_a_right_angle_or_flipping_changes_nothing(mask: Mask, pixel: tuple[float, float]) -> None:
    chords = Plane(mask, pixel).chords()
    assert same(Plane(np.rot90(mask), pixel[::-1]).chords(), chords)
    assert same(Plane(mask[::-1], pixel).chords(), chords)
    assert same(Plane(mask[:, ::-1], pixel).chords(), chords)


def test_the_edges_of_pixels_count() -> None:
    chords = Plane(np.ones((1, 1), bool), (2.0, 3.0)).chords()
    assert chords.longest == pytest.approx(math.hypot(2, 3))
    # From corner to foot: at right angles to the diagonal of a rectangle, through a corner.
    assert chords.perpendicular == pytest.approx(2 * math.hypot(2, 3) / 3)


@pytest.mark.parametrize("turned", [0, 0.3, math.pi / 4, 1.2])
@pytest.mark.parametrize("pixel", [(1.0, 1.0), (0.5, 1.0)])
def test_an_ellipse_has_its_axes(turned: float, pixel: tuple[float, float]) -> None:
    shape = (round(130 / pixel[0]), round(130 / pixel[1]))
    y, x = ((np.indices(shape) + 0.5).T * pixel - 65).T
    along, across = math.cos(turned) * x + math.sin(turned) * y, math.cos(turned) * y - math.sin(turned) * x
    chords = Plane((along / 50) ** 2 + (across / 20) ** 2 <= 1, pixel).chords()
    assert chords.longest == pytest.approx(100, abs=1.5)
    assert chords.perpendicular == pytest.approx(40, abs=1.5)


def test_in_a_ring_the_chord_passes_beside_the_hole() -> None:
    ring = ellipse((121, 121), (60, 60)) & ~ellipse((121, 121), (36, 36))
    chords = Plane(ring, (1, 1)).chords()
    assert chords.longest == pytest.approx(2 * math.sqrt(60**2 - 36**2), abs=1.5)
    assert chords.perpendicular == pytest.approx(2 * math.sqrt(60**2 - 36**2), abs=1.5)


def test_in_a_banana_the_chord_does_not_leave_it() -> None:
    y, x = np.indices((61, 121)) - np.array([0, 60]).reshape(2, 1, 1)
    r = np.hypot(y, x)
    banana = (r <= 60) & (r >= 45)
    chords = Plane(banana, (1, 1)).chords()
    assert chords.longest == pytest.approx(2 * math.sqrt(60**2 - 45**2), abs=2)
    assert chords.longest < 100 < np.ptp(np.argwhere(banana)[:, 1])


def test_pixels_that_touch_by_a_corner_hang_together() -> None:
    assert Plane(np.eye(3, dtype=bool), (1, 1)).chords().longest == pytest.approx(3 * math.sqrt(2))


def test_two_parts_in_a_slice_are_not_bridged() -> None:
    assert Plane(np.array([[1, 1, 0, 1, 1, 1]], bool), (1, 1)).chords().longest == pytest.approx(
        math.sqrt(10)
    )


def test_of_a_mask_full_of_holes_no_more_than_a_bounded_number_of_lines_is_tried() -> None:
    noise = np.random.default_rng(0).random((96, 96)) < 0.5
    assert 10 < Plane(noise, (1, 1)).chords().longest < 136
