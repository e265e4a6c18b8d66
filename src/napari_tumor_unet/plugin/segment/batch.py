"""Several scans one after the other: layers of the viewer, or the files of a folder."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Signal

from napari_tumor_unet._common import explain, plural
from napari_tumor_unet._error_log import note_error
from napari_tumor_unet.inference.batch import Found, Outcome
from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.child import JobError


class Batch(QObject):
    """Segments several scans of one viewer; lives as long as the viewer's window.

    Attributes
    ----------
    began, ended : Signal
        The second with a message about the whole batch.
    progressed : Signal
        Name of a scan, the number of its slices that are done, and of all.
    outcome : Signal
        Result of one scan, or why there is none.
    total : int
        Number of scans, once it is known.
    """

    began = Signal()
    progressed = Signal(str, int, int)
    outcome = Signal(object)
    ended = Signal(str)

    def __init__(self, controller: SegmentationController) -> None:
        super().__init__(controller)
        self._controller = controller
        self._images: deque[Image] = deque()
        self._options: dict[str, Any] = {}
        self._job: QtJob | None = None
        self.outcomes: list[Outcome] = []
        self.total = 0

    @property
    def place(self) -> str:
        """The number of the scan under way, and of all, as "3 of 7"."""
        done = sum(not outcome.left_out for outcome in self.outcomes)
        return f"{done + 1} of {self.total}"

    @classmethod
    def of(cls, controller: SegmentationController) -> Batch:
        """Return the batch of a viewer's controller, made when first asked for."""
        batch: Batch | None = controller.findChild(cls)
        return batch if batch is not None else cls(controller)

    def segment_layers(self, images: Iterable[Image], **options: Any) -> None:
        """Segment image layers, each into a labels layer; options as for the controller's ``segment``."""
        self._begin()
        sequences = ViewerSequences.of(self._controller.viewer.layers)
        self._images = deque(dict.fromkeys(map(sequences.flair, images)))
        self.total = len(self._images)
        self._options = options
        self._controller.progressed.connect(self._on_slices)
        self._controller.ended.connect(self._on_layer)
        self._next_layer()

    def segment_folder(self, folder: Path, out: Path, *, model: str, device: str) -> None:
        """Segment all scans of a folder into masks in another."""
        self._begin()
        self._job = job = QtJob(self)
        job.progressed.connect(self._on_event)
        job.finished.connect(lambda _: self._end())
        job.failed.connect(self._on_failed)
        job.cancelled.connect(lambda: self._end("Cancelled; "))
        job.start(
            self._controller.context.worker,
            tasks.segment_folder,
            folder,
            out,
            partial(find_model, model),
            device,
        )

    def cancel(self) -> None:
        """End after the scan under way; masks that are done stay."""
        self._images.clear()
        if self._job is not None:
            self._job.cancel()

    def _begin(self) -> None:
        self._controller.context.acquire(self)
        self.outcomes, self.total = [], 0
        self.began.emit()

    def _next_layer(self) -> None:
        viewer = self._controller.viewer
        while self._images:
            image = self._images.popleft()
            try:
                source = scan_of(image, viewer.layers, viewer.dims.point)
                self._controller.segment(source, quiet=True, **self._options)
            except Exception as error:  # one bad scan does not stop the others
                text, details = explain(error, image.name)
                self._add(Outcome(image.name, error=text, details=details))
            else:
                return
        self._controller.progressed.disconnect(self._on_slices)
        self._controller.ended.disconnect(self._on_layer)
        self._end()

    def _on_slices(self, done: int, total: int) -> None:
        self.progressed.emit("", done, total)

    def _on_layer(self, _: bool) -> None:
        if self._controller.outcome is not None:
            self._add(self._controller.outcome)
        QTimer.singleShot(0, self._next_layer)  # the run that has ended is still cleaning up

    def _on_event(self, event: Any) -> None:
        if isinstance(event, Found):
            self.total = event.total
            for left_out in event.left_out:
                self._add(left_out)
        elif isinstance(event, Outcome):
            self._add(event)
        else:
            self.progressed.emit(event.name, event.done, event.total)

    def _on_failed(self, error: JobError) -> None:
        note_error(str(error), error.details, [outcome.name for outcome in self.outcomes])
        self._end(f"{error} ")

    def _add(self, outcome: Outcome) -> None:
        if outcome.details:
            note_error(outcome.error, outcome.details, [outcome.name])
        self.outcomes.append(outcome)
        self.outcome.emit(outcome)

    def _end(self, reason: str = "") -> None:
        if self._job is not None:
            self._job.deleteLater()
        self._job = None
        left_out = sum(outcome.left_out for outcome in self.outcomes)
        failed = sum(bool(outcome.error) for outcome in self.outcomes) - left_out
        before = sum(outcome.done_before for outcome in self.outcomes)
        scans = plural(len(self.outcomes) - failed - left_out - before, "scan")
        others = f"{before} done before, " * bool(before) + f"{failed} failed"
        others += f", {left_out} left out" * bool(left_out)
        with suppress(RuntimeError):  # the window may be gone
            self._controller.context.release()
            self.ended.emit(f"{reason}{scans} segmented, {others}.")
