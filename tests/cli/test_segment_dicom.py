"""``napari-tumor-unet segment`` with ``--format dicom-seg`` and ``dicom-sr``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli
from napari_tumor_unet.io.dicom import extra
from napari_tumor_unet.io.read import read_mask
from tests.conftest import make_phantom
from tests.dicom_files import PATIENT, images, saved, turned
from tests.io.dicom.test_segmentation import STUDY

HEAD = make_phantom((6, 40, 36))[0].sequences["flair"].clip(0).astype(np.uint16)
IDENTITY = "The .dcm files carry the patient's identity"
Run = Callable[..., Result]


@pytest.fixture
def run(tiny_model_file: Path, tmp_path: Path) -> Run:
    """Segment the series of tmp_path / "head", into tmp_path / "out", with the tiny model."""
    saved(images(HEAD, turned(20), **STUDY), tmp_path / "head")

    def segment(*options: str, scan: str = "head", out: str = "out") -> Result:
        arguments = [tmp_path / scan, "--out", tmp_path / out, "--model", tiny_model_file, *options]
        return CliRunner().invoke(cli.app, ["segment", *map(str, arguments)])

    return segment


def made(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").iterdir())


def test_a_segmentation_is_the_nifti_mask_of_the_same_run(run: Run, tmp_path: Path) -> None:
    result = run("--format", "dicom-seg")
    assert result.exit_code == 0
    assert IDENTITY in result.output
    assert made(tmp_path) == ["head_mask.dcm", "head_mask.json"]
    nifti = run("--format", "nii.gz", out="nifti")
    assert nifti.exit_code == 0
    assert IDENTITY not in nifti.output
    mask = read_mask(tmp_path / "out" / "head_mask.dcm")
    assert mask.any()
    np.testing.assert_array_equal(mask, read_mask(tmp_path / "nifti" / "head_mask.nii.gz"))
    told = (tmp_path / "out" / "head_mask.json").read_text() + result.output
    assert not [word for word in (*PATIENT.values(), "1.2.3.4") if word in told]


def test_a_report_lies_beside_it_and_is_not_overwritten_unasked(run: Run, tmp_path: Path) -> None:
    assert run("--format", "dicom-sr").exit_code == 0
    assert made(tmp_path) == ["head_mask.dcm", "head_mask.json", "head_mask_report.dcm"]
    report = pydicom.dcmread(tmp_path / "out" / "head_mask_report.dcm")
    assert report.Modality == "SR"
    (tmp_path / "out" / "head_mask.dcm").unlink()
    (tmp_path / "out" / "head_mask.json").unlink()
    result = run("--format", "dicom-sr")
    assert result.exit_code == 1
    assert "head_mask_report.dcm exists already" in result.output
    assert made(tmp_path) == ["head_mask_report.dcm"]


def test_a_run_goes_on_where_the_report_is_missing(run: Run, tmp_path: Path) -> None:
    options = ("--format", "dicom-sr", "--continue")
    assert run(*options).exit_code == 0
    mask = tmp_path / "out" / "head_mask.dcm"
    before = mask.read_bytes()
    assert run(*options).exit_code == 0
    assert mask.read_bytes() == before
    (tmp_path / "out" / "head_mask_report.dcm").unlink()
    assert run(*options).exit_code == 0
    assert (tmp_path / "out" / "head_mask_report.dcm").exists()


def test_masks_in_a_folder_of_scans_are_no_scans(run: Run, tmp_path: Path) -> None:
    assert run("--format", "dicom-seg", out="head/masks").exit_code == 0
    again = run("--format", "dicom-seg", "--continue", out="head/masks")
    assert again.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "head" / "masks").iterdir()) == [
        "head_mask.dcm",
        "head_mask.json",
    ]


def test_segmentations_of_a_folder_are_scored_and_measured(run: Run, tmp_path: Path) -> None:
    assert run("--format", "dicom-sr").exit_code == 0
    assert run("--format", "nii.gz", out="reference").exit_code == 0
    folders = (str(tmp_path / "out"), str(tmp_path / "reference"))
    scored = CliRunner().invoke(cli.app, ["score", *folders])
    assert scored.exit_code == 0, scored.output
    assert "1.000" in scored.output
    measured = CliRunner().invoke(cli.app, ["measure", str(tmp_path / "out" / "head_mask.dcm")])
    assert "head_mask: " in measured.output


def test_an_empty_mask_is_told_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    result = run("--format", "dicom-sr", "--threshold", "1.0")
    assert result.exit_code == 1
    assert "is empty" in result.output
    assert made(tmp_path) == []


def test_a_scan_of_another_format_is_told_before_it_is_segmented(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", HEAD)
    monkeypatch.setattr("napari_tumor_unet.inference.predict.run", None)
    result = run("--format", "dicom-seg", scan="a.tif")
    assert result.exit_code == 1
    assert "not read from DICOM" in " ".join(result.output.split())


def test_without_the_extra_a_sentence_says_how_to_install_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str, *_: Any) -> None:
        raise ImportError(name)

    monkeypatch.setattr(extra.importlib, "import_module", missing)
    result = run("--format", "dicom-seg")
    assert result.exit_code == 1
    assert 'pip install "napari-tumor-unet[dicom]"' in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()
