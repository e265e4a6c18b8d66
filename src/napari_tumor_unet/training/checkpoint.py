"""What a training leaves in its folder: where to go on from, and how it went."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.training.events import METRICS, Epoch
from napari_tumor_unet.training.recipe import Recipe

CHECKPOINT = "checkpoint.pt"


class CheckpointError(TumourUnetError, RuntimeError):
    """A checkpoint that cannot be written or used; the message is one sentence."""


def identity_of(recipe: Recipe, data: object, weights: Iterable[Tensor] = ()) -> str:
    """Return what a checkpoint can be resumed for: a digest of a recipe, of data and of the first weights."""
    digest = hashlib.sha256(repr((recipe, data)).encode())
    for weight in weights:
        digest.update(weight.cpu().numpy().tobytes())
    return digest.hexdigest()


def make_folder(folder: Path) -> None:
    """Make the folder of a training, if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"The folder {folder.name} cannot be made: {error.strerror}.") from error


def save_checkpoint(folder: Path, identity: str, parts: dict[str, Any], history: list[Epoch]) -> None:
    """Write checkpoint and metrics, each whole or not at all; the last good checkpoint stays if that fails.

    Parameters
    ----------
    folder : Path
        Where to.
    identity : str
        What the training is of: another one's checkpoint is refused.
    parts : mapping of str to objects with ``state_dict``
        What changes in training.
    history : list of Epoch
        All so far.
    """
    content = {name: part.state_dict() for name, part in parts.items()}
    buffer = io.BytesIO()
    rows = [dataclasses.asdict(epoch) for epoch in history]
    torch.save(content | {"identity": identity, "history": rows}, buffer)
    try:
        _write(folder / CHECKPOINT, buffer.getbuffer())
        write_metrics(folder, history)
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint of epoch {len(history)} cannot be written ({error.strerror}); the one "
            "before it, if any, is whole: make space and resume."
        ) from error


def write_metrics(folder: Path, history: list[Epoch]) -> None:
    """Write all epochs as a CSV file, for :func:`napari_tumor_unet.training.events.read_metrics`."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, [field.name for field in dataclasses.fields(Epoch)])
    writer.writeheader()
    writer.writerows(dataclasses.asdict(epoch) for epoch in history)
    with suppress(PermissionError):  # open in a spreadsheet on Windows: the next epoch writes all of it
        _write(folder / METRICS, table.getvalue().encode())


def load_checkpoint(folder: Path, identity: str, parts: dict[str, Any]) -> list[Epoch]:
    """Restore a checkpoint into ``parts``; the epochs that it had done, none without a checkpoint.

    Raises
    ------
    CheckpointError
        If it is damaged, or of another training.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return []
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        history = [Epoch(**row) for row in content["history"]]
        same = content["identity"] == identity
    except Exception as error:  # torch and pickle raise many kinds for damaged files
        raise CheckpointError(f"{path.name} in {folder.name} is damaged; delete it to start anew.") from error
    if not same:
        raise CheckpointError(
            f"{folder.name} holds a training with another recipe or other data; choose another name."
        )
    for name, part in parts.items():
        if content.get(name):  # that of float16's scaler is empty where there was none
            part.load_state_dict(content[name])
    return history


def _write(path: Path, content: bytes | memoryview) -> None:
    partial = path.with_name(f".partial-{path.name}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # before it replaces the last good one
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
