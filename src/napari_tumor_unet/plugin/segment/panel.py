"""The panel "Segment tumour": the one click with a choice of scan, model and device."""

from __future__ import annotations

import time
from typing import Any

import napari
from magicgui.widgets import Container, ProgressBar, create_widget
from napari.layers import Image, Labels

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.plugin.recovery.section import RecoverySection
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.segment.batch import Batch
from napari_tumor_unet.plugin.segment.batch_section import BatchSection
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.segment.mask_section import MaskSection
from napari_tumor_unet.plugin.segment.model_section import ModelSection
from napari_tumor_unet.plugin.segment.review_section import ReviewSection
from napari_tumor_unet.plugin.segment.sequence_section import SequenceSection
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.device_field import DeviceField
from napari_tumor_unet.plugin.ui.panel import Panel
from napari_tumor_unet.plugin.ui.settings import DRAWN, segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import align, button, choice, folded, row, warning_label

_EXTENTS = [("whole scan", False), ("this slice", True)]


class SegmentPanel(Panel):
    """Choose a scan, a model and a device, and segment.

    Parameters
    ----------
    viewer : Viewer
        The one whose dock it is in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self._controller = SegmentationController.of(viewer)
        self._batch = Batch.of(self._controller)
        self._first: tuple[float, int] | None = None  # when slices came first, and how many
        self.layer: Any = create_widget(
            annotation=Image, label="scan", options={"tooltip": "The image layer; it follows the active one."}
        )
        self.extent = choice("segment", lambda: _EXTENTS, "All slices, or the one on screen alone.")
        self.models = ModelSection(self._context)
        self.model = self.models.model
        self.device = DeviceField(self._context)
        self.start = button("Segment", "Segment the scan; the mask is a new labels layer.", self._start)
        self.cancel = button("Cancel", "End the run; the layers stay.", self._cancel)
        self.cancel.enabled = False
        self.progress = ProgressBar(value=0, max=1)
        self.warned = warning_label()
        self._viewer_sequences = ViewerSequences.of(self._viewer.layers)
        self.sequences = SequenceSection(self._viewer_sequences)
        self.recovery = RecoverySection(Autosaving.of(self._viewer))
        self.mask = MaskSection(self._viewer)
        self.review = ReviewSection(self._viewer)
        self.batch = BatchSection(self._batch, self._chosen)
        choices: Container[Any] = Container(
            widgets=[self.layer, self.sequences.summary, self.extent, self.model, self.device]
        )
        choices.margins = (0, 0, 0, 0)
        self.lay_out(
            self.recovery,
            choices,
            self.models.buttons,
            row(self.start, self.cancel),
            self.progress,
            self.message,
            self.warned,
            self.details,
            self.mask,
            self.review,
            folded("Sequences and slices", self.sequences),
            folded("Several scans", self.batch),
        )
        align(choices, self.mask.fields)
        align(self.sequences)
        self.progress.visible = False
        self._show_warnings()
        self._connect()
        self._show_scan()
        self._follow()
        self._show_busy(self._context.busy)
        if self._context.busy:
            self._on_started()
        self._context.warm_up()
        timer(self.native, DRAWN, self._recall).start()

    def _recall(self) -> None:
        preferred = segmentation_settings()
        self.models.recall(preferred.model)
        self.extent.value = self.extent.value or preferred.one_slice

    def _connect(self) -> None:
        self.layer.changed.connect(self._on_scan)
        self.mask.threshold.changed.connect(self.review.show_slice)
        self.extent.changed.connect(lambda one: setattr(segmentation_settings(), "one_slice", one))
        self.device.changed.connect(lambda device: setattr(segmentation_settings(), "device", device))
        self.review.checked.changed.connect(lambda _: self._context.marked.emit())
        controller, layers, connect = self._controller, self._viewer.layers, self.connections.add
        connect(layers.selection.events.active, self._follow)
        connect(layers.events.inserted, self._show_scan)
        connect(layers.events.removed, self._show_scan)
        connect(self._context.models_changed, self.models.refresh)
        connect(controller.started, self._on_started)
        connect(controller.warned, self._show_warnings)
        connect(controller.progressed, self._on_progressed)
        connect(controller.ended, self._on_ended)
        connect(self._context.busy_changed, self._show_busy)
        connect(self._batch.began, self._on_started)
        connect(self._batch.progressed, self._on_scan_progressed)
        connect(self._batch.ended, self._on_batch_ended)
        self.connections.at_close(self._batch.cancel)

    def _follow(self) -> None:
        """Take the active layer, or of a mask its image; show its result, if it is a mask of ours."""
        self.show_mask()
        layer = self._viewer.layers.selection.active
        image = image_for(layer, self._viewer.layers) if isinstance(layer, Labels) else layer
        if isinstance(image, Image) and image in self.layer.choices:
            self.layer.value = image

    def show_mask(self) -> None:
        """Show the active mask as it is now, and what is left to review in it."""
        self.mask.refresh()
        self.review.refresh()

    def _show_scan(self, *_: object) -> None:
        self.layer.reset_choices()
        self.sequences.fill(self.layer.value)

    def _on_scan(self, *_: object) -> None:
        """Show another scan, and the message of the last run only if it was the scan's."""
        self._show_scan()
        if not self._context.busy:
            self.show_message(self._controller.message if self._shows_last_run() else Message())
            self._show_warnings()

    def _shows_last_run(self) -> bool:
        """Whether the last run segmented the scan that is chosen."""
        image = self.layer.value
        if image is None:
            return False
        return str(self._viewer_sequences.flair(image).unique_id) == self._controller.image_id

    def _chosen(self) -> dict[str, Any]:
        return {"model": str(self.model.value), "device": self.device.value}

    def _start(self) -> None:
        try:
            layers, point = self._viewer.layers, self._viewer.dims.point
            source = scan_of(self.layer.value, layers, point, self.sequences.assignment)
            self._controller.segment(source, only=self.extent.value, **self._chosen())
        except TumourUnetError as error:
            self.show_message(self._context.notify(Message(str(error), "error")))

    def _cancel(self) -> None:
        self._batch.cancel()
        self._controller.cancel()

    def _on_started(self) -> None:
        self._first = None
        self.progress.value = 0
        self.show_message(Message("Reading the scan"))
        self._show_warnings()

    def _show_busy(self, busy: bool) -> None:
        """Offer what can be done while a run is under way, or else."""
        self.start.enabled = not busy
        self.cancel.enabled = self.progress.visible = busy

    def _show_warnings(self) -> None:
        of_batch = self._context.owner is self._batch  # whose table tells each scan's
        warnings = self._controller.warnings if self._shows_last_run() and not of_batch else ()
        self.warned.value = "\n".join(warnings)
        self.warned.visible = bool(warnings)

    def _on_progressed(self, done: int, total: int) -> None:
        self.progress.max, self.progress.value = total, done
        now = time.monotonic()
        self.message.value = f"{done} of {total} slices"
        if self._first is None:  # and of what came before them nothing follows
            self._first = now, done
        elif done > self._first[1]:
            left = (now - self._first[0]) / (done - self._first[1]) * (total - done)
            self.message.value += f", {left:.0f} s left"

    def _on_scan_progressed(self, name: str, done: int, total: int) -> None:
        self.progress.max, self.progress.value = total, done
        self.message.value = (
            f"Scan {self._batch.place}: {name or self._controller.scan_name}, {done} of {total} slices"
        )

    def _on_ended(self, _: bool) -> None:
        self.show_mask()
        if not self._context.busy:
            self.show_message(self._controller.message)

    def _on_batch_ended(self, message: str) -> None:
        self.show_message(Message(message))
        self.show_mask()
