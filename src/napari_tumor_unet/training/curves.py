"""Draw how a training went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from napari_tumor_unet._common import atomic_write
from napari_tumor_unet.training.events import Epoch

# Distinct also for those who see no red and green (Okabe and Ito, 2008).
_DICE, _LOSS = "#E69F00", "#56B4E9"


def draw_curves(history: Sequence[Epoch], path: Path) -> None:
    """Draw loss and held-out Dice over the epochs, as a PNG file."""
    figure = Figure(figsize=(8, 3.2), dpi=120, layout="constrained")
    loss, dice = figure.subplots(1, 2)
    epochs = [e.epoch for e in history]
    loss.plot(epochs, [e.loss for e in history], color=_LOSS, marker=".")
    loss.set(xlabel="epoch", title="Training loss", ylim=(0, None))
    if math.isnan(history[-1].held_out_dice):
        dice.text(0.5, 0.5, "no scan is held out", ha="center", transform=dice.transAxes)
    else:
        dice.plot(epochs, [e.held_out_dice for e in history], color=_DICE, marker=".")
    dice.set(xlabel="epoch", title="Mean Dice of held-out scans", ylim=(0, 1))
    for axes in (loss, dice):
        axes.grid(alpha=0.3)
        axes.set_xlim(0.5, max(history[-1].epochs, 2) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True)
    with atomic_write(path) as partial:
        figure.savefig(partial)
