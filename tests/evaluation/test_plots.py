from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from napari_tumor_unet.evaluation.plots import draw_change, draw_scan, examples
from napari_tumor_unet.evaluation.scan_score import ScanScore, View, score_scan
from napari_tumor_unet.training.curves import draw_curves
from napari_tumor_unet.training.events import Epoch

ORANGE, BLUE = (0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9)


def pixels_like(path: Path, colour: tuple[int, int, int]) -> int:
    picture = imread(path)[..., :3] * 255
    return int((np.abs(picture - colour).max(axis=-1) < 12).sum())


def score(name: str, found: int) -> ScanScore:
    """Of a scan whose tumour is a square of 10 x 10 pixels, of which so many rows were found."""
    reference, prediction = np.zeros((2, 1, 40, 40), bool)
    reference[0, 10:20, 10:20] = True
    prediction[0, 10 : 10 + found, 10:20] = True
    flair = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    return score_scan(name, prediction, reference, View(0, flair, prediction[0], reference[0]))


@pytest.mark.parametrize("held_out", [0.5, math.nan])
def test_curves_show_loss_and_held_out_dice(tmp_path: Path, held_out: float) -> None:
    history = [Epoch(i, 5, 1 / i, held_out, 1e-3, 1.0) for i in (1, 2, 3)]
    draw_curves(history, tmp_path / "curves.png")
    assert pixels_like(tmp_path / "curves.png", BLUE) > 100
    assert (pixels_like(tmp_path / "curves.png", ORANGE) > 100) == (not math.isnan(held_out))


@pytest.mark.parametrize("found", [0, 5])
def test_a_scan_is_shown_with_prediction_beside_truth(tmp_path: Path, found: int) -> None:
    draw_scan(score("x", found), tmp_path / "x.png")
    picture = tmp_path / "x.png"
    assert pixels_like(picture, BLUE) > 500
    only_title = 300
    assert (pixels_like(picture, ORANGE) > only_title) == bool(found)


def test_best_median_worst_and_missed_are_chosen() -> None:
    scores = [score("missed", 0), score("good", 9), score("fair", 5), score("poor", 2), score("best", 10)]
    names = {rank: chosen.name for rank, chosen in examples(scores).items()}
    assert names == {"best": "best", "median": "fair", "worst": "missed", "missed_1": "missed"}
    assert set(examples(scores[1:2])) == {"best", "median", "worst"}


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fills with the titles of pictures."""
    drawn: list[str] = []
    suptitle = Figure.suptitle
    monkeypatch.setattr(Figure, "suptitle", lambda f, t, **k: (drawn.append(t), suptitle(f, t, **k))[1])
    return drawn


def test_slices_are_numbered_from_0_as_in_the_window(tmp_path: Path, titles: list[str]) -> None:
    draw_scan(score("x", 5), tmp_path / "x.png")
    draw_change(score("x", 5), score("x", 10), tmp_path / "y.png")
    assert titles == [
        "x, slice 0: Dice of the volume 0.667, of this slice 0.667",
        "x, slice 0: Dice of the volume 0.667 before, 1.000 after",
    ]


def test_a_change_tells_the_dice_of_the_slices_that_count(tmp_path: Path, titles: list[str]) -> None:
    before, after = (
        replace(one, slices=(*one.slices, *score("z", 0).slices), volume=score("z", 0).volume, counted=(0,))
        for one in (score("x", 5), score("x", 10))
    )
    draw_change(before, after, tmp_path / "x.png")
    assert titles == ["x, slice 0: Dice of the 1 slice that counts 0.667 before, 1.000 after"]
