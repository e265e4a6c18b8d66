"""The choice of where to compute; the child alone knows what there is."""

from __future__ import annotations

from functools import partial
from typing import Any

from magicgui.widgets import ComboBox

from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.settings import DRAWN, segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.worker import tasks

_NO_CHOICE = 2  # auto is the CPU


class DeviceField(ComboBox):
    """A field with the devices of this machine, once they are known; hidden where there is no choice.

    Parameters
    ----------
    context : ViewerContext
    """

    def __init__(self, context: ViewerContext) -> None:
        self._names: tuple[str, ...] = ("auto",)
        super().__init__(label="device", choices=self._devices, tooltip="Where to compute.", visible=False)
        job = QtJob(context)
        self._connections = Connections(self.native)  # the answer may come after the panel is closed
        self._connections.add(job.finished, self._on_devices)
        for ended in (job.finished, job.failed):
            ended.connect(job.deleteLater)
        timer(job, DRAWN, partial(job.start, context.worker, tasks.devices)).start()

    def _devices(self, _: Any) -> tuple[str, ...]:
        return self._names

    def _on_devices(self, answer: tuple[tuple[str, ...], str]) -> None:
        self._names, why = answer
        preferred = segmentation_settings().device
        self.reset_choices()
        with self.changed.blocked():  # a device that is not here today stays preferred
            self.value = preferred if preferred in self._names else "auto"
        self.visible = len(self._names) > _NO_CHOICE
        self.tooltip = plain(f"Where to compute; {why}")
