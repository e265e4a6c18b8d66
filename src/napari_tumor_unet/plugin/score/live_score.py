"""One comparison at a time: counts in a thread, at once; distances in the child process, after a while."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_tumor_unet.evaluation.score import Score
from napari_tumor_unet.plugin.score.mask_pair import PairCounts, Request, answer_with_box, count_pair
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.plugin.ui.viewer_context import Message, ViewerContext
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.child import JobError

_AT_ONCE = 10**8  # bytes that are counted within 20 ms
_PAUSE = 700  # ms without a stroke, before the distances are measured again


class _Repeated:
    """A step that runs one at a time; asked for meanwhile, however often, it runs once more.

    Parameters
    ----------
    begin : callable
        Begins the step, and returns whether there is anything to do; :meth:`end` is called when it is done.
    """

    def __init__(self, begin: Callable[[], bool]) -> None:
        self._begin = begin
        self._again = False
        self.running = False

    def ask(self) -> None:
        """Run the step now, or once more after the one under way."""
        self._again = self.running
        self.running = self.running or self._begin()

    def end(self) -> None:
        """Note that the step is done."""
        self.running = False
        if self._again:
            self.ask()


class LiveScore(QObject):
    """Compares two layers, again and again while they are painted; lives as long as its panel.

    Attributes
    ----------
    request : Request or None
        What is compared.
    counted : Signal
        :class:`PairCounts`, for Dice and IoU.
    scored : Signal
        A :class:`napari_tumor_unet.evaluation.score.Score`, one for each label compared.
    failed : Signal
        The :class:`~napari_tumor_unet.plugin.ui.viewer_context.Message` that says why not.
    ended : Signal
        All numbers are there; with what must be known of them, a tuple of str.
    """

    counted = Signal(object)
    scored = Signal(object)
    failed = Signal(object)
    ended = Signal(object)

    def __init__(self, context: ViewerContext) -> None:
        super().__init__(context)
        self._context = context
        self.request: Request | None = None
        self._counts: PairCounts | None = None
        self._job: QtJob | None = None
        self._counting = _Repeated(self._begin_counting)
        self._measuring = _Repeated(self._begin_measuring)
        self._pause = timer(self, _PAUSE, self._measuring.ask)

    @property
    def running(self) -> bool:
        """Whether numbers are still to come."""
        return self._counting.running or self._measuring.running or self._pause.isActive()

    def start(self, request: Request) -> None:
        """Compare; what was asked before is forgotten."""
        self.cancel()
        self.request = request
        self._counting.ask()

    def recount(self) -> None:
        """Count again at once, as the layers changed, and measure again after a pause.

        What takes no longer than a stroke is counted here, as a thread's answer comes after the drawing.
        """
        request, counts = self.request, self._counts
        if request and counts and counts.size < _AT_ONCE and not self._counting.running:
            self._show(count_pair(request, counts.labels))
        else:
            self._counting.ask()

    def cancel(self) -> None:
        """Forget the comparison; the numbers that are there stay."""
        self.request = None
        self._stop()

    def _stop(self) -> None:
        self._pause.stop()
        self._counts = None
        if self._job is not None:
            self._job.cancel()

    def _begin_counting(self) -> bool:
        if self.request is None:
            return False
        labels = None if self._counts is None else self._counts.labels
        in_thread(partial(count_pair, self.request, labels), partial(self._on_counted, self.request))
        return True

    def _on_counted(self, request: Request, counts: PairCounts | Message) -> None:
        if self.request is request:
            self._show(counts)
        self._counting.end()

    def _show(self, counts: PairCounts | Message) -> None:
        if isinstance(counts, Message):
            self._fail(counts)
            return
        before = self._counts
        if before is not None and counts.slices == before.slices:
            return  # the layer was only drawn anew
        self._counts = counts
        self.counted.emit(counts)
        if before is None:
            self._measuring.ask()
        else:
            self._pause.start()

    def _begin_measuring(self) -> bool:
        request, counts = self.request, self._counts
        if request is None or counts is None:
            return False
        self._job = job = QtJob(self)
        job.progressed.connect(partial(self._on_score, counts))
        job.finished.connect(lambda _: self._on_measured(counts))
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._end_job)
        arguments = (counts.totals, request.tolerance)
        job.start(self._context.worker, tasks.score, *arguments, answer=partial(answer_with_box, counts))
        return True

    def _on_score(self, counts: PairCounts, score: Score) -> None:
        if counts is self._counts:  # else the layers have changed since
            self.scored.emit(score)

    def _on_measured(self, counts: PairCounts) -> None:
        self._end_job()
        if counts is self._counts and not self._measuring.running:
            self.ended.emit(counts.notes)  # which the job has asked for

    def _on_failed(self, error: JobError) -> None:
        self._end_job()
        self._fail(Message(str(error), "error", error.details or str(error)))  # for the log

    def _end_job(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.deleteLater()
        self._measuring.end()

    def _fail(self, message: Message) -> None:
        request = self.request
        names = [mask.layer.name for mask in (request.prediction, request.reference)] if request else []
        self._stop()
        quiet = request is not None and not request.asked and not message.details
        self.failed.emit(message if quiet else self._context.notify(message, names))
