"""Folders matched by name, the table of their comparisons, and its summary."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.score import Score, score
from napari_tumor_unet.evaluation.tables import SUMMARISED, ScoreRow, as_csv, match_folders, summarise_scores
from napari_tumor_unet.inference.result_check import part_of_scan
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.io.write import write_result
from napari_tumor_unet.scan import ScanError
from tests.conftest import Refused

Folder = Callable[..., Path]
EMPTY, FULL = np.zeros((2, 3, 4), np.uint8), np.ones((2, 3, 4), np.uint8)
AGREED = score(FULL, FULL)
MAYBE = st.none() | st.floats(0, 50)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Make a folder with files of some names in it."""

    def make(name: str, *files: str) -> Path:
        for file in files:
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).touch()
        return tmp_path / name

    return make


def slices(folder: Path, patient: str) -> Path:
    """A folder of slices with their masks, as in the LGG data set."""
    (folder / patient).mkdir(parents=True)
    for n in (1, 2):
        for ending in ("", "_mask"):
            tifffile.imwrite(folder / patient / f"{patient}_{n}{ending}.tif", FULL[0])
    return folder / patient


# Names


@pytest.mark.parametrize(
    ("predicted", "reference"),
    [
        ("a.nii.gz", "a.nii"),
        ("a_mask.tif", "a_mask.nii.gz"),
        ("a_mask.nii.gz", "a_seg.nii.gz"),
        ("a_pred.nii.gz", "a_gt.nii.gz"),
        ("a.tif", "a_LABELS.tiff"),
        ("a_prediction.nii", "a_reference.nii"),
    ],
)
def test_names_match_whatever_their_endings(folder: Folder, predicted: str, reference: str) -> None:
    p, r = folder("p", predicted), folder("r", reference)
    assert match_folders(p, r).pairs == (("a", p / predicted, r / reference),)


def test_masks_match_in_the_order_of_their_names_and_what_is_over_is_listed(folder: Folder) -> None:
    p = folder("p", "c_mask.tif", "a_mask.tif", "y_mask.tif", "x_mask.tif")
    r = folder("r", "z.nii", "a.nii", "c.nii")
    matched = match_folders(p, r)
    assert [name for name, *_ in matched.pairs] == ["a", "c"]
    assert (matched.only_predicted, matched.only_reference) == (("x", "y"), ("z",))


def test_words_for_a_sequence_are_left_out_where_one_mask_can_be_meant(folder: Folder) -> None:
    p = folder("p", "BraTS_1_flair_mask.nii.gz", "b_flair_mask.tif", "b_t1_mask.tif", "a_mask.tif")
    r = folder("r", "BraTS_1_seg.nii.gz", "b_seg.tif", "a_seg.tif")
    matched = match_folders(p, r)
    assert [(name, path.name) for name, path, _ in matched.pairs] == [
        ("BraTS_1", "BraTS_1_flair_mask.nii.gz"),
        ("a", "a_mask.tif"),
    ]
    assert matched.only_reference == ("b",)


def test_a_reference_that_a_model_made_gives_way_to_the_experts_or_is_told_of(tmp_path: Path) -> None:
    for name in ("x_seg.tif", "x_flair.tif"):
        (tmp_path / "true").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "true" / name, FULL, photometric="minisblack")
    predicted, by_model = tmp_path / "predicted" / "x_flair_mask.tif", tmp_path / "true" / "x_flair_mask.tif"
    predicted.parent.mkdir()
    scan = read_scan(tmp_path / "true" / "x_flair.tif")
    for path in (predicted, by_model):
        write_result(path, FULL, scan, {"provenance": {"model_hash": "one"}, "edited": False})
    matched = match_folders(predicted.parent, by_model.parent)
    assert [pair[2].name for pair in matched.pairs] == ["x_seg.tif"]
    assert matched.by_a_model == ("x_flair_mask.tif",)
    (tmp_path / "true" / "x_seg.tif").unlink()
    matched = match_folders(predicted.parent, by_model.parent)
    assert [pair[2] for pair in matched.pairs] == [by_model]
    assert not matched.by_a_model
    assert score(predicted, by_model).notes[0].startswith("A model made the reference")
    assert not score(predicted, FULL).notes


def test_a_folder_of_slices_is_scored_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n, plane in enumerate(FULL, 1):
        tifffile.imwrite(tmp_path / f"x_{n}.tif", plane)
        tifffile.imwrite(tmp_path / f"x_{n}_mask.tif", plane)
    monkeypatch.chdir(tmp_path)
    assert score(".", ".").dice == 1


@pytest.mark.parametrize("swapped", [False, True])
def test_a_mask_of_some_slices_alone_is_told_of(tmp_path: Path, swapped: bool) -> None:
    tifffile.imwrite(tmp_path / "x_flair.tif", FULL, photometric="minisblack")
    tifffile.imwrite(tmp_path / "x_seg.tif", FULL, photometric="minisblack")
    warnings = [part_of_scan([0], len(FULL)), "Something else."]
    mask = tmp_path / "x_flair_mask.tif"
    write_result(mask, FULL, read_scan(tmp_path / "x_flair.tif"), {"warnings": warnings})
    pair = (tmp_path / "x_seg.tif", mask) if swapped else (mask, tmp_path / "x_seg.tif")
    assert score(*pair).notes == (warnings[0],)


def test_masks_of_two_moments_do_not_match(folder: Folder, refused: Refused) -> None:
    with refused(ComparisonError, "No mask in p has the name of one in r"):
        match_folders(
            folder("p", "a_pre_mask.tif", "b_t1_mask.tif"), folder("r", "a_post_seg.tif", "b_seg.tif")
        )


def test_a_mask_that_is_not_named_as_one_beside_others_that_are_is_told_of(
    folder: Folder, refused: Refused
) -> None:
    p = folder("p", "a_mask.tif", "a.tif", "b.tif", "c_pred.tif", "scan.tif")
    r = folder("r", "a.tif", "b.tif", "c.tif")
    matched = match_folders(p, r)
    assert matched.passed_over == ("p/b.tif", "p/c_pred.tif")
    assert matched.only_reference == ("b", "c")
    assert match_folders(r, p).passed_over == matched.passed_over
    (r / "a.tif").unlink()
    with refused(ComparisonError, "No mask in p has the name of one in r", "p/b.tif", "not named as a mask"):
        match_folders(p, r)


def test_scans_beside_masks_are_passed_over(folder: Folder) -> None:
    p = folder("p", "a.tif", "a_mask.tif", "a_mask.json", ".b_mask.tif", "notes.txt", "old/c_mask.tif")
    matched = match_folders(p, folder("r", "a.tif", "b.tif", "c.tif"))
    assert [path.name for _, path, _ in matched.pairs] == ["a_mask.tif"]
    assert matched.only_reference == ("b", "c")


def test_a_folder_of_slices_matches_a_mask_of_its_name(folder: Folder) -> None:
    patient = slices(folder("r", "notes.txt"), "patient")
    p = folder("p", "patient_mask.tif")
    assert match_folders(p, patient.parent).pairs == (("patient", p / "patient_mask.tif", patient),)


@pytest.mark.parametrize(
    ("names", "predicted", "reference"),
    [
        *(
            (("x_1",), "x_1_mask.nii.gz", "x_1/x_1_seg.nii.gz"),
            (("x_1",), "x_1/x_1_mask.tif", "x_1/x_1_seg.nii"),
        ),
        *(
            (("p1",), "p1_mask.nii.gz", "p1/seg.nii.gz"),
            (("p1_v1",), "p1_v1_FLAIR_mask.nii", "p1/v1/mask.nii"),
        ),
        (("p1_x", "p2_x"), "{p1_x_mask.nii,p2_x_mask.nii}", "{p1/x_seg.nii,p2/x_seg.nii}"),
        (("a",), "a_mask.tif", "deep/er/a.seg.nrrd"),
    ],
)
def test_masks_in_a_folder_for_each_patient_match(
    folder: Folder, names: tuple[str, ...], predicted: str, reference: str
) -> None:
    p, r = (
        folder(name, *files.strip("{}").split(","), *(f"s/{i}/x_{i}_t1.nii" for i in names))
        for name, files in (("p", predicted), ("r", reference))
    )
    assert tuple(name for name, *_ in match_folders(p, r).pairs) == names


def test_slices_and_what_is_hidden_are_known_in_folders_below_too(folder: Folder) -> None:
    patient = slices(
        folder("r/deep", "patient_seg.txt", ".patient_mask.tif", ".old/patient_mask.tif"), "patient"
    )
    matched = match_folders(folder("p", "patient_mask.tif"), patient.parents[1])
    assert [(name, path) for name, _, path in matched.pairs] == [("patient", patient)]


@pytest.mark.parametrize("twice", [("a_mask.tif", "a_seg.tif"), ("a.tif", "a.nii.gz")])
def test_a_name_that_is_twice_in_a_folder_is_refused(
    folder: Folder, twice: tuple[str, str], refused: Refused
) -> None:
    both = folder("both", *twice), folder("one", "a_mask.tif")
    for pair in (both, both[::-1]):
        with refused(ComparisonError, "both holds two masks for a", *twice):
            match_folders(*pair)


def test_folders_without_a_common_name_are_refused(folder: Folder, refused: Refused) -> None:
    with refused(ComparisonError, "No mask in p has the name of one in r"):
        match_folders(folder("p", "a.tif"), folder("r", "b.tif"))


def test_a_folder_without_masks_is_refused(folder: Folder, tmp_path: Path, refused: Refused) -> None:
    with refused(ScanError, "r holds no mask", "named _mask"):
        match_folders(folder("p", "a.tif"), folder("r", "a.txt"))
    with refused(ScanError, "gone cannot be read"):
        match_folders(tmp_path / "gone", folder("p", "a.tif"))


# The summary


@given(st.lists(st.tuples(MAYBE, MAYBE), min_size=1, max_size=8))
def test_a_summary_is_of_what_is_defined(values: list[tuple[float | None, float | None]]) -> None:
    scores = [dataclasses.replace(AGREED, hausdorff95=h, recall=r) for h, r in values]
    summary = summarise_scores(scores)
    assert summary["n"] == len(scores)
    for name, column in zip(("hausdorff95", "recall"), zip(*values, strict=True), strict=True):
        known = [value for value in column if value is not None]
        assert summary[name]["n"] == len(known)
        if known:
            assert summary[name]["mean"] == pytest.approx(statistics.mean(known))
            assert summary[name]["median"] == pytest.approx(statistics.median(known))
        if len(known) > 1:
            assert summary[name]["sd"] == pytest.approx(statistics.stdev(known), abs=1e-6)


@pytest.mark.parametrize("scores", [[], [score(EMPTY, EMPTY)]])
def test_what_none_defines_has_no_mean(scores: list[Score]) -> None:
    assert summarise_scores(scores)["hausdorff95"] == {"n": 0, "mean": None, "sd": None, "median": None}


def test_one_score_has_no_standard_deviation() -> None:
    summary = summarise_scores([AGREED])
    assert summary["dice"] == {"n": 1, "mean": 1, "sd": None, "median": 1}
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert set(summary) == {"n", *SUMMARISED}


# The table


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@given(st.lists(st.floats(0, 1), max_size=4), st.text("aé,;\"' \n", max_size=8))
def test_a_table_comes_back_unrounded(values: list[float], name: str) -> None:
    rows = [ScoreRow(name, "r, 1.nii", dataclasses.replace(AGREED, dice=v), "seed") for v in values]
    again = read(as_csv(rows))
    assert [float(line["dice"]) for line in again] == values
    assert all((line["prediction"], line["reference"]) == (name, "r, 1.nii") for line in again)
    assert all(line["model"] == "seed" for line in again)


def test_a_table_holds_all_of_a_score_and_nothing_where_it_is_undefined() -> None:
    (line,) = read(as_csv([ScoreRow("p.nii", "r.nii", score(FULL, EMPTY, spacing=(5, 1, 1), label=1))]))
    fields = [f.name for f in dataclasses.fields(Score)]
    assert list(line) == ["prediction", "reference", "model", *fields]
    empty = {name for name, value in line.items() if value == ""}
    percents = {"volume_difference_percent", "sum_of_products_difference_percent"}
    assert empty == {"model", "recall", "hausdorff95", "average_surface_distance", "surface_dice"} | percents
    assert line["notes"] == "Label 1 is in the prediction alone: by rule Dice and IoU count as 0."
    assert (line["label"], line["unit"], line["voxels_predicted"]) == ("1", "mm", "24")
    assert float(line["volume_predicted_ml"]) == pytest.approx(0.12)


def test_an_empty_table_is_a_header() -> None:
    assert read(text := as_csv([])) == []
    assert text.startswith("prediction,reference,model,label,dice,iou,")


def test_a_row_is_json() -> None:
    told = ScoreRow("p.nii", "r.nii", AGREED).to_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["prediction"], told["reference"], told["model"]) == ("p.nii", "r.nii", None)
