"""Dice of each slice as a curve; a click takes the viewer to a slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pyqtgraph as pg
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_tumor_unet.evaluation.overlap import Counts

_HEIGHT = 130  # pixels
_LINE = "#ff6a3d"  # that of the mask's first label


class SliceCurve(QWidget):
    """Shows Dice by slice, with gaps where both masks are empty, and a line at the slice on screen.

    Parameters
    ----------
    go : callable
        Gets the index of the slice that was clicked.
    """

    def __init__(self, go: Callable[[int], None]) -> None:
        super().__init__()
        self._go = go
        self._slices: Sequence[Counts] = ()
        self.plot = pg.PlotWidget()
        self.plot.setFixedHeight(_HEIGHT)
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setLabel("left", "Dice")
        self.plot.setLabel("bottom", "slice")
        self.plot.setYRange(0, 1)
        self.plot.setToolTip("Dice of each slice; a click goes there.")
        self._curve = self.plot.plot(
            pen=pg.mkPen(_LINE, width=2), symbol="o", symbolSize=5, symbolPen=None, symbolBrush=_LINE
        )
        self._here = pg.InfiniteLine(angle=90)
        self.plot.addItem(self._here)
        self.plot.scene().sigMouseClicked.connect(self._on_click)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

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
        self.plot.setXRange(0, max(1, len(slices) - 1))

    def show_here(self, index: int) -> None:
        """Move the line to the slice on screen."""
        self._here.setValue(index)

    def wear(self, theme: str) -> None:
        """Take napari's colours."""
        colours = get_theme(theme)
        text = colours.text.as_hex()
        self.plot.setBackground(colours.background.as_hex())
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
        self._here.setPen(pg.mkPen(text, width=1))

    def _on_click(self, event: object) -> None:
        if self._slices:
            index = round(self.plot.getViewBox().mapSceneToView(event.scenePos()).x())
            self._go(min(max(index, 0), len(self._slices) - 1))
