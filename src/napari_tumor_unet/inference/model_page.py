"""A page about a model in Markdown: its card, how its input is prepared, what its output means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from napari_tumor_unet._text import visible
from napari_tumor_unet.model.card import Card
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import SEQUENCES

REPOSITORY = "https://github.com/napari-tumor-unet/napari-tumor-unet"
TAGS = ("brain", "mri", "glioma", "tumour", "segmentation", "unet", "2d", "pytorch")

_SCRIPT = f"{REPOSITORY}/blob/main/examples/bioimageio_package.py"
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~&]|^[-+=]")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
_TITLES = {"pre": "T1 before contrast", "flair": "FLAIR", "post": "T1 after contrast"}
_CROPS = {
    "head": "The square around the head, with a margin of 4 % at each side,",
    "image": "The whole image",
}
_ZEROS = {"head": "mean of the head, fat included,", "brain": "median of what looks like brain"}


def channel_names(context_slices: int) -> list[str]:
    """Name the channels of a model's input, in order."""
    context = [i for i in range(-context_slices, context_slices + 1) if i]
    return [*SEQUENCES, *(f"flair_{'above' if i > 0 else 'below'}_{abs(i)}" for i in context)]


def model_page(model: Model) -> str:
    """Write what a user of a model should know: the documentation of its package."""
    card = model.card
    parts = [
        f"# Tumour U-Net {_plain(card.name)}",
        _plain(card.summary),
        f"**{_plain(card.intended_use)}**" if card.intended_use else "",
        f"It was recommended to discard this model. {_plain(card.advised_against)}"
        if card.advised_against
        else "",
        "## Input",
        *_input(model),
        "## Output",
        *_output(card),
        *_section("Training data", card.training_data),
        *_section("Training", card.training),
        "## Validation",
        "\n".join(_outline(card.scores)),
        "On scans of your own with masks: `napari-tumor-unet evaluate`. The test input of the package is a "
        "slice of a synthetic scan, made from an atlas whose notice is in `LICENSE-test-input`, and shows "
        "nothing about patients.",
        *_section("Limits", *card.limits),
        "## Licence",
        f"The weights: {_plain(card.licence or 'unknown')}. The architecture, `unet.py`: BSD-3-Clause.",
        *_section("Citations", *card.citations),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def hub_card(model: Model, licence: str | None) -> str:
    """Write the card of a model for the Hugging Face hub: the same page, after what the hub reads.

    Parameters
    ----------
    model : Model
    licence : str or None
        The identifier of SPDX, where the model's licence has one.
    """
    other = {"license": "other", "license_name": visible(model.card.licence) or "unknown"}
    entries: dict[str, Any] = {
        **({"license": licence.lower()} if licence else other),
        "library_name": "bioimageio",
        "pipeline_tag": "image-segmentation",
        "tags": TAGS,
    }
    # JSON is YAML too.
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items()]
    return "\n".join(["---", *lines, "---", "", model_page(model)])


def _input(model: Model) -> Iterator[str]:
    settings = model.preprocessing
    pixels = f"{settings.size} x {settings.size} pixels"
    channels = ", ".join(f"`{sequence}` is {_TITLES[sequence]}" for sequence in SEQUENCES)
    context = ", ".join(f"`{name}`" for name in channel_names(settings.context_slices)[len(SEQUENCES) :])
    yield (
        f"Axial slices of {pixels}, the front of the head up, the patient's right on the left. No standard "
        "step of a package can prepare them, as the whole scan is measured:"
    )
    lines = [
        f"- {channels}; FLAIR stands in for a missing T1.",
        f"- {context} are FLAIR slices {settings.context_mm:g} mm apart, or the next ones where the spacing "
        "is unknown; past the ends of the scan the last one again."
        if context
        else "",
        f"- Of each sequence the {_ZEROS[settings.intensities]} becomes 0, the standard deviation of the "
        "head, without its brightest and darkest percent, becomes 1, and all is clipped to -4 and 8.",
        f"- {_CROPS[settings.crop]} is brought to {pixels}.",
    ]
    yield "\n".join(line for line in lines if line)


def _output(card: Card) -> Iterator[str]:
    mean = ", the mean of the slice's and the mirrored slice's" if card.tta_flip else ""
    yield (
        f"The probability of tumour{mean}. To make a mask of it, bring it back to the grid of the scan and "
        f"take the voxels of at least {card.threshold:g}."
    )
    if card.min_region_weight:
        yield (
            f"Then drop the connected regions of less than {card.min_region_weight:g} of the weight of the "
            "heaviest; a region weighs what its probabilities exceed the threshold by, in sum."
        )
    yield (
        f"[A short script]({_SCRIPT}) does all that with this package; the napari plugin "
        f"[napari-tumor-unet]({REPOSITORY}) does it by itself."
    )


def _section(title: str, *texts: str) -> Iterator[str]:
    """Yield a heading and its texts, as a list where there are several; nothing without texts."""
    written = [_plain(text) for text in texts if text]
    if written:
        yield f"## {title}"
        yield written[0] if len(written) == 1 else "\n".join(f"- {text}" for text in written)


def _outline(entries: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield the lines of a list of whatever a card's scores hold."""
    for name, value in entries.items():
        line = f"{'  ' * depth}- {_plain(str(name).replace('_', ' '))}:"
        if isinstance(value, Mapping):
            yield line
            yield from _outline(value, depth + 1)
        else:
            yield f"{line} {_plain(str(value))}"


def _plain(text: str) -> str:
    """Return a text of a card as data: no markup."""
    return _NUMBERED.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", visible(text).strip()))
