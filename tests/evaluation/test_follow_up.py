"""Masks of one patient over time: phantoms that grow and shrink by known factors."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_tumor_unet import follow_up
from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.follow_up import BY_SIZE, Visit, follow, size_class, time_order
from napari_tumor_unet.evaluation.report import follow_up_page
from napari_tumor_unet.inference.result_check import part_of_scan
from napari_tumor_unet.io.write import file_checksum, sidecar_of
from napari_tumor_unet.scan.grid import grid_of_spacing

Mask = NDArray[np.uint8]


def box(side: int, *, at: int = 2, also: Mask | None = None) -> Mask:
    mask = np.zeros((6, 80, 80), np.uint8) if also is None else also.copy()
    mask[1:4, at : at + side, at : at + side] = 1
    return mask


def written(folder: Path, name: str, mask: Mask, shift: float = 0) -> Path:
    affine = np.diag([-1.0, -1, 5, 1])
    affine[0, 3] = shift
    path = folder / f"{name}.nii.gz"
    nib.Nifti1Image(mask.T, affine).to_filename(path)
    return path


def test_changes_are_those_of_volume_and_products() -> None:
    result = follow_up([box(20), box(10), box(15)], spacing=(5, 1, 1))
    first, second, third = result.time_points
    assert first.measures.volume_ml == pytest.approx(6)
    assert (first.volume_change, first.volume_since_nadir, first.size_class) == (0, None, "")
    assert (second.volume_change, second.product_change) == pytest.approx((-75, -75))
    assert second.volume_since_nadir == pytest.approx(-75)
    assert (third.volume_change, third.volume_since_nadir) == pytest.approx((-43.75, 125))
    assert (second.size_class, third.size_class) == ("partial", "progressive")
    assert second.verdict == f"partial {BY_SIZE}"


def test_a_change_that_rounds_to_nothing_has_no_sign() -> None:
    fewer = box(60)
    fewer[1, 2, 2] = 0
    result = follow_up([box(60), fewer], spacing=(5, 1, 1))
    _, rows = result.as_table()
    assert [row[3] for row in rows] == ["0 %", "0 %"]
    assert "-0 %" not in " ".join(result.lines_of(1))


@pytest.mark.parametrize(
    ("product", "nadir", "expected"),
    [
        (0, 100, "partial"),
        (50, 100, "partial"),
        (51, 100, "minor"),
        (75, 100, "minor"),
        (76, 100, "stable"),
        (124, 100, "stable"),
        (125, 100, "progressive"),
        (50, 40, "progressive"),
        (49, 40, "partial"),
    ],
)
def test_the_class_has_the_limits_of_rano_lgg(product: float, nadir: float, expected: str) -> None:
    assert size_class(1, product, 100, nadir) == expected


def test_nothing_left_is_complete_and_without_a_measurable_baseline_there_is_no_class() -> None:
    empty = np.zeros((6, 80, 80), np.uint8)
    assert follow_up([box(20), empty], spacing=(5, 1, 1)).time_points[1].size_class == "complete"
    nothing = follow_up([box(3), box(20)], spacing=(5, 1, 1))
    assert nothing.time_points[1].size_class == ""
    assert "no measurable region" in nothing.notes[-1]


def test_what_comes_back_after_nothing_is_progressive() -> None:
    empty = np.zeros((6, 80, 80), np.uint8)
    last = follow_up([box(20), empty, box(10)], spacing=(5, 1, 1)).time_points[-1]
    assert (last.size_class, last.volume_since_nadir) == ("progressive", None)


def test_dates_order_the_masks_and_give_a_rate() -> None:
    dates = ["2024-01-01", "2023-01-01"]
    result = follow_up([box(20), box(10)], dates=dates, spacing=(5, 1, 1), names=["late", "early"])
    assert [point.name for point in result.time_points] == ["early", "late"]
    assert result.time_points[1].days == 365
    assert result.time_points[1].ml_per_year == pytest.approx(4.5 * 365.25 / 365)


def test_sessions_of_bids_order_the_masks() -> None:
    names = ["sub-1/ses-10/sub-1_ses-10_mask", "sub-1_ses-2_mask", "sub-1_ses-baseline_mask"]
    told_by = [(name,) for name in names]
    assert time_order(told_by, [None] * 3) == ([2, 1, 0], "numbers")
    assert time_order([*told_by, ("other",)], [None] * 4) == ([0, 1, 2, 3], "list")
    dates = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 1)]
    assert time_order(told_by, dates) == ([2, 0, 1], "dates")


def test_regions_are_matched_on_one_grid_and_new_ones_marked(tmp_path: Path) -> None:
    second = box(12, at=40, also=box(15, at=5))
    third = box(10, at=42, also=box(5, at=65))
    paths = [written(tmp_path, f"p_ses-{i}_mask", mask) for i, mask in enumerate((box(20), second, third))]
    result = follow_up(paths[::-1])
    assert result.matched
    assert [point.tracks for point in result.time_points] == [(1,), (1, 2), (2, 3)]
    assert [point.new for point in result.time_points] == [(False,), (False, True), (False, True)]


def test_regions_on_other_grids_are_not_matched_and_that_is_said(tmp_path: Path) -> None:
    paths = [written(tmp_path, "a_mask", box(20)), written(tmp_path, "b_mask", box(20), shift=3)]
    result = follow_up(paths)
    assert not result.matched
    assert result.time_points[1].new == (None,)
    assert "not matched" in result.notes[-1]
    assert not follow_up([box(20), box(20)], spacing=(5, 1, 1)).matched
    assert follow_up([box(20), box(20)], spacing=(5, 1, 1), same_frame=True).matched


def test_masks_that_cannot_be_compared_get_a_sentence(tmp_path: Path) -> None:
    with_spacing = written(tmp_path, "a_mask", box(20))
    with pytest.raises(ComparisonError, match="mask 2 has no spacing"):
        follow_up([with_spacing, box(20)])
    with pytest.raises(ComparisonError, match="two masks"):
        follow_up([with_spacing])
    with pytest.raises(ComparisonError, match="baseline"):
        follow_up([with_spacing] * 2, baseline=3)
    with pytest.raises(ComparisonError, match="2 masks and 1 dates"):
        follow_up([with_spacing] * 2, dates=["2024-01-01"])
    with pytest.raises(ComparisonError, match="no date"):
        follow_up([with_spacing] * 2, dates=["2024-01-01", "1/2/2024"])


def test_without_any_spacing_changes_are_by_voxels_and_that_is_said() -> None:
    result = follow_up([box(20), box(10)], dates=["2023-01-01", "2024-01-01"])
    last = result.time_points[-1]
    assert (last.volume_change, last.product_change, last.ml_per_year, last.size_class) == (
        -75,
        None,
        None,
        "",
    )
    assert "No spacing is known: changes are in percent of voxels" in result.notes[-1]
    columns, rows = result.as_table()
    assert dict(zip(columns[2:6], rows[1][2:6], strict=True))["volume"] == "300 voxels"
    assert rows[1][5] == ""
    assert last.to_json()["volume_ml"] is None


def test_it_says_where_a_spacing_was_given_and_where_it_replaces_the_files(tmp_path: Path) -> None:
    with_spacing = written(tmp_path, "a_mask", box(20))
    notes = follow_up([with_spacing, box(20)], spacing=(5, 2, 2)).notes
    assert "The spacing of 1 mask was given, as the file tells none." in notes
    assert "The spacing of 1 mask is the one given, not that of the file." in notes
    assert not any("spacing" in note for note in follow_up([with_spacing] * 2, spacing=(5, 1, 1)).notes)


def test_the_baseline_may_be_another_mask() -> None:
    result = follow_up([box(30), box(20), box(10)], baseline=2, spacing=(5, 1, 1))
    assert [point.size_class for point in result.time_points] == ["", "", "partial"]
    assert result.time_points[0].volume_change == pytest.approx(125)
    assert result.to_json()["baseline"] == 2


def test_masks_of_one_scan_are_matched_and_what_is_no_change_over_time_is_said() -> None:
    grid = grid_of_spacing((6, 80, 80), (5, 1, 1), in_mm=True)
    day, later = date(2024, 1, 1), date(2025, 1, 1)

    def told(*visits: tuple[str, date | None]) -> tuple[bool, str]:
        followed = follow([Visit("m", box(20), grid, taken, scan=scan) for scan, taken in visits])
        return followed.matched, " ".join(followed.notes)

    matched, notes = told(("a", day), ("a", day))
    assert matched
    assert notes == (
        "Masks of one scan are among these; what differs between them is no change over time, and there is "
        "no class by size."
    )
    matched, notes = told(("", day), ("", day))
    assert not matched
    assert "have the same date" in notes
    assert "no change over time" not in told(("a", day), ("b", later))[1]
    assert "Not all masks have a date" in told(("a", day), ("b", None))[1]


def test_masks_without_a_date_come_after_those_with_one() -> None:
    dates = [None, date(2025, 1, 1), date(2024, 1, 1)]
    assert time_order([("a",), ("b",), ("c",)], dates) == ([2, 1, 0], "list")


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["p_study2_flair", "p_study10_flair", "p_study1_flair"], [2, 0, 1]),
        (["Follow-up 2", "baseline", "followup"], [1, 2, 0]),
        (["p1 tp3", "p2 tp2"], [1, 0]),
        (["sub-1_ses-m06", "sub-1_ses-m00"], [1, 0]),
        (["visit1_study2", "visit2_study1"], None),  # two orders
        (["visit1", "study2"], None),
        (["visit1_a", "visit1_b"], None),
        (["patient2_t2", "patient1_t1"], None),
        (["after", "before"], None),
    ],
)
def test_numbers_of_visits_order_masks_where_they_are_clear(
    names: list[str], order: list[int] | None
) -> None:
    expected = (list(range(len(names))), "list") if order is None else (order, "numbers")
    assert time_order([(name,) for name in names], [None] * len(names)) == expected


@given(st.permutations(range(1, 6)), st.sampled_from(["visit", "ses-", "tp_", "Study "]))
def test_the_order_of_numbered_masks_is_that_of_their_numbers(numbers: list[int], word: str) -> None:
    order, by = time_order([(f"p07_{word}{n}_flair",) for n in numbers], [None] * 5)
    assert by == "numbers"
    assert [numbers[i] for i in order] == [1, 2, 3, 4, 5]


def test_dates_that_speak_against_numbers_leave_the_order_unknown() -> None:
    assert time_order(
        [("visit1",), ("visit2",), ("visit3",)], [date(2025, 1, 1), None, date(2024, 1, 1)]
    ) == (
        [2, 0, 1],
        "list",
    )


def test_without_dates_or_numbers_there_is_no_class_in_any_format_and_that_is_said(tmp_path: Path) -> None:
    result = follow_up([written(tmp_path, name, box(side)) for name, side in (("after", 10), ("before", 20))])
    said = (
        "No mask has a date, so the order is that of the list, which may not be that of time, and there is "
        "no class by size; add dates."
    )
    assert said in result.remarks
    assert not result.conclusion()
    assert result.time_points[1].product_change == pytest.approx(300)
    assert result.as_table()[1][1][-1] == "no class"
    html = follow_up_page(result).as_html()
    assert said in html
    assert 'by size alone">no class<' in html
    told = result.to_json()["time_points"][1]
    assert (told["class_by_size_alone"], told["no_class_because"]) == (
        None,
        "the order of the masks in time is unknown",
    )
    assert result.as_csv().splitlines()[2].endswith(",the order of the masks in time is unknown")


def test_numbers_in_names_give_the_order_and_a_class_and_that_is_said(tmp_path: Path) -> None:
    result = follow_up([written(tmp_path, f"p_study{n}_mask", box(10 * n)) for n in (2, 1)])
    assert [point.size_class for point in result.time_points] == ["", "progressive"]
    assert result.notes[0].startswith("No mask has a date, so the order is that of the numbers in the names;")


def test_dates_in_the_names_of_files_order_them_and_given_ones_overrule(tmp_path: Path) -> None:
    files = [written(tmp_path, f"A_{day}_mask", box(20)) for day in ("20210112", "20200110")]
    result = follow_up(files)
    assert [point.taken for point in result.time_points] == [date(2020, 1, 10), date(2021, 1, 12)]
    assert result.notes[0] == "The dates are those in the names of files and folders."
    result = follow_up(files, dates=["10.07.2019", "2020-01-10"])
    assert [point.taken for point in result.time_points] == [date(2019, 7, 10), date(2020, 1, 10)]
    assert not any("names" in note for note in result.notes)


@pytest.mark.parametrize(
    ("doubted", "classes"),
    [(0, ["", "", ""]), (1, ["", "", ""]), (2, ["", "partial", ""]), (None, ["", "partial", "progressive"])],
)
@pytest.mark.parametrize("warning", ["The mask is small, 1.0 ml; check it.", part_of_scan([3], 6)])
def test_masks_that_are_not_to_be_trusted_have_no_class_and_give_none(
    doubted: int | None, classes: list[str], warning: str
) -> None:
    grid, doubt = grid_of_spacing((6, 80, 80), (5, 1, 1), in_mm=True), (warning,)
    result = follow(
        [
            Visit(f"visit{i}", box(side), grid, date(2020 + i, 1, 1), warnings=doubt if i == doubted else ())
            for i, side in enumerate((30, 10, 20))
        ]
    )
    assert [point.size_class for point in result.time_points] == classes
    assert any("There is no class by size where" in note for note in result.notes) == (doubted is not None)


def test_names_of_which_some_tell_a_patient_ask_whether_all_masks_are_of_one(tmp_path: Path) -> None:
    asked = "Not all names tell whose mask it is; check that all are of one patient."
    names = ("BraTS2021_00739_seg", "BraTS2021_00739_mask", "other")
    files = [written(tmp_path, name, box(20)) for name in names]
    assert asked in follow_up(files).notes
    assert asked not in follow_up(files[:2]).notes
    assert asked not in follow_up([files[2]] * 2).notes


def test_new_regions_are_said_with_the_class_in_one_sentence() -> None:
    first = box(20)
    result = follow_up(
        [first, box(5, at=60, also=first)], spacing=(5, 1, 1), same_frame=True, names=["a", "b"]
    )
    new = "stable by size alone, but with new regions in {} (largest 0.37 ml); steroids, clinical state"
    assert result.remarks[0].startswith(f"Last: {new.format('b')}")
    assert not any(remark.startswith("New regions") for remark in result.remarks)
    assert new.format("scan 2") in follow_up_page(result).as_html()


def test_a_new_region_of_a_voxel_is_counted_and_not_told_of_with_the_class() -> None:
    first = box(20)
    second = first.copy()
    second[0, -1, -1] = 1
    result = follow_up([first, second], spacing=(5, 1, 1), same_frame=True)
    assert result.time_points[1].new == (False, True)
    assert "new regions" not in result.conclusion()
    assert "New regions under 0.05 ml are counted, and not told of with the class." in result.remarks
    *_, row = csv.DictReader(result.as_csv().splitlines())
    assert (row["regions"], row["new_regions"]) == ("2", "1")


def test_warnings_and_patients_are_those_of_sidecars_and_names(tmp_path: Path) -> None:
    files = [written(tmp_path, name, box(20)) for name in ("sub-1_ses-1_mask", "sub-2_ses-2_mask")]
    doubt = "The mask is small, 1.0 ml; check it."
    told = {"warnings": [doubt], "mask_sha256": file_checksum(files[1])}
    sidecar_of(files[1]).write_text(json.dumps(told))
    result = follow_up(files)
    assert [point.warnings for point in result.time_points] == [(), (doubt,)]
    who, trust = result.cautions()
    assert who.startswith("These are masks of different patients: sub_1, sub_2; what differs")
    assert result.time_points[-1].no_class_because == "these are masks of different patients"
    assert trust == "sub-2_ses-2_mask is not to be trusted: the mask is small, 1.0 ml."
    assert result.cautions(named=False)[0].startswith("These are masks of different patients; what differs")
    assert result.as_table()[1][1][-1] == "no class, not to be trusted"
    assert result.as_csv().splitlines()[2].endswith(f',"{doubt}",these are masks of different patients')
    sidecar_of(files[1]).write_text(json.dumps(told | {"mask_sha256": "another's"}))
    assert not follow_up(files).time_points[1].warnings
