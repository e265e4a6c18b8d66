from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_tumor_unet._common import drain
from napari_tumor_unet.io.datasets.pairs import Case, find_pairs
from napari_tumor_unet.model.settings import Preprocessing, UNetConfig
from napari_tumor_unet.model.unet import UNet
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.augmentation import Augmentation
from napari_tumor_unet.training.checkpoint import CheckpointError, earlier_identity_of
from napari_tumor_unet.training.events import Epoch, Reading, Step, TrainingError
from napari_tumor_unet.training.loop import train
from napari_tumor_unet.training.optimisation import LOSSES, TrainStep
from napari_tumor_unet.training.recipe import Optimisation, Recipe, Sampling, Schedule
from tests.conftest import Refused

SCHEDULE = Schedule(epochs=2, warm_up=1, ema_decay=0.5)
RECIPE = Recipe(
    Preprocessing(size=32),
    UNetConfig(5, (4, 8), "batch", 0.1),
    Optimisation(batch_size=4),
    SCHEDULE,
    Sampling(slices=8),
)


@pytest.fixture
def pairs(data: Path) -> list[Case]:
    return list(find_pairs(data).pairs)


def epochs(*arguments: Any) -> Iterator[Epoch]:
    """The epochs of a training as they end."""
    return (event for event in train(*arguments) if isinstance(event, Epoch))


def finish(*arguments: Any) -> tuple[UNet, list[Epoch]]:
    return drain(train(*arguments))


def same(one: UNet, other: UNet) -> bool:
    weights = other.state_dict()
    return all(torch.equal(weight, weights[name]) for name, weight in one.state_dict().items())


def test_scans_steps_and_epochs_are_told_in_order(pairs: list[Case], tmp_path: Path) -> None:
    events = list(train(pairs[:2], pairs[2:], RECIPE, tmp_path / "run"))
    assert events[:3] == [Reading(1, 3), Reading(2, 3), Reading(3, 3)]
    kinds = [type(event) for event in events[3:]]
    assert kinds == [Step, Step, Epoch] * 2
    steps = [event for event in events if isinstance(event, Step)]
    assert [(s.epoch, s.step) for s in steps] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    first, last = (event for event in events if isinstance(event, Epoch))
    assert (first.epoch, last.epoch, last.epochs) == (1, 2, 2)
    assert first.loss == pytest.approx(np.mean([s.loss for s in steps[:2]]))
    assert 0 <= last.held_out_dice <= 1


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_an_interrupted_training_ends_with_the_same_weights(
    pairs: list[Case], tmp_path: Path, ema_decay: float
) -> None:
    recipe = replace(RECIPE, schedule=replace(SCHEDULE, ema_decay=ema_decay))
    through, history = finish(pairs[:2], pairs[2:], recipe, tmp_path / "through")
    first = train(pairs[:2], pairs[2:], recipe, tmp_path / "interrupted")
    for event in first:
        if isinstance(event, Step) and event.epoch == 2:  # in the midst of an epoch
            break
    first.close()
    torch.rand(7)  # chance elsewhere must not matter
    resumed, again = finish(pairs[:2], pairs[2:], recipe, tmp_path / "interrupted")
    assert same(through, resumed)
    assert [epoch.loss for epoch in again] == [epoch.loss for epoch in history]


def test_a_finished_training_gives_its_network_without_a_step(pairs: list[Case], tmp_path: Path) -> None:
    network, _ = finish(pairs, [], RECIPE, tmp_path / "run")
    events: list[Any] = []
    again, _ = drain(train(pairs, [], RECIPE, tmp_path / "run"), events.append)
    assert {type(event) for event in events} == {Reading}
    assert same(network, again)


def test_an_average_is_kept_where_the_recipe_averages(pairs: list[Case], tmp_path: Path) -> None:
    finish(pairs, [], RECIPE, tmp_path / "run")
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    weight = "head.weight"
    assert not torch.equal(kept["net"][weight], kept["average"][f"module.{weight}"])


def test_the_seed_decides(pairs: list[Case], tmp_path: Path) -> None:
    recipe = replace(RECIPE, schedule=replace(SCHEDULE, epochs=1))
    other = replace(recipe, schedule=replace(recipe.schedule, seed=2))
    one, again, different = (
        next(epochs(pairs, [], r, tmp_path / name)).loss
        for name, r in (("1", recipe), ("2", recipe), ("3", other))
    )
    assert one == again != different


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
def test_a_phantoms_tumour_is_learned(pairs: list[Case], tmp_path: Path, loss: Any, optimiser: Any) -> None:
    flips_alone = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0) | {"flip": 0.5})
    recipe = Recipe(
        Preprocessing(size=32),
        UNetConfig(5, (6, 12), "batch", 0.0),
        Optimisation(loss, optimiser, 0.03, 0.0, 8),
        Schedule(8, 4, ema_decay=0.8),
        Sampling(64, 0.8),
        flips_alone,
    )
    *_, last = epochs(pairs[:2], pairs[2:], recipe, tmp_path / "run")
    assert last.held_out_dice > 0.8


def test_the_learning_rate_rises_and_falls_in_each_cycle(pairs: list[Case], tmp_path: Path) -> None:
    schedule = Schedule(epochs=8, warm_up=2, cycles=2, ema_decay=0)
    history = list(epochs(pairs, [], replace(RECIPE, schedule=schedule), tmp_path / "run"))
    rates = [epoch.learning_rate / RECIPE.optimisation.learning_rate for epoch in history]
    assert rates[0] == rates[4] == 1
    assert rates[1] > rates[2] > rates[3] < 0.1
    assert rates[:4] == rates[4:]


def test_without_decay_the_learning_rate_stays(pairs: list[Case], tmp_path: Path) -> None:
    schedule = Schedule(epochs=3, warm_up=0, decay="none", ema_decay=0)
    history = epochs(pairs, [], replace(RECIPE, schedule=schedule), tmp_path / "run")
    assert {epoch.learning_rate for epoch in history} == {RECIPE.optimisation.learning_rate}


def test_without_held_out_scans_there_is_no_score(pairs: list[Case], tmp_path: Path) -> None:
    assert math.isnan(next(epochs(pairs, [], RECIPE, tmp_path / "run")).held_out_dice)


def test_a_patient_on_both_sides_is_refused_before_anything_is_done(
    pairs: list[Case], tmp_path: Path, refused: Refused
) -> None:
    again = replace(pairs[0], name="a, a year later")
    with refused(TrainingError, "both sides", "a"):
        next(train(pairs, [again], RECIPE, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_one_scan_under_two_names_on_both_sides_is_refused(
    pairs: list[Case], tmp_path: Path, refused: Refused
) -> None:
    twin = replace(pairs[0], name="z", patient="z")
    with refused(TrainingError, "z and a are one scan"):
        finish(pairs, [twin], RECIPE, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("change", ["recipe", "data"])
def test_a_checkpoint_of_another_training_is_refused_and_kept(
    pairs: list[Case], tmp_path: Path, refused: Refused, change: str
) -> None:
    next(epochs(pairs, [], RECIPE, tmp_path / "run"))
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    recipe = replace(RECIPE, sampling=Sampling(4)) if change == "recipe" else RECIPE
    with refused(CheckpointError, "run", "another recipe or other data"):
        finish(pairs[:2] if change == "data" else pairs, [], recipe, tmp_path / "run")
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before


def test_a_checkpoint_of_the_version_before_is_resumed(
    pairs: list[Case], tmp_path: Path, refused: Refused
) -> None:
    through, _ = finish(pairs[:2], pairs[2:], RECIPE, tmp_path / "through")
    next(epochs(pairs[:2], pairs[2:], RECIPE, tmp_path / "run"))
    path = tmp_path / "run" / "checkpoint.pt"
    files = [
        (case.name, None, *(hashlib.sha256(file.read_bytes()).hexdigest() for file in (case.scan, case.mask)))
        for case in pairs
    ]
    content = torch.load(path, weights_only=True)
    torch.save(content | {"identity": earlier_identity_of(RECIPE, [files[:2], files[2:]])}, path)
    with refused(CheckpointError, "other data"):
        finish(pairs[1:2], pairs[2:], RECIPE, tmp_path / "run")
    resumed, history = finish(pairs[:2], pairs[2:], RECIPE, tmp_path / "run")
    assert same(through, resumed)
    assert len(history) == 2
    assert torch.load(path, weights_only=True)["identity"] == content["identity"]


def test_masks_without_tumour_are_refused(pairs: list[Case], tmp_path: Path, refused: Refused) -> None:
    for pair in pairs:
        tifffile.imwrite(pair.mask, np.zeros((4, 40, 36), np.uint8), photometric="minisblack")
    with refused(TrainingError, "No training mask"):
        list(train(pairs, [], RECIPE, tmp_path / "run"))


def test_nothing_to_learn_from_is_refused(pairs: list[Case], tmp_path: Path, refused: Refused) -> None:
    with refused(TrainingError, "no scan to learn from"):
        next(train([], pairs, RECIPE, tmp_path / "run"))


def test_a_file_that_cannot_be_used_is_named(pairs: list[Case], tmp_path: Path, refused: Refused) -> None:
    pairs[1].scan.write_bytes(b"")
    with refused(ScanError, "b.tif"):
        list(train(pairs, [], RECIPE, tmp_path / "run"))
    pairs[1].scan.unlink()
    with refused(ScanError, "b.tif"):
        list(train(pairs, [], RECIPE, tmp_path / "run"))


@pytest.mark.parametrize("what", ["loss", "weights"])
def test_what_is_no_number_ends_the_training_and_the_last_checkpoint_stays(
    pairs: list[Case], tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    step, steps = TrainStep.step, 0

    def step_badly(train_step: TrainStep, *arguments: Any) -> float:
        nonlocal steps
        steps += 1
        loss = step(train_step, *arguments)
        if steps == 4 and what == "weights":  # the last step of the second epoch: no loss will show it
            torch.nn.init.constant_(train_step._network.head.weight, math.nan)
        return math.nan if steps == 4 and what == "loss" else loss

    monkeypatch.setattr(TrainStep, "step", step_badly)
    with refused(TrainingError, "no longer", "epoch 2", "learning rate"):
        list(train(pairs, [], RECIPE, tmp_path / "run"))
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert len(kept["history"]) == 1
    assert all(weight.isfinite().all() for weight in kept["net"].values())


def test_a_learning_rate_that_is_too_high_ends_the_training(
    pairs: list[Case], tmp_path: Path, refused: Refused
) -> None:
    steep = replace(RECIPE, optimisation=replace(RECIPE.optimisation, learning_rate=1e30))
    with refused(TrainingError, "no longer", "learning rate"):
        list(train(pairs, [], steep, tmp_path / "run"))


def test_scalps_darken_and_lesions_are_added_in_a_training(pairs: list[Case], tmp_path: Path) -> None:
    changes = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))
    schedule = replace(SCHEDULE, epochs=1)
    plain, changed = (
        next(epochs(pairs, [], replace(RECIPE, schedule=schedule, augmentation=a), tmp_path / name)).loss
        for name, a in (("plain", changes), ("changed", replace(changes, dark_scalp=1.0, lesions=1.0)))
    )
    assert plain != changed
