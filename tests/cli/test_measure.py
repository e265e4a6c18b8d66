"""The commands measure and follow-up."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_tumor_unet.cli import app, console
from napari_tumor_unet.io.read import read_scan
from tests.conftest import is_one_sentence

KEYS = [
    *("volume_ml", "voxels", "slices", "longest_diameter_mm", "perpendicular_diameter_mm", "product_mm2"),
    *("slice", "measurable"),
]


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def masks(tmp_path: Path) -> list[Path]:
    """Two masks of one patient, the second half as long, and one without spacing."""
    paths = []
    for i, side in enumerate((24, 12)):
        mask = np.zeros((8, 40, 40), np.uint8)
        mask[2:5, 3 : 3 + side, 4 : 4 + side] = 1
        mask[6, 30, 30] = 1
        paths.append(tmp_path / f"sub-1_ses-{i + 1}_mask.nii.gz")
        nib.Nifti1Image(mask.T, np.diag([-1, -1, 5, 1])).to_filename(paths[-1])
    tifffile.imwrite(tmp_path / "no_spacing_mask.tif", mask)
    return [*paths, tmp_path / "no_spacing_mask.tif"]


def test_json_holds_masks_in_order_and_regions_the_largest_first(masks: list[Path]) -> None:
    printed = json.loads(run("measure", masks[1], masks[0], "--json"))
    assert list(printed) == ["masks"]
    second, first = printed["masks"]
    assert [second["name"], first["name"]] == ["sub-1_ses-2_mask", "sub-1_ses-1_mask"]
    assert first["volume_ml"] == pytest.approx((24 * 24 * 3 + 1) * 5 / 1000)
    assert first["sum_of_products_mm2"] == pytest.approx(2 * 24**2)
    largest, smallest = first["regions"]
    assert set(KEYS) <= set(largest)
    assert (largest["voxels"], largest["slices"], largest["slice"], largest["measurable"]) == (
        1728,
        3,
        2,
        True,
    )
    assert largest["longest_diameter_mm"] == pytest.approx(24 * 2**0.5)
    assert largest["perpendicular_diameter_mm"] == pytest.approx(24 * 2**0.5)
    assert (smallest["voxels"], smallest["measurable"]) == (1, False)


def test_what_is_undefined_without_spacing_is_null_and_spacing_can_be_given(masks: list[Path]) -> None:
    (mask,) = json.loads(run("measure", masks[2], "--json"))["masks"]
    assert mask["volume_ml"] is mask["sum_of_products_mm2"] is mask["regions"][0]["product_mm2"] is None
    assert mask["regions"][0]["measurable"] is None
    assert "voxels" in run("measure", masks[2])
    (mask,) = json.loads(run("measure", masks[2], "--spacing", "5,1,1", "--json"))["masks"]
    assert mask["sum_of_products_mm2"] == pytest.approx(288)


def test_a_spacing_that_replaces_the_files_is_told(masks: list[Path]) -> None:
    result = CliRunner().invoke(app, ["measure", str(masks[0]), "--spacing", "5 x 2 x 2", "--json"])
    assert json.loads(result.stdout)["masks"][0]["sum_of_products_mm2"] == pytest.approx(2 * 48**2)
    assert "the spacing is the one given, not that of the file, 5 x 1 x 1 mm." in result.stderr
    assert not CliRunner().invoke(app, ["measure", str(masks[0]), "--spacing", "5,1,1"]).stderr
    wrong = CliRunner().invoke(app, ["measure", str(masks[0]), "--spacing", "5,1"])
    assert "is no spacing" in wrong.stderr


def test_a_table_is_printed_and_written(masks: list[Path], tmp_path: Path) -> None:
    printed = run("measure", *masks[:2], "--csv", tmp_path / "out.csv")
    assert "33.9 mm" in printed
    assert "at right angles" in printed
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0].startswith("mask,region,volume_ml,voxels,slices,longest_diameter_mm")
    assert len(lines) == 5


def test_a_narrow_window_gets_lines_for_the_table(masks: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.out, "width", 60)
    lines = run("measure", masks[0]).splitlines()
    assert lines[1:4] == [
        "region 1",
        "  volume 8.64 ml · slices 3 · longest 33.9 mm ·",
        "  perpendicular 33.9 mm · product 1152 mm² · slice 2 ·",
    ]


def test_a_mask_that_cannot_be_read_does_not_stop_the_others(masks: list[Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["measure", str(tmp_path / "none.nii.gz"), str(masks[0]), "--json"])
    assert result.exit_code == 1
    assert "none.nii.gz does not exist." in result.stderr
    assert json.loads(result.stdout)["masks"][0]["name"] == "sub-1_ses-1_mask"
    alone = CliRunner().invoke(app, ["measure", str(tmp_path / "none.nii.gz")])
    assert (alone.exit_code, alone.stdout) == (1, "")


def test_where_nothing_is_measured_the_table_of_before_stays(tmp_path: Path) -> None:
    (table := tmp_path / "out.csv").write_text("before")
    CliRunner().invoke(app, ["measure", str(tmp_path / "none.nii.gz"), "--csv", str(table)])
    assert table.read_text() == "before"


def test_follow_up_orders_by_session_and_prints_changes(masks: list[Path], tmp_path: Path) -> None:
    printed = run("follow-up", masks[1], masks[0], "--out", tmp_path / "f.csv")
    assert "partial by size alone; steroids, clinical state, enhancement and confirmation decide" in printed
    assert len((tmp_path / "f.csv").read_text().splitlines()) == 3
    points = json.loads(run("follow-up", *masks[:2], "--dates", "2024-01-01,2024-07-01", "--json"))[
        "time_points"
    ]
    assert points[1]["product_change_since_baseline_percent"] == pytest.approx(-75)
    assert points[1]["days_since_baseline"] == 182
    assert points[1]["ml_per_year_since_baseline"] < 0


def test_follow_up_takes_dates_from_names_and_prints_lines_that_nothing_cuts(
    masks: list[Path], tmp_path: Path
) -> None:
    files = [
        mask.rename(tmp_path / f"A_{day}_mask.nii.gz")
        for mask, day in zip(masks, ("20210112", "20200110"), strict=False)
    ]
    lines = run("follow-up", *files, "--out", tmp_path / "f.json").splitlines()
    assert lines[:2] == ["A_20200110_mask", "  2020-01-10 · day 0"]
    assert lines[6] == "  2021-01-12 · day 368"
    assert lines[7].endswith(" ml (+299 % since baseline, +299 % since nadir), +6.4 ml a year")
    assert "The dates are those in the names of files and folders." in lines
    told = json.loads((tmp_path / "f.json").read_text())
    assert told["time_points"][1]["class_by_size_alone"] == "progressive"


def test_follow_up_refuses_a_mask_without_spacing_in_one_sentence(masks: list[Path]) -> None:
    result = CliRunner().invoke(app, ["follow-up", str(masks[0]), str(masks[2])])
    assert result.exit_code == 1
    assert "no_spacing_mask has no spacing in mm" in result.stderr
    assert result.stderr.count("\n") == 1


def test_follow_up_without_any_spacing_is_by_voxels(masks: list[Path]) -> None:
    printed = run("follow-up", masks[2], masks[2])
    assert "voxels" in printed
    assert "No spacing is known" in " ".join(printed.split())


@pytest.mark.parametrize("ending", ["tif", "nii.gz"])
def test_segment_takes_a_spacing_for_files_that_tell_none(
    tiny_model_file: Path, tmp_path: Path, ending: str
) -> None:
    flair, scan = np.random.default_rng(0).random((4, 32, 32)).astype(np.float32), tmp_path / f"head.{ending}"
    if ending == "tif":
        tifffile.imwrite(scan, flair)
    else:
        nib.Nifti1Image(flair.T, np.diag([-1.0, -1, 5, 1])).to_filename(scan)
    options = (
        "--out",
        tmp_path / "out",
        "--model",
        tiny_model_file,
        "--threshold",
        0,
        "--report",
        "--continue",
    )
    command = ("segment", scan, *options, "--spacing", "4,2,2")
    result = CliRunner().invoke(app, [str(part) for part in command])
    sidecar = json.loads((tmp_path / "out" / "head_mask.json").read_text())
    voxel_ml = sidecar["findings"]["volume_ml"] / sidecar["findings"]["voxels"]
    told = read_scan(tmp_path / "out" / f"head_mask.{ending}").spacing
    if ending == "tif":
        assert (voxel_ml, told) == (pytest.approx(0.016), pytest.approx((4, 2, 2)))
        assert sidecar["spacing"] == {"mm": [4, 2, 2], "said_by": "user"}
        assert (
            "The spacing 4 x 2 x 2 mm is what the user said" in (tmp_path / "out/head_mask.html").read_text()
        )
    else:
        assert (voxel_ml, told) == (pytest.approx(0.005), (5, 1, 1))
        assert "The spacing is that of the file, 5 x 1 x 1 mm" in " ".join(result.stderr.split())
        assert "spacing" not in sidecar
    CliRunner().invoke(app, [*map(str, command[:-1]), "4,3,3"])  # done again where the file tells none
    after = json.loads((tmp_path / "out" / "head_mask.json").read_text())
    assert after["spacing"]["mm"] == [4, 3, 3] if ending == "tif" else after == sidecar


def test_segment_writes_measures_and_a_report(tiny_model_file: Path, tmp_path: Path) -> None:
    flair = np.random.default_rng(0).random((4, 32, 32)).astype(np.float32)
    nib.Nifti1Image(flair.T, np.diag([-1.0, -1, 5, 1])).to_filename(tmp_path / "Doe_flair.nii.gz")
    options = ("--out", tmp_path / "out", "--model", tiny_model_file, "--threshold", 0, "--report")
    printed = run("segment", tmp_path / "Doe_flair.nii.gz", *options)
    assert "Diameters" in printed
    written = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert written.keys() == {f"Doe_flair_mask.{e}" for e in ("nii.gz", "json", "html", "pdf")}
    sidecar = json.loads(written["Doe_flair_mask.json"].read_text())
    assert sidecar["measures"]["regions"][0]["voxels"] == sidecar["findings"]["voxels"]
    assert len(sidecar["measures"]["volume_range_ml"]) == 2
    assert "Doe_" not in written["Doe_flair_mask.html"].read_text()


@pytest.mark.parametrize("command", ["measure", "follow-up"])
def test_an_image_or_a_folder_of_masks_is_no_mask(masks: list[Path], tmp_path: Path, command: str) -> None:
    grey = np.arange(8 * 40 * 40).reshape(8, 40, 40).astype(np.uint8)
    nib.Nifti1Image(grey.T, np.diag([-1, -1, 5, 1])).to_filename(tmp_path / "p1.nii.gz")
    image, folder = "holds an image; give its mask", "give mask files, not their folder"
    for wrong, told in (("p1.nii.gz", image), ("", folder)):
        result = CliRunner().invoke(app, [command, str(tmp_path / wrong), str(masks[0])])
        assert result.exit_code == 1
        assert told in result.stderr
        assert is_one_sentence(result.stderr.strip())
