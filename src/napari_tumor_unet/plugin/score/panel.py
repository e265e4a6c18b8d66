"""The panel "Score": a prediction against a reference, in numbers and where they differ."""

from __future__ import annotations

from typing import Any

import napari
from magicgui.widgets import CheckBox, Container, FloatSpinBox
from napari.layers import Labels
from napari.utils.notifications import show_error

from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.score import Score
from napari_tumor_unet.evaluation.tables import ScoreRow
from napari_tumor_unet.plugin.layers.metadata import is_agreement, is_prediction, model_of
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.score.collection import RunningTable
from napari_tumor_unet.plugin.score.live_score import Counted, LiveScore, Request
from napari_tumor_unet.plugin.score.mask_pair import compared
from napari_tumor_unet.plugin.score.numbers import Numbers
from napari_tumor_unet.plugin.score.slices import Slices
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.panel import Panel
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import align, button, choice, folded, row

_NAME = 17  # letters that have room, in large fonts too
_ALL, _EACH = "all as one", "each by itself"


class ScorePanel(Panel):
    """Choose two labels layers and compare them.

    Parameters
    ----------
    viewer : Viewer
        The one whose dock it is in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        Autosaving.of(self._viewer)
        self._comparing = LiveScore(self._context)
        self._found_labels: list[int] = []
        self._request: Request | None = None
        self._point: tuple[float, ...] = ()
        self.prediction = choice("prediction", self._layers, "The mask to be judged.", nullable=True)
        self.reference = choice("reference", self._layers, "The mask that is taken for true.", nullable=True)
        self.swap = button("Swap", "Take each for the other.", self._swap)
        self.which = choice(
            "labels",
            lambda: [_ALL, _EACH, *self._found_labels],
            "Compare all labels as one, each, or one of them.",
        )
        self.tolerance = FloatSpinBox(
            label="tolerance",
            value=1.0,
            min=0,
            max=100,
            step=0.5,
            tooltip="For the surface Dice: how far apart surfaces agree, in mm, or in voxels.",
        )
        self.live = CheckBox(text="Live", value=True, tooltip="Compare again while a mask is painted.")
        self.start = button("Compare", "Compare the two masks.", self.compare)
        self.numbers = Numbers()
        self.slices = Slices(self._viewer)
        self.table = RunningTable(self._row)
        choices: Container[Any] = Container(
            widgets=[self.prediction, self.reference, self.which, self.tolerance]
        )
        choices.margins = (0, 0, 0, 0)
        self.lay_out(
            choices,
            row(self.start, self.swap, self.live),
            self.message,
            self.details,
            self.numbers,
            self.slices,
            self.table,
            folded("Several comparisons", self.table.list),
        )
        align(choices)
        self._show_results(visible=False)
        self._edit_timer = timer(self.native, 0, self._on_edit)
        self._connect()
        self._guess()
        self._context.warm_up()

    def compare(self) -> None:
        """Compare the two layers chosen."""
        self._forget()
        self._show_results(visible=False)
        try:
            self._point = self._viewer.dims.point
            parts = compared(self.prediction.value, self.reference.value, self._point)
        except ComparisonError as error:
            self._on_failed(str(error))
            return
        which = self.which.value
        label = None if which in (_ALL, _EACH) else which
        self._request = Request(*parts, label, which == _EACH, self.tolerance.value)
        self.show_message(Message("Comparing"))
        self._comparing.start(self._request)
        self._watch(self._request)

    def take(self, layers: list[Labels]) -> None:
        """Choose two layers; the reference is the one that no model made, or else the lower one."""
        first, second = layers
        if is_prediction(first) == is_prediction(second):
            prediction, reference = second, first
        else:
            prediction, reference = (first, second) if is_prediction(first) else (second, first)
        with self.prediction.changed.blocked(), self.reference.changed.blocked():
            self.prediction.value, self.reference.value = prediction, reference
        self._on_choice()

    def _connect(self) -> None:
        for field in (self.prediction, self.reference, self.which, self.tolerance):
            field.changed.connect(self._on_choice)
        self._comparing.counted.connect(self._on_counted)
        self._comparing.scored.connect(self._on_scored)
        self._comparing.failed.connect(self._on_failed)
        self._comparing.ended.connect(self._on_ended)
        self.live.changed.connect(self._on_edit)
        self._edits = Connections(self.native)
        self.connections.add(self._viewer.layers.events.inserted, self._on_layers)
        self.connections.add(self._viewer.layers.events.removed, self._on_layers)
        self.connections.at_close(self._forget)
        self.connections.at_close(self._comparing.deleteLater)

    def _layers(self) -> list[tuple[str, Labels]]:
        layers = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        layers = [layer for layer in layers if not is_agreement(layer)]
        names = [_short(layer.name) for layer in layers]
        if len(set(names)) < len(names):
            names = [layer.name for layer in layers]
        return list(zip(names, layers, strict=True))

    def _guess(self) -> None:
        """Before anything was chosen: the two masks that are selected, or the last two."""
        layers = [layer for _, layer in self._layers()]
        selected = [layer for layer in layers if layer in self._viewer.layers.selection]
        found = selected if len(selected) == 2 else layers[-2:]
        if len(found) == 2:
            self.take(found)
        else:
            self.message.value = "Open or paint two masks, a prediction and a reference."

    def _on_layers(self, *_: object) -> None:
        chosen = [self.prediction.value, self.reference.value]
        self.prediction.reset_choices()
        self.reference.reset_choices()
        if self._request is not None and not all(layer in self._viewer.layers for layer in chosen):
            self._on_choice()
        elif None in chosen:
            self._guess()

    def _on_choice(self, *_: object) -> None:
        """What is shown is of another choice."""
        again = self._request is not None
        self._forget()
        self._show_results(visible=False)
        self.show_message(Message())
        if again and self.prediction.value is not None and self.reference.value is not None:
            self.compare()

    def _swap(self) -> None:
        chosen = self.prediction.value, self.reference.value
        with self.prediction.changed.blocked(), self.reference.changed.blocked():
            self.reference.value, self.prediction.value = chosen
        self._on_choice()

    def _forget(self) -> None:
        self._comparing.cancel()
        self._request = None
        self._edits.close()

    def _watch(self, request: Request) -> None:
        """Compare again after edits."""
        same = request.prediction.grid.is_same(request.reference.grid)
        self.live.enabled = same
        self.live.tooltip = "Compare again while a mask is painted" + (
            "." if same else "; on one grid alone."
        )
        for layer in (request.prediction.layer, request.reference.layer):
            self._edits.add(layer.events.labels_update, self._on_edit)
            self._edits.add(layer.events.data, self._on_edit)
            self._edits.add(layer.events.set_data, self._on_drawn)

    def _on_drawn(self, *_: object) -> None:
        """Undone, moved, or only scrolled."""
        self._edit_timer.start()

    def _on_edit(self, *_: object) -> None:
        if self._request is None or not self.live.value:
            return
        old = (self._request.prediction, self._request.reference)
        new = compared(old[0].layer, old[1].layer, self._point)
        if not all(a.grid.is_same(b.grid) for a, b in zip(old, new, strict=True)):
            self.compare()  # a layer was moved, or has other data
        elif self.live.enabled:
            self._comparing.recount()

    def _on_counted(self, counted: Counted) -> None:
        if self._found_labels != counted.labels:
            self._found_labels = counted.labels
            asked = self.which.value
            with self.which.changed.blocked():
                self.which.reset_choices()
            if self.which.value != asked:  # there is no such label
                self.compare()
                return
        self._show_results(visible=True)
        label, slices = next(iter(counted.slices.items()), (None, []))
        self.numbers.show_counts(counted.totals)
        self.slices.show_slices(self._request.reference, counted.pair, label, slices)
        self.message.value = "Measuring the distances"

    def _on_scored(self, score: Score) -> None:
        self.numbers.show_score(score)

    def _on_ended(self) -> None:
        self.message.value = " ".join(dict.fromkeys(note for s in self.numbers.scores for note in s.notes))
        self.table.enable(bool(self.numbers.scores))

    def _on_failed(self, said: str) -> None:
        self._edits.close()
        self.show_message(Message(said, "error", self._comparing.details))
        show_error(said)

    def _show_results(self, *, visible: bool) -> None:
        if not visible:
            self.numbers.clear()
            self.slices.clear()
        self.numbers.visible = self.slices.visible = visible
        self.table.enable(False)

    def _row(self) -> list[ScoreRow]:
        """The comparison that is shown, a row for each label."""
        layers = (self._request.prediction.layer, self._request.reference.layer)
        names = [layer.name for layer in layers]
        return [ScoreRow(*names, score, model_of(layers[0])) for score in self.numbers.scores]


def _short(name: str) -> str:
    """A layer's name with its middle left out: masks of one scan differ at their ends."""
    return name if len(name) <= _NAME else f"{name[: _NAME // 3]}…{name[-(2 * _NAME // 3) :]}"
