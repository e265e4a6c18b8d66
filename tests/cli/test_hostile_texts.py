"""Every command shows texts from files as they are, whole, and without a command to the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from napari_tumor_unet import cli
from napari_tumor_unet._text import visible
from napari_tumor_unet.cli import console, evaluate, fine_tune, train
from napari_tumor_unet.evaluation.overlap import Counts, statistics
from napari_tumor_unet.evaluation.scan_score import Summary
from napari_tumor_unet.inference import batch
from napari_tumor_unet.inference.batch import Outcome, Progress
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.io.datasets.split import Plan
from napari_tumor_unet.model.card import Card
from napari_tumor_unet.training.finetuning.verdict import DiceChange
from tests.hostile import HOSTILE


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables have room for a long text in one line."""
    monkeypatch.setattr(console.out, "_width", 30_000)
    monkeypatch.setattr(console.err, "_width", 30_000)


def assert_shown(output: str, *texts: str) -> None:
    for text in texts:
        assert visible(text) in output, text[:99]
    assert all(line.isprintable() for line in output.split("\n"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def test_segment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model_file: Path) -> None:
    def outcomes(*_: Any, **__: Any) -> Iterator[Any]:
        for text in HOSTILE:
            yield Progress(text, 1, 2)
            yield Outcome(text, error=text)

    monkeypatch.setattr(batch, "segment_jobs", outcomes)
    result = run("segment", "x.nii", "--out", str(tmp_path / "out"), "--model", str(tiny_model_file))
    assert result.exit_code == 1
    assert_shown(result.output, *HOSTILE)


def test_segment_of_files_of_such_names(tmp_path: Path, tiny_model_file: Path) -> None:
    names = [name for name in HOSTILE if "/" not in name and "\x00" not in name]
    scans = [str(tmp_path / f"{name}.nii") for name in names]
    for scan in scans:
        try:
            Path(scan).write_bytes(b"none")
        except OSError:  # the system has no such names
            continue
    result = run("segment", *scans, "--out", str(tmp_path / "out"), "--model", str(tiny_model_file))
    assert result.exit_code == 1
    assert_shown(result.output, *names)


def test_score(tmp_path: Path) -> None:
    names = [name for name in HOSTILE if "/" not in name and "\x00" not in name and len(name) < 200]
    for folder in ("p", "r"):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.nii").write_bytes(b"none")
    (tmp_path / "r" / "[red]alone.nii").write_bytes(b"none")
    result = run("score", str(tmp_path / "p"), str(tmp_path / "r"))
    assert result.exit_code == 1
    assert_shown(result.output, *names, "[red]alone")


def test_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    one, overlap = statistics([0.5]), Counts(1, 1, 1)
    names = dict.fromkeys(HOSTILE, 0.5)
    summary = Summary(
        **dict.fromkeys(Summary.__dataclass_fields__)
        | {"dice": one, "iou": one, "pooled": overlap, "pooled_at_128": overlap, "slice_dice": 0.5}
        | {"tumour_slice_dice": 0.5, "worst": tuple(names.items()), "missed": tuple(HOSTILE)}
    )
    evaluate._print_summary(summary)
    assert_shown(capsys.readouterr().out, *HOSTILE)
    evaluate._print_summary(replace(summary, worst=(), missed=(), learned_from=tuple(HOSTILE)))
    assert_shown(capsys.readouterr().out, *HOSTILE)


def test_train_and_fine_tune(capsys: pytest.CaptureFixture[str]) -> None:
    cases = tuple(Case(text, text, Path("s"), Path("m")) for text in HOSTILE)
    train.print_plan(Plan(cases, cases, {text: text for text in HOSTILE}), console.out)
    assert_shown(capsys.readouterr().out, *HOSTILE)
    counts = Counts(1, 1, 1)
    changes = tuple(DiceChange(text, counts, counts) for text in HOSTILE)
    console.out.print(fine_tune._table(type("Tuned", (), {"changes": changes})()))
    assert_shown(capsys.readouterr().out, *HOSTILE)


@pytest.mark.parametrize("command", ["models", "doctor"])
def test_models_and_doctor(command: str, monkeypatch: pytest.MonkeyPatch, tiny_model_file: Path) -> None:
    models = dict.fromkeys(HOSTILE, tiny_model_file)
    monkeypatch.setattr("napari_tumor_unet.model.registry.all_models", lambda: models)
    cards = iter(HOSTILE)
    card = lambda _: Card("x", next(cards), licence="[/]")  # noqa: E731
    monkeypatch.setattr("napari_tumor_unet.model.card.read_card", card)
    result = run(command)
    assert result.exit_code == 0, result.exception
    assert_shown(result.output, *HOSTILE)


@pytest.mark.parametrize("section", [text for text in HOSTILE if text.isprintable()])
def test_sections_of_recipes(section: str, tmp_path: Path, data: Path) -> None:
    recipe = tmp_path / "r.toml"
    quoted = section.replace("\\", "\\\\")
    recipe.write_text(f'["{quoted}"]\na = 1\n')
    result = run("train", str(data), "--recipe", str(recipe), "--out", str(tmp_path / "m.safetensors"))
    assert result.exit_code == 1
    assert_shown(result.output, section)


def test_a_table_shows_a_long_name_whole(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(console.out, "_width", 80)
    table = console.table("scan", "use")
    table.add_row("x" * 5000, "[held] out")
    console.out.print(table)
    output = capsys.readouterr().out
    assert output.count("x") == 5000
    assert re.search(r"\[held\]\s+out", output)
