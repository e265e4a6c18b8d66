"""One viewer's segmentation: the run under way, and what the user is told of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils import cancelable_progress
from qtpy.QtCore import QObject, QTimer, Signal

from napari_tumor_unet.inference.batch import Outcome
from napari_tumor_unet.inference.result import Findings, Provenance, Slices, Warned
from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.plugin.layers.layer_scan import LayerScan
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.segment.mask_writer import ResultLayer
from napari_tumor_unet.plugin.ui.error_log import note_error
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import Message, ViewerContext
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.child import JobError
from napari_tumor_unet.worker.remote_scan import handle_of, planes_of

if TYPE_CHECKING:
    from napari import Viewer

_PATIENCE = 500  # milliseconds before a run has a bar in the activity dock


class Session(QObject):
    """Lives as long as its viewer's window.

    Attributes
    ----------
    context : ViewerContext
    viewer : Viewer
        That of the context.
    started : Signal
        A run has begun.
    warned : Signal
        There are warnings of its scan.
    progressed : Signal
        Slices of it are there; how many, and of how many.
    ended : Signal
        It has ended, with ``True`` if it ended well.
    message : Message
        What the user was told of the last run.
    about : str
        The id of the image that it is, or was, a run of.
    warnings : tuple of str
        Why the result of the last run may not be worth much.
    outcome : Outcome or None
        What became of the last scan.
    """

    started = Signal()
    warned = Signal()
    progressed = Signal(int, int)
    ended = Signal(bool)

    def __init__(self, context: ViewerContext) -> None:
        super().__init__(context.parent())
        self.context = context
        self.viewer = context.viewer
        self.message = Message()
        self.about = ""
        self.warnings: tuple[str, ...] = ()
        self.outcome: Outcome | None = None
        Autosaving.of(context.viewer)
        self._run: _Run | None = None

    @classmethod
    def of(cls, viewer: Viewer) -> Session:
        """The viewer's session, made when first asked for."""
        context = ViewerContext.of(viewer)
        found = context.parent().findChild(cls)
        return found if found is not None else cls(context)

    @property
    def scan_name(self) -> str:
        """What the scan under way is called."""
        return "" if self._run is None else self._run.source.scan.name

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
            Name of a model, or a file; by default the one in the preferences.
        device : str, optional
            As for :func:`napari_tumor_unet.segment`; by default the one in the preferences.
        only : bool
            Segment the slice on screen alone.
        quiet : bool
            Show no notification, and leave the worker to the batch whose scan it is.

        Raises
        ------
        BusyError
            If another run is under way.
        """
        preferred = segmentation_settings()
        path = partial(find_model, model or preferred.model)
        if not quiet:
            self.context.acquire(self)
        self.message, self.warnings, self.outcome = Message(), (), None
        self.about = str(source.image.unique_id)
        self._run = run = _Run(self.viewer, source, QtJob(self), only, quiet)
        self.viewer.layers.events.removed.connect(self._on_removed)
        run.job.progressed.connect(self._on_event)
        run.job.finished.connect(self._on_finished)
        run.job.failed.connect(self._on_failed)
        run.job.cancelled.connect(self._on_cancelled)
        first = source.slice_on_screen(self.viewer.dims.point)
        answer = partial(planes_of, source.scan)
        handle = handle_of(source.scan)
        arguments = (handle, path, None, device or preferred.device, first, only)
        run.job.start(self.context.worker, tasks.segment, *arguments, answer=answer)
        run.result.show()  # it takes napari as long as the child the first slices
        self.started.emit()

    def cancel(self) -> None:
        """End the run under way, if any."""
        if self._run is not None:
            self._run.job.cancel()

    def _on_event(self, event: Slices | Warned) -> None:
        if isinstance(event, Slices):
            self._on_slices(event)
        else:
            self.warnings = event.texts
            self.warned.emit()

    def _on_slices(self, slices: Slices) -> None:
        run = self._run
        run.result.write(slices)
        with suppress(RuntimeError):  # the window may be gone
            if self._run is run:  # napari may serve events meanwhile, and with them a Cancel
                self.progressed.emit(slices.done, slices.total)
        if self._run is run:
            run.show(slices)

    def _on_finished(self, outcome: tuple[Findings, Provenance]) -> None:
        run, (found, provenance) = self._run, outcome
        findings = run.result.finish(None if run.only else found, provenance, self.warnings)
        self.outcome = Outcome(run.source.scan.name, findings, provenance, warnings=self.warnings)
        said = f"{findings} From {run.source.combined}." if run.source.combined else str(findings)
        self.viewer.status = said
        self._end(Message(said))
        if not run.quiet:  # one line of it is seen at first
            text = " ".join((*self.warnings, said))
            self.context.notify(Message(text, "warning" if self.warnings else "info"))

    def _on_failed(self, error: JobError) -> None:
        run, name = self._run, self._run.source.scan.name
        self.outcome = Outcome(name, error=str(error))
        message = Message(str(error), "error", error.details)
        if run.quiet:
            message = replace(message, details=note_error(message.text, message.details, [name]))
        else:
            message = self.context.notify(message, [name])
        self._end(message)
        run.result.forget()

    def _on_cancelled(self) -> None:
        run = self._run
        self.outcome = Outcome(run.source.scan.name, error="Cancelled.")
        self._end(Message("Segmentation cancelled; the layers are as they were."))
        run.result.forget()
        if not run.quiet:
            self.context.notify(self.message)

    def _on_removed(self, event: Any) -> None:
        """Nobody waits for a mask whose layer, or whose image, is gone."""
        if event.value in (self._run.source.image, self._run.result.layer):
            QTimer.singleShot(0, self.cancel)  # no layer may be removed while another one is

    def _end(self, message: Message) -> None:
        """Before the layer goes: napari takes its time to remove it, and nobody cancels a run for that."""
        self.message = message
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        run, self._run = self._run, None
        run.close()
        with suppress(RuntimeError):  # the window may be gone
            if self.context.owner is self:
                self.context.release()
            self.ended.emit(not self.outcome.error)


class _Run:
    """What belongs to one run and goes with it."""

    def __init__(self, viewer: Viewer, source: LayerScan, job: QtJob, only: bool, quiet: bool) -> None:
        self.source = source
        self.only = only
        self.quiet = quiet
        self.job = job
        self.result = ResultLayer(viewer, source)
        self._done = 0
        self._bar: _Progress | None = None
        self._dock = _ActivityDock(viewer)
        # It takes napari a while to make a bar: the first slices are worth more, and come before.
        self._closed = False
        self._pause = QTimer(job, singleShot=True, interval=_PATIENCE)
        self._pause.timeout.connect(self._show_bar)
        self._pause.start()

    def show(self, slices: Slices) -> None:
        """Move the bar, if there is one yet, to the slices that are done."""
        self._done = slices.done
        if self._bar is not None:
            self._bar.move_to(self._done)

    def close(self) -> None:
        """Take down the bar and the dock."""
        self._pause.stop()
        self._closed = True
        self.job.deleteLater()
        if self._bar is not None:
            self._bar.close()
        self._dock.restore()

    def _show_bar(self) -> None:
        with self.job.held():  # napari serves events meanwhile
            bar = _Progress(self.source.scan, self.job.cancel)
            self._dock.open()
            bar.move_to(self._done)
        if self._closed:  # by a Cancel among them
            bar.close()
            self._dock.restore()
        else:
            self._bar = bar


class _Progress(cancelable_progress):
    """A bar in the activity dock whose Cancel acts at once; napari's own waits for the next step."""

    def __init__(self, scan: Scan, cancel: Callable[[], None]) -> None:
        super().__init__(total=scan.shape[0], desc=f"Segmenting {scan.name}")
        self._cancel = cancel

    def move_to(self, done: int) -> None:
        """Show how many slices are done."""
        self.update(done - self.n)

    def cancel(self) -> None:
        """What the dock's button calls."""
        super().cancel()
        self._cancel()


class _ActivityDock:
    """Opens napari's activity dock for a run, and leaves it afterwards as it was."""

    def __init__(self, viewer: Viewer) -> None:
        self._window = viewer.window._qt_window
        self._was_open = self._window._activity_dialog.isVisible()

    def open(self) -> None:
        """Open it."""
        self._window.statusBar()._toggle_activity_dock(True)

    def restore(self) -> None:
        """Close it, if the run opened it, and the window is still there."""
        with suppress(RuntimeError):
            self._window.statusBar()._toggle_activity_dock(self._was_open)
