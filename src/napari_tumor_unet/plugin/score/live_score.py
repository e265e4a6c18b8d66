"""One comparison at a time: counts in a thread, at once; distances in the child process, after a while."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QTimer, Signal

from napari_tumor_unet.evaluation.compare import (
    ComparisonError,
    MaskPair,
    align,
    crop,
    labels_in,
    slice_overlaps,
)
from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.evaluation.score import Score
from napari_tumor_unet.plugin.score.mask_pair import Compared
from napari_tumor_unet.plugin.ui.error_log import note_error
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.child import JobError

_AT_ONCE = 10**8  # bytes that are counted within 20 ms
_MOST_LABELS = 50  # that a table shows
_PAUSE = 700  # ms without a stroke, before the distances are measured again


@dataclass(frozen=True)
class Request:
    """What is compared, and how: one label, all as one (None), or each by itself."""

    prediction: Compared
    reference: Compared
    label: int | None
    each: bool
    tolerance: float


@dataclass(frozen=True)
class Counted:
    """What can be counted at once.

    Attributes
    ----------
    pair : MaskPair
    labels : list of int
        All that there are.
    slices : dict of int or None to list of Counts
        Of each label compared, slice by slice.
    """

    pair: MaskPair
    labels: list[int]
    slices: dict[int | None, list[Counts]]

    @property
    def totals(self) -> dict[int | None, Counts]:
        """Counts of each label compared, of all slices together."""
        return {label: sum(parts, Counts()) for label, parts in self.slices.items()}

    @cached_property
    def box(self) -> MaskPair:
        """The masks within the box around both: all that distances need."""
        return crop(self.pair, next(iter(self.slices)) if len(self.slices) == 1 else None)

    @property
    def size(self) -> int:
        """Bytes that are read to count."""
        return len(self.slices) * (self.pair.prediction.nbytes + self.pair.reference.nbytes)


@dataclass(frozen=True)
class _Failure:
    said: str
    details: str | None = None  # of what nobody expected


class LiveScore(QObject):
    """Lives as long as its panel.

    Attributes
    ----------
    counted : Signal
        A :class:`Counted`, for Dice and IoU.
    scored : Signal
        A :class:`napari_tumor_unet.evaluation.score.Score`, one for each label compared.
    failed : Signal
        The sentence that says why not.
    ended : Signal
        All is there.
    """

    counted = Signal(object)
    scored = Signal(object)
    failed = Signal(str)
    ended = Signal()

    def __init__(self, context: ViewerContext) -> None:
        super().__init__(context)
        self._context = context
        self.details = ""
        self._request: Request | None = None
        self._counted: Counted | None = None
        self._counting = False
        self._again = False
        self._job: QtJob | None = None
        self._job_again = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE)
        self._pause.timeout.connect(self._measure)

    @property
    def running(self) -> bool:
        """Whether numbers are still to come."""
        return self._counting or self._job is not None or self._pause.isActive()

    def start(self, request: Request) -> None:
        """Compare; what was asked before is forgotten."""
        self.cancel()
        self._request, self.details = request, ""
        self._count()

    def recount(self) -> None:
        """The layers changed: count again at once, and measure again after a pause.

        What takes no longer than a stroke is counted here, as a thread's answer comes after the drawing.
        """
        if self._request is None:
            return
        if self._counted is not None and self._counted.size < _AT_ONCE and not self._counting:
            self._take(_count(self._request, self._counted.labels))
        else:
            self._count()

    def cancel(self) -> None:
        """Forget what is under way; the numbers that are there stay."""
        self._pause.stop()
        self._request = self._counted = None
        if self._job is not None:
            self._job.cancel()

    def _count(self) -> None:
        if self._counting:
            self._again = True
            return
        self._counting, self._again = True, False
        known = None if self._counted is None else self._counted.labels
        worker = create_worker(_count, self._request, known, _start_thread=False)
        worker.returned.connect(partial(self._on_counted, self._request))
        worker.start()

    def _on_counted(self, request: Request, counted: Counted | _Failure) -> None:
        self._counting = False
        if self._request is request:
            self._take(counted)
        if self._again and self._request is not None:
            self._count()

    def _take(self, counted: Counted | _Failure) -> None:
        if isinstance(counted, _Failure):
            self._fail(counted.said, counted.details)
            return
        before = self._counted
        if before is not None and counted.slices == before.slices:
            return  # the layer was only drawn anew
        self._counted = counted
        self.counted.emit(counted)
        if before is None:
            self._measure()
        else:
            self._pause.start()

    def _measure(self) -> None:
        if self._job is not None:
            self._job_again = True
            return
        request, counted = self._request, self._counted
        if request is None or counted is None:
            return
        self._job_again = False
        self._job = job = QtJob(self)
        job.progressed.connect(partial(self._on_score, counted))
        job.finished.connect(lambda _: self._finish(counted))
        job.failed.connect(self._on_failed)
        job.cancelled.connect(partial(self._finish, None))
        arguments = (counted.totals, request.tolerance)
        job.start(self._context.worker, tasks.score, *arguments, answer=partial(answer_with_box, counted))

    def _on_score(self, counted: Counted, score: Score) -> None:
        if counted is self._counted:  # else the layers have changed since
            self.scored.emit(score)

    def _on_failed(self, error: JobError) -> None:
        self._finish(None)
        self._fail(str(error), error.details)

    def _fail(self, said: str, details: str | None) -> None:
        if details is not None:
            names = [part.layer.name for part in (self._request.prediction, self._request.reference)]
            self.details = note_error(said, details, names)
        self.cancel()
        self.failed.emit(said)

    def _finish(self, counted: Counted | None) -> None:
        self._job.deleteLater()
        self._job = None
        if self._job_again:
            self._measure()
        elif counted is not None and counted is self._counted:
            self.ended.emit()


def _count(request: Request, known: list[int] | None) -> Counted | _Failure:
    """The counts, of the labels that are known if these are all, or why there are none."""
    parts = (request.prediction, request.reference)
    try:
        p, r = (np.asarray(part.labels()) for part in parts)
        pair = align(p, parts[0].grid, r, parts[1].grid)
        notes = [
            f"Of the {name} the part on screen was compared, at {part.at}."
            for name, part in zip(("prediction", "reference"), parts, strict=True)
            if part.at
        ]
        pair = replace(pair, notes=(*notes, *pair.notes))
        labels = labels_in(pair) if known is None else known
        if not request.each:
            return Counted(pair, labels, {request.label: slice_overlaps(pair, request.label)})
        slices = _each(pair, labels)
        if known is not None and _voxels(slices.values()) != _voxels([slice_overlaps(pair, None)]):
            labels = labels_in(pair)  # one was painted that was not there
            slices = _each(pair, labels)
        return Counted(pair, labels, slices)
    except ComparisonError as error:
        return _Failure(str(error))
    except Exception:  # whatever a layer's array, lazy or not, may raise
        return _Failure("The masks could not be read; are their files still there?", traceback.format_exc())


def _each(pair: MaskPair, labels: list[int]) -> dict[int | None, list[Counts]]:
    if len(labels) > _MOST_LABELS:
        raise ComparisonError(f"There are {len(labels)} labels; compare all as one, or one of them.")
    return {label: slice_overlaps(pair, label) for label in labels}


def _voxels(labels: Iterable[list[Counts]]) -> int:
    return sum(part.predicted + part.reference for slices in labels for part in slices)


def answer_with_box(counted: Counted, planes: range | None) -> Any:
    """Answer :func:`napari_tumor_unet.worker.tasks.score`, in the thread of its job."""
    pair = counted.box
    if planes is None:
        return pair.grid, pair.notes
    together = slice(planes.start, planes.stop)
    return [mask.reshape((-1, *mask.shape[-2:]))[together] for mask in (pair.prediction, pair.reference)]
