from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli, evaluate
from napari_tumor_unet.io.datasets.fingerprint import fingerprint
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.write import write_result
from napari_tumor_unet.model.model_file import Model, save_model
from tests.conftest import is_one_sentence

COMMAND = [sys.executable, "-c", "from napari_tumor_unet.cli import main; main()"]
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command."""
    monkeypatch.setattr(cli.console.out, "width", 300)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(cli.app, list(map(str, arguments)))

    return invoke


@pytest.fixture
def slow_recipe(recipe_file: Path) -> Path:
    """With time to be killed in."""
    recipe_file.write_text(recipe_file.read_text().replace("slices = 8", "slices = 120"))
    return recipe_file


def sentence(result: Result) -> str:
    assert result.exit_code == 1
    last = result.output.splitlines()[-1]
    assert is_one_sentence(last), last
    return last


def test_a_table_says_what_each_scan_is_used_for(run: Run, data: Path, recipe_file: Path) -> None:
    (data / "d.tif").touch()
    out = data.parent / "mine.safetensors"
    result = run("train", data, "--recipe", recipe_file, "--epochs", 2, "--out", out, "--device", "cpu")
    assert result.exit_code == 0, result.output
    rows = {line.split()[1]: line for line in result.output.splitlines() if line.startswith("│")}
    uses = [next(u for u in ("learned from", "held out", "left out") if u in rows[n]) for n in "abc"]
    assert sorted(uses) == ["held out", "learned from", "learned from"]
    assert "left out: no mask d_mask beside it" in rows["d.tif"]
    assert "2 scans to learn from, 1 held out, 1 left out" in result.output
    assert "epoch 2/2" in result.output
    assert out.exists()


def test_masks_that_a_model_made_are_left_out_with_the_reason(
    run: Run, data: Path, recipe_file: Path, tmp_path: Path
) -> None:
    for pair, edited in zip(find_pairs(data).pairs, (False, True, None), strict=True):
        scan, mask = pair.read()
        told = {"provenance": {"model_hash": "any"}, "edited": edited}
        write_result(pair.mask, mask.astype(np.uint8), scan, told if edited is not None else {})
    options = ["--recipe", recipe_file, "--epochs", 1, "--device", "cpu"]
    result = run("train", data, *options, "--out", tmp_path / "mine.safetensors")
    assert result.exit_code == 0, result.output
    row = next(line for line in result.output.splitlines() if line.startswith("│ a "))
    assert "left out: Made by a model and not edited" in row
    assert "1 scans to learn from, 1 held out, 1 left out" in result.output
    folds = tmp_path / "folds.safetensors"
    result = run("train", data, *options, "--out", folds, "--folds", 3)
    assert "need as many patients" in sentence(result)
    assert "left out: a: Made by a model and not edited." in result.output


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--recipe", "nope"), "give default, robust, seed, or a TOML file"),
        (("--recipe", "nope", "--folds", "2"), "give default, robust, seed, or a TOML file"),
        (("--out", "mine.pt"), "named like model.safetensors"),
        (("--out", "file/mine.safetensors"), "cannot be made or written in; choose another name"),
    ],
)
def test_a_wrong_recipe_or_file_is_told_before_the_scans(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    result = run("train", data, *wrong)
    assert told in sentence(result)
    assert len(result.output.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_training_resumes_to_the_same_weights(
    run: Run, data: Path, slow_recipe: Path, tmp_path: Path
) -> None:
    options = ["--recipe", slow_recipe, "--device", "cpu"]
    through, killed = tmp_path / "through.safetensors", tmp_path / "killed.safetensors"
    assert run("train", data, *options, "--out", through).exit_code == 0
    command = [*COMMAND, "train", data, *options, "--out", killed]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 1/3"):
                os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not killed.exists()
    resumed = run("train", data, *options, "--out", killed, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "epoch 1/3" not in resumed.output
    expected = load_file(through)
    for name, weight in load_file(killed).items():
        np.testing.assert_array_equal(weight, expected[name])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
def test_an_interrupt_says_how_to_go_on(data: Path, slow_recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    command = [*COMMAND, "train", data, "--recipe", slow_recipe, "--epochs", 100, "--out", out]
    # A shell that runs the tests in the background lets its children ignore the signal.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch 1/100"):
                process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
    assert process.returncode == 1, errors
    said = errors.splitlines()[-1]
    assert is_one_sentence(said), said
    assert "--resume" in said


def test_what_cannot_be_trained_is_one_sentence(run: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    assert "no such recipe.toml" in sentence(
        run("train", data, "--recipe", "no such recipe.toml", "--out", out)
    )
    assert "gone" in sentence(run("train", tmp_path / "gone", "--out", out))
    assert "split.csv" in sentence(run("train", data, "--split", tmp_path / "split.csv", "--out", out))
    assert "needs a split" in sentence(run("train", data, "--fold", 1, "--out", out))
    assert "needs a split" in sentence(run("evaluate", data, "--part", "test"))
    (tmp_path / "split.csv").write_text("patient,split\na,train\na,val\n")
    assert "patient a" in sentence(run("train", data, "--split", tmp_path / "split.csv", "--out", out))
    assert not list(tmp_path.glob("m*"))


def test_an_evaluation_prints_its_figures_and_their_definitions(
    run: Run, data: Path, tiny_model_file: Path
) -> None:
    result = run("evaluate", data, "--model", tiny_model_file)
    assert result.exit_code == 0, result.output
    summary = evaluate(data, model=tiny_model_file).summary
    for figure in (summary.dice.mean, summary.iou.median, summary.pooled_at_128.dice):
        assert f"{figure:.3f}" in result.output
    assert f"{summary.false_positive_slices} of {summary.tumour_free_slices}" in result.output
    assert "every second pixel" in result.output
    assert "Two empty masks count as 1" in result.output


def test_an_evaluation_tells_which_scans_the_model_has_learned_from(
    run: Run, data: Path, tiny_model: Model, tmp_path: Path
) -> None:
    taught = tuple(fingerprint(*pair.read()).case for pair in find_pairs(data).pairs[:2])
    path = tmp_path / "taught.safetensors"
    save_model(replace(tiny_model, card=replace(tiny_model.card, data=taught)), path)
    told = "The model has learned from 2 of 3 scans before (a, b)"
    assert told in run("evaluate", data, "--model", path, "--device", "cpu").output
    content = json.loads(run("evaluate", data, "--model", path, "--device", "cpu", "--json").stdout)
    assert content["learned_from"] == ["a", "b"]
    assert [scan["learned_from"] for scan in content["volumes"]] == [True, True, False]


def test_an_evaluation_of_one_scan_has_no_spread(
    run: Run, data: Path, tiny_model_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    for name in ("a.tif", "a_mask.tif"):
        shutil.copy(data / name, tmp_path / "one" / name)
    result = run("evaluate", tmp_path / "one", "--model", tiny_model_file, "--spacing", "5,1,1")
    assert result.exit_code == 0, result.output
    assert "nan" not in result.output
    dice = next(line for line in result.output.splitlines() if line.startswith("│ Dice"))
    assert dice.split()[5] == "undefined"


@pytest.mark.slow
def test_json_is_one_object_and_nothing_else(data: Path, tiny_model_file: Path) -> None:
    command = [*COMMAND, "evaluate", data, "--model", tiny_model_file, "--json"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    content = json.loads(done.stdout)
    summary = evaluate(data, model=tiny_model_file).summary
    assert content["dice"]["mean"] == summary.dice.mean
    assert content["pooled_at_128"]["iou"] == summary.pooled_at_128.iou
    assert [scan["name"] for scan in content["volumes"]] == ["a", "b", "c"]
    assert not done.stderr


def test_what_cannot_be_evaluated_is_one_sentence(run: Run, data: Path, tmp_path: Path) -> None:
    assert "nobody" in sentence(run("evaluate", data, "--model", "nobody"))
    assert "gone" in sentence(run("evaluate", tmp_path / "gone"))
    (data / "pictures").touch()
    assert "choose another folder" in sentence(run("evaluate", data, "--pictures", data / "pictures"))
    for name in "abc":
        (data / f"{name}.tif").write_bytes(b"")
    assert "No scan could be evaluated" in sentence(run("evaluate", data))


@pytest.mark.slow
@pytest.mark.own_child
def test_folds_are_trained_each_resumable_by_itself(
    run: Run, data: Path, recipe_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine.safetensors"
    (data / "d.tif").touch()
    options = ["--recipe", recipe_file, "--device", "cpu", "--out", out, "--folds", 3]
    first = run("train", data, *options, "--epochs", 1, "--workers", 2)
    assert first.exit_code == 0, first.output
    assert "left out: d.tif: no mask d_mask beside it." in first.output
    assert (tmp_path / "mine_folds.csv").read_text().split() == [
        "patient,split,fold",
        *(f"{name},train,{fold}" for name, fold in sorted(zip("abc", folds_of(tmp_path), strict=True))),
    ]
    models = [tmp_path / f"mine_fold{i}.safetensors" for i in range(3)]
    assert all(model.exists() for model in models)
    held_out = [
        evaluate(data, model=m, split=tmp_path / "mine_folds.csv", fold=i) for i, m in enumerate(models)
    ]
    mean = np.mean([score.volume.dice for each in held_out for score in each.scores])
    assert f"{mean:.4f}" in first.output.splitlines()[-2]
    assert "begun already" in run("train", data, *options, "--split", tmp_path / "mine_folds.csv").output
    again = run("train", data, *options, "--epochs", 1, "--resume")
    assert again.exit_code == 0, again.output
    assert again.output.splitlines()[-2] == first.output.splitlines()[-2]


def folds_of(folder: Path) -> list[str]:
    with (folder / "mine_folds.csv").open() as file:
        folds = {row["patient"]: row["fold"] for row in csv.DictReader(file)}
    assert sorted(folds.values()) == ["0", "1", "2"]
    return [folds[name] for name in "abc"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--folds", "4"], "need as many patients"),
        (["--workers", "2"], "go with --folds"),
        (["--folds", "2", "--fold", "1"], "one of them"),
    ],
)
def test_folds_that_cannot_be_trained_are_told(
    run: Run, data: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    result = run("train", data, "--out", tmp_path / "mine.safetensors", *options)
    assert result.exit_code
    assert words in " ".join(result.output.split())
