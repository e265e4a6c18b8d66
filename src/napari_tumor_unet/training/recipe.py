"""How to train, read from a small TOML file.

Entries have the names of the attributes; files of earlier versions name some of them by their aliases.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import field, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from napari_tumor_unet._common import TumourUnetError, regular_file
from napari_tumor_unet.model.settings import (
    CONFIG,
    LATER,
    Count,
    CountOrNone,
    Preprocessing,
    Real,
    Seed,
    Share,
    UNetConfig,
    later_defaults,
    needs_too_much_memory,
)
from napari_tumor_unet.training.augmentation import Augmentation

Layers = Literal["all", "decoder"]


@dataclass(frozen=True, config=CONFIG)
class Optimisation:
    """Loss and optimiser.

    Attributes
    ----------
    loss : {"bce", "dice_ce"}
        Binary cross-entropy, or the sum of it and soft Dice over the batch.
    optimiser : {"adam", "adamw"}
        Its name in torch.
    learning_rate : float
        The peak; the schedule says how the rate rises and falls.
    weight_decay : float
        Of the optimiser.
    batch_size : int
        Slices in one step.
    layers : {"all", "decoder"}
        Which layers learn. In a fine-tuning the decoder alone may: it has fewer weights to forget with.
    """

    loss: Literal["bce", "dice_ce"] = "dice_ce"
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: Annotated[Real, Field(gt=0)] = 1.5e-3
    weight_decay: Annotated[Real, Field(ge=0)] = 0.01
    batch_size: Count = 16
    layers: Layers = "all"


@dataclass(frozen=True, config=CONFIG)
class Schedule:
    """Epochs and learning-rate schedule.

    Attributes
    ----------
    epochs : int
        Number of epochs.
    warm_up : int
        Steps in which the learning rate rises.
    decay : {"none", "cosine"}
        How the rate falls then: not at all, or to zero.
    cycles : int
        How often the rate rises and falls; ``epochs`` is shared out evenly.
    ema_decay : float
        Decay of the exponential moving average of the weights, which is the model that is kept; 0 is
        none. ``averaging`` in files.
    seed : int
        Of all random numbers.
    """

    epochs: Count = 20
    warm_up: CountOrNone = 200
    decay: Literal["none", "cosine"] = "cosine"
    cycles: Count = 1
    ema_decay: Annotated[Real, Field(alias="averaging", ge=0, lt=1)] = 0.998
    seed: Seed = 1


@dataclass(frozen=True, config=CONFIG)
class Sampling:
    """Which slices an epoch shows.

    Attributes
    ----------
    slices : int
        Number of slices, drawn by chance; 0 is every slice with tumour once, and of those without as many as
        ``tumour_share`` asks for.
    tumour_share : float
        Share of slices with tumour.
    healthy_share : float
        Share of slices from scans without any tumour, where ``slices`` are drawn by chance; 0 is as they
        come among all slices without tumour.
    """

    slices: CountOrNone = 0
    tumour_share: Annotated[Real, Field(gt=0, le=1)] = 0.5
    healthy_share: Share = field(default=0.0, metadata=LATER)

    def __post_init__(self) -> None:
        if self.tumour_share + self.healthy_share > 1 + 1e-9:
            raise ValueError("In the recipe, sampling.healthy_share and tumour_share are at most 1 together.")


@dataclass(frozen=True, config=CONFIG)
class Postprocessing:
    """From probability to mask; what the model's card tells its users to do.

    Attributes
    ----------
    threshold : float
        Probability from which a voxel is tumour.
    min_region_weight : float
        Weight under which a connected region is dropped, as a share of the heaviest one's; see
        :func:`napari_tumor_unet.inference.regions.drop_faint_regions`; ``smallest_region`` in files.
    tta_flip : bool
        Average the probability with that of the mirrored head; ``mirrored`` in files.
    """

    threshold: Share = 0.5
    min_region_weight: Annotated[Share, Field(alias="smallest_region")] = 0.0
    tta_flip: Annotated[bool, Field(alias="mirrored")] = False


_Preprocessing = Annotated[Preprocessing, Field(alias="preparation")]


@dataclass(frozen=True, config=CONFIG)
class Recipe:
    """The whole of a training."""

    preprocessing: _Preprocessing = field(default_factory=Preprocessing)
    network: UNetConfig = field(default_factory=lambda: UNetConfig(Preprocessing().channels))
    optimisation: Optimisation = field(default_factory=Optimisation)
    schedule: Schedule = field(default_factory=Schedule)
    sampling: Sampling = field(default_factory=Sampling)
    augmentation: Augmentation = field(default_factory=Augmentation)
    postprocessing: Postprocessing = field(default_factory=Postprocessing)

    @field_validator("network", mode="before")
    @classmethod
    def _fit_the_input(cls, network: Any, info: ValidationInfo) -> Any:
        """Let the network's input follow from the preprocessing, where a file does not give it."""
        preprocessing = info.data.get("preprocessing")
        if isinstance(network, dict) and preprocessing is not None:
            return {"in_channels": preprocessing.channels} | network
        return network

    def __post_init__(self) -> None:
        made, taken = self.preprocessing.channels, self.network.in_channels
        if made != taken:
            raise ValueError(
                f"The preprocessing of the recipe makes {made} channels, but its network's in_channels is "
                f"{taken}."
            )
        if needs_too_much_memory(self.network, self.preprocessing):
            raise ValueError("The network of the recipe, or its size of input, needs too much memory.")

    def with_epochs(self, epochs: int) -> Recipe:
        """Return the same recipe for another number of epochs.

        Raises
        ------
        RecipeError
            If that is an impossible number.
        """
        try:
            return replace(self, schedule=replace(self.schedule, epochs=epochs))
        except ValueError as error:
            raise RecipeError(reason_of(error)) from error

    def content(self) -> dict[str, dict[str, Any]]:
        """Return the entries of each section as files hold them, under the names that files use."""
        content: dict[str, dict[str, Any]] = _RECIPE.dump_python(
            self, by_alias=True, exclude=later_defaults(self)
        )
        return content


_RECIPE = TypeAdapter(Recipe)


class RecipeError(TumourUnetError, ValueError):
    """A recipe that cannot be used; the message says which entry is wrong."""


def read_recipe(name_or_path: str) -> Recipe:
    """Read a recipe of the package by name, or any other from its file.

    Raises
    ------
    RecipeError
        If there is none, or an entry is unknown or impossible.
    """
    recipes = resources.files("napari_tumor_unet") / "training" / "recipes"
    try:
        bundled = recipes / f"{name_or_path}.toml"
        source = bundled if bundled.is_file() else regular_file(Path(name_or_path))
        tables = tomllib.loads(source.read_text(encoding="utf-8"))
        text = json.dumps({"network": {}} | tables, default=str)
    except (OSError, ValueError, RecursionError) as error:  # no file, no text, or no TOML
        reason = str(error)
        if isinstance(error, OSError):
            names = sorted(one.name.removesuffix(".toml") for one in recipes.iterdir())
            reason = f"{error.strerror}; give {', '.join(names)}, or a TOML file"
        raise RecipeError(f"The recipe {Path(name_or_path).name} cannot be read: {reason}.") from error
    try:
        return _RECIPE.validate_json(text)
    except ValueError as error:
        raise RecipeError(reason_of(error)) from error


def reason_of(error: ValueError) -> str:
    """Say in one sentence which entry of a recipe is wrong, and how: the first, where several are."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if isinstance(part, str)]
    kind, should, context = first["type"], first["msg"].partition(" after")[0], first.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "json_invalid":
        return f"The recipe cannot be read: {context['error']}."
    if kind == "unexpected_keyword_argument":
        section = f"The section {path[0]} of a recipe has no entry" if path[1:] else "A recipe has no section"
        return f"{section} {path[-1]}."
    wrong = "is of a wrong type" if kind.endswith("_type") else "is wrong"
    should = should.replace(context.get("field_type", "Input"), "it").replace("an object", "a table")
    return f"In the recipe, {'.'.join(path)} {wrong}: {should}, not {first['input']!r:.60}."
