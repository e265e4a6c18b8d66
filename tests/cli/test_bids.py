"""A data set in BIDS becomes derivatives in BIDS."""

from __future__ import annotations

import csv
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
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli
from napari_tumor_unet.io.bids import find_bids_scans
from tests.conftest import is_one_sentence, make_phantom

Run = Callable[..., Result]
MASK = "sub-01/ses-2/anat/sub-01_ses-2_space-orig_label-tumor_mask.nii.gz"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two subjects, one of them with two sessions."""
    folder = tmp_path / "raw"
    scan, _ = make_phantom((5, 24, 20))
    names = {"FLAIR": "flair", "T1w": "pre", "ce-gd_T1w": "post"}
    for stem in ("sub-01/ses-1/anat/sub-01_ses-1", "sub-01/ses-2/anat/sub-01_ses-2", "sub-02/anat/sub-02"):
        (folder / stem).parent.mkdir(parents=True)
        for suffix, sequence in names.items():
            if suffix == "FLAIR" or "ses-2" in stem:
                image = nib.Nifti1Image(scan.sequences[sequence].transpose(2, 1, 0), np.diag([1, 1, 5, 1]))
                image.header.set_xyzt_units("mm", "sec")
                nib.save(image, folder / f"{stem}_{suffix}.nii.gz")
    description = {"Name": "raw", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    return folder


@pytest.fixture
def run(raw: Path, tmp_path: Path, tiny_model_file: Path) -> Run:
    def invoke(*arguments: Any) -> Result:
        command = ["bids", raw, tmp_path / "out", *arguments, "--model", tiny_model_file, "--device", "cpu"]
        return CliRunner().invoke(cli.app, [*map(str, command)])

    return invoke


def test_each_flair_with_the_t1_of_its_session_becomes_a_mask_with_its_sources(
    run: Run, tmp_path: Path
) -> None:
    result = run("participant")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*_mask.nii.gz")) == [
        MASK.replace("ses-2", "ses-1"),
        MASK,
        "sub-02/anat/sub-02_space-orig_label-tumor_mask.nii.gz",
    ]
    told = json.loads((out / MASK.replace(".nii.gz", ".json")).read_text())
    ses = "bids:raw:sub-01/ses-2/anat/sub-01_ses-2"
    assert told["Sources"] == [f"{ses}_FLAIR.nii.gz", f"{ses}_T1w.nii.gz", f"{ses}_ce-gd_T1w.nii.gz"]
    assert told["provenance"]["sequences"] == ["pre", "flair", "post"]
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["GeneratedBy"][0]["Name"] == "napari-tumor-unet"
    assert description["DatasetLinks"] == {"raw": "../raw"}
    assert run("participant").output.splitlines()[-1] == "0 segmented, 3 done before, 0 failed."


def test_the_group_is_a_table_with_its_dictionary(run: Run, tmp_path: Path) -> None:
    assert is_one_sentence(run("group").output.strip())
    run("participant")
    assert run("group").exit_code == 0
    with (tmp_path / "out" / "measurements.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["participant_id"], row["session_id"]) for row in rows] == [
        ("sub-01", "ses-1"),
        ("sub-01", "ses-2"),
        ("sub-02", "n/a"),
    ]
    assert all(float(row["volume_ml"]) >= 0 for row in rows)
    assert json.loads((tmp_path / "out" / "measurements.json").read_text()).keys() == rows[0].keys()


def test_the_probability_is_written_on_demand_and_stays_that_of_its_mask(run: Run, tmp_path: Path) -> None:
    anat = tmp_path / "out" / "sub-02" / "anat"
    mask, probability = (
        anat / f"sub-02_space-orig_label-tumor_{name}.nii.gz" for name in ("mask", "probseg")
    )
    run("participant")
    assert not probability.exists()
    assert run("participant", "--probseg").output.splitlines()[-1] == "3 segmented, 0 failed."
    image, values = nib.load(mask), nib.load(probability).get_fdata()
    assert np.array_equal(image.affine, nib.load(probability).affine)
    assert 0 <= values.min() <= values.max() <= 1
    threshold = json.loads(mask.with_suffix("").with_suffix(".json").read_text())["provenance"]["threshold"]
    assert np.array_equal(values >= threshold, image.get_fdata() == 1)
    told = json.loads(probability.with_suffix("").with_suffix(".json").read_text())
    assert told["Sources"] == ["bids:raw:sub-02/anat/sub-02_FLAIR.nii.gz"]
    assert run("participant", "--probseg").output.splitlines()[-1] == "0 segmented, 3 done before, 0 failed."
    old = probability.read_bytes()
    probability.write_text("mine")
    assert run("participant").output.splitlines()[-1] == "1 segmented, 2 done before, 0 failed."
    assert probability.read_bytes() == old
    assert [path.read_text() for path in anat.glob("replaced-*/*_probseg.nii.gz")] == ["mine"]


@pytest.mark.parametrize(
    ("options", "n"),
    [
        (["--participant-label", "01"], 2),
        (["--participant_label", "01", "sub-02"], 3),
        (["--session-label", "ses-2", "1", "--participant-label", "01"], 2),
        (["--session-label", "ses-2"], 1),
    ],
)
def test_labels_choose(run: Run, tmp_path: Path, options: list[str], n: int) -> None:
    assert run("participant", *options).exit_code == 0
    assert len([*(tmp_path / "out").rglob("*_mask.nii.gz")]) == n


def test_an_option_without_a_label_is_told(run: Run) -> None:
    assert run("participant", "--participant-label", "--session-label", "1").exit_code == 2


@pytest.mark.parametrize("options", [["--participant-label", "07"], ["--session-label", "9"]])
def test_labels_of_nobody_are_told(run: Run, options: list[str]) -> None:
    result = run("participant", *options)
    assert result.exit_code == 1
    assert is_one_sentence(result.output.strip())


def test_a_folder_of_another_data_set_is_left_alone(run: Run, raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "out")
    before = (tmp_path / "out" / "dataset_description.json").read_bytes()
    assert "holds another data set" in run("participant").output
    assert (tmp_path / "out" / "dataset_description.json").read_bytes() == before


def test_of_several_t1_the_one_of_the_same_run_belongs_to_a_flair(raw: Path) -> None:
    anat = raw / "sub-02" / "anat"
    for name in ("run-1_T1w", "run-2_T1w", "run-1_FLAIR", "run-2_FLAIR"):
        (anat / f"sub-02_{name}.nii.gz").touch()
    scans = {scan.stem: scan.files.others["pre"].name for scan in find_bids_scans(raw, ["02"])}
    assert scans["sub-02_run-1"] == "sub-02_run-1_T1w.nii.gz"
    assert scans["sub-02_run-2"] == "sub-02_run-2_T1w.nii.gz"


@pytest.mark.slow
def test_the_validator_of_bids_finds_no_error(run: Run, tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name("bids-validator-deno")
    validator = shutil.which(beside) or shutil.which(beside.name)
    if validator is None:
        pytest.skip("no bids-validator")
    assert run("participant", "--probseg").exit_code == 0
    run("group")
    done = subprocess.run(
        [validator, str(tmp_path / "out"), "--json"], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert {issue["code"] for issue in issues} <= {"TOO_FEW_AUTHORS"}, issues  # who runs it may add them
