"""Where masks lie, and masks taken from one grid to another, against SimpleITK's resampling."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_tumor_unet.io.read import read_labels
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.scan.grid import Grid, geometry_of, grid_of_spacing

RANDOM = np.random.default_rng(3)
LABELS = RANDOM.integers(0, 4, (4, 5, 6), dtype=np.uint8)
SPACING = (5.0, 1.5, 0.7)
GRID = Grid(LABELS.shape, np.diag(SPACING)[::-1], np.array([3.0, -7.0, 11.0]), in_mm=True)  # world x, y, z
ANGLES = st.integers(-180, 180).map(np.deg2rad)
DIRECTIONS = st.tuples(ANGLES, ANGLES, ANGLES, st.sampled_from([-1, 1])).map(
    lambda turn: nib.eulerangles.euler2mat(*turn[:3]) @ np.diag([turn[3], 1, 1])
)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """A grid that is turned, and perhaps mirrored, around a place near 0."""
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, max_side=6))
    matrix = draw(DIRECTIONS) * draw(st.tuples(*[st.floats(0.5, 3)] * 3))
    centre = draw(st.tuples(*[st.floats(-2, 2)] * 3))
    return Grid(shape, matrix, np.array(centre) - matrix @ np.array(shape) / 2, in_mm=True)


def image_of(labels: np.ndarray, grid: Grid) -> sitk.Image:
    """As SimpleITK has it: axes x, y, z."""
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(grid.spacing[::-1])
    image.SetOrigin(grid.offset.tolist())
    image.SetDirection((grid.matrix / grid.spacing)[:, ::-1].ravel().tolist())
    return image


def flipped(grid: Grid, axis: int) -> Grid:
    """The same voxels in the opposite order along an axis."""
    sign = np.where(np.arange(len(grid.shape)) == axis, -1, 1)
    last = grid.matrix[:, axis] * (grid.shape[axis] - 1)
    return replace(grid, matrix=grid.matrix * sign, offset=grid.offset + last)


@given(grids(), grids(), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_resampling_is_that_of_simpleitk(grid: Grid, onto: Grid, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(1, 200, grid.shape, dtype=np.uint8)
    moved = grid.resample(labels, onto)
    expected = sitk.Resample(
        image_of(labels, grid), image_of(np.zeros(onto.shape, np.uint8), onto), sitk.Transform(),
        sitk.sitkNearestNeighbor,
    )  # fmt: skip
    world = np.argwhere(np.ones(onto.shape)) @ onto.matrix.T + onto.offset
    index = (world - grid.offset) @ np.linalg.inv(grid.matrix).T
    tie = (np.abs(index % 1 - 0.5) < 1e-5).any(axis=1).reshape(onto.shape)  # rounded up here, down there
    np.testing.assert_array_equal(moved[~tie], sitk.GetArrayFromImage(expected)[~tie])
    assert moved.dtype == labels.dtype


@given(grids(), grids())
def test_what_lies_outside_is_counted_in_world_space(grid: Grid, of: Grid) -> None:
    there = image_of(np.zeros(of.shape, np.uint8), of)
    mask = np.ones(grid.shape, np.uint8)
    world = np.argwhere(mask) @ grid.matrix.T + grid.offset
    index = np.array([there.TransformPhysicalPointToContinuousIndex(point) for point in world.tolist()])
    beyond = np.maximum(-0.5 - index, index + 0.5 - of.shape[::-1]).max(axis=1)
    assume((np.abs(beyond) > 1e-6).all())  # what lies on the border is a matter of rounding
    assert grid.outside(mask, of) == np.count_nonzero(beyond > 0)


def test_a_grid_is_the_same_as_itself() -> None:
    assert GRID.is_same(replace(GRID))
    assert GRID.is_same(replace(GRID, offset=GRID.offset + 1e-4))
    np.testing.assert_array_equal(GRID.resample(LABELS, GRID), LABELS)


@pytest.mark.parametrize(
    "other",
    [
        replace(GRID, offset=GRID.offset + np.array([0, 0, 0.1])),
        replace(GRID, matrix=GRID.matrix * 1.01),
        replace(GRID, matrix=GRID.matrix[:, [1, 0, 2]]),
        replace(GRID, shape=(4, 5, 7)),
        replace(GRID, in_mm=False),
        *(flipped(GRID, axis) for axis in range(3)),
    ],
)
def test_a_grid_that_differs_is_another(other: Grid) -> None:
    assert not GRID.is_same(other)
    assert not other.is_same(GRID)


@pytest.mark.parametrize("axis", range(3))
def test_a_mask_on_a_flipped_grid_comes_back_whole(axis: int) -> None:
    moved = flipped(GRID, axis).resample(np.flip(LABELS, axis), GRID)
    np.testing.assert_array_equal(moved, LABELS)


@pytest.mark.parametrize("steps", [(1, 0, 0), (0, -2, 3), (-3, 4, -5)])
def test_a_shift_by_whole_voxels_loses_what_leaves(steps: tuple[int, int, int]) -> None:
    moved_on = replace(GRID, offset=GRID.offset + GRID.matrix @ steps)
    moved = GRID.resample(LABELS, moved_on)
    for index in np.ndindex(LABELS.shape):
        source = np.add(index, steps)
        inside = ((source >= 0) & (source < LABELS.shape)).all()
        assert moved[index] == (LABELS[tuple(source)] if inside else 0)
    assert GRID.outside(LABELS, moved_on) == np.count_nonzero(LABELS) - np.count_nonzero(moved)


def test_voxels_of_half_the_size_are_as_their_parents() -> None:
    fine = Grid((8, 10, 12), GRID.matrix / 2, GRID.offset - GRID.matrix.sum(axis=1) / 4, in_mm=True)
    halves = LABELS.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(GRID.resample(LABELS, fine), halves)
    assert fine.outside(halves, GRID) == 0


def test_planes_are_resampled_too() -> None:
    plane = Grid((5, 6), np.diag([1.5, 0.7]), np.zeros(2), in_mm=True)
    np.testing.assert_array_equal(flipped(plane, 1).resample(LABELS[0, :, ::-1], plane), LABELS[0])


@given(grids())
def test_a_turned_grid_keeps_its_spacing_and_volume(grid: Grid) -> None:
    straight = grid_of_spacing(grid.shape, grid.spacing, in_mm=True)
    assert straight.spacing == pytest.approx(grid.spacing)
    assert grid.voxel_ml == pytest.approx(np.prod(grid.spacing) / 1000)
    assert not straight.placed


@pytest.mark.parametrize(("shape", "in_mm"), [((4, 5), True), ((3, 4, 5), False)])
def test_a_voxel_without_a_known_volume_has_none(shape: tuple[int, ...], in_mm: bool) -> None:
    assert grid_of_spacing(shape, [2.0] * len(shape), in_mm).voxel_ml is None


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR"])
@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_a_files_voxels_lie_where_nibabel_has_them(tmp_path: Path, axes: str, turn: float) -> None:
    affine = nib.affines.from_matvec(nib.eulerangles.euler2mat(turn, 0, -turn) * [0.7, 1.5, 5], [9, -4, 2])
    image = nib.Nifti1Image(LABELS.T.copy(), affine)
    order = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(axes)
    )
    nib.save(image.as_reoriented(order), tmp_path / "a.nii")
    scan = read_labels(tmp_path / "a.nii")
    grid = scan.grid
    ras_to_lps = np.diag([-1, -1, 1])
    for index in zip(*np.nonzero(LABELS == 3), strict=True):
        world = ras_to_lps @ nib.affines.apply_affine(affine, index[::-1])
        here = np.linalg.solve(grid.matrix, world - grid.offset)
        np.testing.assert_allclose(here, here.round(), atol=1e-4)
        assert scan.sequences["flair"][tuple(here.round().astype(int))] == 3


@given(grid=grids())
def test_the_geometry_of_a_grid_is_where_it_lies(grid: Grid) -> None:
    geometry = geometry_of(grid)
    scan = Scan("a", {"flair": np.zeros(grid.shape)}, in_mm=True, geometry=geometry)
    np.testing.assert_allclose(scan.grid.matrix, grid.matrix, atol=1e-12)
    np.testing.assert_array_equal(scan.grid.offset, grid.offset)


@given(grid=grids(), other=st.tuples(*[st.floats(0.5, 3)] * 3))
def test_a_scan_and_its_grid_agree_whatever_it_was_made_with(
    grid: Grid, other: tuple[float, float, float]
) -> None:
    voxels, geometry = np.zeros(grid.shape), geometry_of(grid)
    made = Scan("a", {"flair": voxels}, other, in_mm=True, geometry=geometry)
    moved = replace(made, geometry=replace(geometry, spacing=other))
    for scan in (made, moved, made.with_spacing(other), replace(made, geometry=None, spacing=other)):
        assert scan.grid.spacing == pytest.approx(scan.spacing, rel=1e-12)
        assert scan.grid.shape == scan.shape
        assert scan.geometry is None or scan.geometry.spacing == scan.spacing
        assert scan.voxel_ml == pytest.approx(np.prod(scan.spacing) / 1000)
    assert made.spacing == geometry.spacing


def test_a_sheared_grid_has_no_geometry() -> None:
    sheared = GRID.matrix + np.array([[0, 0, 0], [0, 0, 0.3], [0, 0, 0]])
    with pytest.raises(ValueError, match="right angles"):
        geometry_of(replace(GRID, matrix=sheared))
