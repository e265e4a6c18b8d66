"""The part of the panel "Segment tumour" that starts a run, shows how far it is, and ends it."""

from __future__ import annotations

import time
from collections.abc import Callable

from magicgui.widgets import ProgressBar

from napari_tumor_unet.plugin.segment.batch import Batch
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import Message, ViewerContext
from napari_tumor_unet.plugin.ui.widgets import button, choice, row

_EXTENTS = [("whole scan", False), ("this slice", True)]


class RunSection(Section):
    """Shows the run of a controller, or of a batch.

    Parameters
    ----------
    context : ViewerContext
    controller : SegmentationController
    batch : Batch
    start : callable
        Segments what the panel has chosen.
    show_message : callable
        Shows a message in the panel.
    """

    def __init__(
        self,
        context: ViewerContext,
        controller: SegmentationController,
        batch: Batch,
        start: Callable[[], None],
        show_message: Callable[[Message], None],
    ) -> None:
        self._context, self._controller, self._batch = context, controller, batch
        self._show_message = show_message
        self._first: tuple[float, int] | None = None  # when slices came first, and how many
        self.extent = choice("segment", lambda: _EXTENTS, "All slices, or the one on screen alone.")
        self.start = button("Segment", "Segment the scan; the mask is a new labels layer.", start)
        self.cancel = button("Cancel", "End the run; the layers stay.", self._cancel)
        self.line = row(self.start, self.extent, self.cancel)
        self.progress = ProgressBar(value=0, max=1)
        super().__init__(self.line, self.progress)
        self.extent.changed.connect(lambda one: setattr(segmentation_settings(), "one_slice", one))
        self.connections.add(controller.started, self.show_started)
        self.connections.add(controller.told, self._on_told)
        self.connections.add(controller.progressed, self._on_progressed)

    def show_busy(self, busy: bool) -> None:
        """Offer what can be done while a run is under way, or else."""
        self.extent.visible = not busy
        self.start.enabled = not busy and not self._context.opening
        self.cancel.enabled = self.cancel.visible = self.progress.visible = busy

    def show_started(self) -> None:
        """Show a run of which no slice is done."""
        self._first = None
        self.progress.value = 0
        self._show_message(Message("Reading the scan"))

    def _cancel(self) -> None:
        (self._batch if self._context.owner is self._batch else self._controller).cancel()

    def _on_told(self, stage: str) -> None:
        self._show_message(Message(stage))

    def _on_progressed(self, done: int, total: int) -> None:
        self.progress.max, self.progress.value = total, done
        now, told = time.monotonic(), f"{done} of {total} slices"
        if self._first is None:  # and of what came before them nothing follows
            self._first = now, done
        elif done > self._first[1]:
            left = (now - self._first[0]) / (done - self._first[1]) * (total - done)
            told += f", {left:.0f} s left"
        self._show_message(Message(told))
