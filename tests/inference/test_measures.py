"""Measures of regions: phantoms with known answers, and what may not change them."""

from __future__ import annotations

import json
import math
import time

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_tumor_unet import measure
from napari_tumor_unet.inference.measures import MeasureError, Measures, measure_on_grid
from napari_tumor_unet.inference.regions import find_regions
from napari_tumor_unet.scan.grid import Geometry, grid_of_geometry

Mask = NDArray[np.uint8]
SMALL = arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3), elements=st.integers(0, 1))


def ellipsoid(
    shape: tuple[int, ...], semi_axes: tuple[float, ...], spacing: tuple[float, ...] = (1, 1, 1)
) -> Mask:
    axes = np.indices(shape).T - (np.array(shape) - 1) / 2
    return ((axes * spacing / np.array(semi_axes)) ** 2).sum(axis=-1).T.round(9).__le__(1).astype(np.uint8)


def numbers(measures: Measures) -> list[tuple[float, ...]]:
    return sorted(
        (r.voxels, r.slices, r.longest_diameter, r.perpendicular_diameter, r.product, r.largest_extent)
        for r in measures.regions
    )


def test_a_box_is_measured_by_its_edges_in_mm() -> None:
    mask = np.zeros((6, 40, 40), np.uint8)
    mask[2:5, 10:22, 5:21] = 1
    measures = measure(mask, spacing=(3, 1, 0.75))
    region = measures.regions[0]
    assert (region.voxels, region.slices) == (576, 3)
    assert region.volume_ml == measures.volume_ml == pytest.approx(576 * 2.25 / 1000)
    assert region.longest_diameter == pytest.approx(math.hypot(12, 12))
    assert region.perpendicular_diameter == pytest.approx(math.hypot(12, 12))
    assert region.product == pytest.approx(288)
    assert region.largest_extent == pytest.approx(math.sqrt(12**2 + 12**2 + 9**2))
    assert region.slice == 2
    assert region.measurable
    assert measures.sum_of_products_mm2 == pytest.approx(288)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (5, 0.5, 0.5), (3, 0.9, 0.5)])
def test_an_ellipsoid_has_the_axes_of_its_middle_slice(spacing: tuple[float, ...]) -> None:
    shape = tuple(round(70 / s) // 2 * 2 + 1 for s in spacing)
    region = measure(ellipsoid(shape, (30, 15, 25), spacing), spacing=spacing).regions[0]
    assert region.slice == shape[0] // 2
    assert region.longest_diameter == pytest.approx(50, abs=1.5)
    assert region.perpendicular_diameter == pytest.approx(30, abs=1.5)
    assert region.largest_extent == pytest.approx(60, abs=spacing[0] + 0.5)


def test_the_slice_is_that_of_the_largest_product_not_of_the_largest_area() -> None:
    mask = np.zeros((2, 60, 60), np.uint8)
    mask[0, 10:40, 10:40] = 1
    mask[1, 25:27, 5:55] = mask[1, 5:55, 25:27] = 1  # a cross: hardly any area, long arms
    region = measure(mask, spacing=(1, 1, 1)).regions[0]
    assert mask[0].sum() > 4 * mask[1].sum()
    assert region.slice == 1
    assert region.product > 50**2


def test_an_oblique_scan_is_measured_along_its_own_planes_and_placed_in_the_patient() -> None:
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]]) @ np.array(
        [[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]]
    )
    mask = np.zeros((4, 50, 50), np.uint8)
    mask[1:3, 10:40, 20:21] = 1
    grid = grid_of_geometry(mask.shape, Geometry((4, 0.5, 2), (10, -20, 30), tuple(turn.ravel())))
    region = measure_on_grid(mask, grid).regions[0]
    assert region.longest_diameter == pytest.approx(math.hypot(15, 2))
    assert region.longest_line_mm is not None
    assert region.perpendicular_line_mm is not None
    first, second = np.array(region.longest_line_mm)
    assert np.linalg.norm(second - first) == pytest.approx(region.longest_diameter)
    assert (second - first) @ np.subtract(*region.perpendicular_line_mm) == pytest.approx(0, abs=1e-6)
    corner = turn @ (19.5 * 2, 9.5 * 0.5, 4) + (10, -20, 30)
    opposite = turn @ (20.5 * 2, 39.5 * 0.5, 4) + (10, -20, 30)
    mirrored = [turn @ (x * 2, y * 0.5, 4) + (10, -20, 30) for x, y in ((20.5, 9.5), (19.5, 39.5))]
    ends = [sorted(map(tuple, np.round(pair, 6))) for pair in ((corner, opposite), mirrored)]
    assert sorted(map(tuple, np.round((first, second), 6))) in ends


def test_a_single_voxel_is_measured_and_not_measurable() -> None:
    mask = np.zeros((3, 5, 5), np.uint8)
    mask[1, 2, 2] = 1
    region = measure(mask, spacing=(5, 1, 1)).regions[0]
    assert region.longest_diameter == pytest.approx(math.sqrt(2))
    assert region.perpendicular_diameter == pytest.approx(math.sqrt(2))
    assert region.largest_extent == pytest.approx(math.sqrt(27))
    assert region.slice == 1
    assert not region.measurable


@pytest.mark.parametrize(
    ("slices", "distance", "side", "measurable"),
    [
        (2, 5, 10, True),
        (1, 5, 10, False),
        (2, 5, 7, False),
        (2, 6, 8, False),
        (2, 6, 9, True),
        (2, 3, 8, True),
    ],
)
def test_what_is_measurable_depends_on_diameters_slices_and_thickness(
    slices: int, distance: float, side: int, measurable: bool
) -> None:
    mask = np.zeros((4, 20, 20), np.uint8)
    mask[1 : 1 + slices, 3 : 3 + side, 3 : 3 + side] = 1  # its diameters are side times the root of two
    measures = measure(mask, spacing=(distance, 1, 1))
    assert measures.regions[0].measurable is measurable
    assert measures.sum_of_products_mm2 == pytest.approx(2 * side**2 if measurable else 0)


def test_the_sum_is_of_the_five_largest_measurable_regions() -> None:
    mask = np.zeros((4, 30, 300), np.uint8)
    for i, side in enumerate((20, 8, 14, 10, 12, 9, 3)):
        mask[1:3, 2 : 2 + side, 40 * i : 40 * i + side] = 1
    measures = measure(mask, spacing=(1, 1, 1))
    assert [region.voxels for region in measures.regions] == [2 * s**2 for s in (20, 14, 12, 10, 9, 8, 3)]
    assert measures.sum_of_products_mm2 == pytest.approx(2 * sum(s**2 for s in (20, 14, 12, 10, 9)))


def test_without_spacing_the_numbers_are_in_voxels_and_those_in_mm_are_left_out() -> None:
    mask = np.zeros((4, 20, 20), np.uint8)
    mask[1:3, 3:13, 3:13] = 1
    measures = measure(mask)
    region = measures.regions[0]
    assert measures.unit == region.unit == "voxel"
    assert region.longest_diameter == pytest.approx(math.sqrt(200))
    assert "voxels" in str(region)
    kept = json.loads(json.dumps(measures.to_json()))
    assert kept["volume_ml"] is kept["sum_of_products_mm2"] is None
    missing = {key for key, value in kept["regions"][0].items() if value is None}
    assert {
        "volume_ml",
        "longest_diameter_mm",
        "perpendicular_diameter_mm",
        "product_mm2",
        "measurable",
    } <= missing
    assert kept["regions"][0]["voxels"] == 200


def test_an_empty_mask_has_no_region() -> None:
    measures = measure(np.zeros((3, 4, 5)), spacing=(1, 1, 1))
    assert (measures.volume_ml, measures.sum_of_products_mm2, measures.regions) == (0, 0, ())


def test_a_plane_is_one_slice_and_other_shapes_are_refused() -> None:
    assert measure(np.ones((4, 5)), spacing=(1, 1, 1)).regions[0].slices == 1
    with pytest.raises(MeasureError, match="slices"):
        measure(np.ones((2, 2, 2, 2)))
    with pytest.raises(MeasureError, match="spacing"):
        measure(np.ones((2, 2, 2)), spacing=(1, 0, 1))


def test_a_file_is_measured_in_axial_order_from_below(tmp_path) -> None:  # type: ignore[no-untyped-def]
    mask = np.zeros((30, 40, 10), np.uint8)  # x towards the right, y towards the front, z downwards
    mask[5:20, 10:32, 1:4] = 1
    mask[5:20, 10:33, 1] = 1
    nib.Nifti1Image(mask, np.diag([2, 1, -3, 1])).to_filename(tmp_path / "a_mask.nii.gz")
    region = measure(tmp_path / "a_mask.nii.gz").regions[0]
    assert region.slice == 8
    assert region.longest_diameter == pytest.approx(math.hypot(30, 23))


def test_the_range_of_the_volume_holds_the_volume() -> None:
    probability = np.zeros((3, 10, 10), np.uint8)
    probability[1, 2:8, 2:8], probability[1, 3:7, 3:7], probability[1, 4:6, 4:6] = 70, 150, 250
    measures = measure((probability >= 128), spacing=(1, 1, 1), probability=probability)
    assert measures.volume_range_ml == pytest.approx((0.004, 0.036))
    assert measures.volume_ml == pytest.approx(0.016)


@given(SMALL, st.sampled_from([(1, 1, 1), (5, 0.5, 0.75)]))
def test_turning_in_the_plane_or_flipping_changes_nothing(
    mask: Mask, spacing: tuple[float, float, float]
) -> None:
    z, y, x = spacing
    expected = numbers(measure(mask, spacing=spacing))
    assert numbers(measure(np.rot90(mask, axes=(1, 2)), spacing=(z, x, y))) == pytest.approx(
        np.array(expected)
    )
    for axis in range(3):
        assert numbers(measure(np.flip(mask, axis), spacing=spacing)) == pytest.approx(np.array(expected))


@given(SMALL)
def test_regions_are_those_of_the_rest_of_the_program(mask: Mask) -> None:
    assert [(r.voxels, r.slices) for r in measure(mask).regions] == [
        (r.voxels, r.slices) for r in find_regions(mask)
    ]


def test_a_mask_of_twenty_regions_takes_a_fifth_of_a_second() -> None:
    mask = np.zeros((155, 256, 256), np.uint8)
    for i in range(20):
        z, y, x = 30 * (i // 4), 60 * (i % 4), 9 * i
        mask[z : z + 25, y : y + 50, x : x + 50] = ellipsoid((25, 50, 50), (10, 10 + i / 2, 18))
    measure(mask[:, :30], spacing=(1, 1, 1))  # imports
    start = time.process_time()
    measure(mask, spacing=(1, 1, 1))
    assert time.process_time() - start < 0.5  # on a slow machine
