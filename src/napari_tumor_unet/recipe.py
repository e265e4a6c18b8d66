"""How to train, read from a small TOML file."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from napari_tumor_unet.augmentation import Augmentation
from napari_tumor_unet.preparation import Preparation
from napari_tumor_unet.unet import UNetConfig


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a model learns.

    Attributes
    ----------
    epochs : int
        Passes of ``slices_per_epoch`` slices.
    slices_per_epoch : int
        Slices that an epoch draws.
    tumour_share : float
        Share of them that show tumour.
    batch_size : int
        Slices in one step.
    learning_rate : float
        Its peak: it rises over ``warm_up`` steps and falls to zero along a cosine.
    warm_up : int
        Steps.
    weight_decay : float
        Of AdamW.
    averaging : float
        Decay of the exponential moving average of the weights, which is the model that is kept; 0 is
        none.
    seed : int
        Of all chance.
    """

    epochs: int = 20
    slices_per_epoch: int = 3000
    tumour_share: float = 0.6
    batch_size: int = 16
    learning_rate: float = 1.5e-3
    warm_up: int = 200
    weight_decay: float = 0.01
    averaging: float = 0.998
    seed: int = 1


@dataclass(frozen=True)
class Recipe:
    """The whole of a training: input, network, schedule and augmentation."""

    preparation: Preparation = field(default_factory=Preparation)
    network: UNetConfig = field(default_factory=UNetConfig)
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: Augmentation = field(default_factory=Augmentation)


class RecipeError(ValueError):
    """A recipe that cannot be used; the message says which entry is wrong."""


def read_recipe(name_or_path: str) -> Recipe:
    """Read a recipe of the package by name, or any other from its file.

    Raises
    ------
    RecipeError
        If there is none, or an entry is unknown or impossible.
    """
    bundled = resources.files("napari_tumor_unet") / "recipes" / f"{name_or_path}.toml"
    source = bundled if bundled.is_file() else Path(name_or_path)
    try:
        tables = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no file, no text, or no TOML
        reason = error.strerror if isinstance(error, OSError) else error
        raise RecipeError(f"The recipe {Path(name_or_path).name} cannot be read: {reason}.") from error
    sections = {f.name: f.default_factory for f in dataclasses.fields(Recipe)}
    if unknown := tables.keys() - sections.keys():
        raise RecipeError(f"A recipe has no section {', '.join(sorted(unknown))}.")
    recipe = Recipe(**{name: _fill(sections[name], name, table) for name, table in tables.items()})
    made, taken = recipe.preparation.channels, recipe.network.in_channels
    if made != taken:
        raise RecipeError(
            f"The preparation of the recipe makes {made} channels, but its network's in_channels is {taken}."
        )
    return recipe


def _fill(section: Any, name: str, table: Any) -> Any:
    if not isinstance(table, dict):
        raise RecipeError(f"In a recipe, {name} is a section and no entry.")
    known = {f.name for f in dataclasses.fields(section)}
    if unknown := table.keys() - known:
        raise RecipeError(f"The section {name} of a recipe has no entry {', '.join(sorted(unknown))}.")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return section(**values)
    except TypeError as error:
        raise RecipeError(f"The section {name} of the recipe has an entry of a wrong type.") from error
    except ValueError as error:
        raise RecipeError(f"The section {name} of the recipe is wrong: {error}") from error
