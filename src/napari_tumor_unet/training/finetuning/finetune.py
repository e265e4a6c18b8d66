"""A model and corrected masks to a better model, or to the proof that it is none."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

from napari_tumor_unet.evaluation.evaluate import ScanScore, score_pair
from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.io.datasets.pairs import Case, Pair
from napari_tumor_unet.io.datasets.sample import NAME, sample_mask, sample_scan
from napari_tumor_unet.model.card import Card
from napari_tumor_unet.model.model_file import Model, channels_last
from napari_tumor_unet.training.augmentation import Augmentation, augment
from napari_tumor_unet.training.events import Command, Epoch, Estimate, Reading, Scored, Step, Waiting
from napari_tumor_unet.training.finetuning.cases import content_hash
from napari_tumor_unet.training.finetuning.run_store import FineTuning
from napari_tumor_unet.training.finetuning.verdict import Advice, Change, advise
from napari_tumor_unet.training.loop import TrainingError, train
from napari_tumor_unet.training.optimisation import TrainStep
from napari_tumor_unet.training.recipe import (
    Optimisation,
    Postprocessing,
    Recipe,
    Sampling,
    Schedule,
    reason_of,
)


def recipe_for(model: Model, settings: FineTuning) -> Recipe:
    """The whole of the training, of that model's network on that model's input."""
    if not 0 <= settings.augmentation <= 1:
        raise ValueError(f"augmentation is from 0 to 1, not {settings.augmentation}.")
    full = Augmentation(skull_stripped=0.0)  # the user's scans are as those to come will be
    weaker = {f.name: settings.augmentation * getattr(full, f.name) for f in fields(full)}
    card, steps = model.card, settings.epochs * settings.slices // settings.batch_size
    return Recipe(
        model.preprocessing,
        model.network.config,
        Optimisation(
            learning_rate=settings.learning_rate, batch_size=settings.batch_size, layers=settings.layers
        ),
        Schedule(settings.epochs, warm_up=min(20, steps // 10), ema_decay=0.99, seed=settings.seed),
        Sampling(settings.slices, tumour_share=0.5),
        Augmentation(**weaker),
        Postprocessing(card.threshold, card.min_region_weight, card.tta_flip),
    )


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuning that ended.

    Attributes
    ----------
    model : Model
        The new one; not saved yet.
    history : tuple of Epoch
    changes : tuple of Change
        Of the held-out scans, then of the sample.
    views : tuple of (ScanScore, ScanScore)
        The same before and after, to look at.
    advice : Advice
    """

    model: Model
    history: tuple[Epoch, ...]
    changes: tuple[Change, ...]
    views: tuple[tuple[ScanScore, ScanScore], ...]
    advice: Advice


def hold_out_block(case: Case) -> tuple[Case, Case | None]:
    """Of a single scan: what to learn from, and the block of slices to be judged by.

    The block is the middle fifth of the slices with tumour that may teach. Its neighbours are learned from,
    so what it shows is optimistic. There is none where fewer than five slices show tumour.
    """
    _, mask = case.read()
    slices = range(len(mask)) if case.slices is None else case.slices
    tumour = [z for z in slices if mask[z].any()]
    n = len(tumour) // 5
    if not n:
        return case, None
    first = (len(tumour) - n) // 2
    block = tuple(tumour[first : first + n])
    return _only(case, tuple(z for z in slices if z not in block)), _only(case, block)


def fine_tune(
    cases: Sequence[Case],
    held_out: Sequence[Case],
    model: Model,
    settings: FineTuning,
    folder: Path,
    *,
    device: str = "cpu",
) -> Generator[Reading | Scored | Step | Epoch | Waiting, Command | None, FineTuned]:
    """Fine-tune a model, or go on from the folder's checkpoint; score it before and after.

    Parameters
    ----------
    cases, held_out : sequence of Case
        To learn from, and to be judged by. Without any held out, a block of slices of a single scan is.
    model : Model
        The parent.
    settings : FineTuning
    folder : Path
        For the checkpoint.
    device : str
        A torch device.

    Yields
    ------
    Reading, Scored, Step, Epoch, Waiting
        As of :func:`napari_tumor_unet.training.loop.train`, which says what they may be answered with.

    Returns
    -------
    FineTuned

    Raises
    ------
    TrainingError, CheckpointError, ScanError
        As :func:`napari_tumor_unet.training.loop.train`.
    """
    cases = sorted(cases, key=lambda case: case.name)  # so that their order decides nothing
    held_out = sorted(held_out, key=lambda case: case.name)
    of_one_scan = len(cases) == 1 and not held_out
    if of_one_scan:
        learned, block = hold_out_block(cases[0])
        cases, held_out = [learned], [block] if block else []
    try:
        recipe = recipe_for(model, settings)
    except ValueError as error:
        raise TrainingError(reason_of(error)) from error
    judged = [*held_out, Pair(NAME, NAME, sample_scan(), sample_mask())]
    before = yield from _score(judged, model, device, after=False)
    network, history = yield from train(cases, held_out, recipe, folder, device=device, start=model.network)
    tuned = replace(model, network=network, hash="")
    after = yield from _score(judged, tuned, device, after=True)
    changes = tuple(
        Change(case.name, _judged(old, case), _judged(new, case), case is judged[-1])
        for case, old, new in zip(judged, before, after, strict=True)
    )
    stopped = len(history) < settings.epochs
    card = _card(model, settings, cases, history, changes, block=of_one_scan)
    return FineTuned(
        replace(tuned, card=card),
        tuple(history),
        changes,
        tuple(zip(before, after, strict=True)),
        advise(changes, block=of_one_scan, stopped=stopped),
    )


def estimate(model: Model, settings: FineTuning, slices: int, device: str = "cpu") -> Estimate:
    """What a fine-tuning will take, by two steps of it on noise.

    Parameters
    ----------
    model : Model
    settings : FineTuning
    slices : int
        Those of all scans, which are held in memory.
    device : str
    """
    recipe = recipe_for(model, settings)
    network = channels_last(copy.deepcopy(model.network)).to(device).train()
    train_step = TrainStep(network, recipe.optimisation)
    size, n = model.preprocessing.size, settings.batch_size
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((n, model.preprocessing.channels, size, size), generator=generator)
    kept = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: kept.append(out.numel() * out.element_size()))
        for layer in network.modules()
        if not list(layer.children())
    ]
    seconds = []
    for _ in range(2):
        start = time.monotonic()
        images, masks = augment(noise, noise[:, :1].gt(1).float(), recipe.augmentation, generator)
        train_step.step(images.to(device), masks.to(device), 0.0)
        seconds.append(time.monotonic() - start)
    for hook in hooks:
        hook.remove()
    activations = sum(kept[: len(kept) // 2])
    weights = 20 * sum(weight.numel() for weight in network.parameters())  # gradient, optimiser, average
    scans = slices * size * size * 7  # three sequences as float16, and the mask
    steps = settings.epochs * max(1, settings.slices // n)
    return Estimate(steps * min(seconds), 2 * activations + weights + scans)


def _score(
    cases: Sequence[Case], model: Model, device: str, *, after: bool
) -> Generator[Scored, Command | None, list[ScanScore]]:
    scores = []
    for case in cases:
        scores.append(score_pair(case, model, device=device))
        yield Scored(len(scores), len(cases), after)
    return scores


def _judged(score: ScanScore, case: Case) -> Counts:
    if case.slices is None:
        return score.volume
    return sum((score.slices[z] for z in case.slices), Counts())


def _only(case: Case, slices: tuple[int, ...]) -> Case:
    return dataclasses.replace(case, slices=slices)  # type: ignore[type-var]


def _card(
    parent: Model,
    settings: FineTuning,
    cases: Sequence[Case],
    history: Sequence[Epoch],
    changes: Sequence[Change],
    *,
    block: bool,
) -> Card:
    """The new model's card: no name of a scan is in it."""
    held_out = [change for change in changes if not change.is_sample]
    scores = {
        ("sample" if change.is_sample else f"{'block of slices' if block else 'held-out scan'} {i + 1}"): {
            "metric": "Dice, before and after",
            "before": round(change.before.dice, 4),
            "after": round(change.after.dice, 4),
        }
        for i, change in enumerate(changes)
    }
    learned = "1 scan" if len(cases) == 1 else f"{len(cases)} scans"
    split = "a block of its slices" if block and held_out else f"{len(held_out)} scans"
    minutes = sum(epoch.seconds for epoch in history) / 60
    return replace(
        parent.card,
        summary=f"{parent.card.name}, fine-tuned on {learned} of its user.",
        training_data=f"{learned} with corrected masks; {split} held out. The parent: "
        f"{parent.card.training_data}",
        training=f"Fine-tuned: {len(history)} of {settings.epochs} epochs, {minutes:.0f} minutes, "
        f"{_settings(settings)}. The parent: {parent.card.training}",
        scores=scores,
        parent=parent.hash,
        data=tuple(content_hash(*case.read()) for case in cases),
    )


def _settings(settings: FineTuning) -> str:
    return ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(settings).items())
