"""The panel "Segment tumour": the one click with a choice of scan, model and device."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import napari
from magicgui.widgets import ComboBox, Container, Label, ProgressBar, PushButton, create_widget
from napari.layers import Image
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox, QSizePolicy

from napari_tumor_unet import tasks
from napari_tumor_unet.card import Card, ModelError, read_card
from napari_tumor_unet.library import DEFAULT_MODEL, all_models, find_model
from napari_tumor_unet.plugin.layers import scan_of
from napari_tumor_unet.plugin.qt_jobs import QtJob
from napari_tumor_unet.plugin.result_section import ResultSection
from napari_tumor_unet.plugin.session import Session
from napari_tumor_unet.scan import ScanError

_FILE = "a file..."
_WIDTH = 300  # pixels; a sentence in fewer is a column of words


class SegmentPanel(Container):
    """Choose a scan, a model and a device, and segment.

    Parameters
    ----------
    viewer : Viewer
        The one whose dock it is in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._session = Session.of(viewer)
        self._viewer = self._session.viewer
        self._began = 0.0
        # napari has all choices made anew with every layer that comes or goes, so they are asked for here.
        self._models: list[str | Path] = [*all_models(), _FILE]
        self._devices = ("auto",)
        self.layer = create_widget(
            annotation=Image, label="scan", options={"tooltip": "The image layer; it follows the active one."}
        )
        self.model = ComboBox(
            label="model",
            choices=lambda _: self._models,
            value=DEFAULT_MODEL,
            tooltip="A model of the plugin, or a .safetensors file.",
        )
        self.card = PushButton(text="About the model", tooltip="What it learned from, its scores and limits.")
        self.device = ComboBox(label="device", choices=lambda _: self._devices, tooltip="Where to compute.")
        self.start = PushButton(text="Segment", tooltip="Segment the scan; the mask is a new labels layer.")
        self.cancel = PushButton(text="Cancel", enabled=False, tooltip="End the run; the layers stay.")
        self.progress = ProgressBar(value=0, max=1)
        self.said = Label(value="")
        self.result = ResultSection(self._viewer)
        choices = Container(widgets=[self.layer, self.model, self.card, self.device])
        buttons = Container(layout="horizontal", widgets=[self.start, self.cancel], labels=False)
        super().__init__(widgets=[choices, buttons, self.progress, self.said, self.result], labels=False)
        self.said.native.setWordWrap(True)
        self.said.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.native.setMinimumWidth(_WIDTH)
        self.progress.visible = False
        self.result.update()
        self.model.changed.connect(self._on_model)
        self.card.changed.connect(self._show_card)
        self.start.changed.connect(self._start)
        self.cancel.changed.connect(self._session.cancel)
        self._viewer.layers.selection.events.active.connect(self._follow)
        self._session.started.connect(self._on_started)
        self._session.progressed.connect(self._on_progressed)
        self._session.ended.connect(self._on_ended)
        self.native.destroyed.connect(self._let_go)
        if self._session.running:
            self._on_started()
        self._session.warm_up()
        self._ask_for_devices()

    def _follow(self) -> None:
        """Take the active layer, if it is an image; show its result, if it is a mask of ours."""
        self.result.update()
        layer = self._viewer.layers.selection.active
        if isinstance(layer, Image):
            self.layer.reset_choices()
            if layer in self.layer.choices:
                self.layer.value = layer

    def _start(self) -> None:
        try:
            source = scan_of(self.layer.value, self._viewer.layers, self._viewer.dims.point)
            self._session.segment(source, model=str(self.model.value), device=self.device.value)
        except (ScanError, ModelError) as error:
            self.said.value = str(error)
            show_error(str(error))

    def _on_model(self, value: object) -> None:
        """Ask for a file, and take it only if it is a model."""
        if value != _FILE:
            return
        name, _ = QFileDialog.getOpenFileName(self.native, "Choose a model", "", "Models (*.safetensors)")
        try:
            if name:
                read_card(Path(name))
                self._models = [*dict.fromkeys([*self._models[:-1], Path(name), _FILE])]
                self.model.reset_choices()
            self.model.value = Path(name) if name else DEFAULT_MODEL
        except ModelError as error:
            self.model.value = DEFAULT_MODEL
            show_error(str(error))

    def _show_card(self) -> None:
        try:
            card = read_card(find_model(str(self.model.value)))
        except ModelError as error:
            show_error(str(error))
            return
        box = QMessageBox(self.native)
        box.setWindowTitle(f"Model {card.name}")
        box.setText(card.summary or card.name)
        box.setInformativeText(_as_text(card))
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setModal(False)
        box.show()

    def _ask_for_devices(self) -> None:
        self._job = QtJob(self._session)
        self._job.finished.connect(self._on_devices)
        self._job.start(self._session.worker, tasks.devices)

    def _on_devices(self, answer: tuple[tuple[str, ...], str]) -> None:
        self._devices, why = answer
        self.device.reset_choices()
        self.device.tooltip = f"Where to compute; {why}"

    def _on_started(self) -> None:
        self._began = time.monotonic()
        self.start.enabled, self.cancel.enabled = False, True
        self.progress.value, self.progress.visible = 0, True
        self.said.value = "Reading the scan"

    def _on_progressed(self, done: int, total: int) -> None:
        self.progress.max, self.progress.value = total, done
        left = (time.monotonic() - self._began) / done * (total - done)
        self.said.value = f"{done} of {total} slices, {left:.0f} s left"

    def _on_ended(self, _: bool) -> None:
        self.start.enabled, self.cancel.enabled = True, False
        self.progress.visible = False
        self.said.value = self._session.said
        self.result.update()

    def _let_go(self) -> None:
        """The panel is closed; the viewer goes on."""
        self._viewer.layers.selection.events.active.disconnect(self._follow)
        with suppress(RuntimeError):  # with the whole window the session goes first
            self._session.started.disconnect(self._on_started)
            self._session.progressed.disconnect(self._on_progressed)
            self._session.ended.disconnect(self._on_ended)
            self._job.finished.disconnect(self._on_devices)


def _as_text(card: Card) -> str:
    """What a user should know of a model, a paragraph each."""
    parts = [
        card.training_data,
        card.training,
        *(_score(what, score) for what, score in card.scores.items()),
        *(f"Limit: {limit}" for limit in card.limits),
        card.intended_use,
        f"Licence: {card.licence}" if card.licence else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _score(what: str, score: object) -> str:
    """One line of a score; nothing where a card from elsewhere words it in another way."""
    dice = score.get("Dice per volume, on the scan's own grid") if isinstance(score, dict) else None
    if not isinstance(dice, dict) or not isinstance(dice.get("mean"), float):
        return ""
    return f"{what}: mean Dice {dice['mean']} (standard deviation {dice.get('standard_deviation')})"
