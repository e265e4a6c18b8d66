"""Curves of training loss and held-out Dice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from napari import Viewer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_tumor_unet.plugin.ui.plot import Plot
from napari_tumor_unet.training.events import Epoch, Step

_LOSS, _DICE = "#56B4E9", "#E69F00"  # distinct for colour-blind readers
_ABOUT_DICE = (
    "Dice of the held-out slices after each epoch, of all that reaches the threshold; the report's is of the "
    "mask as it is drawn, without the regions that are left out."
)


class TrainingCurves(QWidget):
    """Shows two plots, each as soon as it has a point; the loss has one more, for the epoch under way.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose theme the plots follow.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._epochs: list[Epoch] = []
        self._running: list[float] = []
        self._loss = Plot(viewer, "Loss after each epoch.", "loss")
        self._dice = Plot(viewer, _ABOUT_DICE, "held-out Dice")
        self.loss, self.dice = self._loss.draw_points(_LOSS), self._dice.draw_points(_DICE)
        self._loss.setLimits(yMin=0)
        self._dice.setYRange(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for plot in (self._loss, self._dice):
            layout.addWidget(plot)

    @property
    def epochs(self) -> int:
        """Number of epochs shown."""
        return len(self._epochs)

    def begin(self, epochs: Sequence[Epoch], total: int) -> None:
        """Show the epochs that a run has done already, on an axis for all of its epochs."""
        self._epochs, self._running = list(epochs), []
        for plot in (self._loss, self._dice):
            plot.setXRange(0, total)
        self._draw()

    def show_event(self, event: Any) -> None:
        """Add the point of a step or of an epoch."""
        if isinstance(event, Step):
            self._running.append(event.loss)
        elif isinstance(event, Epoch):
            self._epochs.append(event)
            self._running = []
        else:
            return
        self._draw()

    def _draw(self) -> None:
        x, loss = [e.epoch for e in self._epochs], [e.loss for e in self._epochs]
        if self._running:
            x, loss = [*x, len(self._epochs) + 1], [*loss, sum(self._running) / len(self._running)]
        self.loss.setData(x, loss)
        scored = [(e.epoch, e.held_out_dice) for e in self._epochs if not math.isnan(e.held_out_dice)]
        self.dice.setData([e for e, _ in scored], [dice for _, dice in scored])
        self._loss.setVisible(bool(x))
        self._dice.setVisible(bool(scored))
