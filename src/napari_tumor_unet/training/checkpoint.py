"""The folder of a training: the checkpoint to go on from, and the metrics."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_tumor_unet import _common
from napari_tumor_unet._common import PARTIAL, TumourUnetError, write_whole
from napari_tumor_unet.training.events import CHECKPOINT, METRICS, Epoch
from napari_tumor_unet.training.recipe import Recipe


class CheckpointError(TumourUnetError, RuntimeError):
    """A checkpoint that cannot be written or used; the message is one sentence."""


def identity_of(recipe: Recipe, data: Any, weights: Iterable[Tensor] = ()) -> str:
    """Return a digest of what a training is of: only a checkpoint with the same one is resumed.

    Parameters
    ----------
    recipe : Recipe
        How the network learns.
    data : lists and tuples of str, numbers and None
        What the network learns from, and what is held out.
    weights : iterable of Tensor
        Those that the training starts with.
    """
    return _digest(json.dumps([recipe.content(), data], sort_keys=True), weights)


def earlier_identity_of(recipe: Recipe, data: Any, weights: Iterable[Tensor] = ()) -> str:
    """Return the identity that the version before wrote: it took the repr of its dataclasses."""
    sections = []
    for name, entries in recipe.content().items():
        kind = "UNetConfig" if name == "network" else name.capitalize()
        sections.append(f"{name}={kind}({', '.join(f'{key}={value!r}' for key, value in entries.items())})")
    return _digest(f"(Recipe({', '.join(sections)}), {data!r})", weights)


def _digest(text: str, weights: Iterable[Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for weight in weights:
        digest.update(weight.cpu().numpy().tobytes())
    return digest.hexdigest()


def make_folder(folder: Path) -> None:
    """Make the folder of a training, if it is not there; a file half written by one that was killed goes."""
    _common.make_folder(folder, CheckpointError)
    try:
        for rest in folder.glob(f"{PARTIAL}*"):
            rest.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"The folder {folder.name} cannot be written in ({error.strerror}); choose another."
        ) from error


def save_checkpoint(folder: Path, identity: str, states: dict[str, Any], history: list[Epoch]) -> None:
    """Write checkpoint and metrics, each whole or not at all; the last good checkpoint stays if that fails.

    Parameters
    ----------
    folder : Path
    identity : str
        Digest of what the training is of; see :func:`identity_of`.
    states : mapping of str to objects with ``state_dict``
        Network, optimiser and whatever else changes in training.
    history : list of Epoch
        All epochs so far.
    """
    content = {name: state.state_dict() for name, state in states.items()}
    buffer = io.BytesIO()
    rows = [dataclasses.asdict(epoch) for epoch in history]
    torch.save(content | {"identity": identity, "history": rows}, buffer)
    try:
        write_whole(folder / CHECKPOINT, buffer.getbuffer())
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
        write_whole(folder / METRICS, table.getvalue())


def load_checkpoint(folder: Path, identities: Iterable[str], states: dict[str, Any]) -> list[Epoch]:
    """Restore a checkpoint of one of the identities into ``states``, and return its epochs, none without one.

    Raises
    ------
    CheckpointError
        If it is damaged, or of another training.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return []
    with _damage_told(path):
        with zipfile.ZipFile(path) as file:
            if file.testzip() is not None:  # torch does not look at the checksums
                raise ValueError
        content = torch.load(path, map_location="cpu", weights_only=True)
        history = [Epoch(**row) for row in content["history"]]
        identity = content["identity"]
    if identity not in identities:  # the later ones may take long
        raise CheckpointError(
            f"{folder.name} holds a training with another recipe or other data; choose another name."
        )
    with _damage_told(path):
        for name, state in states.items():
            if content.get(name):  # that of float16's scaler is empty where there was none
                state.load_state_dict(content[name])
    return history


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # zipfile, torch and pickle raise many kinds for damaged files
        name = f"{path.name} in {path.parent.name}"
        raise CheckpointError(f"{name} is damaged; delete it to start anew.") from error
