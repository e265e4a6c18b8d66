"""The settings of a network and of its input, as model files and recipes hold them, without torch.

An unknown entry, or one of another type, is refused: it may change a result. An alias is the name in files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, Strict, WrapValidator
from pydantic.dataclasses import dataclass

from napari_tumor_unet.scan import SEQUENCES

CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)


def _as_given(value: float, validate: Callable[[float], float]) -> float:
    """Check a number, and leave an int an int: the identity of a checkpoint tells 20 from 20.0."""
    validate(value)
    return value


Real = Annotated[float, WrapValidator(_as_given)]
Share = Annotated[Real, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
CountOrNone = Annotated[int, Field(ge=0, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**53)]  # torch takes 64 bits, of a thousand times as much

MOST_MEMORY = 4 * 2**30
"""Bytes that one slice may take in a network, with the weights; the bundled models take a hundredth of it."""

LATER = {"later": True}
"""Metadata of a field that files got after their first version."""


def later_defaults(sections: Any) -> dict[str, set[str]]:
    """Name the later fields of each section that have their defaults, to be left out of files.

    Earlier versions refuse an entry that they do not know, and a checkpoint is still that of the same recipe.
    """
    return {
        section.name: {
            f.name for f in fields(part) if f.metadata == LATER and getattr(part, f.name) == f.default
        }
        for section in fields(sections)
        for part in (getattr(sections, section.name),)
    }


@dataclass(frozen=True, config=CONFIG)
class UNetConfig:
    """Shape of a U-Net.

    Attributes
    ----------
    in_channels : int
        Channels of the input.
    widths : tuple of int
        Filters at each resolution, the last one being the bottleneck.
    normalisation : {"none", "batch"}
        Layer between each 3x3 convolution and its ReLU.
    dropout : float
        Share of feature maps dropped after each pooling and each skip connection, in training.
    """

    in_channels: Count = 3
    widths: Annotated[tuple[Count, ...], Strict(False), Field(min_length=2, max_length=12)] = (64, 128, 256)
    normalisation: Literal["none", "batch"] = "none"
    dropout: Annotated[Real, Field(ge=0, lt=1)] = 0.2


@dataclass(frozen=True, config=CONFIG)
class Preprocessing:
    """How a scan becomes a model's input.

    Attributes
    ----------
    size : int
        Side of the square input, in pixels.
    crop : {"head", "image"}
        Bring the head, or the whole image, to that size; ``field`` in files.
    context_slices : int
        FLAIR slices above and below that come as further channels; ``neighbours`` in files.
    context_mm : float
        Distance between them where the scan's spacing is known; else they are next to each other.
        ``neighbour_mm`` in files.
    intensities : {"head", "brain"}
        What becomes 0: the mean of the whole head, fat included, or the median of what looks like brain, for
        which it does not matter whether fat is bright, suppressed or cut off. The head's standard deviation
        becomes 1 in both.
    """

    size: Count = 192
    crop: Annotated[Literal["head", "image"], Field(alias="field")] = "head"
    context_slices: Annotated[CountOrNone, Field(alias="neighbours")] = 1
    context_mm: Annotated[Real, Field(alias="neighbour_mm", gt=0)] = 5.0
    intensities: Literal["head", "brain"] = field(default="head", metadata=LATER)

    @property
    def channels(self) -> int:
        """Channels of the input: pre, FLAIR, post, then the FLAIR slices of the context, upwards."""
        return len(SEQUENCES) + 2 * self.context_slices


def needs_too_much_memory(network: UNetConfig, preprocessing: Preprocessing) -> bool:
    """Tell, by the settings alone, whether one slice would take more than :data:`MOST_MEMORY`."""
    multiple = 2 ** (len(network.widths) - 1)
    side = -(-preprocessing.size // multiple) * multiple  # to which the input is padded
    channels = (network.in_channels, *network.widths)
    weights = sum(9 * (n_in + n_out) * n_out for n_in, n_out in pairwise(channels))
    maps = sum(4 * n * (side >> level) ** 2 for level, n in enumerate(network.widths))
    needed: int = 4 * (weights + maps + network.in_channels * side**2)
    return needed > MOST_MEMORY
