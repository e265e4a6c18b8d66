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
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli
from napari_tumor_unet.cli import console
from napari_tumor_unet.inference.batch import output_names
from napari_tumor_unet.io.find import ScanFiles
from napari_tumor_unet.model.card import file_hash
from napari_tumor_unet.model.registry import bundled_models, make_model_folder, user_models
from napari_tumor_unet.scan import SEQUENCES
from tests.conftest import Phantom, is_one_sentence

Run = Callable[..., Result]


@pytest.fixture
def run(tiny_model_file: Path, tmp_path: Path) -> Run:
    """Segment into tmp_path / "out" with the tiny model."""

    def segment(*scans: Path, options: tuple[Any, ...] = ()) -> Result:
        arguments = [*scans, "--out", tmp_path / "out", "--model", tiny_model_file, *options]
        return CliRunner().invoke(cli.app, ["segment", *map(str, arguments)])

    return segment


@pytest.fixture
def tiff(tmp_path: Path, phantom: Phantom) -> Callable[..., Path]:
    """Write a phantom as TIFF, under a name below tmp_path."""

    def write(name: str, **metadata: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        scan, _ = phantom((3, 24, 20))
        volume = np.stack([scan.sequences[s] for s in SEQUENCES], axis=1)
        resolution = (1 / 0.5, 1 / 0.8) if metadata else None
        tifffile.imwrite(
            path, volume, imagej=True, resolution=resolution, metadata={"axes": "ZCYX"} | metadata
        )
        return path

    return write


@pytest.fixture
def nifti(tmp_path: Path, phantom: Phantom) -> Path:
    """An oblique phantom with axes in an unusual order."""
    affine = nib.affines.from_matvec(
        nib.eulerangles.euler2mat(0.1, 0.05, -0.1) @ [[0, 0, 2.5], [0.7, 0, 0], [0, -0.9, 0]], [10, -20, 5]
    )
    path = tmp_path / "brain.nii.gz"
    nib.save(nib.Nifti1Image(phantom((20, 24, 6))[0].sequences["flair"], affine), path)
    return path


def made(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").iterdir())


def said(result: Result) -> list[str]:
    """Its lines, but for the warnings under them."""
    return [line for line in result.output.splitlines() if line and not line.startswith("  ")]


def test_a_tiff_gives_a_tiff_mask_and_a_json(run: Run, tiff: Callable[..., Path], tmp_path: Path) -> None:
    result = run(tiff("brain.tif", spacing=5.0, unit="mm"))
    assert result.exit_code == 0, result.output
    assert made(tmp_path) == ["brain_mask.json", "brain_mask.tif"]
    with tifffile.TiffFile(tmp_path / "out" / "brain_mask.tif") as file:
        mask, axes = file.series[0].asarray(), file.series[0].axes
        assert file.imagej_metadata is not None
        assert (file.imagej_metadata["spacing"], file.imagej_metadata["unit"]) == (5.0, "mm")
    assert (mask.dtype, mask.shape, axes) == (np.uint8, (3, 24, 20), "ZYX")
    assert set(np.unique(mask)) <= {0, 1}


def test_a_nifti_gives_a_nifti_mask_on_its_grid(run: Run, nifti: Path, tmp_path: Path) -> None:
    result = run(nifti)
    assert result.exit_code == 0, result.output
    assert made(tmp_path) == ["brain_mask.json", "brain_mask.nii.gz"]
    mask, scan = nib.load(tmp_path / "out" / "brain_mask.nii.gz"), nib.load(nifti)
    assert mask.shape == scan.shape
    np.testing.assert_allclose(mask.affine, scan.affine, atol=1e-5)
    assert set(np.unique(np.asarray(mask.dataobj))) <= {0, 1}


def test_a_folder_gives_a_tiff_mask_of_its_name(run: Run, phantom: Phantom, tmp_path: Path) -> None:
    (tmp_path / "patient.1").mkdir()
    for n, plane in enumerate(phantom((11, 20, 20))[0].sequences["flair"], start=1):
        tifffile.imwrite(tmp_path / "patient.1" / f"p_{n}.tif", plane)
    assert run(tmp_path / "patient.1").exit_code == 0
    assert made(tmp_path) == ["patient.1_mask.json", "patient.1_mask.tif"]


def test_the_json_says_what_was_found_and_how(
    run: Run, tiff: Callable[..., Path], tmp_path: Path, tiny_model_file: Path
) -> None:
    run(tiff("brain.tif", spacing=5.0, unit="mm"), options=("--threshold", 0.4, "--device", "cpu"))
    text = (tmp_path / "out" / "brain_mask.json").read_text()
    told = json.loads(text)
    voxels = int(tifffile.imread(tmp_path / "out" / "brain_mask.tif").sum())
    assert told["findings"]["voxels"] == voxels > 0
    assert told["findings"]["volume_ml"] == pytest.approx(voxels * 5 * 0.8 * 0.5 / 1000, rel=1e-5)
    assert told["provenance"]["model_hash"] == file_hash(tiny_model_file)
    assert (told["provenance"]["threshold"], told["provenance"]["device"]) == (0.4, "cpu")
    assert str(tmp_path) not in text


def test_each_scan_gets_a_line_with_its_findings(run: Run, tiff: Callable[..., Path]) -> None:
    result = run(tiff("a.tif"), tiff("b.tif"), options=("--threshold", 0.0))
    lines = said(result)
    assert [line.split(":")[0] for line in lines] == ["a", "b"]
    assert all("voxels" in line and "not for clinical use" in line for line in lines)


def test_a_scan_not_to_be_trusted_is_told_under_its_line_and_in_the_json(run: Run, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(4, 32, 32)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", noise, photometric="minisblack")
    result = run(tmp_path / "a.tif")
    assert result.exit_code == 0, result.output
    line, *warnings = (line.strip() for line in result.output.splitlines() if line)
    assert line.startswith("a: ")
    assert warnings[0].startswith("No head found")
    assert json.loads((tmp_path / "out" / "a_mask.json").read_text())["warnings"] == warnings


def test_what_is_no_scan_of_a_head_fails_and_gets_no_mask(run: Run, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 32, 32), np.uint8), photometric="minisblack")
    result = run(tmp_path / "a.tif")
    assert result.exit_code == 1
    assert "so there is no mask." in " ".join(result.output.split())
    assert made(tmp_path) == []


def test_what_a_folder_leaves_out_is_told(run: Run, tiff: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("001_flair", "002_flair"):
        tiff(f"d/{name}.tif")
    tifffile.imwrite(tmp_path / "d" / "head.tif", np.zeros((5, 24, 20), np.uint8))  # one sequence alone
    result = run(tmp_path / "d")
    assert result.exit_code == 0, result.output
    assert not any("head" in name for name in made(tmp_path))
    assert "head.tif: Left out, as " in result.stderr


def test_scans_of_one_name_get_their_parents_name_in_front(
    run: Run, tiff: Callable[..., Path], tmp_path: Path
) -> None:
    result = run(tiff("p1/flair.tif"), tiff("p2/flair.tif"), tiff("p2/other.tif"))
    assert result.exit_code == 0, result.output
    assert [name for name in made(tmp_path) if name.endswith(".tif")] == [
        "other_mask.tif",
        "p1_flair_mask.tif",
        "p2_flair_mask.tif",
    ]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.tif", "b.tif"], ["a", "b"]),
        (["s1/t1/a.tif", "s2/t1/a.tif"], ["s1_t1_a", "s2_t1_a"]),
        (["p/a.tif", "q/a.tif", "r/p_a.tif"], ["w_p_a", "q_a", "r_p_a"]),
        (["p/a.tif", "p/a.nii", "p/a.nii.gz"], ["a.tif", "a.nii", "a.nii.gz"]),
        (["p/a.tif", "p/a.nii", "q/a.tif"], ["a.tif", "a.nii", "a"]),
        (["p/a", "q/../q/a"], ["p_a", "q_a"]),
    ],
)
def test_no_two_scans_get_one_name(paths: list[str], names: list[str]) -> None:
    assert output_names([ScanFiles(Path("/w") / path) for path in paths]) == names


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_named_by_where_they_lie(tmp_path: Path) -> None:
    for n in "12":
        (tmp_path / f"p{n}").mkdir()
        (tmp_path / f"p{n}" / "flair.tif").symlink_to(tmp_path / "store" / n)
    found = output_names([ScanFiles(tmp_path / "p1" / "flair.tif"), ScanFiles(tmp_path / "p2" / "flair.tif")])
    assert found == ["p1_flair", "p2_flair"]


def test_a_scan_given_twice_is_segmented_once(run: Run, tiff: Callable[..., Path], tmp_path: Path) -> None:
    path = tiff("a.tif")
    result = run(path, path)
    assert result.exit_code == 0, result.output
    assert made(tmp_path) == ["a_mask.json", "a_mask.tif"]


@pytest.mark.parametrize("there", ["a_mask.tif", "a_mask.json"])
def test_nothing_is_overwritten_unasked(
    run: Run, tiff: Callable[..., Path], tmp_path: Path, there: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / there).write_text("precious")
    result = run(tiff("a.tif"))
    assert result.exit_code == 1
    assert f"{there} exists already; choose another folder, or --overwrite." in result.output
    assert made(tmp_path) == [there]
    assert (tmp_path / "out" / there).read_text() == "precious"


def test_overwriting_can_be_asked_for(run: Run, tiff: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a_mask.tif").write_text("old")
    assert run(tiff("a.tif"), options=("--overwrite",)).exit_code == 0
    assert tifffile.imread(tmp_path / "out" / "a_mask.tif").shape == (3, 24, 20)


def test_a_bad_scan_is_told_in_a_sentence_and_the_others_are_done(
    run: Run, tiff: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "bad.tif").write_text("no picture")
    result = run(tiff("a.tif"), tmp_path / "bad.tif", tmp_path / "gone.nii.gz", tiff("b.tif"))
    assert result.exit_code == 1
    assert [name for name in made(tmp_path) if name.endswith(".tif")] == ["a_mask.tif", "b_mask.tif"]
    _, bad, gone, _, total = said(result)
    assert bad.startswith("bad: bad.tif is damaged")
    assert gone.startswith("gone: gone.nii.gz does not exist")
    assert total == "2 of 4 scans failed."
    assert is_one_sentence(bad)
    assert is_one_sentence(gone)


def test_an_unknown_model_is_told_before_anything_is_done(
    run: Run, tiff: Callable[..., Path], tmp_path: Path
) -> None:
    result = run(tiff("a.tif"), options=("--model", "nosuch"))
    assert result.exit_code == 1
    assert "There is no model 'nosuch'" in result.output
    assert is_one_sentence(result.output.strip())
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_a_device_that_is_not_there_is_told(run: Run, tiff: Callable[..., Path]) -> None:
    result = run(tiff("a.tif"), options=("--device", "cuda"))
    assert result.exit_code == 1
    assert is_one_sentence(result.output.strip())


def test_a_file_in_place_of_the_folder_is_told(run: Run, tiff: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    result = run(tiff("a.tif"))
    assert result.exit_code == 1
    assert "folder out cannot be made (a file of that name is there); choose another." in result.output


@pytest.mark.parametrize("threshold", ["1.5", "-0.1", "half"])
def test_impossible_thresholds_are_refused(run: Run, tiff: Callable[..., Path], threshold: str) -> None:
    assert run(tiff("a.tif"), options=("--threshold", threshold)).exit_code == 2


def test_models_lists_the_bundled_ones_with_their_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.out, "width", 300)
    result = CliRunner().invoke(cli.app, ["models"])
    assert result.exit_code == 0
    for name, path in bundled_models().items():
        assert name in result.output
        assert file_hash(path)[:12] in result.output


@pytest.mark.parametrize(("command", "words"), [("models", "none"), ("doctor", "carries no digest")])
def test_models_that_cannot_be_read_are_told_beside_the_others(
    command: str, words: str, tiny_model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.out, "width", 300)
    folder = make_model_folder()
    (folder / "dangling.safetensors").symlink_to(folder / "nowhere")
    (folder / "folder.safetensors").mkdir()
    (folder / "damaged.safetensors").write_bytes(tiny_model_file.read_bytes()[:-9])
    shutil.copy(tiny_model_file, folder / "whole.safetensors")
    with safe_open(tiny_model_file, framework="numpy") as file:
        texts = {key: text for key, text in file.metadata().items() if key != "digest"}
    save_file(load_file(tiny_model_file), folder / "earlier.safetensors", texts)
    result = CliRunner().invoke(cli.app, [command])
    assert result.exit_code == 0
    lines = {name: line for line in result.output.splitlines() for name in user_models() if name in line}
    assert all("unusable" in lines[name] for name in ("dangling", "folder", "damaged"))
    assert all("A model for tests." in lines[name] for name in ("whole", "earlier"))
    assert words in lines["earlier"]
    assert words not in lines["whole"]


def test_doctor_tells_versions_devices_and_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.out, "width", 300)
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert result.exit_code == 0
    for word in ("Python", "napari-tumor-unet", torch.__version__, "device", "model default"):
        assert word in result.output


def test_without_a_command_the_help_is_shown() -> None:
    result = CliRunner().invoke(cli.app, [])
    assert all(command in result.output for command in ("segment", "models", "doctor"))


@pytest.mark.slow
def test_the_command_runs_from_a_shell(
    nifti: Path, tiff: Callable[..., Path], tmp_path: Path, tiny_model_file: Path
) -> None:
    command = shutil.which("napari-tumor-unet", path=Path(sys.executable).parent)
    assert command, "the package is not installed"
    arguments = [tiff("a.tif"), nifti, "--out", "out", "--model", tiny_model_file]
    done = subprocess.run(
        [command, "segment", *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not for clinical use") == 2
    assert all(line.startswith("  ") for line in done.stderr.splitlines() if line), done.stderr  # warnings
    assert made(tmp_path) == ["a_mask.json", "a_mask.tif", "brain_mask.json", "brain_mask.nii.gz"]
