from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_tumor_unet import evaluate, segment, train
from napari_tumor_unet.io.datasets.split import plan_training
from napari_tumor_unet.model.card import NOT_FOR_THE_CLINIC, read_card
from napari_tumor_unet.model.device import DeviceError
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.checkpoint import CheckpointError
from napari_tumor_unet.training.events import Epoch, TrainingError
from napari_tumor_unet.training.recipe import read_recipe
from tests.conftest import Refused


@pytest.fixture
def split(tmp_path: Path) -> Path:
    path = tmp_path / "split.csv"
    path.write_text("patient,split,fold\na,train,0\nb,train,1\nc,val,2\n")
    return path


def test_a_trained_model_is_a_file_that_segments(data: Path, recipe_file: Path, tmp_path: Path) -> None:
    trained = train(data, out=tmp_path / "mine.safetensors", recipe=recipe_file, device="cpu")
    mask = segment(data / "a.tif", model=trained.path).mask
    np.testing.assert_array_equal(mask, segment(data / "a.tif", model=trained.model).mask)
    assert [epoch.epoch for epoch in trained.history] == [1, 2, 3]
    assert {p.name for p in trained.folder.iterdir()} == {
        "checkpoint.pt",
        "metrics.csv",
        "curves.png",
        "split.csv",
    }


def test_the_card_says_how_the_model_was_made(
    data: Path, recipe_file: Path, split: Path, tmp_path: Path
) -> None:
    text = recipe_file.read_text() + "[postprocessing]\nthreshold = 0.4\nmirrored = true\n"
    recipe_file.write_text(text)
    train(data, out=tmp_path / "mine.safetensors", recipe=recipe_file, split=split, device="cpu")
    card = read_card(tmp_path / "mine.safetensors")
    assert card.name == "mine"
    assert "tiny, 3 epochs" in card.training
    assert "2 scans of 2 patients" in card.training_data
    assert card.intended_use == NOT_FOR_THE_CLINIC
    assert (card.threshold, card.tta_flip) == (0.4, True)
    (score,) = card.scores.values()
    with (tmp_path / "mine_training" / "metrics.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    assert score["scans"] == 1
    assert score["mean"] == pytest.approx(float(last["held_out_dice"]), abs=1e-4)
    assert str(tmp_path) not in repr(card)


def test_a_training_goes_on_from_a_model(
    data: Path, recipe_file: Path, tmp_path: Path, refused: Refused
) -> None:
    first = train(data, out=tmp_path / "first.safetensors", recipe=recipe_file, epochs=1, device="cpu")
    recipe_file.write_text(
        recipe_file.read_text().replace("[optimisation]", "[optimisation]\nlearning_rate = 1e-9")
    )
    options = {"recipe": recipe_file, "epochs": 1, "device": "cpu"}
    second = train(data, out=tmp_path / "second.safetensors", start=first.path, **options)
    for before, after in zip(
        first.model.network.parameters(), second.model.network.parameters(), strict=True
    ):
        torch.testing.assert_close(before, after, atol=1e-3, rtol=0)  # files hold float16
    assert second.model.card.parent == first.model.hash
    wider = recipe_file.read_text().replace("[4, 8]", "[4, 16]")
    recipe_file.write_text(wider)
    with refused(TrainingError, "network"):
        train(data, out=tmp_path / "third.safetensors", start=first.path, **options)


def test_a_split_says_who_is_learned_from(data: Path, split: Path) -> None:
    plan = plan_training(data, split)
    assert ([p.name for p in plan.learn], [p.name for p in plan.held_out]) == (["a", "b"], ["c"])
    plan = plan_training(data, split, fold=1)
    assert ([p.name for p in plan.learn], [p.name for p in plan.held_out]) == (["a", "c"], ["b"])


def test_the_split_of_a_training_is_kept_for_its_evaluation(
    data: Path, recipe_file: Path, tmp_path: Path
) -> None:
    trained = train(data, out=tmp_path / "mine.safetensors", recipe=recipe_file, epochs=1, device="cpu")
    result = evaluate(data, model=trained.model, split=trained.folder / "split.csv")
    assert [s.name for s in result.scores] == [p.name for p in plan_training(data).held_out]


@pytest.mark.parametrize("ask", [{"fold": 1}, {"part": "test"}])
def test_a_part_or_fold_without_a_split_is_refused(
    data: Path, tiny_model: Model, refused: Refused, ask: dict[str, Any]
) -> None:
    with refused(ScanError, "needs a split"):
        evaluate(data, model=tiny_model, **ask)
    with refused(ScanError, "needs a split"):
        plan_training(data, fold=1)


def test_without_a_split_one_of_a_few_patients_is_held_out(data: Path) -> None:
    plan = plan_training(data)
    assert (len(plan.learn), len(plan.held_out)) == (2, 1)


def test_a_recipe_read_before_and_fewer_epochs_can_be_given(
    data: Path, recipe_file: Path, tmp_path: Path
) -> None:
    events: list[Any] = []
    train(
        plan_training(data),
        out=tmp_path / "mine.safetensors",
        recipe=read_recipe(str(recipe_file)),
        epochs=1,
        device="cpu",
        on_event=events.append,
    )
    assert [e.epochs for e in events if isinstance(e, Epoch)] == [1]


def test_nothing_is_trained_over_unasked(
    data: Path, recipe_file: Path, tmp_path: Path, refused: Refused
) -> None:
    out = tmp_path / "mine.safetensors"
    trained = train(data, out=out, recipe=recipe_file, epochs=1, device="cpu")
    with refused(TrainingError, "mine", "already"):
        train(data, out=out, recipe=recipe_file, epochs=1)
    out.unlink()
    with refused(TrainingError, "mine", "already"):
        train(data, out=out, recipe=recipe_file, epochs=1)
    again = train(data, out=out, recipe=recipe_file, epochs=1, resume=True, device="cpu")
    assert again.history == trained.history
    (trained.folder / "checkpoint.pt").unlink()
    with refused(TrainingError, "mine.safetensors exists already"):
        train(data, out=out, recipe=recipe_file, epochs=1, resume=True)


def test_curves_and_metrics_tell_of_the_time_before_an_interruption(
    data: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopError(Exception):
        pass

    def stop(event: object) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            raise StopError

    drawn: list[list[int]] = []
    monkeypatch.setattr(
        "napari_tumor_unet.training.train.draw_curves",
        lambda history, _: drawn.append([e.epoch for e in history]),
    )
    out = tmp_path / "mine.safetensors"
    with pytest.raises(StopError):
        train(data, out=out, recipe=recipe_file, device="cpu", on_event=stop)
    train(data, out=out, recipe=recipe_file, device="cpu", resume=True)
    assert drawn == [[1], [1, 2], [1, 2, 3], [1, 2, 3]]


def test_a_corrected_mask_is_another_training(
    data: Path, recipe_file: Path, tmp_path: Path, refused: Refused
) -> None:
    out = tmp_path / "mine.safetensors"
    train(data, out=out, recipe=recipe_file, epochs=1, device="cpu")
    mask = tifffile.imread(data / "a_mask.tif")
    mask[0, 0, 0] = 1
    tifffile.imwrite(data / "a_mask.tif", mask, photometric="minisblack")
    with refused(CheckpointError, "other data"):
        train(data, out=out, recipe=recipe_file, epochs=1, device="cpu", resume=True)


def test_a_model_file_needs_its_ending(data: Path, tmp_path: Path, refused: Refused) -> None:
    with refused(TrainingError, "mine.pt", "safetensors"):
        train(data, out=tmp_path / "mine.pt")


def test_a_folder_that_cannot_be_written_is_one_sentence(
    data: Path, recipe_file: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "mine_training").touch()
    with refused(TrainingError, "mine_training", "cannot be made", "choose another name"):
        train(data, out=tmp_path / "mine.safetensors", recipe=recipe_file, device="cpu")


def test_an_evaluation_takes_the_part_asked_for(data: Path, split: Path, tiny_model: Model) -> None:
    seen: list[tuple[str, int]] = []
    result = evaluate(
        data, model=tiny_model, split=split, part="train", on_score=lambda s, n: seen.append((s.name, n))
    )
    assert [score.name for score in result.scores] == ["a", "b"]
    assert seen == [("a", 2), ("b", 2)]
    assert result.left_out == {"c": "in the part val"}
    everything = evaluate(data, model=tiny_model)
    assert everything.summary.scans == 3
    assert everything.scores[0].volume == result.scores[0].volume


def test_an_empty_part_is_one_sentence(data: Path, split: Path, tiny_model: Model, refused: Refused) -> None:
    with refused(ScanError, "No scan could be evaluated"):
        evaluate(data, model=tiny_model, split=split, part="test")


def test_pictures_are_drawn_where_asked_for(data: Path, tiny_model: Model, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "missed_7.png").touch()  # of an evaluation before
    summary = evaluate(data, model=tiny_model, pictures=tmp_path / "pictures").summary
    names = {path.stem for path in (tmp_path / "pictures").glob("*.png")}
    missed = {f"missed_{i + 1}" for i in range(len(summary.missed))}
    assert names == {"best", "median", "worst"} | missed


def test_one_bad_scan_does_not_stop_the_others(data: Path, tiny_model: Model) -> None:
    (data / "b.tif").write_bytes(b"")
    result = evaluate(data, model=tiny_model)
    assert [score.name for score in result.scores] == ["a", "c"]
    assert "b.tif" in result.left_out["b"]


def test_too_little_memory_is_one_sentence(
    data: Path, tiny_model: Model, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        torch.empty(2**60)

    monkeypatch.setattr("napari_tumor_unet.evaluation.evaluate.score_case", fail)
    with refused(DeviceError, "memory of cpu is not enough"):
        evaluate(data, model=tiny_model, device="cpu")


def test_the_scans_of_a_plan_can_be_evaluated(data: Path, split: Path, tiny_model: Model) -> None:
    result = evaluate(plan_training(data, split).held_out, model=tiny_model)
    assert [score.name for score in result.scores] == ["c"]


@pytest.mark.parametrize("length", [235, 300])
def test_a_name_that_is_too_long_for_a_file_is_refused_before_the_training(
    data: Path, recipe_file: Path, tmp_path: Path, length: int, refused: Refused
) -> None:
    with refused(TrainingError, "too long"):
        train(data, out=tmp_path / f"{length * 'a'}.safetensors", recipe=recipe_file, device="cpu")
    assert not list(tmp_path.glob("a*"))
