"""The bar of a run in napari's activity dock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from napari.utils import cancelable_progress
from qtpy.QtCore import QTimer

from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.scan import Scan

if TYPE_CHECKING:
    from napari import Viewer

_PATIENCE = 500  # milliseconds before a run has a bar in the activity dock


class ProgressBar:
    """Bar that appears in the activity dock once a run has taken a while, and leaves the dock as it was.

    It takes napari a while to make a bar: the first slices are worth more, and come before.

    Parameters
    ----------
    viewer : Viewer
    scan : Scan
    job : QtJob
        Cancelled by the button of the bar.
    """

    def __init__(self, viewer: Viewer, scan: Scan, job: QtJob) -> None:
        self._scan = scan
        self._job = job
        self._window = viewer.window._qt_window
        self._dock_was_open = self._window._activity_dialog.isVisible()
        self._done = 0
        self._bar: _Bar | None = None
        self._closed = False
        self._pause = QTimer(job, singleShot=True, interval=_PATIENCE)
        self._pause.timeout.connect(self._show)
        self._pause.start()

    def move_to(self, done: int) -> None:
        """Show how many slices are done."""
        self._done = done
        if self._bar is not None:
            self._bar.move_to(done)

    def close(self) -> None:
        """Remove the bar, and close the dock if the run opened it."""
        self._pause.stop()
        self._closed = True
        if self._bar is not None:
            self._bar.close()
        with suppress(RuntimeError):  # the window may be gone
            self._window.statusBar()._toggle_activity_dock(self._dock_was_open)

    def _show(self) -> None:
        with self._job.held():  # napari serves events meanwhile
            self._bar = _Bar(self._scan, self._job.cancel)
            self._window.statusBar()._toggle_activity_dock(True)
            self._bar.move_to(self._done)
        if self._closed:  # by a Cancel among them
            self.close()


class _Bar(cancelable_progress):
    """A bar whose Cancel acts at once; napari's own waits for the next step."""

    def __init__(self, scan: Scan, cancel: Callable[[], None]) -> None:
        super().__init__(total=scan.shape[0], desc=plain(f"Segmenting {scan.name}"))
        self._cancel = cancel

    def move_to(self, done: int) -> None:
        """Show how many slices are done."""
        self.update(done - self.n)

    def cancel(self) -> None:
        """Cancel the run; the dock's button calls this."""
        super().cancel()
        self._cancel()
