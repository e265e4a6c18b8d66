"""The segmentation of one viewer: the run under way, and its message to the user."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_tumor_unet._error_log import note_error
from napari_tumor_unet.inference.batch import Outcome
from napari_tumor_unet.inference.input_check import NO_HEAD, NO_HEAD_NO_MASK
from napari_tumor_unet.inference.result import Findings, Provenance, Slices, Warned
from napari_tumor_unet.model.card import NOT_FOR_THE_CLINIC
from napari_tumor_unet.model.registry import DEFAULT_MODEL
from napari_tumor_unet.plugin.io.opened_together import bring_into_view
from napari_tumor_unet.plugin.layers.layer_scan import LayerScan
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.segment.run import Run
from napari_tumor_unet.plugin.ui.connections import Emitter
from napari_tumor_unet.plugin.ui.plain import plain, show_warning
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import Message, ViewerContext
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.child import JobError
from napari_tumor_unet.worker.remote_scan import Planes, handle_of, planes_of

if TYPE_CHECKING:
    from napari import Viewer


STARTING, READING, SEGMENTING = "Starting the model", "Reading the scan", "Segmenting"
"""What a run does, one after the other."""


class SegmentationController(QObject):
    """Controls the segmentation of one viewer; lives as long as the viewer's window.

    Attributes
    ----------
    context : ViewerContext
    viewer : Viewer
        The viewer of the context.
    started : Signal
        A run has begun.
    told : Signal
        What the run does now, until its first slices come.
    warned : Signal
        There are warnings of the run's scan.
    progressed : Signal
        The number of slices that are done, and of all.
    ended : Signal
        The run has ended, with ``True`` if it ended well.
    message : Message
        How the last run ended.
    image_id : str
        ``unique_id`` of the image whose scan the last run segmented.
    warnings : tuple of str
        Why the result of the last run may not be worth much.
    outcome : Outcome or None
        Result of the last scan, or why there is none.
    shown_model : str or Path
        The model that the panel shows, if it is open.
    """

    started = Signal()
    told = Signal(str)
    warned = Signal()
    progressed = Signal(int, int)
    ended = Signal(bool)
    _asked = Signal(object)

    def __init__(self, context: ViewerContext) -> None:
        super().__init__(context.parent())
        self.context = context
        self.viewer = context.viewer
        self.message = Message()
        self.image_id = ""
        self.warnings: tuple[str, ...] = ()
        self.outcome: Outcome | None = None
        self.shown_model: str | Path = DEFAULT_MODEL
        Autosaving.of(context.viewer)
        self._run: Run | None = None
        self._asked.connect(self._on_asked)
        self._emit_asked = Emitter(self, self._asked)
        self.viewer.layers.events.removed.connect(self._on_scan_removed)

    @classmethod
    def of(cls, viewer: Viewer) -> SegmentationController:
        """Return the viewer's controller, made when first asked for."""
        context = ViewerContext.of(viewer)
        controller: SegmentationController | None = context.parent().findChild(cls)
        return controller if controller is not None else cls(context)

    @property
    def job(self) -> QtJob | None:
        """Job of the run under way."""
        return None if self._run is None else self._run.job

    def segment(
        self,
        source: LayerScan,
        *,
        model: str | None = None,
        device: str | None = None,
        only: bool = False,
        quiet: bool = False,
    ) -> None:
        """Segment a layer's scan: progress in the activity dock, result as a labels layer.

        Parameters
        ----------
        source : LayerScan
        model : str, optional
            Name of a model, or a file; by default the one in the preferences, which is a name.
        device : str, optional
            As for :func:`napari_tumor_unet.segment`; by default the one in the preferences.
        only : bool
            Segment the slice on screen alone.
        quiet : bool
            Show no notification, leave the view as it is, and the worker to the batch whose scan it is.

        Raises
        ------
        BusyError
            If another run is under way.
        """
        preferred = segmentation_settings()
        if not quiet:
            self.context.acquire(self)
            if source.assignment.unclear:
                show_warning(source.assignment.unclear)
            bring_into_view(self.viewer, source.image)
        self.message, self.warnings, self.outcome = Message(), (), None
        self.image_id = str(source.image.unique_id)
        ready = self.context.worker.is_ready
        stage = READING if ready else STARTING
        wanted = model or preferred.model
        self._run = run = Run(self.viewer, source, QtJob(self), only, quiet, stage, ready, wanted)
        path = partial(run.find_model, fall_back=model is None)
        self.viewer.layers.events.removed.connect(self._on_removed)
        run.job.progressed.connect(partial(self._on_event, run))
        run.job.finished.connect(partial(self._on_finished, run))
        run.job.failed.connect(partial(self._on_failed, run))
        run.job.cancelled.connect(partial(self._on_cancelled, run))
        first = source.slice_on_screen(self.viewer.dims.point)
        answer = partial(self._answer, run)
        handle = handle_of(source.scan)
        arguments = (handle, path, None, device or preferred.device, first, only)
        run.job.start(self.context.worker, tasks.segment, *arguments, answer=answer)
        self._tell(run, stage)
        run.writer.add_layer()  # it takes napari as long as the child the first slices
        self.started.emit()
        self._tell(run, stage)

    def cancel(self) -> None:
        """End the run under way, if any."""
        if self._run is not None:
            self._run.job.cancel()

    def _answer(self, run: Run, indices: range) -> Planes:
        """Answer the child, in the job's thread; that it asks says that the model is there."""
        if not run.asked:
            run.asked = True
            self._emit_asked(run)
        return planes_of(run.source.scan, indices)

    def _on_asked(self, run: Run) -> None:
        if self._run is run and not run.shown:
            self._tell(run, READING)

    def _tell(self, run: Run, stage: str) -> None:
        """Say what the run does, in the status line at once, as napari takes its time to make a bar."""
        self.context.say(f"{stage}: {run.name}")
        run.bar.tell(stage)
        self.told.emit(stage)

    def _on_event(self, run: Run, event: Slices | Warned) -> None:
        if isinstance(event, Slices):
            self._on_slices(run, event)
        else:
            self.warnings = event.texts
            self.warned.emit()

    def _on_slices(self, run: Run, slices: Slices) -> None:
        run.writer.write(slices)
        if not run.shown and self._run is run:
            run.shown = True
            run.bar.tell(SEGMENTING)
        with suppress(RuntimeError):  # the window may be gone
            if self._run is run:  # napari may serve events meanwhile, and with them a Cancel
                self.progressed.emit(slices.done, slices.total)
        if self._run is run:
            self.viewer.status = plain(f"{SEGMENTING}: {run.name}, slice {slices.done} of {slices.total}")
            run.bar.move_to(slices.done)

    def _on_finished(self, run: Run, result: tuple[Findings, Provenance]) -> None:
        if NO_HEAD in self.warnings and run.writer.is_blank:
            self._on_no_head(run)
            return
        findings, provenance = result
        findings = run.writer.finish(None if run.only else findings, provenance, self.warnings)
        self.outcome = Outcome(run.name, findings, provenance, warnings=self.warnings)
        found = str(findings).removesuffix(f" {NOT_FOR_THE_CLINIC}")
        text = " ".join((found, *run.notes(self.shown_model), NOT_FOR_THE_CLINIC))
        if run.missing:
            text = f"{run.missing_note} {text}"
            self.context.models_changed.emit()
        self._end(run, Message(text))
        if not run.quiet:  # at first one line of the text is seen
            text = " ".join((*self.warnings, text))
            self.context.notify(Message(text, "warning" if self.warnings or run.missing else "info"))

    def _on_no_head(self, run: Run) -> None:
        """Leave no empty mask over what is no scan of a head."""
        self.outcome = Outcome(run.name, error=NO_HEAD_NO_MASK)
        self._end(run, Message(NO_HEAD_NO_MASK, "warning"), revert=True)
        if not run.quiet:
            self.context.notify(self.message)

    def _on_failed(self, run: Run, error: JobError) -> None:
        self.outcome = Outcome(run.name, error=str(error))
        kept = " What you painted stays." if run.writer.is_painted_on else ""
        message, names = Message(f"{error}{kept}", "error", error.details), [run.name, run.source.scan.name]
        if run.quiet:
            message = replace(message, details=note_error(message.text, message.details, names))
        else:
            message = self.context.notify(message, names)
        self._end(run, message, revert=True)

    def _on_cancelled(self, run: Run) -> None:
        self.outcome = Outcome(run.name, error="Cancelled.")
        stays = "only what you painted stays" if run.writer.is_painted_on else "nothing of it stays"
        self._end(run, Message(f"Segmentation cancelled; {stays}."), revert=True)
        if not run.quiet:
            self.context.notify(self.message)

    def _on_removed(self, event: Any) -> None:
        """Cancel a run whose mask, or whose image, is gone."""
        if self._run is not None and event.value in (self._run.source.image, self._run.writer.layer):
            QTimer.singleShot(0, self.cancel)  # no layer may be removed while another one is

    def _on_scan_removed(self, event: Any) -> None:
        """Take what was found in a scan from the status line, as the scan is gone."""
        if str(event.value.unique_id) == self.image_id and self.viewer.status == plain(self.message.text):
            self.viewer.status = "Ready"

    def _end(self, run: Run, message: Message, *, revert: bool = False) -> None:
        """End the run, its layer as it was, or gone, before anybody is told and looks at it."""
        self.message = message
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self._run = None
        run.close()
        if revert:
            run.writer.revert()
        with suppress(RuntimeError):  # the window may be gone
            self.viewer.status = plain(message.text)
        with suppress(RuntimeError):
            if self.context.owner is self:
                self.context.release()
            self.ended.emit(self.outcome is not None and not self.outcome.error)
