"""Two masks to the numbers of their comparison, against SimpleITK's overlap measures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.score import Score, format_number, score
from tests.conftest import Refused

Pair = tuple[np.ndarray, np.ndarray]
PAIRS = hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=6).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.uint8, shape, elements=st.integers(0, 3))] * 2)
)
EITHER_LABEL = st.none() | st.integers(1, 4)
SPACING = (5.0, 1.5, 0.7)


def distances(found: Score) -> list[float]:
    """Which float32 may round either way; -1 where they are undefined."""
    either = (found.hausdorff95, found.average_surface_distance)
    return [-1 if value is None else value for value in either]


# Numbers


@given(PAIRS)
@settings(max_examples=30)
def test_overlaps_are_those_of_simpleitk(pair: Pair) -> None:
    p, r = ((mask > 1).astype(np.uint8) for mask in pair)
    assume(p.any() and r.any() and not r.all())
    found = score(p, r)
    theirs = sitk.LabelOverlapMeasuresImageFilter()
    theirs.Execute(sitk.GetImageFromArray(p), sitk.GetImageFromArray(r))
    assert found.dice == pytest.approx(theirs.GetDiceCoefficient(1))
    assert found.iou == pytest.approx(theirs.GetJaccardCoefficient(1))
    assert found.recall == pytest.approx(1 - theirs.GetFalseNegativeError(1))
    assert found.precision == pytest.approx(1 - theirs.GetFalseDiscoveryRate(1))
    air = r.size - found.voxels_reference  # a false positive error is a share of it
    assert found.voxels_predicted - found.voxels_both == pytest.approx(theirs.GetFalsePositiveError(1) * air)


@given(PAIRS)
def test_iou_follows_from_dice(pair: Pair) -> None:
    found = score(*pair)
    assert found.iou == pytest.approx(found.dice / (2 - found.dice))


@given(PAIRS, EITHER_LABEL)
def test_masks_that_change_places_change_precision_and_recall_alone(pair: Pair, label: int | None) -> None:
    one, other = score(*pair, label=label), score(*pair[::-1], label=label)
    assert (one.dice, one.iou, one.voxels_both) == (other.dice, other.iou, other.voxels_both)
    assert (one.precision, one.recall) == (other.recall, other.precision)
    assert (one.voxels_predicted, one.voxels_reference) == (other.voxels_reference, other.voxels_predicted)
    assert one.regions_false == other.regions_reference - other.regions_found
    assert distances(one) == pytest.approx(distances(other), rel=1e-6)


@given(PAIRS, st.data())
def test_a_score_does_not_depend_on_how_the_axes_run(pair: Pair, data: st.DataObject) -> None:
    ndim = pair[0].ndim
    order = data.draw(st.permutations(range(ndim)))
    flips = tuple(slice(None, None, data.draw(st.sampled_from([1, -1]))) for _ in range(ndim))
    spacing = SPACING[-ndim:]
    turned = (mask.transpose(order)[flips] for mask in pair)
    found, was = score(*turned, spacing=[spacing[axis] for axis in order]), score(*pair, spacing=spacing)
    same = {"hausdorff95": None, "average_surface_distance": None, "volume_difference_ml": None}
    same |= {field.name: None for field in dataclasses.fields(Score) if "products" in field.name}
    same["volume_difference_percent"] = None
    assert dataclasses.replace(found, **same) == dataclasses.replace(was, **same)
    assert distances(found) == pytest.approx(distances(was), rel=1e-6)


def test_volumes_are_voxels_times_their_spacing(ball: np.ndarray) -> None:
    found = score(ball[:, :, ::-1] == 2, ball, spacing=SPACING)
    n = np.count_nonzero(ball)
    assert (found.voxels_predicted, found.voxels_reference, found.unit) == (n - 1, n, "mm")
    assert found.volume_predicted_ml == pytest.approx((n - 1) * 5 * 1.5 * 0.7 / 1000)
    assert found.volume_reference_ml == pytest.approx(n * 5 * 1.5 * 0.7 / 1000)
    assert found.volume_difference_ml == pytest.approx(-5 * 1.5 * 0.7 / 1000)


def test_sizes_differ_as_a_trial_would_see_it() -> None:
    prediction, reference = np.zeros((2, 5, 40, 40), np.uint8)
    reference[1:3, 5:25, 5:25] = 1  # 20 x 20 mm on two slices
    prediction[1:4, 5:25, 5:25], prediction[1, 30:33, 30:33] = 1, 1  # a slice more, and 3 x 3 mm beside it
    found = score(prediction, reference, spacing=(5, 1, 1))
    assert found.volume_difference_ml == pytest.approx((400 + 9) * 5 / 1000)
    assert found.volume_difference_percent == pytest.approx(100 * 409 / 800)
    assert found.sum_of_products_reference_mm2 == pytest.approx(800)  # both diagonals
    assert found.sum_of_products_difference_mm2 == found.sum_of_products_difference_percent == 0
    half = score(reference * (np.arange(40) < 15), reference, spacing=(5, 1, 1))
    assert half.sum_of_products_difference_mm2 == pytest.approx(250 - 800)
    assert half.sum_of_products_difference_percent == pytest.approx(-68.75)
    told = dict(found.as_rows())
    assert told["difference of volume"] == "+2.04 ml (+51.1 %)"
    assert told["difference of products"] == "0 mm² (0 %)"


def test_a_difference_that_rounds_to_nothing_has_no_sign() -> None:
    reference = np.zeros((9, 60, 60), np.uint8)
    reference[1:8, 5:55, 5:55] = 1
    prediction = reference.copy()
    prediction[1, 5, 5] = 0
    found = score(prediction, reference, spacing=(1, 1, 1))
    assert dict(found.as_rows())["difference of volume"] == "0 ml (0 %)"
    assert format_number(-0.00001) == "0.0000"


def test_sizes_of_an_empty_reference_differ_by_no_percentage() -> None:
    found = score(np.ones((3, 20, 20)), np.zeros((3, 20, 20)), spacing=(5, 1, 1))
    assert found.volume_difference_percent is found.sum_of_products_difference_percent is None
    assert found.sum_of_products_difference_mm2 == pytest.approx(800)
    assert dict(found.as_rows())["difference of volume"] == "+6.00 ml"


@pytest.mark.parametrize(("masks", "spacing"), [((3, 4, 4), None), ((4, 4), None), ((4, 4), (1, 2))])
def test_voxels_of_unknown_volume_have_none(masks: tuple[int, ...], spacing: tuple[int, ...] | None) -> None:
    found = score(np.ones(masks), np.ones(masks), spacing=spacing)
    assert found.volume_predicted_ml is found.volume_reference_ml is found.volume_difference_ml is None
    assert found.unit == ("mm" if spacing else "voxel")
    assert found.sum_of_products_predicted_mm2 is found.sum_of_products_difference_percent is None
    assert not any("ml" in value or "mm²" in value for _, value in found.as_rows())


def test_files_of_two_patients_are_told_of(tmp_path: Path, ball: np.ndarray) -> None:
    folder = tmp_path / "BraTS2021_00006"
    folder.mkdir()
    mine, yours = folder / "mask.tif", tmp_path / "BraTS2021_00630_seg.tif"
    for file in (mine, yours):
        tifffile.imwrite(file, ball.astype(np.uint8), photometric="minisblack")
    told = "By their names, the masks are of two patients, BraTS2021_00006 and BraTS2021_00630."
    assert told in score(mine, yours).notes
    assert told not in score(mine, mine).notes


def test_a_score_is_json(ball: np.ndarray) -> None:
    found = score(ball, ball > 1, spacing=SPACING)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Score(**told | {"notes": tuple(told["notes"])}) == found


# Rules


def test_two_empty_masks_agree_by_rule() -> None:
    found = score(np.zeros((3, 4, 5)), np.zeros((3, 4, 5)), spacing=SPACING)
    assert (found.dice, found.iou) == (1, 1)
    assert found.precision is found.recall is None
    assert found.hausdorff95 is found.average_surface_distance is found.surface_dice is None
    assert found.notes == ("Both masks are empty; by rule Dice and IoU count as 1.",)
    assert (found.regions_reference, found.regions_predicted, found.volume_predicted_ml) == (0, 0, 0)


@pytest.mark.parametrize("empty", ["prediction", "reference"])
def test_one_empty_mask_counts_as_0_by_rule(empty: str) -> None:
    masks = {"prediction": np.ones((3, 4, 5)), "reference": np.ones((3, 4, 5))} | {empty: np.zeros((3, 4, 5))}
    found = score(**masks)
    assert (found.dice, found.iou) == (0, 0)
    assert (found.precision, found.recall) == ((None, 0) if empty == "prediction" else (0, None))
    assert found.hausdorff95 is found.average_surface_distance is found.surface_dice is None
    assert found.notes == (f"The {empty} is empty; by rule Dice and IoU count as 0.",)
    assert [value for _, value in found.as_rows()].count("undefined") == 4


@pytest.mark.parametrize("at", [(1, 2, 2), (0, 0, 0), (2, 3, 4)])
def test_one_voxel_is_measured_at_the_border_too(at: tuple[int, int, int]) -> None:
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[at] = 1
    found = score(mask, mask)
    assert (found.dice, found.precision, found.recall, found.surface_dice) == (1, 1, 1, 1)
    assert (found.hausdorff95, found.average_surface_distance, found.regions_found) == (0, 0, 1)
    assert found.notes == ()


# Refusals


def test_masks_of_two_shapes_without_a_place_are_refused(ball: np.ndarray, refused: Refused) -> None:
    with refused(
        ComparisonError, "differ in shape", "(7, 20, 24)", "(8, 20, 24)", "choose masks of one scan"
    ):
        score(ball[1:], ball)


@pytest.mark.parametrize("shape", [(), (4,), (0, 4), (1, 2, 3, 4)])
def test_what_is_no_mask_is_refused(shape: tuple[int, ...], refused: Refused) -> None:
    with refused(ComparisonError, str(shape)):
        score(np.ones(shape), np.ones(shape))


@pytest.mark.parametrize("spacing", [(1, 1), (1, 0, 1), (1, -1, 1), (1, np.nan, 1)])
def test_an_impossible_spacing_is_refused(
    ball: np.ndarray, spacing: tuple[float, ...], refused: Refused
) -> None:
    with refused(ComparisonError, "spacing"):
        score(ball, ball, spacing=spacing)
