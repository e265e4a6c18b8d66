"""Curve of Dice by slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from napari import Viewer

from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.plugin.ui.slice_plot import LINE, SlicePlot


class SliceCurve(SlicePlot):
    """Dice by slice, with gaps where both masks are empty; the arguments are those of a SlicePlot."""

    def __init__(self, viewer: Viewer, go: Callable[[int], None]) -> None:
        super().__init__(viewer, "Dice of each slice; a click goes there.", go)
        self.setLabel("left", "Dice")
        self.setLabel("bottom", "slice")
        self.setYRange(0, 1)
        self._curve = self.draw_points(LINE)

    def show_slices(self, slices: Sequence[Counts]) -> None:
        """Draw the curve."""
        shown = [(z, s.dice) for z, s in enumerate(slices) if s.predicted or s.reference]
        joined = [after - before == 1 for (before, _), (after, _) in pairwise(shown)]
        if shown:
            z, dice = zip(*shown, strict=True)
            self._curve.setData(z, dice, connect=np.array([*joined, False], np.int32))
        else:
            self._curve.clear()
        self.show_range(len(slices))
