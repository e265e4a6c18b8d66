"""Scans with masks and a recipe to a network: one loop, for training and fine-tuning, resumable."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.model.device import autocast
from napari_tumor_unet.model.model_file import channels_last
from napari_tumor_unet.model.unet import UNet
from napari_tumor_unet.training.checkpoint import load_checkpoint, make_folder, save_checkpoint
from napari_tumor_unet.training.events import Command, Epoch, Reading, Step, Waiting
from napari_tumor_unet.training.optimisation import Learner, relative_rate
from napari_tumor_unet.training.recipe import Recipe
from napari_tumor_unet.training.sampling import PreparedScan, Sampler, brain_of, prepare_scan, without_skull

_BATCH = 8  # slices, where nothing is learned
T = TypeVar("T")


class TrainingError(TumourUnetError, RuntimeError):
    """A training that cannot start or go on; the message is one sentence that says why."""


def train(
    cases: Sequence[Case],
    held_out: Sequence[Case],
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    start: UNet | None = None,
) -> Generator[Reading | Step | Epoch | Waiting, Command | None, tuple[UNet, list[Epoch]]]:
    """Train, or go on from the folder's checkpoint.

    Parameters
    ----------
    cases, held_out : sequence of Case
        To learn from, and to watch. No patient may be in both, but for slices of one scan.
    recipe : Recipe
        How.
    folder : Path
        Where ``checkpoint.pt`` and ``metrics.csv`` go after every epoch.
    device : str
        A torch device.
    start : UNet, optional
        A network to go on from, as in fine-tuning; by default a new one. The statistics of its batch
        normalisations stay: a few scans are too few to measure them.

    Yields
    ------
    Reading, Step, Epoch
        As they end; a step may be answered with a command.
    Waiting
        In a pause, until the command that ends it.

    Returns
    -------
    UNet
        The network of the last epoch, or the average if the recipe averages. On a CPU the same weights
        whether the training was interrupted or not. After "stop" it is that of the best epoch by
        held-out Dice, or of the last one where nothing is held out.
    list of Epoch
        All that it took, those before an interruption too.

    Raises
    ------
    TrainingError
        If a patient or a scan is on both sides, no mask holds tumour, the loss is no longer a number, or
        the first epoch was stopped.
    CheckpointError
        If the checkpoint cannot be written, or is of another training.
    ScanError
        If a file cannot be used.
    """
    if not cases:
        raise TrainingError("There is no scan to learn from.")
    if both := {a.patient for a in cases for b in held_out if _shares(a, b)}:
        raise TrainingError(f"Patients on both sides of the split: {', '.join(sorted(both))}.")
    identity = _identity(cases, held_out, recipe, start)
    schedule = recipe.schedule
    torch.manual_seed(schedule.seed)
    net = channels_last(UNet(recipe.network) if start is None else copy.deepcopy(start)).to(device)
    learner = Learner(net, recipe.optimisation)
    decay = get_ema_multi_avg_fn(schedule.averaging)  # type: ignore[no-untyped-call]
    average = AveragedModel(net, multi_avg_fn=decay, use_buffers=True)
    best = _Best()
    parts = {"net": net, "average": average, "optimiser": learner.optimiser, "scaler": learner.scaler}
    history = load_checkpoint(folder, identity, parts | {"best": best})
    if len(history) < schedule.epochs:
        make_folder(folder)
        sampler, watched = yield from _read(cases, held_out, recipe)
    for epoch in range(len(history) + 1, schedule.epochs + 1):
        began = time.monotonic()
        # All chance of an epoch comes from its number, so that a resumed run repeats it exactly.
        generator = torch.Generator().manual_seed(1000 * schedule.seed + epoch)
        torch.manual_seed(1000 * schedule.seed + epoch)
        _train_mode(net, keep_statistics=start is not None)
        losses: list[float] = []
        for images, masks in _ahead(sampler.epoch(generator)):
            done = (epoch - 1) * sampler.steps + len(losses)
            rate = recipe.optimisation.learning_rate * relative_rate(done, sampler.steps, schedule)
            loss = learner.learn(images.to(device), masks.to(device), rate)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss is no longer a number in epoch {epoch}; lower the learning rate."
                )
            average.update_parameters(net)
            losses.append(loss)
            command = yield Step(epoch, schedule.epochs, len(losses), sampler.steps, loss)
            while command == "pause":
                command = yield Waiting()
            if command == "stop":
                return best.network(net), history
        if not all(bool(weight.isfinite().all()) for weight in net.parameters()):
            raise TrainingError(
                f"The weights are no longer numbers in epoch {epoch}; lower the learning rate."
            )
        dice = [_dice(average.module, scan, recipe.preparation.neighbours, device) for scan in watched]
        history.append(
            Epoch(
                epoch,
                schedule.epochs,
                float(np.mean(losses)),
                float(np.mean(dice)) if dice else math.nan,
                rate,
                time.monotonic() - began,
            )
        )
        best.look(history[-1].held_out_dice, average.module)
        save_checkpoint(folder, identity, parts | {"best": best}, history)
        yield history[-1]
    net.load_state_dict(average.module.state_dict())
    return net.cpu().eval(), history


@dataclass
class _Best:
    """The weights after the epoch with the highest held-out Dice, or the last where nothing is held out."""

    dice: float = -math.inf
    weights: dict[str, Tensor] = field(default_factory=dict)

    def look(self, dice: float, network: nn.Module) -> None:
        if not dice <= self.dice:  # NaN: nothing is held out
            self.dice = dice
            self.weights = {name: weight.cpu().clone() for name, weight in network.state_dict().items()}

    def network(self, like: UNet) -> UNet:
        if not self.weights:
            raise TrainingError("Stopped before the first epoch had ended; there is nothing to keep.")
        like.load_state_dict(self.weights)
        return like.cpu().eval()

    def state_dict(self) -> dict[str, Any]:
        return {"dice": self.dice, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.dice, self.weights = state["dice"], state["weights"]


def _read(
    cases: Sequence[Case], held_out: Sequence[Case], recipe: Recipe
) -> Generator[Reading, Command | None, tuple[Sampler, list[PreparedScan]]]:
    whole: list[PreparedScan] = []
    stripped: list[PreparedScan] = []
    watched: list[PreparedScan] = []
    for i, case in enumerate((*cases, *held_out)):
        scan, mask = case.read()
        learned = i < len(cases)
        changes = recipe.augmentation
        outlined = learned and (changes.stripped or changes.dark_scalp or changes.lesions)
        brain = brain_of(scan, mask) if outlined else None
        prepared = replace(prepare_scan(scan, mask, recipe.preparation, brain), slices=case.slices)
        (whole if learned else watched).append(prepared)
        if brain is not None and changes.stripped:
            stripped.append(prepare_scan(without_skull(scan, brain), mask, recipe.preparation, brain))
        yield Reading(i + 1, len(cases) + len(held_out))
    try:
        return Sampler(whole, stripped, recipe), watched
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _train_mode(net: UNet, *, keep_statistics: bool) -> None:
    net.train()
    for layer in net.modules():
        if keep_statistics and isinstance(layer, nn.BatchNorm2d):
            layer.eval()


def _dice(net: nn.Module, scan: PreparedScan, neighbours: int, device: str) -> float:
    """Of the slices that are judged, taken together, in the network's own frame."""
    net.eval()
    both = total = 0
    for first in range(0, len(scan.used), _BATCH):
        indices = scan.used[first : first + _BATCH]
        truth = scan.mask[indices]
        images = scan.inputs(indices, neighbours).to(device)
        with torch.inference_mode(), autocast(device):
            found = net(images.contiguous(memory_format=torch.channels_last))[:, 0].cpu() > 0.5
        both += int((found & truth).sum())
        total += int(found.sum() + truth.sum())
    return 2 * both / total if total else 1.0


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The same, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


def _shares(a: Case, b: Case) -> bool:
    """Whether two cases are of one patient, but for different slices of one scan."""
    apart = a.slices is not None and b.slices is not None and not set(a.slices) & set(b.slices)
    return a.patient == b.patient and not (a.name == b.name and apart)


def _identity(cases: Sequence[Case], held_out: Sequence[Case], recipe: Recipe, start: UNet | None) -> str:
    """What a checkpoint can be resumed for: the recipe, the scans, and what was there before."""
    sides = [[(case, *case.fingerprint()) for case in side] for side in (cases, held_out)]
    for case, scan, _ in sides[0]:
        for other, twin, _ in sides[1]:
            if scan == twin and case.name != other.name:
                raise TrainingError(f"{other.name} and {case.name} are one scan on both sides of the split.")
    files = [[(case.name, case.slices, scan, mask) for case, scan, mask in side] for side in sides]
    digest = hashlib.sha256(repr((recipe, files)).encode())
    for weight in () if start is None else start.state_dict().values():
        digest.update(weight.cpu().numpy().tobytes())
    return digest.hexdigest()
