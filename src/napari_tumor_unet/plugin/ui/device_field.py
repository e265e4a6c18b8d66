"""The choice of where to compute; the child alone knows what there is."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from qtpy.QtCore import QTimer

from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.settings import DRAWN, segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.plugin.ui.widgets import choice
from napari_tumor_unet.worker import tasks


class DeviceChoice:
    """A field with the devices of this machine, once they are known.

    Parameters
    ----------
    context : ViewerContext
    """

    def __init__(self, context: ViewerContext) -> None:
        self._names: tuple[str, ...] = ("auto",)
        self.field = choice("device", lambda: self._names, "Where to compute.")
        self._job = QtJob(context)
        self._job.finished.connect(self._on_devices)
        ask = QTimer(self._job, singleShot=True, interval=DRAWN)
        ask.timeout.connect(partial(self._job.start, context.worker, tasks.devices))
        ask.start()

    def let_go(self) -> None:
        """The panel is closed; the answer may still come."""
        with suppress(RuntimeError):
            self._job.finished.disconnect(self._on_devices)

    def _on_devices(self, answer: tuple[tuple[str, ...], str]) -> None:
        self._names, why = answer
        preferred = segmentation_settings().device
        self.field.reset_choices()
        with self.field.changed.blocked():  # a device that is not here today stays preferred
            self.field.value = preferred if preferred in self._names else "auto"
        self.field.tooltip = f"Where to compute; {why}"
