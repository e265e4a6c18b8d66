"""The events of a training; importing them costs no torch, so that napari's own process can."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_tumor_unet._common import TumourUnetError

CHECKPOINT, METRICS = "checkpoint.pt", "metrics.csv"
"""In the folder of a training."""

Command = Literal["pause", "go on", "stop"]
"""Commands to a training, obeyed after a step: wait, go on, or end early."""


class TrainingError(TumourUnetError, RuntimeError):
    """A training that cannot start or go on; the message is one sentence that says why."""


class AcceptsCommand:
    """Event of a job at which it takes a command; one that comes sooner is kept till then."""


class Waiting(AcceptsCommand):
    """Event of a job that goes on only when a command comes."""


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
        Number of the epoch, from 1, and of all epochs.
    loss : float
        Mean over the batches.
    held_out_dice : float
        Mean Dice of the held-out volumes in the network's own frame, without postprocessing; NaN where
        nothing is held out.
    learning_rate : float
        At the end of the epoch.
    seconds : float
        Duration of the epoch.
    """

    epoch: int
    epochs: int
    loss: float
    held_out_dice: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """Cost of a training: seconds for all epochs, and bytes of memory."""

    seconds: float
    memory: int


def read_metrics(folder: Path) -> list[Epoch]:
    """Read all epochs that a training has done."""
    with (folder / METRICS).open(newline="") as file:
        rows = [[float(value) for value in row] for row in list(csv.reader(file))[1:]]
    return [Epoch(int(epoch), int(epochs), *values) for epoch, epochs, *values in rows]
