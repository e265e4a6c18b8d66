"""The command ``fine-tune``: what it prints, and what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.write import write_result
from napari_tumor_unet.model.card import file_hash, read_card
from tests.conftest import is_one_sentence

Run = Callable[..., Result]
COMMAND = [sys.executable, "-c", "from napari_tumor_unet.cli import main; main()", "fine-tune"]
FEW = ["--slices", "8", "--batch-size", "4", "--device", "cpu"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command."""
    monkeypatch.setattr(cli.console.out, "width", 300)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(cli.app, ["fine-tune", *map(str, arguments), *FEW])

    return invoke


@pytest.mark.slow
def test_a_table_shows_each_scan_before_and_after(
    run: Run, data: Path, tiny_model_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ours.safetensors"
    done = run(tiny_model_file, data, "--out", out, "--epochs", 2)
    assert done.exit_code == 0, done.output
    assert "2 scans to learn from, 1 held out" in done.output
    table = done.output.split("Dice before")[1]
    rows = [line.split() for line in table.splitlines() if line.startswith("│")]
    assert [row[1] in "abc" for row in rows] == [True, False]
    assert "(the bundled sample)" in table
    assert "Recommended: " in table or "No clear difference. " in table
    assert read_card(out).parent == file_hash(tiny_model_file)


def test_masks_that_the_model_made_are_left_out_with_the_reason(
    run: Run, data: Path, tiny_model_file: Path, tmp_path: Path
) -> None:
    told = {"provenance": {"model_hash": file_hash(tiny_model_file)}}
    for pair in find_pairs(data).pairs:
        scan, mask = pair.read()
        write_result(pair.mask, mask.astype(np.uint8), scan, told)
    done = run(tiny_model_file, data, "--out", tmp_path / "ours.safetensors")
    assert done.exit_code == 1
    assert done.output.count("left out: Made by this model and not edited") == 3
    assert is_one_sentence(done.output.splitlines()[-1])


@pytest.mark.slow
def test_json_is_one_object_with_the_same_scores(
    run: Run, data: Path, tiny_model_file: Path, tmp_path: Path
) -> None:
    from napari_tumor_unet import FineTuning, fine_tune

    done = run(tiny_model_file, data, "--out", tmp_path / "a.safetensors", "--epochs", 1, "--json")
    content: dict[str, Any] = json.loads(done.stdout)
    settings = FineTuning(epochs=1, batch_size=4, slices=8)
    result = fine_tune(tiny_model_file, data, out=tmp_path / "b.safetensors", settings=settings, device="cpu")
    assert [(c["before"]["dice"], c["after"]["dice"]) for c in content["changes"]] == [
        (c.before.dice, c.after.dice) for c in result.changes
    ]
    assert [c["sample"] for c in content["changes"]] == [False, True]
    assert [c["learned_before"] for c in content["changes"]] == [False, False]
    assert content["parent"] == file_hash(tiny_model_file)
    assert content["advice"]["said"] == result.advice.said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_one_resumes_to_the_same_weights(
    run: Run, data: Path, tiny_model_file: Path, tmp_path: Path
) -> None:
    through, killed = tmp_path / "through.safetensors", tmp_path / "killed.safetensors"

    def fresh(out: Path, *more: str) -> list[str]:
        """Each in a process of its own: sums depend on the threads of a process, in the last digit."""
        return [*COMMAND, *map(str, (tiny_model_file, data, "--out", out, "--epochs", 4, *FEW, *more))]

    subprocess.run(fresh(through), check=True)
    with subprocess.Popen(fresh(killed), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 1/4"):
                os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not killed.exists()
    refused = run(tiny_model_file, data, "--out", killed, "--epochs", 4)
    assert refused.exit_code == 1
    assert "resume it" in refused.output
    resumed = subprocess.run(fresh(killed, "--resume"), check=True, capture_output=True, text=True)
    assert "epoch 1/4" not in resumed.stdout
    expected = load_file(through)
    for name, weight in load_file(killed).items():
        np.testing.assert_array_equal(weight, expected[name])


@pytest.mark.parametrize(
    ("model", "folder", "words"), [("no such model", "", "no such model"), ("default", "gone", "gone")]
)
def test_what_cannot_begin_is_one_sentence(
    run: Run, data: Path, tmp_path: Path, model: str, folder: str, words: str
) -> None:
    done = run(model, data / folder, "--out", tmp_path / "m.safetensors")
    assert done.exit_code == 1
    said = done.output.splitlines()[-1]
    assert is_one_sentence(said), said
    assert words in said
    assert not list(tmp_path.glob("m*"))
