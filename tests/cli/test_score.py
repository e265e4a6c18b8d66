"""The command score."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli
from napari_tumor_unet.cli import console
from napari_tumor_unet.evaluation.score import RULES
from tests.conftest import is_one_sentence

Run = Callable[..., Result]
LABELS = np.zeros((4, 10, 12), np.uint8)
LABELS[1:3, 2:6, 2:6], LABELS[1:3, 2:6, 6:8] = 1, 2
SHIFTED = np.roll(LABELS, 1, axis=1)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Score with some arguments, in a wide window."""
    monkeypatch.setattr(console.out, "width", 200)
    return lambda *arguments: CliRunner().invoke(cli.app, ["score", *map(str, arguments)])


@pytest.fixture
def nifti(tmp_path: Path) -> Callable[..., Path]:
    """Write labels with a spacing of 5, 1 and 1 mm, under a name below tmp_path."""

    def write(name: str, labels: np.ndarray = LABELS) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(labels.T.copy(), np.diag([-1, -1, 5, 1])), path)
        return path

    return write


@pytest.fixture
def folders(nifti: Callable[..., Path]) -> tuple[Path, Path]:
    """Two masks that match, and one more in either folder."""
    for name, labels in (("a", LABELS), ("b", SHIFTED), ("x", LABELS)):
        p = nifti(f"p/{name}_mask.nii.gz", labels)
    for name in "aby":
        r = nifti(f"r/{name}_seg.nii.gz")
    return p.parent, r.parent


def test_two_files_give_a_table_and_the_rules(run: Run, nifti: Callable[..., Path]) -> None:
    result = run(nifti("p.nii", SHIFTED), nifti("r.nii"))
    assert result.exit_code == 0, result.output
    for told in ("Dice", "0.7500", "IoU", "0.6000", "Hausdorff 95 %", "1.00 mm", "0.24 ml", RULES):
        assert told in result.output


def test_json_holds_all_numbers(run: Run, nifti: Callable[..., Path]) -> None:
    result = run(nifti("p.nii", SHIFTED), nifti("r.nii"), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["dice"], told["iou"], told["precision"], told["recall"]) == (0.75, 0.6, 0.75, 0.75)
    assert (told["hausdorff95"], told["surface_dice"], told["unit"]) == (1, 1, "mm")
    assert told["average_surface_distance"] == 0.25  # all of two slices is surface: 24 of 96 voxels differ
    assert (told["voxels_both"], told["voxels_predicted"], told["voxels_reference"]) == (36, 48, 48)
    assert (told["volume_predicted_ml"], told["volume_reference_ml"]) == pytest.approx((0.24, 0.24))
    assert (told["volume_difference_ml"], told["label"], told["tolerance"], told["notes"]) == (0, None, 1, [])
    assert [told[f"regions_{which}"] for which in ("reference", "found", "predicted", "false")] == [
        1,
        1,
        1,
        0,
    ]


def test_what_is_undefined_is_null(run: Run, nifti: Callable[..., Path]) -> None:
    told = json.loads(run(nifti("p.nii", 0 * LABELS), nifti("r.nii"), "--json").stdout)
    undefined = {name for name, value in told.items() if value is None}
    distances = {"hausdorff95", "average_surface_distance", "surface_dice"}
    assert undefined == {"label", "precision", "sum_of_products_difference_percent"} | distances
    assert told["notes"] == ["The prediction is empty; by rule Dice and IoU count as 0."]


def test_a_label_is_compared_alone(run: Run, nifti: Callable[..., Path]) -> None:
    told = json.loads(run(nifti("p.nii", LABELS % 2), nifti("r.nii"), "--label", 1, "--json").stdout)
    assert (told["dice"], told["label"], told["voxels_reference"]) == (1, 1, 32)
    told = json.loads(run(nifti("p.nii", LABELS % 2), nifti("r.nii"), "--label", 2, "--json").stdout)
    assert (told["dice"], told["label"], told["precision"]) == (0, 2, None)
    assert told["notes"] == ["Label 2 is in the reference alone: by rule Dice and IoU count as 0."]


def test_a_tolerance_is_that_of_the_surface_dice(run: Run, nifti: Callable[..., Path]) -> None:
    pair = nifti("p.nii", SHIFTED), nifti("r.nii")
    told = json.loads(run(*pair, "--tolerance", 0.5, "--json").stdout)
    assert (told["tolerance"], told["hausdorff95"]) == (0.5, 1)
    assert told["surface_dice"] == 0.75
    assert "0.5 mm" in run(*pair, "--tolerance", 0.5).output


def test_folders_are_matched_by_name_and_summed_up(run: Run, folders: tuple[Path, Path]) -> None:
    result = run(*folders, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert set(told) == {"pairs", "summary", "only_predicted", "only_reference", "failures"}
    assert [(pair["prediction"], pair["reference"], pair["dice"]) for pair in told["pairs"]] == [
        ("a_mask.nii.gz", "a_seg.nii.gz", 1),
        ("b_mask.nii.gz", "b_seg.nii.gz", 0.75),
    ]
    assert told["summary"]["n"] == 2
    assert told["summary"]["dice"] == pytest.approx(
        {"n": 2, "mean": 0.875, "sd": 0.25 / 2**0.5, "median": 0.875}
    )
    assert (told["only_predicted"], told["only_reference"], told["failures"]) == (["x"], ["y"], {})


def test_folders_give_a_table_and_what_did_not_match(run: Run, folders: tuple[Path, Path]) -> None:
    result = run(*folders)
    assert result.exit_code == 0, result.output
    for told in ("a_mask.nii.gz", "0.7500", "mean", "0.8750", "SD", "median", "products, % more", RULES):
        assert told in result.stdout
    assert "Only among the predictions: x." in result.stderr
    assert "Only among the references: y." in result.stderr


def test_a_window_too_narrow_for_the_table_gets_lines_that_cut_no_word(
    run: Run, nifti: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    p = nifti("p/BraTS2021_00006_flair_mask.nii.gz", SHIFTED).parent
    r = nifti("r/BraTS2021_00006_seg.nii.gz").parent
    monkeypatch.setattr(console.out, "width", 80)
    lines = run(p, r).stdout.splitlines()
    i = lines.index("BraTS2021_00006_flair_mask.nii.gz")
    assert lines[i + 1 : i + 4] == [
        "  Dice 0.7500 · IoU 0.6000 · Hausdorff 95 % 1.0000 ·",
        "  mean surface distance 0.2500 · surface Dice 1.0000 · lesion-wise Dice 0.7500 ·",
        "  volume, % more 0.0000 · products, % more undefined",
    ]
    assert lines[i + 4] == "mean"


def test_what_is_not_named_as_a_mask_beside_others_is_told_of(
    run: Run, folders: tuple[Path, Path], nifti: Callable[..., Path]
) -> None:
    nifti("p/y.nii.gz")
    result = run(*folders, "--json")
    assert json.loads(result.stdout)["only_reference"] == ["y"]
    assert (
        "Left out, as other files beside them are named as masks (_mask, _seg): p/y.nii.gz." in result.stderr
    )


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_bad_file_is_told_in_a_sentence_and_the_others_are_scored(
    run: Run, folders: tuple[Path, Path], options: list[str]
) -> None:
    (folders[0] / "a_mask.nii.gz").write_text("no mask")
    result = run(*folders, *options)
    assert result.exit_code == 1
    bad = next(line for line in result.stderr.splitlines() if line.startswith("a: a_mask.nii.gz"))
    assert is_one_sentence(bad)
    if options:
        told = json.loads(result.stdout)
        assert [pair["prediction"] for pair in told["pairs"]] == ["b_mask.nii.gz"]
        assert list(told["failures"]) == ["a"]
        assert is_one_sentence(told["failures"]["a"])
    else:
        assert "b_mask.nii.gz" in result.stdout


def test_where_all_files_are_bad_there_is_no_mean(run: Run, folders: tuple[Path, Path]) -> None:
    for path in folders[0].iterdir():
        path.write_text("no mask")
    told = json.loads((result := run(*folders, "--json")).stdout)
    assert (result.exit_code, told["pairs"], list(told["failures"])) == (1, [], ["a", "b"])
    assert told["summary"]["dice"] == {"n": 0, "mean": None, "sd": None, "median": None}


def test_two_folders_of_slices_are_two_masks(run: Run, tmp_path: Path) -> None:
    for name, labels in (("one", SHIFTED), ("two", LABELS)):
        (tmp_path / name).mkdir()
        for n, plane in enumerate(labels, 1):
            for ending, pixels in (("", plane), ("_mask", 255 * (plane > 0))):
                tifffile.imwrite(tmp_path / name / f"p_{n}{ending}.tif", pixels.astype(np.uint8))
    told = json.loads(run(tmp_path / "one", tmp_path / "two", "--json").stdout)
    assert (told["dice"], told["unit"], told["volume_predicted_ml"]) == (0.75, "voxel", None)


def test_masks_are_found_in_a_folder_for_each_patient(run: Run, nifti: Callable[..., Path]) -> None:
    (nifti("flat.nii").parent / "r").mkdir()
    for name in ("BraTS2021_00006", "BraTS2021_00012"):
        masks = nifti(f"p/{name}_mask.nii.gz").parent
        nifti(f"r/{name}/{name}_flair.nii.gz", np.arange(LABELS.size).reshape(LABELS.shape).astype(np.int16))
        reference = nifti(f"r/{name}/{name}_seg.nii.gz").parents[1]
    printed = json.loads(run(masks, reference, "--json").stdout)
    assert [(pair["reference"], pair["dice"]) for pair in printed["pairs"]] == [
        (f"{name}/{name}_seg.nii.gz", 1.0) for name in ("BraTS2021_00006", "BraTS2021_00012")
    ]
    assert (printed["only_predicted"], printed["only_reference"]) == ([], [])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("gone.nii", "gone.nii does not exist"),
        ("bad.nii", "bad.nii is damaged or no NIfTI file"),
        ("bad.txt", "bad.txt is none of NIfTI"),
        ("half.nii", "half.nii holds no labels"),
        ("far.nii", "share no space"),
        ("small.tif", "differ in shape"),
        ("p", "p is a folder, and r.nii a file; give two mask files, or two folders"),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_sentence(
    run: Run, nifti: Callable[..., Path], tmp_path: Path, wrong: str, told: str
) -> None:
    nifti("half.nii", LABELS / np.float32(2))
    nifti("p/a_mask.nii")
    nib.save(nib.Nifti1Image(LABELS.T, nib.affines.from_matvec(np.eye(3), [900, 0, 0])), tmp_path / "far.nii")
    for name in ("bad.nii", "bad.txt"):
        (tmp_path / name).write_text("no mask")
    tifffile.imwrite(tmp_path / "small.tif", LABELS[1:], photometric="minisblack")
    result = run(tmp_path / wrong, nifti("r.nii"), "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
    assert is_one_sentence(result.stderr.strip())


@pytest.mark.parametrize("at", [0, 1])
def test_a_folder_that_is_not_there_is_named(run: Run, folders: tuple[Path, Path], at: int) -> None:
    paths = [str(path) for path in folders]
    paths[at] = "nowhere"
    result = run(*paths)
    assert result.exit_code == 1
    assert result.stderr.strip() == "nowhere does not exist."


def test_folders_that_do_not_match_are_told_in_a_sentence(run: Run, folders: tuple[Path, Path]) -> None:
    for name in "ab":
        (folders[1] / f"{name}_seg.nii.gz").unlink()
    result = run(*folders)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "No mask in p has the name of one in r" in result.stderr
    assert is_one_sentence(result.stderr.strip())


@pytest.mark.parametrize("options", [("--label", "0"), ("--label", "a"), ("--tolerance", "-1")])
def test_impossible_options_are_refused(run: Run, nifti: Callable[..., Path], options: tuple[Any]) -> None:
    assert run(nifti("p.nii"), nifti("r.nii"), *options).exit_code == 2


@pytest.mark.slow
def test_a_shell_gets_one_json_object_and_nothing_else(nifti: Callable[..., Path], tmp_path: Path) -> None:
    command = shutil.which("napari-tumor-unet", path=Path(sys.executable).parent)
    assert command, "the package is not installed"
    nifti("p.nii", SHIFTED)
    nifti("r.nii")
    done = subprocess.run(
        [command, "score", "p.nii", "r.nii", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["dice"] == 0.75
