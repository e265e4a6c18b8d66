"""What the user said of scans in the panel: of layers as long as they live, of descriptions for ever."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary, ref

from napari.layers import Image

from napari_tumor_unet.plugin.layers.descriptions import (
    description_in,
    description_of,
    read_said,
    sequence_said,
    write_said,
)
from napari_tumor_unet.plugin.layers.metadata import image_metadata
from napari_tumor_unet.plugin.layers.sequences import Choice, Part
from napari_tumor_unet.scan import Sequence
from napari_tumor_unet.scan.sequence_names import sequence_named, words_of


@dataclass(frozen=True)
class _Kept:
    """A choice that keeps no layer alive."""

    parts: dict[Sequence, tuple[ref[Image], int | None]]
    across: int
    turn: int

    def choice(self, images: list[Image]) -> Choice:
        there = {s: (layer(), channel) for s, (layer, channel) in self.parts.items()}
        parts = {s: Part(layer, channel) for s, (layer, channel) in there.items() if layer in images}
        return Choice(parts, self.across, self.turn)


_KEPT: WeakKeyDictionary[Image, _Kept] = WeakKeyDictionary()


def remember(image: Image, choice: Choice) -> None:
    """Keep what the user said while this layer was shown."""
    parts = {s: (ref(part.image), part.channel) for s, part in choice.parts.items()}
    _KEPT[image] = _Kept(parts, choice.across, choice.turn)


def recalled(image: Image, images: Iterable[Image]) -> Choice | None:
    """What the user said of this layer, or of a scan that it is a sequence of."""
    images = list(images)
    shown = [image, *(other for other in images if other != image)]
    choices = [(other, _KEPT[other].choice(images)) for other in shown if other in _KEPT]
    for other, choice in choices:
        of_it = other == image or any(part.image == image for part in choice.parts.values())
        if of_it and "flair" in choice.parts:
            return choice
    return None


def learn(before: Choice, now: Choice) -> None:
    """Keep what the descriptions of a scan's layers mean, where names tell otherwise, for other scans."""
    said = read_said()
    kept = dict(said)
    names = {part.image.name for choice in (before, now) for part in choice.parts.values()}
    for sequence, part in before.parts.items():
        if kept.get(description := _description(part.image, names)) == sequence:
            del kept[description]
    for sequence, part in now.parts.items():
        told = sequence_said(part.image.name, kept) or image_metadata(part.image).sequence
        description = _description(part.image, names)
        if part.channel is None and description and (told or sequence_named(part.image.name)) != sequence:
            kept[description] = sequence
    if kept != said:
        write_said(kept)


def forget(image: Image, images: Iterable[Image]) -> None:
    """Let go of what the user said of a layer's scan, and of the descriptions of its layers."""
    images = list(images)
    choice = recalled(image, images) or Choice()
    of_scan = [image, *(part.image for part in choice.parts.values())]
    for other in of_scan:
        _KEPT.pop(other, None)
    said = read_said()
    kept = {d: s for d, s in said.items() if not any(sequence_said(i.name, {d: s}) for i in of_scan)}
    if kept != said:
        write_said(kept)


def is_remembered(image: Image, images: Iterable[Image]) -> bool:
    """Whether there is something to forget."""
    return recalled(image, images) is not None or sequence_said(image.name, read_said()) is not None


def _description(image: Image, names: set[str]) -> str:
    """Of a DICOM series all of its name, which is its description; else what tells it from others."""
    if image_metadata(image).modality is not None:
        return description_of(words_of(re.sub(r" \[\d+\]$", "", image.name)))  # napari's count of a name
    return description_in(image.name, names - {image.name})
