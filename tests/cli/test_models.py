"""``napari-tumor-unet models export``."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_tumor_unet.cli import app
from napari_tumor_unet.inference import bioimageio


def test_a_model_is_exported_both_ways(tiny_model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str, str, list[str]]] = []

    def export(kind: str) -> None:
        def write(model: bioimageio.Model, path: Path, authors: list[str]) -> None:
            calls.append((kind, model.card.name, path.name, authors))

        monkeypatch.setattr(bioimageio, kind, write)

    export("export_bioimageio")
    export("export_hugging_face")
    options = ("--bioimageio", "a.zip", "--huggingface", "b", "--author", "A", "--author", "B")
    done = CliRunner().invoke(app, ["models", "export", str(tiny_model_file), *options])
    assert done.output.strip() == "The model 'tiny' is in a.zip and b."
    assert calls == [
        ("export_bioimageio", "tiny", "a.zip", ["A", "B"]),
        ("export_hugging_face", "tiny", "b", ["A", "B"]),
    ]


def test_an_export_says_what_is_missing(tmp_path: Path) -> None:
    nothing = CliRunner().invoke(app, ["models", "export", "default"])
    assert nothing.exit_code == 2
    assert "--huggingface DIR" in nothing.output
    unknown = CliRunner().invoke(app, ["models", "export", "x", "--bioimageio", str(tmp_path / "x.zip")])
    assert unknown.exit_code == 1
    assert unknown.output.startswith("There is no model 'x';")
