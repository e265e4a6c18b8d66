"""The part of the panel for what cannot be told from a layer: its sequences, and how its slices lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from magicgui.widgets import Container
from napari.layers import Image

from napari_tumor_unet.plugin.layers.lazy_volume import axes_of
from napari_tumor_unet.plugin.layers.sequence_memory import forget, is_remembered, learn, recalled, remember
from napari_tumor_unet.plugin.layers.sequences import Choice, Part, guess_parts, parts_of, told
from napari_tumor_unet.plugin.ui.widgets import button, choice, text_label
from napari_tumor_unet.scan import SEQUENCES
from napari_tumor_unet.scan.sequence_names import SHORT_TITLES

_NONE = "none"
_MEANINGS = {
    "flair": "FLAIR, which the model needs",
    "pre": "T1 before contrast, if there is one",
    "post": "T1 after contrast, if there is one",
}
_FRONTS = {"up": 0, "right": 1, "down": 2, "left": 3}  # quarter turns that bring it up


class ScanSection(Container[Any]):
    """Filled in with what layers and names tell; the user may know better, and that is remembered.

    Attributes
    ----------
    summary : Label
        Which sequences there are, to be shown where this part of the panel is folded.
    """

    def __init__(self) -> None:
        self._image: Image | None = None
        self._images: list[Image] = []
        self._parts: dict[str, Part] = {}
        self._axes: list[tuple[str, int]] = [("first", 0)]
        self._filling = False
        self._before = Choice()
        self.summary = text_label(
            label="sequences", tooltip="What the model gets; change it under Sequences and slices."
        )
        self.sequences = {
            sequence: choice(
                title,
                lambda: [_NONE, *self._parts],
                f"The layer or channel that is {_MEANINGS[sequence]}; on another grid it is resampled.",
            )
            for sequence, title in SHORT_TITLES.items()
        }
        self.across = choice("slices along", lambda: self._axes, "The axis across the axial slices.")
        self.front = choice(
            "front of the head", lambda: list(_FRONTS), "Where it is in a slice as it is stored."
        )
        self.note = text_label()
        self.forget = button(
            "Forget corrections", "Take again what the layers and their names tell.", self._forget
        )
        self._boxes = [*self.sequences.values(), self.across, self.front]
        super().__init__(widgets=[*self._boxes, self.note, self.forget])
        self.note.visible = self.forget.visible = False
        for box in self._boxes:
            box.changed.connect(self._on_changed)

    def show(self, image: Image | None, images: Iterable[Image]) -> None:
        """Fill in what the user said of a layer, else what it tells."""
        self._image, self._images = image, list(images)
        self._filling = True
        self._fill()
        self._filling = False

    @property
    def choice(self) -> Choice:
        """What is filled in now."""
        chosen = {s: self._parts[self.sequences[s].value] for s in SEQUENCES if self._is_chosen(s)}
        return Choice(chosen, self.across.value, _FRONTS[self.front.value])

    def _is_chosen(self, sequence: str) -> bool:
        return self.sequences[sequence].value in self._parts

    def _fill(self) -> None:
        image, said, unclear = self._image, Choice(), ""
        self._parts = {}
        if image is not None:
            guess = guess_parts(image, self._images)
            known = recalled(image, self._images)
            said, unclear = known or Choice(guess.parts), "" if known else guess.unclear
            self._parts = parts_of(image, self._images)
        names = {part: name for name, part in self._parts.items()}
        for sequence, box in self.sequences.items():
            box.reset_choices()
            box.value = names.get(said.parts.get(sequence), _NONE)
        self._offer_axes()
        self.across.value = said.across
        self.front.value = next(front for front, turn in _FRONTS.items() if turn == said.turn)
        self.note.value, self.note.visible = unclear, bool(unclear)
        self.forget.visible = image is not None and is_remembered(image, self._images)
        self._before = self.choice
        self.summary.value = told(self._before.parts)

    def _offer_axes(self) -> None:
        """Those of the layer that is FLAIR, as the mask lies there."""
        flair = self._parts.get(self.sequences["flair"].value)
        image = flair.image if flair else self._image
        self._axes = [("first", 0)]
        if image is not None:
            spatial = sorted(axes_of(image).spatial)
            self._axes = [(_axis_name(image, axis), i) for i, axis in enumerate(spatial)]
            if len(spatial) < 3:
                self._axes = [("one slice", 0)]
        self.across.reset_choices()

    def _on_changed(self) -> None:
        if self._filling or self._image is None:
            return
        self._filling = True
        self._offer_axes()
        self._filling = False
        now = self.choice
        self.summary.value = told(now.parts)
        if "flair" not in now.parts:  # not yet
            return
        remember(self._image, now)
        learn(self._before, now)
        self._before = now
        self.note.visible, self.forget.visible = False, True

    def _forget(self) -> None:
        if self._image is not None:
            forget(self._image, self._images)
            self.show(self._image, self._images)


def _axis_name(image: Image, axis: int) -> str:
    """Its label, or where it is among the axes if it has none of its own."""
    label = image.axis_labels[axis]
    return f"axis {axis + 1}" if label.lstrip("-").isdigit() else label
