"""Sequences in files of their own, from a shell and from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli, read_scan, segment
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import ScanError
from tests.conftest import Phantom, Refused, is_one_sentence

SHAPES = {"flair": (6, 40, 36), "t1": (12, 40, 36), "t1ce": (6, 60, 54)}
NAMES = {"flair": "flair", "t1": "pre", "t1ce": "post"}


@pytest.fixture
def patients(tmp_path: Path, phantom: Phantom) -> Path:
    """Two patients with three sequences each, each on a grid of its own, FLAIR oblique."""
    turn = nib.eulerangles.euler2mat(0.1, 0.05, -0.1)
    for patient in ("P1", "P2"):
        (tmp_path / "in" / patient).mkdir(parents=True)
        for name, shape in SHAPES.items():
            size = np.array([144.0, 160.0, 60.0]) / shape[::-1]
            matrix = (turn if name == "flair" else np.eye(3)) * size
            affine = nib.affines.from_matvec(matrix, -matrix @ (np.array(shape[::-1]) - 1) / 2)
            voxels = phantom(shape)[0].sequences[NAMES[name]]
            nib.save(
                nib.Nifti1Image(voxels.T, affine), tmp_path / "in" / patient / f"{patient}_{name}.nii.gz"
            )
    return tmp_path / "in"


@pytest.fixture
def run(tiny_model_file: Path, tmp_path: Path) -> Any:
    def segment(*arguments: Any) -> Result:
        common = ["--out", tmp_path / "out", "--model", tiny_model_file, "--device", "cpu"]
        return CliRunner().invoke(cli.app, ["segment", *map(str, [*arguments, *common])])

    return segment


def sequences(tmp_path: Path) -> dict[str, list[str]]:
    return {
        path.stem: json.loads(path.read_text())["provenance"]["sequences"]
        for path in sorted((tmp_path / "out").glob("*.json"))
    }


def test_a_folder_for_each_patient_gives_a_mask_for_each(run: Any, patients: Path, tmp_path: Path) -> None:
    result = run(patients)
    assert result.exit_code == 0, result.output
    assert [line.split(":")[0] for line in result.stdout.split("\n") if line] == ["P1_flair", "P2_flair"]
    assert result.output.count("Used: pre, flair, post.") == 2
    assert sequences(tmp_path) == {f"P{i}_flair_mask": ["pre", "flair", "post"] for i in (1, 2)}
    mask, flair = (
        nib.load(path)
        for path in (tmp_path / "out" / "P1_flair_mask.nii.gz", patients / "P1" / "P1_flair.nii.gz")
    )
    assert mask.shape == flair.shape
    np.testing.assert_allclose(mask.affine, flair.affine, atol=1e-4)


def test_separate_files_are_one_scan(run: Any, patients: Path, tmp_path: Path) -> None:
    one = patients / "P1"
    result = run("--flair", one / "P1_flair.nii.gz", "--post", one / "P1_t1ce.nii.gz")
    assert result.exit_code == 0, result.output
    assert sequences(tmp_path) == {"P1_flair_mask": ["flair", "post"]}


def test_a_pattern_says_which_files_are_flair(run: Any, patients: Path, tmp_path: Path) -> None:
    result = run(patients, "--pattern", "P2/*_flair.nii.gz", "--flair-alone")
    assert result.exit_code == 0, result.output
    assert sequences(tmp_path) == {"P2_flair_mask": ["flair"]}


def test_the_format_of_masks_can_be_chosen(run: Any, patients: Path, tmp_path: Path) -> None:
    assert run(patients / "P1", "--format", "tif").exit_code == 0
    assert tifffile.imread(tmp_path / "out" / "P1_flair_mask.tif").shape == SHAPES["flair"]


def test_a_folder_that_matches_nothing_stops_no_other(run: Any, patients: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty", patients / "P1")
    assert result.exit_code == 1
    said, *_, total = filter(None, result.output.splitlines())
    assert said.startswith("empty: empty holds no scan")
    assert is_one_sentence(said)
    assert total == "1 of 2 scans failed."
    assert list(sequences(tmp_path)) == ["P1_flair_mask"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("a.nii", "--flair", "b.nii"),
        ("a.nii", "--pre", "b.nii"),
        ("--flair", "a.nii", "--pattern", "*"),
        ("--flair", "a.nii", "--flair-alone"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(run: Any, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_mapping_of_sequences_is_segmented(patients: Path, tiny_model: Model) -> None:
    paths = {NAMES[name]: patients / "P1" / f"P1_{name}.nii.gz" for name in SHAPES}
    result = segment(paths, model=tiny_model, device="cpu")
    assert result.mask.shape == SHAPES["flair"]
    assert result.provenance.sequences == ("pre", "flair", "post")
    mixed = {"flair": np.asarray(read_scan(paths["flair"]).sequences["flair"])}
    assert segment(mixed, spacing=(10, 4, 4), model=tiny_model).findings.volume_ml is not None


@pytest.mark.parametrize("names", [("pre",), ("flair", "t2"), ()])
def test_a_mapping_of_other_names_is_refused(names: tuple[str, ...], refused: Refused) -> None:
    with refused(ScanError, "flair, pre and post"):
        segment(dict.fromkeys(names, np.zeros((2, 8, 8))))
