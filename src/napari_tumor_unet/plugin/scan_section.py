"""The part of the panel for what cannot be told from a layer: its sequences, and how its slices lie."""

from __future__ import annotations

from collections.abc import Iterable

from magicgui.widgets import Container
from napari.layers import Image

from napari_tumor_unet.plugin.layers import Choice
from napari_tumor_unet.plugin.parts import Part, guessed_parts, parts_of
from napari_tumor_unet.plugin.volumes import axes_of
from napari_tumor_unet.plugin.widgets import choice
from napari_tumor_unet.scan import SEQUENCES

_NONE = "none"
_TITLES = {"flair": "FLAIR", "pre": "T1 pre", "post": "T1 post"}
_MEANINGS = {
    "flair": "FLAIR, which the model needs",
    "pre": "T1 before contrast, if there is one",
    "post": "T1 after contrast, if there is one",
}
_FRONTS = {"up": 0, "right": 1, "down": 2, "left": 3}  # quarter turns that bring it up


class ScanSection(Container):
    """Filled in with what the layer tells; the user may know better."""

    def __init__(self) -> None:
        self._image: Image | None = None
        self._parts: dict[str, Part] = {}
        self._axes: list[tuple[str, int]] = [("first", 0)]
        self.sequences = {
            sequence: choice(
                title,
                lambda: [_NONE, *self._parts],
                f"The layer or channel that is {_MEANINGS[sequence]}.",
            )
            for sequence, title in _TITLES.items()
        }
        self.across = choice("slices along", lambda: self._axes, "The axis across the axial slices.")
        self.front = choice(
            "front of the head", lambda: list(_FRONTS), "Where it is in a slice as it is stored."
        )
        super().__init__(widgets=[*self.sequences.values(), self.across, self.front])

    def show(self, image: Image | None, images: Iterable[Image]) -> None:
        """Fill in what a layer tells; what the user filled in for the same layer stays."""
        images, boxes = list(images), [*self.sequences.values(), self.across, self.front]
        kept = [box.value for box in boxes] if image is self._image else []
        self._image = image
        guess = {} if image is None else guessed_parts(image, images)
        self._parts = {} if image is None else parts_of(image, images)
        self._axes = [("first", 0)]
        if image is not None:
            spatial = sorted(axes_of(image).spatial)
            self._axes = [(_axis_name(image, axis), i) for i, axis in enumerate(spatial)]
            if len(spatial) < 3:
                self._axes = [("one slice", 0)]
        names = {part: name for name, part in self._parts.items()}
        for sequence, box in self.sequences.items():
            box.reset_choices()
            box.value = names.get(guess.get(sequence), _NONE)
        self.across.reset_choices()
        self.across.value = 0
        self.front.value = "up"
        for box, value in zip(boxes, kept, strict=False):
            if value in box.choices:
                box.value = value

    @property
    def choice(self) -> Choice:
        """What is filled in now."""
        chosen = {s: self._parts[self.sequences[s].value] for s in SEQUENCES if self._is_chosen(s)}
        return Choice(chosen, self.across.value, _FRONTS[self.front.value])

    def _is_chosen(self, sequence: str) -> bool:
        return self.sequences[sequence].value in self._parts


def _axis_name(image: Image, axis: int) -> str:
    """Its label, or where it is among the axes if it has none of its own."""
    label = image.axis_labels[axis]
    return f"axis {axis + 1}" if label.lstrip("-").isdigit() else label
