"""The panel "Score": a prediction against a reference, in numbers and where they differ."""

from __future__ import annotations

from magicgui.widgets import CheckBox, FloatSpinBox
from napari.layers import Labels

from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.tables import ScoreRow
from napari_tumor_unet.io.file_names import is_brain_mask
from napari_tumor_unet.plugin.layers.metadata import is_prediction, masks_in, model_of
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.score.caveats import caveats_of
from napari_tumor_unet.plugin.score.collection import ScoreCollection
from napari_tumor_unet.plugin.score.live_score import LiveScore
from napari_tumor_unet.plugin.score.mask_pair import PairCounts, Request, masks_to_compare
from napari_tumor_unet.plugin.score.numbers import Numbers
from napari_tumor_unet.plugin.score.slices import SlicesSection
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.panel import Panel
from napari_tumor_unet.plugin.ui.primary import show_primary
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import align, button, choice, fields, row

_ALL, _EACH = "all as one", "each by itself"


def _is_of_model(mask: Labels) -> bool:
    return is_prediction(mask) or bool(model_of(mask))  # of one that was opened the probability is not known


class ScorePanel(Panel):
    """Choose two labels layers and compare them."""

    def build(self) -> None:
        """Make the panel's content."""
        Autosaving.of(self._viewer)
        self.scoring = LiveScore(self._context)
        self._again = False  # whether two masks are compared as soon as they are two again
        self._label_values: list[int] = []
        self._point: tuple[float, ...] = ()
        self.prediction = choice("prediction", self._layers, "The mask to be judged.", nullable=True)
        self.reference = choice("reference", self._layers, "The mask that is taken for true.", nullable=True)
        self.swap = button("Swap", "Take each for the other.", self._swap)
        self.which = choice(
            "labels",
            lambda: [_ALL, _EACH, *self._label_values],
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
        self.slices = SlicesSection(self._viewer)
        self.collection = ScoreCollection(self.rows)
        choices = fields(self.prediction, self.reference, self.which, self.tolerance)
        self.lay_out(
            choices,
            row(self.start, self.swap, self.live),
            self.message,
            self.details,
            self.numbers,
            self.slices,
            self.collection,
            self.collection.list,
        )
        align(choices)
        self._show_results(visible=False)
        self._edit_timer = timer(self.native, 0, self._on_edit)
        self._edits = Connections(self.native)
        self._connect()
        self._guess()
        self._context.warm_up()

    def compare(self, *, asked: bool = True) -> None:
        """Compare the two layers chosen; where nobody asked for that, the panel alone tells of an error."""
        self._forget()
        self._show_results(visible=False)
        self._point = self._viewer.dims.point
        try:
            masks = masks_to_compare(self.prediction.value, self.reference.value, self._point)
        except ComparisonError as error:
            message = Message(str(error), "error")
            self._on_failed(self._context.notify(message) if asked else message)
            return
        which = self.which.value
        label = None if which in (_ALL, _EACH) else which
        prediction, reference = (mask.layer for mask in masks)
        caveats = caveats_of(prediction, reference, self._viewer.layers, self._point)
        request = Request(*masks, label, which == _EACH, self.tolerance.value, asked, caveats)
        self.show_message(Message("Comparing"))
        self.scoring.start(request)
        self._watch(request)

    def set_masks(self, layers: list[Labels]) -> None:
        """Choose two layers; the reference is the one that no model made, or else the lower one."""
        reference, prediction = layers
        if _is_of_model(reference) and not _is_of_model(prediction):
            reference, prediction = prediction, reference
        self._set_masks(prediction, reference)

    def rows(self) -> list[ScoreRow]:
        """Return the comparison that is shown, a row for each label."""
        if (request := self.scoring.request) is None:
            return []
        layers = (request.prediction.layer, request.reference.layer)
        prediction, reference = (str(layer.name) for layer in layers)
        model = model_of(layers[0])
        return [ScoreRow(prediction, reference, score, model) for score in self.numbers.scores]

    def _connect(self) -> None:
        for field in (self.prediction, self.reference, self.which, self.tolerance):
            field.changed.connect(self._on_choice)
        self.live.changed.connect(self._on_edit)
        self.scoring.counted.connect(self._on_counted)
        self.scoring.scored.connect(self.numbers.show_score)
        self.scoring.failed.connect(self._on_failed)
        self.scoring.ended.connect(self._on_ended)
        self.connections.add(self._viewer.layers.events.inserted, self._on_layers)
        self.connections.add(self._viewer.layers.events.removed, self._on_layers)
        self.connections.at_close(self._forget)
        self.connections.at_close(self.scoring.deleteLater)

    def _layers(self) -> list[tuple[str, Labels]]:
        return [(layer.name, layer) for layer in masks_in(self._viewer.layers)]

    def _guess(self) -> None:
        """Choose the two masks that are selected, or the last two, before masks of the brain."""
        layers = sorted(masks_in(self._viewer.layers), key=lambda layer: not is_brain_mask(layer.name))
        selected = [layer for layer in layers if layer in self._viewer.layers.selection]
        masks = selected if len(selected) == 2 else layers[-2:]
        if len(masks) == 2:
            self.set_masks(masks)
        else:
            self.show_message(Message("Open or paint two masks, a prediction and a reference."))

    def _lead(self) -> None:
        """Let the button stand out as soon as there are two masks."""
        show_primary(self.start if self._are_two else None, (self.start,))

    @property
    def _are_two(self) -> bool:
        """Whether two masks are chosen, and not one twice, as on the way to another by the arrow keys."""
        return None not in (masks := {self.prediction.value, self.reference.value}) and len(masks) == 2

    def _set_masks(self, prediction: Labels | None, reference: Labels | None) -> None:
        with self.prediction.changed.blocked(), self.reference.changed.blocked():
            self.prediction.value, self.reference.value = prediction, reference
        self._on_choice()

    def _swap(self) -> None:
        self._set_masks(self.reference.value, self.prediction.value)

    def _on_layers(self, *_: object) -> None:
        chosen = [self.prediction.value, self.reference.value]
        self.prediction.reset_choices()
        self.reference.reset_choices()
        if self.scoring.request is not None and not all(layer in self._viewer.layers for layer in chosen):
            self._on_choice()
        elif None in chosen:
            self._guess()
        self._lead()

    def _on_choice(self, *_: object) -> None:
        """Show nothing of the choice before, and compare again if that was compared."""
        again = self._again = self.scoring.request is not None or self._again
        self._forget()
        self._show_results(visible=False)
        self.show_message(Message())
        self._lead()
        if again and self._are_two:
            self._again = False
            self.compare(asked=False)
        elif again:
            self.slices.hide_agreement()

    def _forget(self) -> None:
        self.scoring.cancel()
        self._edits.close()

    def _watch(self, request: Request) -> None:
        """Compare again after edits."""
        same = request.prediction.grid.is_same(request.reference.grid)
        self.live.enabled = same
        only = "" if same else "; on one grid alone"
        self.live.tooltip = f"Compare again while a mask is painted{only}."
        for layer in (request.prediction.layer, request.reference.layer):
            self._edits.add(layer.events.labels_update, self._on_edit)
            self._edits.add(layer.events.data, self._on_edit)
            self._edits.add(layer.events.set_data, self._on_drawn)

    def _on_drawn(self, *_: object) -> None:
        """Look for changes later: the layer was undone, moved, or only scrolled."""
        self._edit_timer.start()

    def _on_edit(self, *_: object) -> None:
        request = self.scoring.request
        if request is None or not self.live.value:
            return
        before = (request.prediction, request.reference)
        now = masks_to_compare(before[0].layer, before[1].layer, self._point)
        if not all(a.grid.is_same(b.grid) for a, b in zip(before, now, strict=True)):
            self.compare(asked=False)  # a layer was moved, or has other data
        elif self.live.enabled:
            self.scoring.recount()

    def _on_counted(self, counts: PairCounts) -> None:
        if self._label_values != counts.labels:
            self._label_values = counts.labels
            asked = self.which.value
            with self.which.changed.blocked():
                self.which.reset_choices()
            if self.which.value != asked:  # there is no such label
                self.compare(asked=False)
                return
        self._show_results(visible=True)
        self.numbers.show_counts(counts.totals)
        if self.scoring.request is not None:
            request = self.scoring.request
            self.slices.show_slices(request.prediction, request.reference, counts)
        self.show_message(Message("Measuring the distances"))

    def _on_ended(self, notes: tuple[str, ...]) -> None:
        self.show_message(Message(" ".join(notes)))  # the rules at work stand by the numbers
        self.collection.enable(bool(self.numbers.scores))

    def _on_failed(self, message: Message) -> None:
        self._edits.close()
        self.slices.hide_agreement()
        self.show_message(message)

    def _show_results(self, *, visible: bool) -> None:
        if not visible:
            self.numbers.clear()
            self.slices.clear()
        self.numbers.visible = self.slices.visible = self.collection.visible = visible
        self.collection.enable(False)
