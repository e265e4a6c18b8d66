"""How to train, read from a small TOML file."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.model.preprocessing import Preparation
from napari_tumor_unet.model.unet import UNetConfig
from napari_tumor_unet.training.augmentation import Augmentation

Layers = Literal["all", "decoder"]


@dataclass(frozen=True)
class Optimisation:
    """What is made small, and how.

    Attributes
    ----------
    loss : {"bce", "dice_ce"}
        Binary cross-entropy, or the sum of it and soft Dice over the batch.
    optimiser : {"adam", "adamw"}
        By its name in torch.
    learning_rate : float
        Its peak; the schedule says how it rises and falls.
    weight_decay : float
        Of the optimiser.
    batch_size : int
        Slices in one step.
    layers : {"all", "decoder"}
        Which layers learn. In a fine-tuning the decoder alone may: it has fewer weights to forget with.
    """

    loss: Literal["bce", "dice_ce"] = "dice_ce"
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    batch_size: int = 16
    layers: Layers = "all"

    def __post_init__(self) -> None:
        _among("loss", self.loss, ("bce", "dice_ce"))
        _among("optimiser", self.optimiser, ("adam", "adamw"))
        _among("layers", self.layers, ("all", "decoder"))
        if not 0 < self.learning_rate < math.inf or not 0 <= self.weight_decay < math.inf:
            raise ValueError("learning_rate is positive, and weight_decay is not negative.")
        if self.batch_size < 1:
            raise ValueError("batch_size is 1 or more.")


@dataclass(frozen=True)
class Schedule:
    """How long a model learns, and how fast when.

    Attributes
    ----------
    epochs : int
        How many.
    warm_up : int
        Steps in which the learning rate rises.
    decay : {"none", "cosine"}
        How it falls then: not at all, or to zero.
    cycles : int
        How often it rises and falls; ``epochs`` is shared out evenly.
    averaging : float
        Decay of the exponential moving average of the weights, which is the model that is kept; 0 is
        none.
    seed : int
        Of all chance.
    """

    epochs: int = 20
    warm_up: int = 200
    decay: Literal["none", "cosine"] = "cosine"
    cycles: int = 1
    averaging: float = 0.998
    seed: int = 1

    def __post_init__(self) -> None:
        _among("decay", self.decay, ("none", "cosine"))
        if self.epochs < 1 or self.warm_up < 0 or self.cycles < 1 or self.seed < 0:
            raise ValueError("epochs and cycles are 1 or more, warm_up and seed 0 or more.")
        if not 0 <= self.averaging < 1:
            raise ValueError("averaging is from 0 to less than 1.")


@dataclass(frozen=True)
class Sampling:
    """Which slices an epoch shows.

    Attributes
    ----------
    slices : int
        How many, drawn by chance; 0 is every slice with tumour once, and of those without as many as
        ``tumour_share`` asks for.
    tumour_share : float
        Share of slices with tumour.
    healthy_share : float
        Share of slices from scans without any tumour, where ``slices`` are drawn by chance; 0 is as they
        come among all slices without tumour.
    """

    slices: int = 0
    tumour_share: float = 0.5
    healthy_share: float = 0.0

    def __post_init__(self) -> None:
        if self.slices < 0 or not 0 < self.tumour_share <= 1:
            raise ValueError("slices is 0 or more, tumour_share more than 0 and up to 1.")
        if not 0 <= self.healthy_share <= 1 - self.tumour_share + 1e-9:
            raise ValueError("healthy_share is 0 or more, and with tumour_share at most 1.")


@dataclass(frozen=True)
class Postprocessing:
    """From probability to mask; what the model's card tells its users to do.

    Attributes
    ----------
    threshold : float
        Probability from which a voxel is tumour.
    smallest_region : float
        Weight under which a connected region is dropped, as a share of the heaviest one's; see
        :func:`napari_tumor_unet.inference.regions.drop_faint_regions`.
    mirrored : bool
        Average the probability with that of the mirrored head.
    """

    threshold: float = 0.5
    smallest_region: float = 0.0
    mirrored: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.threshold <= 1 and 0 <= self.smallest_region <= 1):
            raise ValueError("threshold and smallest_region are from 0 to 1.")


@dataclass(frozen=True)
class Recipe:
    """The whole of a training."""

    preparation: Preparation = field(default_factory=Preparation)
    network: UNetConfig = field(default_factory=lambda: UNetConfig(Preparation().channels))
    optimisation: Optimisation = field(default_factory=Optimisation)
    schedule: Schedule = field(default_factory=Schedule)
    sampling: Sampling = field(default_factory=Sampling)
    augmentation: Augmentation = field(default_factory=Augmentation)
    postprocessing: Postprocessing = field(default_factory=Postprocessing)

    def __post_init__(self) -> None:
        made, taken = self.preparation.channels, self.network.in_channels
        if made != taken:
            raise ValueError(
                f"The preparation of the recipe makes {made} channels, but its network's in_channels is "
                f"{taken}."
            )

    def with_epochs(self, epochs: int) -> Recipe:
        """The same for another number of epochs."""
        return dataclasses.replace(self, schedule=dataclasses.replace(self.schedule, epochs=epochs))


class RecipeError(TumourUnetError, ValueError):
    """A recipe that cannot be used; the message says which entry is wrong."""


def read_recipe(name_or_path: str) -> Recipe:
    """Read a recipe of the package by name, or any other from its file.

    Raises
    ------
    RecipeError
        If there is none, or an entry is unknown or impossible.
    """
    bundled = resources.files("napari_tumor_unet") / "training" / "recipes" / f"{name_or_path}.toml"
    source = bundled if bundled.is_file() else Path(name_or_path)
    try:
        tables = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no file, no text, or no TOML
        reason = error.strerror if isinstance(error, OSError) else error
        raise RecipeError(f"The recipe {Path(name_or_path).name} cannot be read: {reason}.") from error
    sections: dict[str, Any] = {
        "preparation": Preparation,
        "network": UNetConfig,
        "optimisation": Optimisation,
        "schedule": Schedule,
        "sampling": Sampling,
        "augmentation": Augmentation,
        "postprocessing": Postprocessing,
    }
    if unknown := tables.keys() - sections.keys():
        raise RecipeError(f"A recipe has no section {', '.join(sorted(unknown))}.")
    parts = {name: _fill(section, name, tables.get(name, {})) for name, section in sections.items()}
    if "in_channels" not in tables.get("network", {}):
        parts["network"] = dataclasses.replace(parts["network"], in_channels=parts["preparation"].channels)
    try:
        return Recipe(**parts)
    except ValueError as error:
        raise RecipeError(str(error)) from error


def _fill(section: Any, name: str, table: Any) -> Any:
    if not isinstance(table, dict):
        raise RecipeError(f"In a recipe, {name} is a section and no entry.")
    known = {f.name for f in dataclasses.fields(section)}
    if unknown := table.keys() - known:
        raise RecipeError(f"The section {name} of a recipe has no entry {', '.join(sorted(unknown))}.")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    for key, value in values.items():
        default = getattr(section(), key)
        if not _is_like(value, default):
            raise RecipeError(
                f"In the section {name} of the recipe {key} is of a wrong type; try {default!r}."
            )
    try:
        return section(**values)
    except ValueError as error:
        raise RecipeError(f"The section {name} of the recipe is wrong: {error}") from error


def _is_like(value: Any, default: Any) -> bool:
    """Whether a value from TOML has the type of an entry's default."""
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(_is_like(v, default[0]) for v in value)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)


def _among(entry: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{entry} is {' or '.join(known)}, not {value!r}.")
