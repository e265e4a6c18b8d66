"""Curve of Dice by slice; a click takes the viewer to a slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyqtgraph as pg
from napari import Viewer

from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.plugin.ui.plot import Plot

_LINE = "#ff6a3d"  # that of the mask's first label
_HERE = "#8a8a8a"  # stands out from napari's dark and light backgrounds


class SliceCurve(Plot):
    """Dice by slice, with gaps where both masks are empty, and a line at the slice on screen.

    Parameters
    ----------
    viewer : Viewer
    go : callable
        Gets the index of the slice that was clicked.
    """

    def __init__(self, viewer: Viewer, go: Callable[[int], None]) -> None:
        super().__init__(viewer, "Dice of each slice; a click goes there.")
        self._go = go
        self._slices: Sequence[Counts] = ()
        self.setLabel("left", "Dice")
        self.setLabel("bottom", "slice")
        self.setYRange(0, 1)
        self._curve = self.draw_points(_LINE)
        self.here = pg.InfiniteLine(angle=90, pen=pg.mkPen(_HERE, width=1))
        self.addItem(self.here)
        self.scene().sigMouseClicked.connect(self._on_click)

    def show_slices(self, slices: Sequence[Counts]) -> None:
        """Draw the curve."""
        self._slices = slices
        shown = [(z, s.dice) for z, s in enumerate(slices) if s.predicted or s.reference]
        joined = [after - before == 1 for (before, _), (after, _) in pairwise(shown)]
        if shown:
            z, dice = zip(*shown, strict=True)
            self._curve.setData(z, dice, connect=np.array([*joined, False], np.int32))
        else:
            self._curve.clear()
        self.setXRange(0, max(1, len(slices) - 1))

    def show_here(self, index: int) -> None:
        """Move the line to the slice on screen."""
        self.here.setValue(index)

    def _on_click(self, event: Any) -> None:
        if self._slices:
            index = round(self.getViewBox().mapSceneToView(event.scenePos()).x())
            self._go(min(max(index, 0), len(self._slices) - 1))
