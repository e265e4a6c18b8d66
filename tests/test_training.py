from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_tumor_unet import training
from napari_tumor_unet.augmentation import Augmentation
from napari_tumor_unet.dataset import Pair, find_pairs
from napari_tumor_unet.preparation import Preparation, find_frame, prepare
from napari_tumor_unet.recipe import Recipe, Schedule
from napari_tumor_unet.scan import SEQUENCES, ScanError
from napari_tumor_unet.training import TrainingError, train, trained_network, with_neighbours
from napari_tumor_unet.unet import UNetConfig

from .conftest import Phantom, Refused

SCHEDULE = Schedule(epochs=2, slices_per_epoch=8, batch_size=4, warm_up=1, averaging=0.5)
RECIPE = Recipe(Preparation(size=32), UNetConfig(5, (4, 8), "batch", 0.1), SCHEDULE)


@pytest.fixture
def pairs(tmp_path: Path, phantom: Phantom) -> list[Pair]:
    """Three small heads with tumours in different places, as files."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, at in (("a", (-0.2, 0.25)), ("b", (0.3, -0.2)), ("c", (0.0, 0.3))):
        scan, mask = phantom((4, 40, 36), at=at)
        volume = np.stack([scan.sequences[s] for s in SEQUENCES], axis=1).clip(0).astype(np.uint8)
        tifffile.imwrite(folder / f"{name}.tif", volume, imagej=True, metadata={"axes": "ZCYX"})
        tifffile.imwrite(folder / f"{name}_mask.tif", mask.astype(np.uint8), photometric="minisblack")
    return find_pairs(folder)


def weights(folder: Path, recipe: Recipe = RECIPE) -> dict[str, torch.Tensor]:
    return trained_network(folder, recipe).state_dict()


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def test_every_epoch_is_told_and_written_down(pairs: list[Pair], tmp_path: Path) -> None:
    epochs = list(train(pairs[:2], pairs[2:], RECIPE, tmp_path / "run"))
    assert [(epoch.number, epoch.of) for epoch in epochs] == [(1, 2), (2, 2)]
    assert all(math.isfinite(epoch.loss) and 0 <= epoch.held_out_dice <= 1 for epoch in epochs)
    with (tmp_path / "run" / "metrics.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [float(row["loss"]) for row in rows] == [epoch.loss for epoch in epochs]
    assert [row["number"] for row in rows] == ["1", "2"]


def test_an_interrupted_training_resumes_to_the_same_weights(pairs: list[Pair], tmp_path: Path) -> None:
    through, interrupted = tmp_path / "through", tmp_path / "interrupted"
    losses = [epoch.loss for epoch in train(pairs[:2], pairs[2:], RECIPE, through)]
    first = train(pairs[:2], pairs[2:], RECIPE, interrupted)
    assert next(first).loss == losses[0]
    first.close()
    torch.rand(7)  # chance elsewhere must not matter
    assert [epoch.loss for epoch in train(pairs[:2], pairs[2:], RECIPE, interrupted)] == losses[1:]
    for kind in ("net", "average"):
        one, other = checkpoint(through)[kind], checkpoint(interrupted)[kind]
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_finished_training_has_nothing_left_to_do(pairs: list[Pair], tmp_path: Path) -> None:
    assert len(list(train(pairs, [], RECIPE, tmp_path / "run"))) == 2
    before = weights(tmp_path / "run")
    assert list(train(pairs, [], RECIPE, tmp_path / "run")) == []
    assert all(torch.equal(before[name], weight) for name, weight in weights(tmp_path / "run").items())


def test_the_seed_decides(pairs: list[Pair], tmp_path: Path) -> None:
    recipe = replace(RECIPE, schedule=replace(SCHEDULE, epochs=1))
    other = replace(recipe, schedule=replace(recipe.schedule, seed=2))
    one, again, different = (
        next(train(pairs, [], r, tmp_path / name)).loss
        for name, r in (("1", recipe), ("2", recipe), ("3", other))
    )
    assert one == again != different


def test_a_phantoms_tumour_is_learned(pairs: list[Pair], tmp_path: Path) -> None:
    schedule = Schedule(8, 48, 0.8, 8, 0.02, 4, averaging=0.8)
    gentle = Augmentation(rotation=5, scale=0.05, elastic=0, intensity=0.2, stripped=0, flair_alone=0.1)
    recipe = Recipe(Preparation(size=32), UNetConfig(5, (6, 12), "batch", 0.0), schedule, gentle)
    *_, last = train(pairs[:2], pairs[2:], recipe, tmp_path / "run")
    assert last.held_out_dice > 0.8


def test_without_held_out_scans_there_is_no_score(pairs: list[Pair], tmp_path: Path) -> None:
    assert math.isnan(next(train(pairs, [], RECIPE, tmp_path / "run")).held_out_dice)


def test_a_patient_on_both_sides_is_refused_before_anything_is_done(
    pairs: list[Pair], tmp_path: Path, refused: Refused
) -> None:
    again = replace(pairs[0], name="a, a year later")
    with refused(TrainingError, "both sides", "a"):
        next(train(pairs, [again], RECIPE, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_recipe_is_refused_and_kept(
    pairs: list[Pair], tmp_path: Path, refused: Refused
) -> None:
    next(train(pairs, [], RECIPE, tmp_path / "run"))
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    other = replace(RECIPE, schedule=replace(SCHEDULE, learning_rate=0.1))
    with refused(TrainingError, "run", "another recipe"):
        next(train(pairs, [], other, tmp_path / "run"))
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before


def test_masks_without_tumour_are_refused(pairs: list[Pair], tmp_path: Path, refused: Refused) -> None:
    for pair in pairs:
        tifffile.imwrite(pair.mask, np.zeros((4, 40, 36), np.uint8), photometric="minisblack")
    with refused(TrainingError, "No training mask"):
        next(train(pairs, [], RECIPE, tmp_path / "run"))


def test_a_file_that_cannot_be_used_is_named(pairs: list[Pair], tmp_path: Path, refused: Refused) -> None:
    pairs[1].scan.write_bytes(b"")
    with refused(ScanError, "b.tif"):
        next(train(pairs, [], RECIPE, tmp_path / "run"))


def test_a_loss_that_is_no_number_ends_the_training(
    pairs: list[Pair], tmp_path: Path, refused: Refused
) -> None:
    steep = replace(RECIPE, schedule=replace(SCHEDULE, learning_rate=1e30, epochs=3))
    with refused(TrainingError, "no longer a number", "learning rate"):
        list(train(pairs, [], steep, tmp_path / "run"))


def test_training_sees_what_use_sees(phantom: Phantom) -> None:
    scan, mask = phantom((6, 40, 36), (5.0, 1.0, 1.0))
    prepared = training._prepare_pair(scan, mask, RECIPE.preparation)
    seen = torch.stack([with_neighbours(prepared.images, z, 1, 1) for z in range(6)]).float()
    used = prepare(scan, find_frame(scan, RECIPE.preparation), RECIPE.preparation, range(6))
    torch.testing.assert_close(seen, used, atol=0.01, rtol=0)  # half precision


@pytest.mark.parametrize(
    ("z", "step", "beside"), [(2, 1, [1, 3]), (2, 2, [0, 4]), (0, 1, [0, 1]), (4, 2, [2, 4])]
)
def test_neighbours_are_flair_and_the_last_one_is_repeated(z: int, step: int, beside: list[int]) -> None:
    images = torch.arange(15.0).reshape(5, 3, 1, 1)
    channels = with_neighbours(images, z, step, 1).ravel().tolist()
    assert channels == [3 * z, 3 * z + 1, 3 * z + 2, *(3 * b + 1 for b in beside)]
