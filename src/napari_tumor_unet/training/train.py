"""Train a model on a folder of scans with masks, into a model file: for a notebook, and for a shell."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from napari_tumor_unet._common import Event, drain, relay
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.io.datasets.split import Plan, plan_training, write_split
from napari_tumor_unet.model.card import Card
from napari_tumor_unet.model.device import choose_device, enough_memory
from napari_tumor_unet.model.model_file import Model, load_model, save_model
from napari_tumor_unet.model.registry import MOST_BYTES, find_model
from napari_tumor_unet.training.checkpoint import write_metrics
from napari_tumor_unet.training.curves import draw_curves
from napari_tumor_unet.training.events import (
    CHECKPOINT,
    Epoch,
    Reading,
    Step,
    TrainingError,
    read_metrics,
)
from napari_tumor_unet.training.loop import train as run_training
from napari_tumor_unet.training.recipe import Recipe, read_recipe
from napari_tumor_unet.training.trained import Trained, saving

CURVES = "curves.png"
SPLIT = "split.csv"


@dataclass(frozen=True)
class PreparedTraining:
    """A training before its first step: its model's file and folder, its plan and its device."""

    path: Path
    folder: Path
    plan: Plan
    device: str


def train(
    data: str | Path | Plan,
    *,
    out: str | Path,
    recipe: str | Path | Recipe = "default",
    start: str | Path | None = None,
    epochs: int | None = None,
    split: str | Path | None = None,
    fold: int | None = None,
    resume: bool = False,
    device: str = "auto",
    on_event: Callable[[Reading | Step | Epoch], None] | None = None,
) -> Trained:
    """Train a model and save it.

    Beside the model file ``x.safetensors`` the folder ``x_training`` gets ``split.csv``, and after every
    epoch a checkpoint, ``metrics.csv`` and ``curves.png``.

    Parameters
    ----------
    data : str, Path or Plan
        A folder with scans and masks, or a plan made before; ``split`` and ``fold`` are those of
        :func:`napari_tumor_unet.io.datasets.split.plan_training`. Of a folder, masks that a model made and
        nobody edited are left out.
    out : str or Path
        The model file.
    recipe : str, Path or Recipe
        "seed", "default", "robust", a TOML file, or a recipe read before.
    start : str or Path, optional
        The model, by name or file, whose weights the training goes on from; the statistics of its batch
        normalisations stay. By default the weights are new ones.
    epochs : int, optional
        Instead of the recipe's.
    resume : bool
        Go on from the checkpoint, if there is one. On a CPU the model is then the same as without an
        interruption.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    on_event : callable, optional
        Called with each event of :func:`napari_tumor_unet.training.loop.train`.

    Returns
    -------
    Trained
        The model, where it is, and how the training went.

    Raises
    ------
    ScanError, RecipeError, DeviceError, TrainingError, CheckpointError, ModelError
        Each with one sentence that says what is wrong.
    """
    training = begin(out, data, split, fold, resume, device)
    return drain(steps_of(training, recipe, start, epochs), on_event)


def steps_of(
    training: PreparedTraining, recipe: str | Path | Recipe, start: str | Path | None, epochs: int | None
) -> Generator[Any, None, Trained]:
    """Train a model and save it, step by step: :func:`train`, whose events this yields."""
    name = "given in Python" if isinstance(recipe, Recipe) else Path(recipe).stem
    settings = recipe if isinstance(recipe, Recipe) else read_recipe(str(recipe))
    settings = settings if epochs is None else settings.with_epochs(epochs)
    path, folder, plan = training.path, training.folder, training.plan
    parent = None if start is None else _parent(start, settings)

    with enough_memory(training.device):
        steps = run_training(
            plan.learn,
            plan.held_out,
            settings,
            folder,
            device=training.device,
            start=None if parent is None else parent.network,
        )
        network, history = yield from relay(steps, partial(_drawn, path.stem, folder))
    record_split(training)
    with saving(path.stem):
        write_metrics(folder, history)
        draw_curves(history, folder / CURVES)
        card = _card(path.stem, name, settings, plan, history, training.device)
        if parent is not None:
            known = parent.card
            card = replace(card, parent=parent.hash, data=known.data, patients=known.patients)
        model = save_model(Model(network, settings.preprocessing, card), path)
    return Trained(path=path, folder=folder, history=tuple(history), in_memory=model)


def _drawn(name: str, folder: Path, event: Event) -> Iterator[Event]:
    """Draw the curves after each epoch."""
    if isinstance(event, Epoch):
        with saving(name):
            draw_curves(read_metrics(folder), folder / CURVES)
    yield event


def begin(
    out: str | Path,
    data: str | Path | Plan,
    split: str | Path | None,
    fold: int | None,
    resume: bool,
    device: str,
) -> PreparedTraining:
    """Check that a training overwrites nothing, plan it, and choose its device; the arguments are a user's.

    Raises
    ------
    TrainingError
        If the model file or its folder exists already, and is not to be resumed.
    ScanError, DeviceError
        As :func:`napari_tumor_unet.io.datasets.split.plan_training`, and if there is no such device.
    """
    path = Path(out).expanduser()
    folder = check_name(path, resume)
    plan = data if isinstance(data, Plan) else plan_training(data, split, fold)
    return PreparedTraining(path, folder, plan, choose_device(device))


def check_name(path: Path, resume: bool) -> Path:
    """Return the folder of the training of a model file, if it overwrites nothing.

    Raises
    ------
    TrainingError
        If the model file or its folder exists already, and is not to be resumed, or cannot be written.
    """
    folder = path.with_name(f"{path.stem}_training")
    if len(os.fsencode(path.stem)) > MOST_BYTES:
        raise TrainingError(f"The name {path.stem[:40]}... is too long for a file; choose a shorter one.")
    begun = os.path.lexists(folder / CHECKPOINT)  # which no name is too long for
    if path.suffix != ".safetensors":
        raise TrainingError(f"A model file is named like model.safetensors, not {path.name}.")
    if not resume and begun:
        raise TrainingError(
            f"A training of {path.stem} has begun already; resume it, or choose another name."
        )
    if not begun and os.path.lexists(path):
        raise TrainingError(f"{path.name} exists already; choose another name.")
    there = next(one for one in (folder, *folder.absolute().parents) if os.path.lexists(one))
    if not (os.path.isdir(there) and os.access(there, os.W_OK)):  # noqa: PTH112 - false of what cannot be looked at
        raise TrainingError(f"The folder {folder.name} cannot be made or written in; choose another name.")
    return folder


def record_split(training: PreparedTraining) -> None:
    """Write beside the model which patients it learned from."""
    with saving(training.path.stem):
        write_split(training.folder / SPLIT, {"train": training.plan.learn, "val": training.plan.held_out})


def _parent(start: str | Path, recipe: Recipe) -> Model:
    model = load_model(find_model(start))
    if model.network.config != recipe.network:
        raise TrainingError(f"The network of the model {model.card.name!r} is not that of the recipe.")
    return model


def _card(
    name: str, recipe_name: str, recipe: Recipe, plan: Plan, history: Sequence[Epoch], device: str
) -> Card:
    last = history[-1]
    seconds = sum(epoch.seconds for epoch in history)
    scores = {}
    if plan.held_out:
        scores["held-out scans, last epoch"] = {
            "metric": "mean Dice per volume in the network's frame, without postprocessing",
            "scans": len(plan.held_out),
            "mean": round(last.held_out_dice, 4),
        }
    output = recipe.postprocessing
    return Card(
        name=name,
        summary=f"Trained with the recipe {recipe_name} on {_count(plan.learn)}.",
        training_data=f"{_count(plan.learn)}, split by patient from {_count(plan.held_out)} held out.",
        training=f"Recipe {recipe_name}, {last.epochs} epochs, {seconds / 60:.0f} minutes on {device}, "
        f"{platform.machine()}.",
        scores=scores,
        threshold=output.threshold,
        min_region_weight=output.min_region_weight,
        tta_flip=output.tta_flip,
    )


def _count(pairs: Sequence[Case]) -> str:
    patients = len({pair.patient for pair in pairs})
    return f"{len(pairs)} scans of {patients} patients"
