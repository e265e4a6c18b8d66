from __future__ import annotations

import dataclasses
import re
from importlib import resources
from pathlib import Path

import pytest

from napari_tumor_unet.model.settings import Preprocessing, UNetConfig
from napari_tumor_unet.training.recipe import Recipe, RecipeError, read_recipe
from tests.conftest import Refused


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


@pytest.mark.parametrize("name", ["default", "robust", "seed"])
def test_the_bundled_recipes_are_read(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.network.in_channels == recipe.preprocessing.channels
    assert recipe.schedule.epochs > 0


def test_a_recipe_of_ones_own_is_read(recipe: Path) -> None:
    recipe.write_text(
        """
        [preparation]
        size = 32
        neighbours = 0
        [network]
        widths = [4, 8]  # µ: any UTF-8
        [augmentation]
        flip = 0.25
        """,
        encoding="utf-8",
    )
    read = read_recipe(str(recipe))
    assert (read.preprocessing.size, read.preprocessing.context_slices) == (32, 0)
    assert read.network.widths == (4, 8)
    assert read.augmentation.flip == 0.25


OLD_AND_NEW = {
    "preparation": "preprocessing",
    "field": "crop",
    "neighbours": "context_slices",
    "neighbour_mm": "context_mm",
    "averaging": "ema_decay",
    "stripped": "skull_stripped",
    "implanted": "carvemix",
    "hollow": "necrotic_core",
    "smallest_region": "min_region_weight",
    "mirrored": "tta_flip",
}


@pytest.mark.parametrize("name", ["default", "robust", "seed"])
def test_the_names_of_earlier_versions_are_read(recipe: Path, name: str) -> None:
    folder = resources.files("napari_tumor_unet") / "training" / "recipes"
    text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in OLD_AND_NEW.items():
        text = re.sub(rf"^(\[?){new}\b", rf"\g<1>{old}", text, flags=re.MULTILINE)
    recipe.write_text(text, encoding="utf-8")
    assert read_recipe(str(recipe)) == read_recipe(name)


def test_what_is_left_out_has_its_default(recipe: Path) -> None:
    recipe.write_text("[preparation]\nneighbours = 0\n[schedule]\nepochs = 3\n")
    read = read_recipe(str(recipe))
    assert read.schedule.epochs == 3
    assert read.optimisation == Recipe().optimisation
    assert read.augmentation == Recipe().augmentation


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[shedule]\nepochs = 3", ["no section shedule"]),
        ("epochs = 3", ["no section epochs"]),
        ("schedule = 3", ["schedule"]),
        ("[schedule]\nepoch = 3", ["schedule", "no entry epoch"]),
        ("[network]\nwidths = [8]", ["network", "widths"]),
        ("[network]\nnormalisation = 'layer'", ["network", "'layer'"]),
        ("[network]\nwidths = 'wide'", ["network"]),
        ("[optimisation]\nloss = 'l1'", ["optimisation", "'l1'"]),
        ("[optimisation]\nbatch_size = 0", ["optimisation", "batch_size"]),
        ("[optimisation]\nlearning_rate = -1.0", ["optimisation", "learning_rate"]),
        ("[schedule]\nepochs = 0", ["schedule", "epochs"]),
        ("[schedule]\nepochs = 'many'", ["schedule", "epochs", "wrong type"]),
        ("[schedule]\nepochs = 2.5", ["schedule", "epochs", "wrong type"]),
        ("[postprocessing]\nmirrored = 1", ["postprocessing", "mirrored", "wrong type"]),
        ("[network]\nwidths = [8.0, 16]", ["network", "widths", "wrong type"]),
        ("[schedule]\naveraging = 1.0", ["schedule", "averaging"]),
        ("[sampling]\ntumour_share = 0.0", ["sampling", "tumour_share"]),
        ("[augmentation]\nflip = 2", ["augmentation", "flip"]),
        ("[postprocessing]\nthreshold = 7", ["postprocessing", "threshold"]),
        ("[preprocessing]\ncontext_slices = -1", ["preprocessing", "context_slices"]),
        ("[preparation]\nsize = 0", ["preparation"]),
        ("[preparation]\nfield = 'neck'", ["preparation", "'neck'"]),
        ("[preparation]\nneighbours = 1\n[network]\nin_channels = 3", ["5 channels", "3"]),
        ("[optimisation]\nlearning_rate = inf", ["optimisation", "learning_rate"]),
        ("[augmentation]\nflip = true", ["augmentation", "flip", "wrong type"]),
        ("[schedule", ["mine.toml", "cannot be read"]),
        ("\0\1\2", ["mine.toml", "cannot be read"]),
        ("a = " + 2000 * "[" + 2000 * "]", ["mine.toml", "cannot be read"]),
        (f"[{'.'.join(3000 * 'a')}]", ["mine.toml", "cannot be read"]),
        (f"[{'.'.join(300 * 'a')}]", ["cannot be read"]),
        (f"[schedule]\nseed = {5000 * '9'}", ["mine.toml", "cannot be read"]),
        (f"[schedule]\nseed = 0x{5000 * 'f'}", ["mine.toml", "cannot be read"]),
        ("[schedule]\nseed = 99999999999999999999", ["schedule.seed", "less than"]),
        ("[network]\nwidths = [100000, 100000]", ["network", "too much memory"]),
        ("[preprocessing]\nsize = 8192", ["size", "too much memory"]),
    ],
    ids=lambda given: repr(given)[:60],
)
def test_what_cannot_be_used_is_named(recipe: Path, text: str, words: list[str], refused: Refused) -> None:
    recipe.write_text(text)
    with refused(RecipeError, *words):
        read_recipe(str(recipe))


def test_what_is_no_text_is_refused(recipe: Path, refused: Refused) -> None:
    recipe.write_bytes(b"\xff\xfe\x80 binary")
    with refused(RecipeError, "mine.toml", "cannot be read"):
        read_recipe(str(recipe))


def test_a_number_of_epochs_that_is_impossible_is_refused(refused: Refused) -> None:
    with refused(RecipeError, "epochs"):
        read_recipe("seed").with_epochs(10**20)


def test_a_recipe_that_is_not_there_is_refused(recipe: Path, refused: Refused) -> None:
    with refused(RecipeError, "cannot be read"):
        read_recipe(300 * "a")
    with refused(RecipeError, "mine.toml", "cannot be read", "give default, robust, seed, or a TOML file"):
        read_recipe(str(recipe))


def test_the_seed_is_the_student_projects() -> None:
    seed = read_recipe("seed")
    assert seed.preprocessing == Preprocessing(128, "image", 0)
    assert seed.network == UNetConfig()
    assert (seed.optimisation.loss, seed.optimisation.optimiser) == ("bce", "adam")
    assert (seed.optimisation.batch_size, seed.schedule.epochs) == (8, 20)
    assert (seed.sampling.slices, seed.sampling.tumour_share) == (0, 0.5)
    assert not any(dataclasses.astuple(seed.augmentation))


def test_the_networks_input_follows_from_the_preparation(recipe: Path) -> None:
    recipe.write_text("[preparation]\nneighbours = 2\n")
    assert read_recipe(str(recipe)).network.in_channels == 7
    assert Recipe().network.in_channels == Recipe().preprocessing.channels


def test_another_number_of_epochs_changes_nothing_else() -> None:
    recipe = read_recipe("default")
    assert recipe.with_epochs(3).schedule.epochs == 3
    assert recipe.with_epochs(3).with_epochs(recipe.schedule.epochs) == recipe
