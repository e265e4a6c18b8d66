"""Folders of data to model files, and model files to figures: what a notebook calls, and a shell."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from napari_tumor_unet.evaluation.evaluate import ScanScore, Summary, score_pair, summarise
from napari_tumor_unet.evaluation.plots import draw_examples
from napari_tumor_unet.io.datasets.pairs import Dataset, Pair, find_pairs
from napari_tumor_unet.io.datasets.split import hold_out, read_split, write_split
from napari_tumor_unet.model.card import Card
from napari_tumor_unet.model.device import choose_device, enough_memory
from napari_tumor_unet.model.model_file import Model, load_model, save_model
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.checkpoint import CHECKPOINT, write_metrics
from napari_tumor_unet.training.curves import draw_curves
from napari_tumor_unet.training.events import Epoch, Reading, Step, Waiting, read_metrics
from napari_tumor_unet.training.loop import TrainingError
from napari_tumor_unet.training.loop import train as run_training
from napari_tumor_unet.training.recipe import Recipe, read_recipe

CURVES = "curves.png"
SPLIT = "split.csv"


@dataclass(frozen=True)
class Plan:
    """Who is learned from and who is held out; and what is left alone, with the reason."""

    learn: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Trained:
    """A training that ended: the model, its file, its history, and the folder with metrics and curves."""

    model: Model
    path: Path
    folder: Path
    history: tuple[Epoch, ...]


@dataclass(frozen=True)
class Evaluation:
    """What each scan scored, their sum, and what was left out with the reason."""

    scores: tuple[ScanScore, ...]
    summary: Summary
    left_out: Mapping[str, str]


def plan_training(data: str | Path, split: str | Path | None = None, fold: int | None = None) -> Plan:
    """Find the pairs in a folder and split them by patient.

    Parameters
    ----------
    data : str or Path
        As for :func:`napari_tumor_unet.io.datasets.pairs.find_pairs`.
    split : str or Path, optional
        As for :func:`napari_tumor_unet.io.datasets.split.read_split`: patients of the part "train" are
        learned from, those of "val" held out. By default a fifth of the patients is held out.
    fold : int, optional
        The fold of the split to hold out instead.

    Returns
    -------
    Plan
        What :func:`train` takes.

    Raises
    ------
    ScanError
        If there is no pair, or the split cannot be used.
    """
    if fold is not None and split is None:
        raise ScanError("A fold needs a split: a CSV file with the columns patient, split and fold.")
    dataset = find_pairs(Path(data))
    parts = read_split(Path(split), fold) if split is not None else hold_out(dataset.pairs)
    used = dataset.part(parts, "train", "val")
    learn = tuple(pair for pair in used.pairs if parts[pair.patient] == "train")
    return Plan(learn, tuple(pair for pair in used.pairs if pair not in learn), used.left_out)


def train(
    data: str | Path | Plan,
    *,
    out: str | Path,
    recipe: str | Path | Recipe = "default",
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
        :func:`plan_training`.
    out : str or Path
        The model file.
    recipe : str, Path or Recipe
        "seed", "default", a TOML file, or a recipe read before.
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
    ScanError, RecipeError, DeviceError, TrainingError, CheckpointError
        Each with one sentence that says what is wrong.
    """
    path = Path(out).expanduser()
    folder = path.with_name(f"{path.stem}_training")
    check_target(path, folder / CHECKPOINT, resume)
    plan = data if isinstance(data, Plan) else plan_training(data, split, fold)
    name = "given in Python" if isinstance(recipe, Recipe) else Path(recipe).stem
    settings = recipe if isinstance(recipe, Recipe) else read_recipe(str(recipe))
    settings = settings if epochs is None else settings.with_epochs(epochs)
    chosen = choose_device(device)
    steps = run_training(plan.learn, plan.held_out, settings, folder, device=chosen)
    with enough_memory(chosen):
        while True:
            try:
                event = next(steps)
            except StopIteration as end:
                network, history = end.value
                break
            if isinstance(event, Epoch):
                with writing(path.stem):
                    draw_curves(read_metrics(folder), folder / CURVES)
            if on_event is not None and not isinstance(event, Waiting):
                on_event(event)
    with writing(path.stem):
        write_metrics(folder, history)
        write_split(folder / SPLIT, {"train": plan.learn, "val": plan.held_out})
        draw_curves(history, folder / CURVES)
        card = _card(path.stem, name, settings, plan, history, chosen)
        model = save_model(Model(network, settings.preprocessing, card), path)
    return Trained(model, path, folder, tuple(history))


def evaluate(
    data: str | Path | Sequence[Pair],
    *,
    model: str | Path | Model | None = None,
    split: str | Path | None = None,
    part: str | None = None,
    fold: int | None = None,
    flair_alone: bool = False,
    device: str = "auto",
    pictures: str | Path | None = None,
    on_score: Callable[[ScanScore, int], None] | None = None,
) -> Evaluation:
    """Segment scans whose masks are known, and score the result.

    Parameters
    ----------
    data : str, Path or sequence of Pair
        A folder with scans and masks, or pairs found before, ``plan.held_out`` say.
    model : str, Path or Model, optional
        As for :func:`napari_tumor_unet.segment`.
    split : str or Path, optional
        A split by patient; with it only the patients of ``part`` are taken, else all.
    part : str, optional
        "val", the default, "test" or another name that the split gives.
    fold : int, optional
        The fold of the split that is the part "val".
    flair_alone : bool
        Give the model FLAIR alone.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    pictures : str or Path, optional
        Folder for pictures of the best, the median, the worst and the missed scans.
    on_score : callable, optional
        Called with the score of each scan and the number of all.

    Returns
    -------
    Evaluation
        With a score for each scan that could be read, and their summary.

    Raises
    ------
    ScanError, ModelError, DeviceError
        Each with one sentence that says what is wrong.
    OSError
        If the pictures cannot be written.
    """
    if split is None and (part is not None or fold is not None):
        raise ScanError("A part or a fold needs a split: a CSV file with the columns patient and split.")
    dataset = find_pairs(Path(data)) if isinstance(data, str | Path) else Dataset(tuple(data))
    if split is not None:
        dataset = dataset.part(read_split(Path(split), fold), part or "val")
    loaded = model if isinstance(model, Model) else load_model(model)
    chosen = choose_device(device)
    folder = Path(pictures).expanduser() if pictures is not None else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    scores, left_out = [], dict(dataset.left_out)
    for pair in dataset.pairs:
        try:
            with enough_memory(chosen):
                scores.append(score_pair(pair, loaded, device=chosen, flair_alone=flair_alone))
        except ScanError as error:  # one bad scan does not stop the others
            left_out[pair.name] = str(error)
            continue
        if on_score is not None:
            on_score(scores[-1], len(dataset.pairs))
    if not scores:
        raise ScanError("No scan could be evaluated: none is in that part of the split, or can be read.")
    if folder is not None:
        draw_examples(scores, folder)
    return Evaluation(tuple(scores), summarise(scores), left_out)


def check_target(path: Path, checkpoint: Path, resume: bool) -> None:
    """Nothing is trained over."""
    if path.suffix != ".safetensors":
        raise TrainingError(f"A model file is named like model.safetensors, not {path.name}.")
    if not resume and checkpoint.exists():
        raise TrainingError(
            f"A training of {path.stem} has begun already; resume it, or choose another name."
        )
    if not checkpoint.exists() and path.exists():
        raise TrainingError(f"{path.name} exists already; choose another name.")


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Say in a TrainingError that something cannot be saved."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(f"{name} cannot be saved ({reason}); fix this, then resume.") from error


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


def _count(pairs: Sequence[Pair]) -> str:
    patients = len({pair.patient for pair in pairs})
    return f"{len(pairs)} scans of {patients} patients"
