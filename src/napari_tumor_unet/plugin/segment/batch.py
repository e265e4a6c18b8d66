"""Several scans: layers of the viewer one after the other, or the files of a folder by an engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Signal

from napari_tumor_unet._common import explain, plural
from napari_tumor_unet._error_log import note_error
from napari_tumor_unet.inference.batch import Outcome, Plan, all_the_same, plan_folder
from napari_tumor_unet.inference.scan_job import ScanJob, Settings
from napari_tumor_unet.inference.tally import Tally
from napari_tumor_unet.plugin.io.opened_together import bring_into_view
from napari_tumor_unet.plugin.layers.in_view import shows_scan_of
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.viewer_context import BusyError, Message
from napari_tumor_unet.scan.spacing import Spacing
from napari_tumor_unet.worker.batch_job import BatchJob, Computing
from napari_tumor_unet.worker.child import JobError


class Batch(QObject):
    """Segments several scans of one viewer; lives as long as the viewer's window.

    Layers are segmented by the viewer's own child, which is busy meanwhile; files by an engine of their own.

    Attributes
    ----------
    began, ended : Signal
    told : Signal
        There is a new message.
    outcome : Signal
        Result of one scan, or why there is none.
    outcomes : list of Outcome
    tally : Tally
        Of the scans of this run; its total is 0 until it is known.
    message : str
        How far the batch is, or how it ended.
    left_out : dict of str to ScanJob
        By name, those that were left out of a folder, and can be done all the same.
    """

    began = Signal()
    told = Signal()
    outcome = Signal(object)
    ended = Signal()

    def __init__(self, controller: SegmentationController) -> None:
        super().__init__(controller)
        self._controller = controller
        self._images: deque[Image] = deque()
        self._begun: list[Image] = []
        self._options: dict[str, Any] = {}
        self._job: QtJob | None = None
        self._out, self._computing = Path(), Computing("")
        self.outcomes: list[Outcome] = []
        self.tally = Tally()
        self.message = ""
        self.left_out: dict[str, ScanJob] = {}

    @property
    def running(self) -> bool:
        """Whether scans are segmented now."""
        return self._job is not None or self._controller.context.owner is self

    @classmethod
    def of(cls, controller: SegmentationController) -> Batch:
        """Return the batch of a viewer's controller, made when first asked for."""
        batch: Batch | None = controller.findChild(cls)
        return batch if batch is not None else cls(controller)

    def segment_layers(self, images: Iterable[Image], **options: Any) -> None:
        """Segment image layers, each into a labels layer; options as for the controller's ``segment``.

        If none of them is in view, the first one comes; from then on the view is the user's.
        """
        self._refuse_if_running()
        self._controller.context.acquire(self)
        viewer = self._controller.viewer
        sequences = ViewerSequences.of(viewer.layers)
        self._images = deque(dict.fromkeys(map(sequences.flair, images)))
        if not any(shows_scan_of(viewer, image) for image in self._images):
            bring_into_view(viewer, self._images[0])
        self._begin(len(self._images))
        self._options = options
        self._controller.ended.connect(self._on_layer)
        self._tell(str(self.tally))
        self._next_layer()

    def segment_folder(
        self, folder: Path, out: Path, computing: Computing, device: str, spacing: Spacing | None = None
    ) -> None:
        """Segment all scans of a folder into masks in another, but for those that are done there.

        The spacing is that of scans whose files tell none.
        """
        self._refuse_if_running()
        self._out, self._computing = out, computing
        settings = Settings(device, go_on=True, leave_others=True, spacing=spacing)
        self._start(partial(plan_folder, folder, out, settings), f"Looking for scans in {folder.name}")

    def segment_left_out(self, names: Iterable[str], spacing: Spacing | None = None) -> None:
        """Segment scans of the last folder that were left out."""
        self._refuse_if_running()
        jobs = [all_the_same(self.left_out[name]) for name in names]
        plan = Plan(tuple(replace(job, settings=replace(job.settings, spacing=spacing)) for job in jobs))
        self._start(lambda: plan, "Starting", go_on=True)

    def cancel(self) -> None:
        """End at once; masks that are done stay."""
        self.stop_layers()
        if self._controller.context.owner is self:
            self._controller.cancel()
        if self._job is not None:
            self._job.cancel()

    def stop_layers(self) -> None:
        """End after the layer under way; a folder needs nobody to look on."""
        self._images.clear()

    def _refuse_if_running(self) -> None:
        if self.running:
            raise BusyError("Several scans are being segmented; wait for them, or cancel them.")

    def _begin(self, total: int = 0, *, go_on: bool = False) -> None:
        self.tally, self._begun = Tally(total), []
        if not go_on:
            self.outcomes, self.left_out = [], {}
        self.began.emit()

    def _start(self, plan: Callable[[], Plan], message: str, *, go_on: bool = False) -> None:
        self._job = job = QtJob(self)
        job.progressed.connect(self._on_event)
        job.finished.connect(lambda _: self._end())
        job.failed.connect(self._on_failed)
        job.cancelled.connect(lambda: self._end("Cancelled; ", quiet=True))
        self._begin(go_on=go_on)
        self._tell(message)
        job.begin(partial(BatchJob, plan, self._out, self._computing))
        if job.handle is not None:
            job.destroyed.connect(job.handle.cancel)  # with the window

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
                self._begun.append(image)
                return
        self._controller.ended.disconnect(self._on_layer)
        self._end()

    def _on_layer(self, well: bool) -> None:
        if not well:
            self._begun.pop()
        if self._controller.outcome is not None:
            self._add(self._controller.outcome)
        QTimer.singleShot(0, self._next_layer)  # the run that has ended is still cleaning up

    def _on_event(self, event: Plan | Outcome) -> None:
        if isinstance(event, Outcome):
            self._add(event)
            return
        self.tally = Tally(len(event.jobs))
        for job in event.left_out:
            self.left_out[job.name] = job
            self._add(Outcome(job.name, error=job.files.problem, left_out=True))
        by = "the cluster" if self._computing.cluster else plural(self._computing.workers, "worker")
        self._tell(f"{plural(self.tally.total, 'scan')} found, waiting for {by}")

    def _on_failed(self, error: JobError) -> None:
        note_error(str(error), error.details, [outcome.name for outcome in self.outcomes])
        self._end(str(error), failed=True)

    def _add(self, outcome: Outcome) -> None:
        if outcome.details:
            note_error(outcome.error, outcome.details, [outcome.name])
        if not outcome.left_out and self.left_out.pop(outcome.name, None) is not None:
            self.outcomes = [other for other in self.outcomes if other.name != outcome.name]
        self.outcomes.append(outcome)
        self.tally.count(outcome)
        self.outcome.emit(outcome)
        self._tell(str(self.tally))

    def _tell(self, message: str) -> None:
        self.message = message
        self.told.emit()

    def _told_hidden(self) -> str:
        """Say that masks came hidden with their scans."""
        viewer = self._controller.viewer
        hidden = [i for i in self._begun if i in viewer.layers and not shows_scan_of(viewer, i)]
        told = " The masks of hidden scans are hidden, too; the eyes in the layer list show both."
        return told * bool(hidden)

    def _end(self, reason: str = "", *, failed: bool = False, quiet: bool = False) -> None:
        if self._job is not None:
            self._job.deleteLater()
        self._job = None
        tally = self.tally
        before = f", {tally.before} done before" * bool(tally.before)
        left_out = f", {tally.left_out} left out" * bool(tally.left_out)
        totals = f"{plural(tally.segmented, 'scan')} segmented{before}, {tally.failed} failed{left_out}."
        totals += self._told_hidden()
        if failed:
            totals = f" {totals}" * bool(tally.done)
        with suppress(RuntimeError):  # the window may be gone
            context = self._controller.context
            if context.owner is self:
                context.release()
            self._tell(f"{reason}{totals}")
            self.ended.emit()
            if not quiet:
                one_failed: Literal["warning", "info"] = "warning" if tally.failed else "info"
                context.notify(Message(f"Several scans: {self.message}", "error" if failed else one_failed))
