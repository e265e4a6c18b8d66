"""Pairs and a recipe to a network: one loop, resumable after every epoch."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_tumor_unet.checkpoint import Epoch, load_checkpoint, make_folder, save_checkpoint
from napari_tumor_unet.dataset import Pair
from napari_tumor_unet.device import autocast, precision
from napari_tumor_unet.model import channels_last
from napari_tumor_unet.recipe import Optimisation, Recipe, Schedule
from napari_tumor_unet.sampling import PreparedScan, Sampler, prepare_scan, without_skull
from napari_tumor_unet.unet import UNet

LOSSES: dict[str, nn.Module] = {
    "bce": nn.BCEWithLogitsLoss(),
    "dice_ce": DiceCELoss(sigmoid=True, batch=True),
}
_BATCH = 8  # slices, where nothing is learned
T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """A scan that was read and prepared, before the first epoch."""

    scan: int
    scans: int


@dataclass(frozen=True)
class Step:
    """A batch that was learned from: its number in the epoch, from 1, and its loss."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float


class TrainingError(RuntimeError):
    """A training that cannot start or go on; the message is one sentence that says why."""


def train(
    pairs: Sequence[Pair], held_out: Sequence[Pair], recipe: Recipe, folder: Path, *, device: str = "cpu"
) -> Generator[Reading | Step | Epoch, None, tuple[UNet, list[Epoch]]]:
    """Train, or go on from the folder's checkpoint.

    Parameters
    ----------
    pairs, held_out : sequence of Pair
        To learn from, and to watch; no patient may be in both.
    recipe : Recipe
        How.
    folder : Path
        Where ``checkpoint.pt`` and ``metrics.csv`` go after every epoch.
    device : str
        A torch device.

    Yields
    ------
    Reading, Step, Epoch
        As they end.

    Returns
    -------
    UNet
        The network of the last epoch, or the average if the recipe averages. On a CPU the same weights
        whether the training was interrupted or not.
    list of Epoch
        All that it took, those before an interruption too.

    Raises
    ------
    TrainingError
        If a patient or a scan is on both sides, no mask holds tumour, or the loss is no longer a number.
    CheckpointError
        If the checkpoint cannot be written, or is of another training.
    ScanError
        If a file cannot be used.
    """
    if not pairs:
        raise TrainingError("There is no scan to learn from.")
    if both := {p.patient for p in pairs} & {p.patient for p in held_out}:
        raise TrainingError(f"Patients on both sides of the split: {', '.join(sorted(both))}.")
    identity = _identity(pairs, held_out, recipe)
    schedule = recipe.schedule
    torch.manual_seed(schedule.seed)
    net = channels_last(UNet(recipe.network)).to(device)
    decay = get_ema_multi_avg_fn(schedule.averaging)  # type: ignore[no-untyped-call]
    average = AveragedModel(net, multi_avg_fn=decay, use_buffers=True)
    optimiser = _optimiser(net, recipe.optimisation)
    # float16 alone needs its gradients scaled.
    scaler = torch.amp.GradScaler(device, enabled=precision(device) is torch.float16)
    parts = {"net": net, "average": average, "optimiser": optimiser, "scaler": scaler}
    loss_function = LOSSES[recipe.optimisation.loss]
    history = load_checkpoint(folder, identity, parts)
    if len(history) < schedule.epochs:
        make_folder(folder)
        sampler, watched = yield from _read(pairs, held_out, recipe)
    for epoch in range(len(history) + 1, schedule.epochs + 1):
        start = time.monotonic()
        # All chance of an epoch comes from its number, so that a resumed run repeats it exactly.
        generator = torch.Generator().manual_seed(1000 * schedule.seed + epoch)
        torch.manual_seed(1000 * schedule.seed + epoch)
        net.train()
        losses: list[float] = []
        for images, masks in _ahead(sampler.epoch(generator)):
            rate = recipe.optimisation.learning_rate * _relative_rate(
                (epoch - 1) * sampler.steps + len(losses), sampler.steps, schedule
            )
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = _learn(net, optimiser, scaler, images.to(device), masks.to(device), loss_function)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss is no longer a number in epoch {epoch}; lower the learning rate."
                )
            average.update_parameters(net)
            losses.append(loss)
            yield Step(epoch, schedule.epochs, len(losses), sampler.steps, loss)
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
                time.monotonic() - start,
            )
        )
        save_checkpoint(folder, identity, parts, history)
        yield history[-1]
    net.load_state_dict(average.module.state_dict())
    return net.cpu().eval(), history


def _read(
    pairs: Sequence[Pair], held_out: Sequence[Pair], recipe: Recipe
) -> Generator[Reading, None, tuple[Sampler, list[PreparedScan]]]:
    whole: list[PreparedScan] = []
    stripped: list[PreparedScan] = []
    watched: list[PreparedScan] = []
    for i, pair in enumerate((*pairs, *held_out)):
        scan, mask = pair.read()
        learned = i < len(pairs)
        (whole if learned else watched).append(prepare_scan(scan, mask, recipe.preparation))
        if learned and recipe.augmentation.stripped:
            stripped.append(prepare_scan(without_skull(scan, mask), mask, recipe.preparation))
        yield Reading(i + 1, len(pairs) + len(held_out))
    try:
        return Sampler(whole, stripped, recipe), watched
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _learn(
    net: UNet,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    images: Tensor,
    masks: Tensor,
    loss_function: nn.Module,
) -> float:
    """One step; the loss before it."""
    with autocast(images.device.type):
        logits = net.logits(images.contiguous(memory_format=torch.channels_last))
    loss: Tensor = loss_function(logits.float(), masks)
    optimiser.zero_grad()
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.unscale_(optimiser)
    torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    scaler.step(optimiser)
    scaler.update()
    return loss.item()


def _optimiser(net: UNet, settings: Optimisation) -> torch.optim.Optimizer:
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return kind(net.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)


def _relative_rate(step: int, steps: int, schedule: Schedule) -> float:
    """Share of the peak learning rate at a step of the whole training, with ``steps`` in an epoch."""
    cycle = math.ceil(schedule.epochs / schedule.cycles) * steps
    step %= cycle
    if step < schedule.warm_up:
        return (step + 1) / schedule.warm_up
    if schedule.decay == "none":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - schedule.warm_up) / max(1, cycle - schedule.warm_up)))


def _dice(net: nn.Module, scan: PreparedScan, neighbours: int, device: str) -> float:
    """Of the whole volume, in the network's own frame."""
    net.eval()
    both = total = 0
    for z in range(0, len(scan.mask), _BATCH):
        truth = scan.mask[z : z + _BATCH]
        images = scan.inputs(list(range(z, z + len(truth))), neighbours).to(device)
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


def _identity(pairs: Sequence[Pair], held_out: Sequence[Pair], recipe: Recipe) -> str:
    """What a checkpoint can be resumed for: the recipe and the files."""
    files = [{pair.name: pair.fingerprint() for pair in side} for side in (pairs, held_out)]
    scans = [{scan: name for name, (scan, _) in side.items()} for side in files]
    for twin in scans[0].keys() & scans[1].keys():
        raise TrainingError(f"{scans[1][twin]} and {scans[0][twin]} are one scan on both sides of the split.")
    return hashlib.sha256(repr((recipe, files)).encode()).hexdigest()
