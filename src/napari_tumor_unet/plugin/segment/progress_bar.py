"""The bar of a run in napari's activity dock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from napari.utils import cancelable_progress
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.scan import Scan

if TYPE_CHECKING:
    from napari import Viewer

SHOWS_RUN = "napari-tumor-unet run"
"""Object name of a widget that shows the bar of a run, and its Cancel, itself."""

_PATIENCE = 500  # milliseconds before the run of a child that is ready has a bar in the activity dock


class ProgressBar:
    """Bar in the activity dock, which it opens unless a panel shows the same, and leaves as it was.

    It takes napari a while to make a bar: where the child is ready, the first slices are worth more, and
    come before.

    Parameters
    ----------
    viewer : Viewer
    scan : Scan
    job : QtJob
        Cancelled by the button of the bar.
    stage : str
        What the run does first.
    ready : bool
        Whether the first slices are about to come.
    """

    def __init__(self, viewer: Viewer, scan: Scan, job: QtJob, stage: str, *, ready: bool) -> None:
        self._scan = scan
        self._job = job
        self._stage = stage
        self._window = viewer.window._qt_window
        self._opened = False
        self._done = 0
        self._bar: _Bar | None = None
        self._closed = False
        self._pause = QTimer(job, singleShot=True, interval=_PATIENCE if ready else 0)
        self._pause.timeout.connect(self._show)
        self._pause.start()

    def tell(self, stage: str) -> None:
        """Say what the run does now."""
        self._stage = stage
        if self._bar is not None:
            self._bar.tell(stage)

    def move_to(self, done: int) -> None:
        """Show how many slices are done."""
        self._done = done
        if self._bar is not None:
            self._bar.move_to(done)

    def close(self) -> None:
        """Remove the bar, and close the dock if the run opened it."""
        if not self._closed:  # else the timer may be gone with its job
            self._pause.stop()
        self._closed = True
        if self._bar is not None:
            self._bar.close()
        if self._opened:
            self._opened = False
            with suppress(RuntimeError):  # the window may be gone
                self._window.statusBar()._toggle_activity_dock(False)

    def _show(self) -> None:
        with self._job.held():  # napari serves events meanwhile
            self._bar = _Bar(self._scan, self._stage, self._job.cancel)
            self._name_it(self._bar)
            if not (self._window._activity_dialog.isVisible() or self._shown_elsewhere()):
                self._opened = True
                self._window.statusBar()._toggle_activity_dock(True)
            self.tell(self._stage)
            self._bar.move_to(self._done)
        if self._closed:  # by a Cancel among them
            self.close()

    def _name_it(self, bar: _Bar) -> None:
        """Put the scan's name where it takes no room: a long one would push Cancel out of the dock."""
        shown = self._window._activity_dialog.get_pbar_from_prog(bar)
        if shown is not None:
            shown.setToolTip(plain(self._scan.name))

    def _shown_elsewhere(self) -> bool:
        """Whether a panel that is on screen shows the same."""
        panels = self._window.findChildren(QWidget, SHOWS_RUN)
        return any(panel.isVisible() and not panel.visibleRegion().isEmpty() for panel in panels)


class _Bar(cancelable_progress):
    """A bar whose Cancel acts at once; napari's own waits for the next step."""

    def __init__(self, scan: Scan, stage: str, cancel: Callable[[], None]) -> None:
        counted = "{bar}|{n_fmt}/{total_fmt}"  # napari shows what comes after the last line
        super().__init__(total=scan.shape[0], desc=stage, bar_format=counted)
        self._cancel = cancel

    def tell(self, stage: str) -> None:
        """Say what the run does now."""
        if self.desc.removesuffix(": ") != stage:
            self.set_description(stage)

    def move_to(self, done: int) -> None:
        """Show how many slices are done."""
        self.update(done - self.n)

    def cancel(self) -> None:
        """Cancel the run; the dock's button calls this."""
        super().cancel()
        self._cancel()
