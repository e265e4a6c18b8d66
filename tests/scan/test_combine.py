"""Sequences brought to one grid, against what the world holds there."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_tumor_unet.scan import Geometry, Scan, ScanError
from napari_tumor_unet.scan.combine import Resampled, combine
from napari_tumor_unet.scan.grid import Grid
from tests.conftest import Refused

ANGLES = st.integers(-180, 180).map(np.deg2rad)
SHAPES = st.tuples(*[st.integers(2, 9)] * 3)
VOLUME = np.random.default_rng(5).integers(0, 900, (6, 9, 8), dtype=np.int16)
AXIAL = Geometry((5.0, 1.0, 1.5), (-20.0, -30.0, 40.0))


@st.composite
def grids(draw: st.DrawFn, sheared: bool = True) -> Grid:
    """Turned, mirrored, sheared as the affine of a layer may be, and near the world's origin."""
    shape = draw(SHAPES)
    turn = nib.eulerangles.euler2mat(draw(ANGLES), draw(ANGLES), draw(ANGLES))
    shear = np.eye(3)
    shear[0, 1] = draw(st.floats(-0.4, 0.4)) if sheared else 0
    matrix = turn @ shear * draw(st.tuples(*[st.floats(0.4, 4)] * 3)) * draw(st.sampled_from([-1, 1]))
    centre = np.array(draw(st.tuples(*[st.floats(-2, 2)] * 3)))
    return Grid(shape, matrix, centre - matrix @ (np.array(shape) - 1) / 2, in_mm=True)


def world_of(grid: Grid) -> np.ndarray:
    """Where each voxel lies, (Z, Y, X, 3)."""
    return np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.matrix.T + grid.offset


def resampled(volume: np.ndarray, grid: Grid, onto: Grid) -> np.ndarray:
    return np.asarray(Resampled(volume, grid, onto))


def placed(name: str, geometry: Geometry = AXIAL, volume: np.ndarray = VOLUME) -> Scan:
    return Scan(name, {"flair": volume}, geometry.spacing, in_mm=True, geometry=geometry)


@given(grids(), grids())
@settings(max_examples=60)
def test_a_linear_field_is_met_exactly_on_any_grid(grid: Grid, onto: Grid) -> None:
    slope = np.array([3.0, -2.0, 5.0])
    volume = world_of(grid) @ slope + 100
    index = (world_of(onto) - grid.offset) @ np.linalg.inv(grid.matrix).T
    inside = ((index >= 0) & (index <= np.array(grid.shape) - 1)).all(axis=-1)
    beyond = ((index < -0.51) | (index > np.array(grid.shape) - 0.49)).any(axis=-1)
    moved = resampled(volume, grid, onto)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved[inside], (world_of(onto) @ slope + 100)[inside], atol=1e-2)
    np.testing.assert_allclose(moved[beyond], volume.min(), atol=1e-3)


def head(world: np.ndarray) -> np.ndarray:
    """A smooth head with a tumour, 80 mm across."""
    brain = 100 / (1 + np.exp((np.linalg.norm(world / [0.8, 1.0, 0.9], axis=-1) - 40) / 3))
    return brain + 80 * np.exp(-(((world - [15.0, -10.0, 5.0]) / 12) ** 2).sum(axis=-1))


@given(
    st.tuples(*[st.floats(-0.6, 0.6)] * 3),
    st.tuples(*[st.floats(-10, 10)] * 3),
    st.tuples(*[st.floats(2.0, 3.0)] * 3),
)
def test_a_turned_and_shifted_head_comes_to_flairs_grid(
    angles: tuple[float, ...], shift: tuple[float, ...], spacing: tuple[float, float, float]
) -> None:
    direction = nib.eulerangles.euler2mat(*angles)
    shape = tuple(int(150 / s) for s in spacing)
    centre = direction * np.array(spacing[::-1]) @ np.array(shape[::-1]) / 2
    there = Geometry(spacing, tuple(np.array(shift) - centre), tuple(direction.ravel()))
    flair = placed("flair", Geometry((10.0, 4.0, 4.0), (-44, -50, -45)), np.zeros((10, 26, 23)))
    pre = placed("t1", there, np.zeros(shape))
    pre = replace(pre, sequences={"flair": head(world_of(pre.grid)).astype(np.float32)})
    moved = np.asarray(combine(flair, pre).sequences["pre"])
    error = np.abs(moved - head(world_of(flair.grid)))
    assert error.max() < 3
    assert error.mean() < 0.3


def test_a_slice_is_that_of_the_whole_and_computed_when_read() -> None:
    grid, onto = placed("a").grid, placed("b", replace(AXIAL, origin=(-18.3, -29.0, 44.0))).grid
    whole, lazy = resampled(VOLUME, grid, onto), Resampled(VOLUME, grid, onto)
    assert (lazy.shape, lazy.ndim, lazy.dtype) == (whole.shape, 3, np.float32)
    for z in (0, 3, -1):
        np.testing.assert_array_equal(lazy[z], whole[z])
    with pytest.raises(IndexError):
        lazy[len(whole)]


@pytest.mark.parametrize("dtype", ["bool", "u1", ">i2", "f2", ">f4", "f8", "i8"])
def test_voxels_of_all_real_types_are_resampled(dtype: str) -> None:
    volume = (VOLUME % 2).astype(dtype)
    grid = placed("a").grid
    moved = resampled(volume, grid, replace(grid, offset=grid.offset + grid.matrix @ [1, 2, 0]))
    np.testing.assert_allclose(moved[:-1, :-2], volume[1:, 2:].astype(np.float32), atol=1e-6)
    assert (moved[-1] == 0).all()


def test_outside_is_the_lowest_of_what_is_a_number() -> None:
    volume = np.full((2, 3, 4), -7.5)
    volume[0, 0, 0], volume[0, 0, 1] = np.nan, -np.inf
    grid = Grid(volume.shape, np.eye(3), np.zeros(3), in_mm=True)
    moved = resampled(volume, grid, replace(grid, offset=np.array([5.0, 0, 0])))
    assert (moved == -7.5).all()


def test_one_grid_needs_no_resampling() -> None:
    pre = placed("t1", replace(AXIAL, origin=(-20.0, -30.0004, 40.0)))
    flair = placed("flair")
    scan = combine(flair, pre=pre, post=placed("t1c"))
    assert scan.sequences["pre"] is VOLUME
    assert set(scan.sequences) == {"pre", "flair", "post"}
    assert (scan.name, scan.geometry, scan.spacing, scan.in_mm) == ("flair", AXIAL, AXIAL.spacing, True)


def test_flair_alone_stays_as_it_is() -> None:
    assert combine(placed("flair")) == placed("flair")


def test_of_several_sequences_the_one_meant_is_taken() -> None:
    three = Scan("three", {"pre": VOLUME + 1, "flair": VOLUME + 2, "post": VOLUME + 3})
    scan = combine(Scan("flair", {"flair": VOLUME}), pre=three, post=three)
    for sequence, added in (("pre", 1), ("flair", 0), ("post", 3)):
        np.testing.assert_array_equal(scan.sequences[sequence], VOLUME + added)


def test_without_a_place_the_same_shape_is_taken_for_the_same_grid() -> None:
    scan = combine(placed("flair"), pre=Scan("t1", {"flair": VOLUME}))
    assert scan.sequences["pre"] is VOLUME


@pytest.mark.parametrize(
    "other",
    [
        Scan("t1", {"flair": VOLUME[1:]}),
        Scan("t1", {"flair": VOLUME}, (3.0, 1.0, 1.5), in_mm=True),
    ],
)
def test_without_a_place_another_shape_or_spacing_is_refused(other: Scan, refused: Refused) -> None:
    with refused(ScanError, "t1", "flair", "does not say where it lies"):
        combine(placed("flair"), post=other)


def test_what_lies_elsewhere_is_refused(refused: Refused) -> None:
    with refused(ScanError, "T1 after contrast (t1)", "FLAIR (flair)", "different places"):
        combine(placed("flair"), post=placed("t1", replace(AXIAL, origin=(0.0, 0.0, 400.0))))


def test_what_is_in_doubt_of_a_sequence_is_so_of_the_whole_scan() -> None:
    scans = [
        Scan("a", {"flair": VOLUME}, geometry=AXIAL, in_mm=True, notes=(note,)) for note in ("One.", "Two.")
    ]
    assert combine(*scans).notes == ("One.", "Two.")
