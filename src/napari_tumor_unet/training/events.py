"""What a training tells while it runs; importing it costs no torch, so that napari's own process can."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

METRICS = "metrics.csv"
"""In the folder of a training."""

Command = Literal["pause", "go on", "stop"]
"""What a training may be told after a step; it waits after the first, and ends early after the last."""


class AcceptsCommand:
    """What a job yields where it may be told something; a word that comes sooner is kept till then."""


class Waiting(AcceptsCommand):
    """What a job yields that goes on only when it is told something."""


@dataclass(frozen=True)
class Reading:
    """A scan that was read and prepared, before the first epoch."""

    scan: int
    scans: int


@dataclass(frozen=True)
class Scored:
    """A scan that was scored, before or after a fine-tuning."""

    scan: int
    scans: int
    after: bool


@dataclass(frozen=True)
class Step(AcceptsCommand):
    """A batch that was learned from: its number in the epoch, from 1, and its loss."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class Epoch:
    """One epoch that ended.

    Attributes
    ----------
    epoch, epochs : int
        Its number, from 1, and how many there will be.
    loss : float
        Mean over its batches.
    held_out_dice : float
        Mean Dice of the held-out volumes in the network's own frame, without postprocessing; NaN where
        nothing is held out.
    learning_rate : float
        At its end.
    seconds : float
        How long it took.
    """

    epoch: int
    epochs: int
    loss: float
    held_out_dice: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """What a training will take: seconds for all epochs, and bytes of memory."""

    seconds: float
    memory: int


def read_metrics(folder: Path) -> list[Epoch]:
    """Read all epochs that a training has done."""
    with (folder / METRICS).open(newline="") as file:
        rows = [[float(value) for value in row] for row in list(csv.reader(file))[1:]]
    return [Epoch(int(epoch), int(epochs), *values) for epoch, epochs, *values in rows]
