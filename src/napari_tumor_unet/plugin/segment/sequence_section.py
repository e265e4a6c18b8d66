"""The part of the panel "Segment tumour" for a scan's sequences, and how its slices lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from magicgui.widgets import Container
from napari import current_viewer
from napari.layers import Image

from napari_tumor_unet.io.file_names import ending_of
from napari_tumor_unet.io.find import t1_beside
from napari_tumor_unet.plugin.io.open_dialog import open_paths
from napari_tumor_unet.plugin.layers.lazy_volume import axes_of
from napari_tumor_unet.plugin.layers.metadata import said_spacing
from napari_tumor_unet.plugin.layers.said_spacing import lacks_spacing, spacing_of
from napari_tumor_unet.plugin.layers.sequences import Channel, SequenceAssignment, candidate_channels
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.plugin.ui.spacing_field import SpacingField
from napari_tumor_unet.plugin.ui.threads import Latest
from napari_tumor_unet.plugin.ui.widgets import button, choice, text_label
from napari_tumor_unet.scan import SEQUENCES, Sequence
from napari_tumor_unet.scan.sequence_names import SHORT_TITLES
from napari_tumor_unet.scan.spacing import Spacing

_NONE = "none"
_MEANINGS = {
    "flair": "FLAIR, which the model needs",
    "pre": "T1 before contrast, if there is one",
    "post": "T1 after contrast, if there is one",
}
_FRONTS = {"up": 0, "right": 1, "down": 2, "left": 3}  # quarter turns that bring it up


class SequenceSection(Container[Any]):
    """Form with the viewer's assignment of sequences; what the user changes is kept as a correction.

    Parameters
    ----------
    sequences : ViewerSequences
    say_spacing : callable
        Takes a layer, the spacing that the user says of it, and the axis that its slices lie along.

    Attributes
    ----------
    summary : Label
        Which sequences there are, to be shown where this part of the panel is folded.
    note : Label
        What is unclear of them, likewise.
    beside : PushButton
        Opens the T1 that lie beside the FLAIR's file, likewise; hidden where there are none.
    """

    def __init__(
        self, sequences: ViewerSequences, say_spacing: Callable[[Image, Spacing | None, int], object]
    ) -> None:
        self._viewer_sequences = sequences
        self._say_spacing = say_spacing
        self._image: Image | None = None
        self._channels: dict[str, Channel] = {}
        self._axes: list[tuple[str, int]] = [("first", 0)]
        self._filling = False
        self._unclear = ""
        self.summary = text_label(
            label="sequences", tooltip="What the model gets; change it under Sequences and slices."
        )
        self.boxes = {
            sequence: choice(
                title,
                lambda: [_NONE, *self._channels],
                f"The layer or channel that is {_MEANINGS[sequence]}; on another grid it is resampled.",
            )
            for sequence, title in SHORT_TITLES.items()
        }
        self.across = choice("slices along", lambda: self._axes, "The axis across the axial slices.")
        self.front = choice(
            "front", lambda: list(_FRONTS), "Where the front of the head is in a slice as it is stored."
        )
        self.spacing = SpacingField(self._on_spacing)
        self.note = text_label()
        self.forget = button(
            "Forget corrections", "Take again what the layers and their names tell.", self._forget
        )
        self.beside = button("Open T1", "Open the T1 that lie beside the FLAIR.", self._open_beside)
        self._found = Latest()
        self._t1: tuple[Path, ...] = ()
        self._boxes = [*self.boxes.values(), self.across, self.front]
        super().__init__(widgets=[*self._boxes, self.spacing.line, self.forget])
        self.beside.visible = self.note.visible = self.forget.visible = False
        for box in self._boxes:
            box.changed.connect(self._on_changed)

    def fill(self, image: Image | None) -> None:
        """Fill in the sequences of a layer's scan, and how its slices lie."""
        self._image = image
        self._filling = True
        self._fill(image)
        self._filling = False

    @property
    def assignment(self) -> SequenceAssignment:
        """What is filled in now."""
        names = {sequence: self.boxes[sequence].value for sequence in SEQUENCES}
        channels = {s: self._channels[name] for s, name in names.items() if name in self._channels}
        return SequenceAssignment(channels, self.across.value, _FRONTS[self.front.value], self._unclear)

    def _fill(self, image: Image | None) -> None:
        assignment = SequenceAssignment() if image is None else self._viewer_sequences[image]
        self._channels = {} if image is None else candidate_channels(image, self._viewer_sequences.images)
        names = {channel: name for name, channel in self._channels.items()}
        for sequence, box in self.boxes.items():
            box.reset_choices()
            channel = assignment.channels.get(sequence)
            box.value = _NONE if channel is None else names.get(channel, _NONE)
        self._offer_axes()
        self.across.value = assignment.across
        self.front.value = next(front for front, turn in _FRONTS.items() if turn == assignment.turn)
        self.note.value, self.note.visible = assignment.unclear, bool(assignment.unclear)
        self.forget.visible = image is not None and self._viewer_sequences.is_corrected(image)
        self._unclear = assignment.unclear
        self.summary.value = assignment.describe()
        self._show_spacing(image, assignment)
        self._look_beside(image, assignment)

    def _show_spacing(self, image: Image | None, assignment: SequenceAssignment) -> None:
        """Let the user say a spacing of a scan whose file tells none."""
        flair = image if image is None else self._viewer_sequences.flair(image)
        said = flair is not None and said_spacing(flair) is not None
        spacing = spacing_of(flair, assignment.across) if flair is not None and said else None
        self.spacing.show(spacing, visible=said or (flair is not None and lacks_spacing(flair)))

    def _on_spacing(self, spacing: Spacing | None) -> None:
        if self._image is not None:
            flair = self._viewer_sequences.flair(self._image)
            self._say_spacing(flair, spacing, self.across.value)

    def _look_beside(self, image: Image | None, assignment: SequenceAssignment) -> None:
        """Offer the T1 that lie beside a FLAIR's file, where none is open."""
        self.beside.visible = False
        self._found.forget()  # what lies beside the scan before
        path = None if image is None or len(assignment.channels) != 1 else image.source.path
        if path and not assignment.unclear and not assignment.corrected and ending_of(Path(path)):
            self._found(partial(t1_beside, Path(path)), self._offer_beside, lambda _: None)

    def _offer_beside(self, found: Mapping[Sequence, Path]) -> None:
        self._t1 = tuple(found.values())
        self.beside.text = f"Open {' and '.join(SHORT_TITLES[sequence] for sequence in found)}"
        self.beside.visible = bool(found)

    def _open_beside(self) -> None:
        if self._image is not None and (viewer := current_viewer()) is not None:
            open_paths(viewer, self._t1, beside=[self._image])

    def _offer_axes(self) -> None:
        """Offer the axes of the layer that is FLAIR, as the mask lies there."""
        flair = self._channels.get(self.boxes["flair"].value)
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
        self._filling, self._unclear = False, ""
        assignment = self.assignment
        self.summary.value = assignment.describe()
        if "flair" not in assignment.channels:  # not yet
            return
        self._viewer_sequences.correct(self._image, assignment)
        self.note.visible, self.forget.visible = False, True

    def _forget(self) -> None:
        if self._image is not None:
            self._viewer_sequences.forget(self._image)
            self.fill(self._image)


def _axis_name(image: Image, axis: int) -> str:
    """Return an axis's label, or its number if it has none."""
    label = image.axis_labels[axis]
    return f"axis {axis + 1}" if label.lstrip("-").isdigit() else label
