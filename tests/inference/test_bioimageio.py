"""Models as packages of bioimage.io, and cards for the Hugging Face hub."""

from __future__ import annotations

import dataclasses
import runpy
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from napari_tumor_unet import read_mask, segment
from napari_tumor_unet.evaluation.overlap import dice
from napari_tumor_unet.inference.bioimageio import export_bioimageio, export_hugging_face
from napari_tumor_unet.inference.model_page import hub_card, model_page
from napari_tumor_unet.io.datasets.sample import sample_scan
from napari_tumor_unet.model import unet
from napari_tumor_unet.model.card import Card, ModelError
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.model.settings import Preprocessing
from tests.conftest import ROOT
from tests.hostile import HOSTILE

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files left open
packaged = pytest.mark.skipif(find_spec("bioimageio") is None, reason="the extra bioimageio is not installed")
OFFICIAL_TEST = """
import os, sys
os.environ["BIOIMAGEIO_HTTP_TIMEOUT"] = "1"  # whether the project's page answers makes no difference
sys.modules["napari_tumor_unet"] = None  # the package has all that it needs
from bioimageio.core import test_model
summary = test_model(sys.argv[1])
print(summary.status, *(error.msg for detail in summary.details for error in detail.errors))
"""


@pytest.fixture
def own_model(tiny_model: Model) -> Model:
    """A fine-tuned model of a user, whose card holds all sorts of texts."""
    card = dataclasses.replace(
        tiny_model.card,
        name="Müller's <b>/7",
        summary="Fine-tuned on 2 scans of its user.",
        scores={text: {"before": 0.5, text: {text: text}} for text in HOSTILE},
        limits=HOSTILE,
        licence="ask me",
        citations=(*HOSTILE, "Somebody, arXiv 2107.02314"),
        data=("0123456789abcdef",),
        tta_flip=True,
    )
    return dataclasses.replace(tiny_model, card=card)


@packaged
@pytest.mark.slow
@pytest.mark.parametrize("name", ["default", "seed", "own"])
def test_the_official_test_passes_without_the_plugin(
    name: str, own_model: Model, tmp_path: Path, in_fresh_python: Callable[..., str]
) -> None:
    export_bioimageio(own_model if name == "own" else load_model(name), out := tmp_path / f"{name}.zip")
    assert in_fresh_python(OFFICIAL_TEST, out).split() == ["passed"]


@packaged
def test_a_package_has_one_source_and_nothing_of_a_user_s_scans(own_model: Model, tmp_path: Path) -> None:
    export_bioimageio(own_model, out := tmp_path / "own.zip", ["A/B"])
    with ZipFile(out) as package:
        files = {name: package.read(name) for name in package.namelist()}
        with package.open("weights.pt") as file:
            weights = torch.load(file, weights_only=True)
        with package.open("input.npy") as file:
            example = np.load(file)
    assert files["unet.py"] == Path(unet.__file__).read_bytes()
    state = own_model.network.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[key], state[key]) for key in state)
    described = yaml.safe_load(files["bioimageio.yaml"])
    assert [axis["type"] for axis in described["inputs"][0]["axes"]] == ["batch", "channel", "space", "space"]
    assert len(described["inputs"][0]["axes"][1]["channel_names"]) == example.shape[1] == 5
    assert [author["name"] for author in described["authors"]] == ["A_B"]
    assert {"text": "Somebody, arXiv 2107.02314", "doi": "10.48550/arXiv.2107.02314"} in described["cite"]
    assert described.get("license") is None
    assert not any(b"0123456789abcdef" in content for content in files.values())


@packaged
@pytest.mark.slow
def test_the_example_gives_the_plugin_s_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_bioimageio(load_model(), package := tmp_path / "default.zip")
    monkeypatch.setattr(
        sys, "argv", ["", str(package), str(sample_scan()), str(out := tmp_path / "mask.tif")]
    )
    runpy.run_path(str(ROOT / "examples" / "bioimageio_package.py"))
    mask = read_mask(out)
    assert dice(getattr(mask, "labels", mask) > 0, segment(sample_scan()).mask) >= 0.999


@packaged
def test_the_hub_gets_a_card_beside_the_package(tmp_path: Path) -> None:
    export_hugging_face(load_model("seed"), folder := tmp_path / "seed")
    front, page = (folder / "README.md").read_text().removeprefix("---\n").split("\n---\n\n", 1)
    assert yaml.safe_load(front) == {
        "license": "cc-by-nc-sa-4.0",
        "library_name": "bioimageio",
        "pipeline_tag": "image-segmentation",
        "tags": ["brain", "mri", "glioma", "tumour", "segmentation", "unet", "2d", "pytorch"],
    }
    assert page == (folder / "package" / "README.md").read_text()
    assert (folder / "package" / "bioimageio.yaml").is_file()


@packaged
@pytest.mark.parametrize("export", [export_bioimageio, export_hugging_face])
def test_what_is_there_stays(export: Any, tiny_model: Model, tmp_path: Path, refused: Any) -> None:
    (there := tmp_path / "there.zip").write_text("mine")
    with refused(ModelError, "there.zip is there already"):
        export(tiny_model, there)
    (dangling := tmp_path / "link.zip").symlink_to(tmp_path / "nowhere")
    with refused(ModelError, "link.zip is there already"):
        export(tiny_model, dangling)
    assert there.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"there.zip", "link.zip"}


@packaged
@pytest.mark.parametrize("export", [export_bioimageio, export_hugging_face])
def test_nothing_is_left_half_written(
    export: Any, tiny_model: Model, tmp_path: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with refused(ModelError, "x.zip cannot be written"):
        export(tiny_model, tmp_path / "file" / "x.zip")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with refused(ModelError, "x.zip cannot be written: No space left on device."):
        export(tiny_model, tmp_path / "x.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_the_extra_one_sentence_says_how_to_get_it(
    tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bioimageio.spec", None)
    with pytest.raises(ModelError, match=r'pip install "napari-tumor-unet\[bioimageio\]"'):
        export_bioimageio(tiny_model, tmp_path / "x.zip")


def test_a_package_s_name_ends_in_zip(tiny_model: Model, tmp_path: Path, refused: Any) -> None:
    with refused(ModelError, "call it x.zip"):
        export_bioimageio(tiny_model, tmp_path / "x.tar")


def kinds_in(page: str) -> list[str]:
    """Kinds of all that Markdown makes of a page, but for where its texts are parted."""
    tokens = MarkdownIt("commonmark").parse(page)
    kinds = [kind.type for token in tokens for kind in (token, *(token.children or ()))]
    return [kind for kind in kinds if kind != "text"]


@given(text=st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1)).filter(lambda text: text.strip()))
def test_texts_of_a_card_are_no_markup(text: str, tiny_model: Model) -> None:
    def page(text: str) -> str:
        card = Card("x", text, text, text, text, {text: 1}, (text, text), text, (text, text))
        return hub_card(dataclasses.replace(tiny_model, card=card), None).split("\n---\n", 1)[1]

    assert kinds_in(page(text)) == kinds_in(page("x"))


def test_a_model_that_was_advised_against_says_so(tiny_model: Model) -> None:
    card = dataclasses.replace(tiny_model.card, advised_against="Worse on 2 of 2 scans.")
    page = model_page(
        dataclasses.replace(tiny_model, card=card, preprocessing=Preprocessing(context_slices=0))
    )
    assert "recommended to discard this model. Worse on 2 of 2 scans." in page
    assert "flair_below" not in page
