"""Curve of doubt by slice; a click takes the viewer to a slice."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pyqtgraph as pg
from napari import Viewer
from numpy.typing import NDArray

from napari_tumor_unet.plugin.ui.plot import Plot

_LINE = "#ff6a3d"  # that of the mask's first label
_CHECKED = "#35a86b"
_HERE = "#8a8a8a"  # stands out from napari's dark and light backgrounds


class DoubtCurve(Plot):
    """Voxels in doubt by slice, with a dot at each doubtful slice, and a line at the slice on screen.

    Parameters
    ----------
    viewer : Viewer
    go : callable
        Gets the index of the slice that was clicked.
    """

    def __init__(self, viewer: Viewer, go: Callable[[int], None]) -> None:
        super().__init__(
            viewer, "Voxels in doubt of each slice; a click goes there. Checked slices have green dots."
        )
        self._go = go
        self._slices = 0
        self.getAxis("left").setStyle(showValues=False)
        self.getAxis("left").setWidth(20)
        self.setLabel("left", "doubt")
        self._curve = self.plotItem.plot(pen=pg.mkPen(_LINE, width=2))
        self.dots = pg.ScatterPlotItem(size=6, pen=None)
        self.here = pg.InfiniteLine(angle=90, pen=pg.mkPen(_HERE, width=1))
        for item in (self.dots, self.here):
            self.addItem(item)
        self.scene().sigMouseClicked.connect(self._on_click)

    def show_doubt(
        self, errors: NDArray[np.float64], doubtful: Collection[int], checked: Collection[int]
    ) -> None:
        """Draw the curve."""
        self._slices = len(errors)
        self._curve.setData(np.arange(len(errors)), errors)
        marked = sorted(doubtful)
        colours = [pg.mkBrush(_CHECKED if z in checked else _LINE) for z in marked]
        self.dots.setData(x=marked, y=errors[marked] if marked else [], brush=colours)
        self.setXRange(0, max(1, len(errors) - 1))
        self.setYRange(0, max(1.0, float(errors.max())))

    def show_here(self, index: int | None) -> None:
        """Move the line to the slice on screen."""
        self.here.setVisible(index is not None)
        if index is not None:
            self.here.setValue(index)

    def _on_click(self, event: Any) -> None:
        index = round(self.getViewBox().mapSceneToView(event.scenePos()).x())
        self._go(min(max(index, 0), self._slices - 1))
