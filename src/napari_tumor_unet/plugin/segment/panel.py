"""The panel "Segment tumour": the one click with a choice of scan, model and device."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import napari
from magicgui.widgets import Container
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import Qt
from superqt import QCollapsible

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.model.registry import DEFAULT_MODEL
from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.metadata import MASK_OF, mask_metadata
from napari_tumor_unet.plugin.layers.said_spacing import say_spacing, share_spacing
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.plugin.recovery.section import RecoverySection
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.segment.batch import Batch
from napari_tumor_unet.plugin.segment.batch_section import BatchSection
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.segment.empty_section import EmptySection
from napari_tumor_unet.plugin.segment.mask_section import MaskSection
from napari_tumor_unet.plugin.segment.model_section import ModelSection
from napari_tumor_unet.plugin.segment.plane_section import PlaneSection
from napari_tumor_unet.plugin.segment.progress_bar import SHOWS_RUN
from napari_tumor_unet.plugin.segment.review_section import ReviewSection
from napari_tumor_unet.plugin.segment.run_section import RunSection
from napari_tumor_unet.plugin.segment.sequence_section import SequenceSection
from napari_tumor_unet.plugin.segment.shown_mask import lone_mask, mask_to_show, results_of
from napari_tumor_unet.plugin.segment.warning_section import WarningSection
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.device_field import DeviceField
from napari_tumor_unet.plugin.ui.panel import Panel
from napari_tumor_unet.plugin.ui.primary import show_primary
from napari_tumor_unet.plugin.ui.settings import DRAWN, segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import align, choice, folded, row

_NARROW = 60  # pixels: fields get what room there is, so that the panel is no wider with a large font


class SegmentPanel(Panel):
    """Choose a scan, a model and a device, and segment.

    Parameters
    ----------
    viewer : Viewer
        The one whose dock it is in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.native.setObjectName(SHOWS_RUN)
        self._controller = SegmentationController.of(viewer)
        self._batch = Batch.of(self._controller)
        self.empty = EmptySection(self._viewer)
        self.layer = choice("scan", self._images, "The image layer; it follows the active one.")
        self.models = ModelSection(self._context)
        self.model = self.models.model
        self.device = DeviceField(self._context)
        self.run = RunSection(self._context, self._controller, self._batch, self._start, self.show_message)
        self.warned = WarningSection()
        self._viewer_sequences = ViewerSequences.of(self._viewer.layers)
        self.sequences = SequenceSection(self._viewer_sequences, partial(say_spacing, self._viewer))
        self.recovery = RecoverySection(Autosaving.of(self._viewer))
        self.review = ReviewSection(self._viewer)
        self.planes = PlaneSection(self._viewer)
        self.mask = MaskSection(self._viewer, self._on_measured)
        self.batch = BatchSection(self._batch, self._chosen)
        self._regions = folded("Regions", self.mask.regions)
        self._measures = folded("Diameters and report", self.mask.measures)
        self._changes = folded("Threshold and size", self.mask)
        self._sequences = folded("Sequences and slices", self.sequences)
        self.sequences.margins = (0, 0, 0, 0)
        model = row(self.model, self.models.manage)
        choices: Container[Any] = Container(widgets=[self.layer, self.sequences.summary, self.device])
        choices.margins = (0, 0, 0, 0)
        scrolled = self.lay_out(
            self.recovery,
            self.empty,
            choices,
            self.sequences.note,
            self.sequences.beside,
            self._sequences,
            self.sequences.spacing.problem,
            self.planes,
            model,
            self.models.note,
            self.run,
            self.message,
            self.details,
            self.warned,
            self.mask.card,
            self.review,
            self.mask.save,
            self._regions,
            self._measures,
            self._changes,
            folded("Several scans", self.batch),
            self.planes.keys,
        )
        # With results it scrolls: as wide without them, nothing moves when they come.
        scrolled.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        sequences = (*self.sequences.boxes.values(), self.sequences.across, self.sequences.front)
        spacing = self.sequences.spacing.line
        chosen = (self.layer, self.model, self.device, self.run.extent, self.mask.regions.order)
        for narrow in (*chosen, *sequences, spacing):
            narrow.native.setMinimumWidth(_NARROW)
        for container in (choices, self.mask.fields, self.sequences):
            align(container)
        self._connect()
        self._show_scan()
        self._follow()
        self.show_mask()
        self._show_busy(self._context.busy)
        if self._context.busy:
            self.run.show_started()
        elif self._context.opening:
            self._show_idle()
        self._context.warm_up()
        self._late = timer(self.native, 0, self._share_spacing)
        self._said = timer(self.native, 0, self._on_spacing)
        self._laid = timer(self.native, 0, self._follow)
        timer(self.native, DRAWN, self._recall).start()

    def _recall(self) -> None:
        preferred = segmentation_settings()
        self.models.recall(preferred.model)
        if events := getattr(preferred, "events", None):
            self.connections.add(events.model, self.models.refresh)
        self.run.extent.value = self.run.extent.value or preferred.one_slice

    def _connect(self) -> None:
        self.layer.changed.connect(self._on_scan)
        self.model.changed.connect(self._on_model)
        self.connections.at_close(self._on_closed)
        self.device.changed.connect(lambda device: setattr(segmentation_settings(), "device", device))
        self.review.checked.changed.connect(self._on_checked)
        self.review.next.changed.connect(self._lead)
        for box in self.sequences.boxes.values():
            box.changed.connect(self._show_unused)
        controller, layers, connect = self._controller, self._viewer.layers, self.connections.add
        connect(layers.selection.events.active, self._follow)
        for event in (layers.events.inserted, layers.events.removed, layers.events.renamed):
            connect(event, self._on_scan)
        connect(layers.events.renamed, self._follow)  # by its name a mask may be of another scan now
        connect(layers.events, self._on_layers)
        connect(self._context.models_changed, self.models.refresh)
        connect(controller.started, self.show_mask)
        connect(controller.warned, self._show_warnings)
        connect(controller.ended, self._on_ended)
        connect(self._context.busy_changed, self._show_busy)
        connect(self._context.opening_changed, self._on_opening)
        connect(self._context.opened, self._on_opened)
        connect(self._batch.ended, self._on_ended)
        self.connections.at_close(self._batch.stop_layers)

    def _on_model(self) -> None:
        self._controller.shown_model = self.models.chosen

    def _on_closed(self) -> None:
        self._controller.shown_model = DEFAULT_MODEL

    def _images(self) -> list[tuple[str, Image]]:
        images = (layer for layer in self._viewer.layers if isinstance(layer, Image))
        return [(image.name, image) for image in images if MASK_OF not in image.metadata]

    def _follow(self) -> None:
        """Take the active layer, or of a mask its image; of several layers a mask's, or stay with FLAIR."""
        layers = self._viewer.layers
        several = [layer for layer in layers.selection if isinstance(layer, Labels)]
        layer = layers.selection.active or next(iter(several), None)
        image = image_for(layer, layers) if isinstance(layer, Labels) else layer
        if image is None and self.layer.value is not None:
            image = self._viewer_sequences.flair(self.layer.value)
        if isinstance(image, Image) and image in self.layer.choices:
            self.layer.value = image
        self._show_mask()

    def show_mask(self) -> None:
        """Show the mask of the chosen scan as it is now, and what is left to review in it."""
        self._show_mask(anew=True)

    def _on_opened(self, opened: list[Layer]) -> None:
        """Show the scan's own result, not an expert's mask that was active for a moment as it came."""
        if self.mask.editor is not None and self.mask.editor.layer in opened:
            self._show_mask(came=opened)

    def _show_mask(self, *, anew: bool = False, came: Collection[Layer] = ()) -> None:
        """Show the mask of the chosen scan, whatever layer is active; none while it is being written."""
        layers, before = self._viewer.layers, self.mask.editor and self.mask.editor.layer
        written = self._controller.job is not None and self._shows_last_run()
        results = [] if written else results_of(self.layer.value, layers)
        mask = mask_to_show(results, layers, None if before in came else before)
        if mask is None and before in results:
            mask = before
        self._show_empty()
        if anew or mask is not before:
            self.review.show_mask(mask)
            self.mask.show_mask(mask, named=len(results) > 1)

    def _on_measured(self) -> None:
        """Show what there is of a mask, and let the button stand out that comes next."""
        state = self.mask.state
        for part in (self.mask.card, self.mask.save, self._regions, self._measures, self._changes):
            part.visible = state is not None
        editor = self.mask.editor
        self._changes.visible = editor is not None and mask_metadata(editor.layer).has_probability
        if state is not None and state.findings.regions > 1:
            self._regions.native.findChild(QCollapsible).expand(animate=False)
        self.review.show_slice()
        self._show_warnings()
        self._show_unused()
        self._lead()

    def _show_unused(self) -> None:
        """Say which sequences of the scan, as they are chosen now, did not make the mask."""
        if self.mask.state is not None and self.mask.editor is not None:
            provenance = mask_metadata(self.mask.editor.layer).provenance
            made_from = () if provenance is None else provenance.sequences
            self.mask.card.show_unused(made_from, self.sequences.assignment.channels)

    def _lead(self) -> None:
        state, primary = self.mask.state, None
        if self.layer.value is None:
            primary = self.empty.open
        elif self._context.busy:
            primary = None
        elif state is None:
            primary = self.run.start
        elif self.review.leads_on:
            primary = self.review.next
        elif state.findings.voxels and not state.saved_as:
            primary = self.mask.save
        show_primary(primary, (self.empty.open, self.run.start, self.review.next, self.mask.save))

    def _on_checked(self) -> None:
        self._context.marked.emit()
        Autosaving.of(self._viewer).note_marks()
        self._lead()

    def _show_scan(self) -> None:
        """Show the scan that is chosen, or how to come to one."""
        self.layer.reset_choices()
        self.sequences.fill(self.layer.value)
        there = self.layer.value is not None
        self._show_empty()
        for part in (self.layer, self.sequences.summary, self.run.line, self._sequences):
            part.visible = there

    def _show_empty(self) -> None:
        """Ask for a scan where there is none, or for that of the active mask."""
        lone = lone_mask(self.layer.value, self._viewer.layers)
        self.empty.visible = self.layer.value is None or lone is not None
        self.empty.ask_for(lone)

    def _on_scan(self, *_: object) -> None:
        """Show another scan, and how the last run ended only if it was the scan's."""
        self._show_scan()
        if not self._context.busy:
            self._show_idle()
        self._show_mask()
        self._show_warnings()
        self._show_unused()
        self._lead()

    def _on_layers(self, event: Any) -> None:
        """Wait until all of a scan's layers are there, or have their spacing and place."""
        if event.type == "inserted":
            self._late.start()
        elif event.type in TRANSFORM:
            self._said.start()
            moved, active = self._viewer.layers[event.index], self._viewer.layers.selection.active
            if isinstance(moved, Labels) and moved is active:  # it may lie on another scan now
                self._laid.start()

    def _share_spacing(self) -> None:
        if self.layer.value is not None:
            share_spacing(self._viewer, self.layer.value)

    def _on_spacing(self) -> None:
        """Show sizes in the unit that is known now."""
        self.sequences.fill(self.layer.value)
        self.planes.refresh()
        self.show_mask()

    def _on_opening(self) -> None:
        """Wait for a scan that is being read, and not segment the one before in its place."""
        self._show_busy(self._context.busy)
        if not self._context.busy:
            self._show_idle()

    def _show_idle(self) -> None:
        """Say what is being opened, or how the last run of the scan ended."""
        opening = f"Opening {', '.join(self._context.opening)}..." if self._context.opening else ""
        ended = self._why_none() if self._shows_last_run() else Message()
        self.show_message(Message(opening) if opening else ended)

    def _why_none(self) -> Message:
        """Return why the last run gave no mask; what a mask holds, the card says."""
        outcome = self._controller.outcome
        return self._controller.message if outcome is not None and outcome.error else Message()

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
            model, only = self.models.to_run, bool(self.run.extent.value)
            self._controller.segment(source, model=model, device=self.device.value, only=only)
        except TumourUnetError as error:
            self.show_message(self._context.notify(Message(str(error), "error")))

    def _show_busy(self, busy: bool) -> None:
        """Offer what can be done while a run is under way, or else."""
        self.run.show_busy(busy)
        self.sequences.spacing.line.enabled = not busy
        self._lead()

    def _show_warnings(self) -> None:
        """Show the warnings of the mask, or of the run that is to make it."""
        warnings: tuple[str, ...] = ()
        if self.mask.state is not None and self.mask.editor is not None:
            warnings = mask_metadata(self.mask.editor.layer).warnings
        elif self._context.owner is self._controller and self._shows_last_run():
            warnings = self._controller.warnings
        self.warned.show_warnings(warnings)

    def _on_ended(self, *_: object) -> None:
        if not self._context.busy:
            self.show_message(self._why_none())
        self.show_mask()
