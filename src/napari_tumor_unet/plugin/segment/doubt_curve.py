"""Curve of doubt by slice."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import pyqtgraph as pg
from napari import Viewer
from numpy.typing import NDArray

from napari_tumor_unet.plugin.ui.slice_plot import LINE, SlicePlot

_CHECKED = "#35a86b"


class DoubtCurve(SlicePlot):
    """Voxels in doubt by slice, with a dot at each doubtful slice; the arguments are those of a SlicePlot."""

    def __init__(self, viewer: Viewer, go: Callable[[int], None]) -> None:
        tooltip = "Voxels in doubt of each slice; a click goes there. Checked slices have green dots."
        super().__init__(viewer, tooltip, go)
        self.getAxis("left").setStyle(showValues=False)
        self.getAxis("left").setWidth(20)
        self.setLabel("left", "doubt")
        self._curve = self.plotItem.plot(pen=pg.mkPen(LINE, width=2))
        self.dots = pg.ScatterPlotItem(size=6, pen=None)
        self.addItem(self.dots)

    def show_doubt(
        self, errors: NDArray[np.float64], doubtful: Collection[int], checked: Collection[int]
    ) -> None:
        """Draw the curve."""
        self._curve.setData(np.arange(len(errors)), errors)
        marked = sorted(doubtful)
        colours = [pg.mkBrush(_CHECKED if z in checked else LINE) for z in marked]
        self.dots.setData(x=marked, y=errors[marked] if marked else [], brush=colours)
        self.show_range(len(errors))
        self.setYRange(0, max(1.0, float(errors.max())))
