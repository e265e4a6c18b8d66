from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_tumor_unet.training.checkpoint import (
    CheckpointError,
    Epoch,
    earlier_identity_of,
    identity_of,
    load_checkpoint,
    save_checkpoint,
)
from napari_tumor_unet.training.events import read_metrics
from napari_tumor_unet.training.recipe import read_recipe
from tests.conftest import Refused

HISTORY = [Epoch(1, 2, 0.5, 0.25, 1e-3, 2.0), Epoch(2, 2, 0.25, math.nan, 5e-4, 2.5)]


def parts(value: float = 0.0) -> dict[str, Any]:
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(layer.weight, value)
    return {"net": layer}


# Of this version, and of the version before.
IDENTITIES = {
    "default": (
        "c3f7685cea8e4f50906120690e2001cb0fe5edf4956625b24128b5bb841cbf45",
        "fbf3d9c9bccf1de9d01a923b3f6c67c1b276c5d5c5a9abdb2b3526c4ce9bcb9f",
    ),
    "default as it was": (
        "55cbe632e10c30c42741d26b16fd0fe631beca091ee324137ab402e5d543be28",
        "44e66f2a93cadbaaf05fd5e928af41f26ace3e18e3e0d34279c9c16ab45a405b",
    ),
    "seed": (
        "e2ff99ec30b36ce03459ec210578515b223f2d91dfc39eb5f367428d268d62aa",
        "4911d6eab0098f2ca7bd7b4dad2116356d51c938b260f563c1b271229a152333",
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_an_identity_stays_what_it_was(name: str) -> None:
    data = [[("a", None, "scan", "mask")], [("b", (1, 2), "scan", "mask")]]
    recipe = read_recipe(name.split()[0])
    if name.endswith("was"):
        recipe = replace(recipe, preprocessing=replace(recipe.preprocessing, intensities="head"))
    given = recipe, data, [torch.arange(3.0)]
    assert (identity_of(*given), earlier_identity_of(*given)) == IDENTITIES[name]


def test_an_earlier_identity_tells_whole_numbers_from_others(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        """
        [optimisation]
        weight_decay = 0
        [network]
        dropout = 0
        [augmentation]
        rotation = 20
        flip = 1
        stripped = 0
        [schedule]
        averaging = 0
        """
    )
    identity = "92ec3f3714107cfb6a697f2197d235861f652a11ea339588ec75eed180024629"
    assert earlier_identity_of(read_recipe(str(recipe)), []) == identity


@pytest.mark.parametrize(
    "entry",
    [
        ("preprocessing", "intensities", "brain"),
        ("augmentation", "dark_scalp", 0.5),
        ("augmentation", "shading", 0.5),
        ("augmentation", "lesions", 0.5),
        ("sampling", "healthy_share", 0.1),
    ],
)
def test_entries_that_came_later_make_another_training_unless_they_are_defaults(
    entry: tuple[str, str, Any],
) -> None:
    section, name, value = entry
    recipe = read_recipe("seed")
    changed = replace(recipe, **{section: replace(getattr(recipe, section), **{name: value})})
    for identity in (identity_of, earlier_identity_of):
        assert identity(changed, []) != identity(recipe, [])
    key = "preparation" if section == "preprocessing" else section
    assert name in changed.content()[key]
    assert name not in recipe.content()[key]


@pytest.mark.parametrize("changed", ["recipe", "data", "weights"])
def test_what_a_training_is_of_makes_its_identity(changed: str) -> None:
    given = {"recipe": read_recipe("default"), "data": [["a"], []], "weights": [torch.zeros(2)]}
    other = {"recipe": read_recipe("default").with_epochs(1), "data": [["b"], []], "weights": [torch.ones(2)]}
    for identity in (identity_of, earlier_identity_of):
        assert identity(**given) != identity(**given | {changed: other[changed]})


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "mine", parts(3.0), HISTORY[:1])
    restored = parts()
    assert load_checkpoint(tmp_path, ("mine",), restored) == HISTORY[:1]
    assert (restored["net"].weight == 3).all()


def test_a_scaler_that_was_not_needed_is_left_as_it_is(tmp_path: Path) -> None:
    off, on = torch.amp.GradScaler("cpu", enabled=False), torch.amp.GradScaler("cpu", enabled=True)
    save_checkpoint(tmp_path, "mine", parts() | {"scaler": off}, HISTORY)
    assert load_checkpoint(tmp_path, ("mine",), parts() | {"scaler": on}) != []


def test_without_a_checkpoint_nothing_was_done(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, ("mine",), parts()) == []


def test_the_metrics_are_a_table_of_all_epochs(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "mine", parts(), HISTORY[:1])
    save_checkpoint(tmp_path, "mine", parts(), HISTORY)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(row["loss"]) for row in rows] == [0.5, 0.25]
    assert rows[1]["held_out_dice"] == "nan"
    assert repr(read_metrics(tmp_path)) == repr(HISTORY)


@pytest.mark.parametrize("damage", [b"", b"no zip", None], ids=["empty", "foreign", "truncated"])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path, refused: Refused, damage: bytes | None) -> None:
    save_checkpoint(tmp_path, "mine", parts(), HISTORY)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with refused(CheckpointError, "checkpoint.pt", "damaged"):
        load_checkpoint(tmp_path, ("mine",), parts())


def test_a_flipped_bit_in_a_checkpoint_is_noticed(tmp_path: Path, refused: Refused) -> None:
    save_checkpoint(tmp_path, "mine", parts(3.0), HISTORY)
    path = tmp_path / "checkpoint.pt"
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((4,), 3.0).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with refused(CheckpointError, "checkpoint.pt", "damaged"):
        load_checkpoint(tmp_path, ("mine",), parts())


def test_a_checkpoint_of_other_weights_is_one_sentence(tmp_path: Path, refused: Refused) -> None:
    save_checkpoint(tmp_path, "mine", {"net": torch.nn.Linear(3, 2)}, HISTORY)
    with refused(CheckpointError, "checkpoint.pt", "damaged"):
        load_checkpoint(tmp_path, ("mine",), parts())


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_good_one(
    tmp_path: Path, refused: Refused
) -> None:
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    save_checkpoint(tmp_path, "mine", parts(3.0), HISTORY[:1])
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limit[1]))  # the system then refuses, as a full disk does
    try:
        with refused(CheckpointError, "epoch 2", "make space"):
            save_checkpoint(tmp_path, "mine", parts(), HISTORY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert load_checkpoint(tmp_path, ("mine",), parts()) == HISTORY[:1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.pt", "metrics.csv"]
