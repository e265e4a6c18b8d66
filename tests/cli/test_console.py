"""What all commands share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_tumor_unet import _error_log, cli
from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import ModelError


def test_an_error_that_a_user_can_mend_ends_a_command_with_its_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise ModelError("The model mine is damaged; train it again.")

    monkeypatch.setattr(registry, "all_models", broken)
    result = CliRunner().invoke(cli.app, ["models"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.strip() == "The model mine is damaged; train it again."


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyError("x"), "Unexpected error in models: 'x'; details in the log."),
        (RuntimeError(""), "Unexpected error in models: RuntimeError; details in the log."),
        (
            RuntimeError("no /home/me/x.nii\nhere"),
            "Unexpected error in models: no x.nii; details in the log.",
        ),
        (MemoryError(), "There is not enough memory for models; close other programs."),
        (PermissionError(13, "Permission denied", "/home/me/x.nii"), "x.nii: Permission denied."),
        (OSError(28, "No space left"), "The output cannot be written: No space left."),
    ],
)
def test_any_other_error_ends_a_command_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr(registry, "all_models", broken)
    result = CliRunner().invoke(cli.app, ["models"])
    assert (result.exit_code, result.stderr.strip()) == (1, sentence)
    unexpected = "in the log" in sentence
    assert _error_log.log_file().exists() == unexpected
    if unexpected:
        log = _error_log.log_file().read_text()
        assert "Traceback" in log
        assert "/home/me" not in log


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full disk to try")
def test_a_full_disk_for_the_output_is_one_sentence() -> None:
    command = [sys.executable, "-c", "from napari_tumor_unet.cli import main; main()", "models"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("The output cannot be written")


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            ["segment", "", "--out", "o"],
            ["segment", "a.nii", "--out", ""],
            ["segment", "--flair", "", "--out", "o"],
        ),
        *(
            ["score", "", "b.nii"],
            ["evaluate", ""],
            ["train", "x", "--recipe", ""],
            ["train", "x", "--out", ""],
        ),
        *(
            ["fine-tune", "", "x", "--out", "y"],
            ["evaluate", "x", "--split", ""],
            ["evaluate", "x", "--model", ""],
        ),
    ],
)
def test_an_empty_path_is_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 2
    assert "names no file or folder" in " ".join(result.output.split())


@pytest.mark.skipif(sys.platform == "win32", reason="links need leave")
def test_paths_that_cannot_be_followed_are_one_sentence(tmp_path: Path, tiny_model_file: Path) -> None:
    loop, long = tmp_path / "loop", tmp_path / ("x" * 300)
    loop.symlink_to(loop)
    run = CliRunner().invoke
    options = ["--out", str(tmp_path / "out"), "--model", str(tiny_model_file)]
    for path in (loop, long):
        for arguments in (["segment", str(path), *options], ["score", str(path), str(path)]):
            result = run(cli.app, arguments)
            assert result.exit_code == 1
            assert "Unexpected" not in result.output
            assert not isinstance(result.exception, OSError | RuntimeError)
