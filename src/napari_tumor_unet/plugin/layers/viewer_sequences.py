"""The sequences of all scans in one viewer: guessed, or as the user corrected them.

A correction of a layer holds as long as the layer lives, in a viewer or not; one of a description for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

from napari.components import LayerList
from napari.layers import Image, Layer

from napari_tumor_unet.plugin.layers.descriptions import (
    change_descriptions,
    described_sequence,
    description_in,
    description_of,
    read_descriptions,
)
from napari_tumor_unet.plugin.layers.metadata import image_metadata
from napari_tumor_unet.plugin.layers.sequences import Channel, SequenceAssignment, guess_sequences
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM
from napari_tumor_unet.scan import Sequence
from napari_tumor_unet.scan.sequence_names import sequence_named, words_of

_CHANGES = {"removed", "data", "metadata", "axis_labels", *TRANSFORM}


class ViewerSequences:
    """Assignments of sequences, worked out once, and anew when layers change or the user corrects one.

    Parameters
    ----------
    layers : iterable of Layer
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._layers = ref(layers) if isinstance(layers, LayerList) else list(layers).copy
        self._assignments: dict[Image, SequenceAssignment] = {}
        self._valid_for: Any = None

    @classmethod
    def of(cls, layers: Iterable[Layer]) -> ViewerSequences:
        """Return the assignments of a viewer's layers, or of any others."""
        if not isinstance(layers, LayerList):
            return cls(layers)
        if layers not in _VIEWERS:
            _VIEWERS[layers] = made = cls(layers)
            layers.events.connect(made._on_event)
        return _VIEWERS[layers]

    @property
    def images(self) -> list[Image]:
        """All image layers."""
        return [layer for layer in self._layers() or () if isinstance(layer, Image)]

    def __getitem__(self, image: Image) -> SequenceAssignment:
        """Return the sequences of the scan that an image layer belongs to."""
        images = self.images
        state = [(other.unique_id, other.name) for other in images], read_descriptions()
        if state != self._valid_for:
            self._assignments.clear()
            self._valid_for = state
        assignment = self._assignments.get(image)
        if assignment is None:
            assignment = _correction(image, images) or guess_sequences(image, images)
            if image in images:
                self._assignments[image] = assignment
        return assignment

    def flair(self, image: Image) -> Image:
        """Return the layer that shows the FLAIR of an image's scan; the image, where none is known."""
        channels = self[image].channels
        return channels["flair"].image if "flair" in channels else image

    def correct(self, image: Image, assignment: SequenceAssignment) -> None:
        """Keep a correction, for the layer, and for the descriptions of other scans where names say else."""
        before = self[image]
        correct_layer(image, assignment)
        learn_descriptions(before, assignment)
        self._assignments.clear()

    def is_corrected(self, image: Image) -> bool:
        """Whether there is a correction to forget, of a layer's scan or of its description."""
        return self[image].corrected or described_sequence(image.name, read_descriptions()) is not None

    def forget(self, image: Image) -> None:
        """Forget the corrections of a layer's scan, and of the descriptions of its layers."""
        correction = _correction(image, self.images) or SequenceAssignment()
        of_scan = [image, *(channel.image for channel in correction.channels.values())]
        for other in of_scan:
            _CORRECTIONS.pop(other, None)
        descriptions = read_descriptions()
        kept = {
            words: sequence
            for words, sequence in descriptions.items()
            if not any(described_sequence(other.name, {words: sequence}) for other in of_scan)
        }
        if kept != descriptions:
            change_descriptions(descriptions, kept)
        self._assignments.clear()

    def _on_event(self, event: Any) -> None:
        if event.type in _CHANGES:  # inserted layers and new names show in the state
            self._assignments.clear()


@dataclass(frozen=True)
class _Correction:
    """An assignment that keeps no layer alive."""

    channels: dict[Sequence, tuple[ref[Image], int | None]]
    across: int
    turn: int

    def assignment(self, images: list[Image]) -> SequenceAssignment:
        """Return the assignment, as far as its layers are still among some images."""
        alive = {s: (layer(), index) for s, (layer, index) in self.channels.items()}
        channels = {s: Channel(layer, index) for s, (layer, index) in alive.items() if layer in images}
        return SequenceAssignment(channels, self.across, self.turn, corrected=True)


_CORRECTIONS: WeakKeyDictionary[Image, _Correction] = WeakKeyDictionary()
_VIEWERS: WeakKeyDictionary[LayerList, ViewerSequences] = WeakKeyDictionary()


def correct_layer(image: Image, assignment: SequenceAssignment) -> None:
    """Keep a correction that the user made while a layer was shown."""
    channels = {s: (ref(channel.image), channel.index) for s, channel in assignment.channels.items()}
    _CORRECTIONS[image] = _Correction(channels, assignment.across, assignment.turn)


def learn_descriptions(before: SequenceAssignment, after: SequenceAssignment) -> None:
    """Keep what the descriptions of a scan's layers mean, where names say otherwise, for other scans."""
    descriptions = read_descriptions()
    kept = dict(descriptions)
    names = {channel.image.name for one in (before, after) for channel in one.channels.values()}
    for sequence, channel in before.channels.items():
        if kept.get(words := _description(channel.image, names)) == sequence:
            del kept[words]
    for sequence, channel in after.channels.items():
        name = channel.image.name
        guess = described_sequence(name, kept) or image_metadata(channel.image).sequence
        words = _description(channel.image, names)
        if channel.index is None and words and (guess or sequence_named(name)) != sequence:
            kept[words] = sequence
    if kept != descriptions:
        change_descriptions(descriptions, kept)


def _correction(image: Image, images: list[Image]) -> SequenceAssignment | None:
    """Return the correction of a layer, or of a scan that the layer is a sequence of."""
    for other in (image, *images):
        if other not in _CORRECTIONS:
            continue
        assignment = _CORRECTIONS[other].assignment(images)
        channels = assignment.channels
        of_it = other == image or any(channel.image == image for channel in channels.values())
        if of_it and "flair" in channels:
            return assignment
    return None


def _description(image: Image, names: set[str]) -> str:
    """Return all of a DICOM series' name, which is its description; else what tells it from others."""
    if image_metadata(image).modality is not None:
        return description_of(words_of(re.sub(r" \[\d+\]$", "", image.name)))  # napari's count of a name
    return description_in(image.name, names - {image.name})
