"""A plot over the slices of a scan; a click takes the viewer to a slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyqtgraph as pg
from napari import Viewer

from napari_tumor_unet.plugin.ui.plot import Plot

LINE = "#ff6a3d"  # that of the mask's first label
_HERE = "#8a8a8a"  # stands out from napari's dark and light backgrounds


class SlicePlot(Plot):
    """A plot with a line at the slice on screen.

    Parameters
    ----------
    viewer : Viewer
    tooltip : str
    go : callable
        Gets the index of the slice that was clicked.
    """

    def __init__(self, viewer: Viewer, tooltip: str, go: Callable[[int], None]) -> None:
        super().__init__(viewer, tooltip)
        self._go = go
        self._slices = 0
        self.here = pg.InfiniteLine(angle=90, pen=pg.mkPen(_HERE, width=1))
        self.addItem(self.here)
        self.scene().sigMouseClicked.connect(self._on_click)

    def show_range(self, slices: int) -> None:
        """Show an axis for so many slices."""
        self._slices = slices
        self.setXRange(0, max(1, slices - 1))

    def show_here(self, index: int | None) -> None:
        """Move the line to the slice on screen, if there is one."""
        self.here.setVisible(index is not None)
        if index is not None:
            self.here.setValue(index)

    def _on_click(self, event: Any) -> None:
        if self._slices:
            index = round(self.getViewBox().mapSceneToView(event.scenePos()).x())
            self._go(min(max(index, 0), self._slices - 1))
