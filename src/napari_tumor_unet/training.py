"""Pairs and a recipe to a model: one loop, resumable after every epoch."""

from __future__ import annotations

import csv
import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_tumor_unet.augmentation import augment, strip_skull
from napari_tumor_unet.dataset import Pair
from napari_tumor_unet.device import autocast
from napari_tumor_unet.model import channels_last
from napari_tumor_unet.preparation import Preparation, find_frame, prepare
from napari_tumor_unet.recipe import Recipe
from napari_tumor_unet.scan import SEQUENCES, Scan
from napari_tumor_unet.unet import UNet

FLAIR = SEQUENCES.index("flair")


@dataclass(frozen=True)
class Epoch:
    """One epoch that ended: its number (from 1), mean loss, and Dice over the held-out scans.

    ``held_out_dice`` is the mean over scans in the network's own frame; NaN without held-out scans.
    """

    number: int
    of: int
    loss: float
    held_out_dice: float
    seconds: float


class TrainingError(RuntimeError):
    """A training that cannot go on; the message is one sentence that says why."""


@dataclass(frozen=True)
class _Prepared:
    """A scan as the network sees it: images (Z, 3, size, size) float16, mask (Z, size, size)."""

    images: Tensor
    mask: Tensor


def train(
    pairs: Sequence[Pair], held_out: Sequence[Pair], recipe: Recipe, folder: Path, *, device: str = "cpu"
) -> Iterator[Epoch]:
    """Train, or go on from the folder's checkpoint, and yield after every epoch.

    Parameters
    ----------
    pairs, held_out : sequence of Pair
        To learn from, and to watch; no patient may be in both.
    recipe : Recipe
        How.
    folder : Path
        Where ``checkpoint.pt`` and ``metrics.csv`` go.
    device : str
        A torch device.

    Raises
    ------
    TrainingError
        If a patient is on both sides, or the loss is no longer a number.
    ScanError
        If a file cannot be used.
    """
    if both := {p.patient for p in pairs} & {p.patient for p in held_out}:
        raise TrainingError(f"Patients on both sides of the split: {', '.join(sorted(both))}.")
    folder.mkdir(parents=True, exist_ok=True)
    schedule = recipe.schedule
    torch.manual_seed(schedule.seed)
    net = channels_last(UNet(recipe.network)).to(device)
    decay = get_ema_multi_avg_fn(schedule.averaging)  # type: ignore[no-untyped-call]
    average = AveragedModel(net, multi_avg_fn=decay, use_buffers=True)
    optimiser = torch.optim.AdamW(
        net.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    steps = schedule.slices_per_epoch // schedule.batch_size
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _warm_cosine(step, schedule.warm_up, steps * schedule.epochs)
    )
    state = {"net": net, "average": average, "optimiser": optimiser, "rate": rate}
    done = _load_checkpoint(folder / "checkpoint.pt", recipe, state)
    if done == schedule.epochs:
        return

    read = [pair.read() for pair in pairs]
    whole = [_prepare_pair(scan, mask, recipe.preparation) for scan, mask in read]
    stripped = [_prepare_stripped(scan, mask, recipe.preparation) for scan, mask in read]
    watched = [_prepare_pair(*pair.read(), recipe.preparation) for pair in held_out]
    sampler = _Sampler(whole, stripped, recipe)
    loss_function = DiceCELoss(sigmoid=True, batch=True)

    for epoch in range(done + 1, schedule.epochs + 1):
        start = time.monotonic()
        # All chance of an epoch comes from its number, so that a resumed run repeats it exactly.
        generator = torch.Generator().manual_seed(1000 * schedule.seed + epoch)
        torch.manual_seed(1000 * schedule.seed + epoch)
        net.train()
        losses = []
        for _ in range(steps):
            images, masks = augment(*sampler.batch(generator), recipe.augmentation, generator)
            images = images.to(device, memory_format=torch.channels_last)
            with autocast(device):
                logits = net.logits(images)
            loss = loss_function(logits.float(), masks.to(device))
            if not math.isfinite(loss.item()):
                raise TrainingError(
                    f"The loss is no longer a number in epoch {epoch}; lower the learning rate."
                )
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            rate.step()
            average.update_parameters(net)
            losses.append(loss.item())
        result = Epoch(
            epoch,
            schedule.epochs,
            float(np.mean(losses)),
            _held_out_dice(average.module, watched, recipe.preparation, device),
            time.monotonic() - start,
        )
        _save_checkpoint(folder / "checkpoint.pt", recipe, state, epoch)
        _append_metrics(folder / "metrics.csv", result)
        yield result


def trained_network(folder: Path, recipe: Recipe) -> UNet:
    """The averaged network of a folder's checkpoint."""
    net = UNet(recipe.network)
    average = AveragedModel(net, use_buffers=True)
    average.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["average"])
    net.load_state_dict(average.module.state_dict())
    return net.eval()


class _Sampler:
    """Draws batches: which slices, from whole or stripped heads, with which neighbours."""

    def __init__(self, whole: list[_Prepared], stripped: list[_Prepared], recipe: Recipe) -> None:
        self._variants = (whole, stripped)
        self._recipe = recipe
        where = [(s, z, bool(p.mask[z].any())) for s, p in enumerate(whole) for z in range(len(p.mask))]
        self._tumour = [(s, z) for s, z, tumour in where if tumour]
        self._free = [(s, z) for s, z, tumour in where if not tumour] or self._tumour
        if not self._tumour:
            raise TrainingError("No training mask holds any tumour.")

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and masks (N, 1, H, W), float32."""
        schedule, augmentation = self._recipe.schedule, self._recipe.augmentation
        chances = torch.rand((schedule.batch_size, 5), generator=generator).tolist()
        images, masks = [], []
        for kind, which, strip, other, step in chances:
            source = self._tumour if kind < schedule.tumour_share else self._free
            scan, z = source[int(which * len(source))]
            prepared = self._variants[strip < augmentation.stripped][scan]
            step = (0 if step < 0.4 else 2) if other < augmentation.other_spacing else 1
            images.append(with_neighbours(prepared.images, z, step, self._recipe.preparation.neighbours))
            masks.append(prepared.mask[z])
        return torch.stack(images).float(), torch.stack(masks)[:, None].float()


def with_neighbours(images: Tensor, z: int, step: int, neighbours: int) -> Tensor:
    """One slice (3 + 2 * neighbours, H, W) of a prepared scan, the last slice repeated at its ends."""
    offsets = [o * step for o in range(-neighbours, neighbours + 1) if o]
    beside = [images[min(max(z + o, 0), len(images) - 1), FLAIR] for o in offsets]
    return torch.stack([*images[z], *beside])


def _prepare_pair(scan: Scan, mask: Any, preparation: Preparation) -> _Prepared:
    frame = find_frame(scan, preparation)
    alone = dataclasses.replace(preparation, neighbours=0)
    images = torch.cat([prepare(scan, frame, alone, [z]).half() for z in range(scan.shape[0])])
    masks = Scan("mask", {"flair": mask})
    unscaled = dataclasses.replace(frame, mean={"flair": 0.0}, std={"flair": 1.0})
    seen = torch.cat([prepare(masks, unscaled, alone, [z])[:, FLAIR] for z in range(scan.shape[0])])
    return _Prepared(images, seen > 0.5)


def _prepare_stripped(scan: Scan, mask: Any, preparation: Preparation) -> _Prepared:
    flair = np.stack([scan.slice("flair", z) for z in range(scan.shape[0])])
    brain = strip_skull(flair, mask)
    bare = {name: np.where(brain, np.asarray(array), 0) for name, array in scan.sequences.items()}
    return _prepare_pair(dataclasses.replace(scan, sequences=bare), mask, preparation)


def _held_out_dice(net: nn.Module, scans: list[_Prepared], preparation: Preparation, device: str) -> float:
    net.eval()
    dice = []
    for scan in scans:
        both = total = 0
        for z in range(0, len(scan.mask), 8):
            batch = [
                with_neighbours(scan.images, i, 1, preparation.neighbours)
                for i in range(z, min(z + 8, len(scan.mask)))
            ]
            images = torch.stack(batch).float().to(device, memory_format=torch.channels_last)
            with torch.inference_mode(), autocast(device):
                found = net(images)[:, 0].cpu() > 0.5
            truth = scan.mask[z : z + 8]
            both += int((found & truth).sum())
            total += int(found.sum() + truth.sum())
        dice.append(2 * both / total if total else 1.0)
    return float(np.mean(dice)) if dice else math.nan


def _warm_cosine(step: int, warm_up: int, steps: int) -> float:
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))


def _save_checkpoint(path: Path, recipe: Recipe, state: dict[str, Any], epoch: int) -> None:
    content = {name: part.state_dict() for name, part in state.items()}
    partial = path.with_suffix(".partial")
    torch.save(content | {"epoch": epoch, "recipe": repr(recipe)}, partial)
    partial.replace(path)


def _load_checkpoint(path: Path, recipe: Recipe, state: dict[str, Any]) -> int:
    """Restore a checkpoint into ``state``; the number of epochs that it had done, 0 without one."""
    if not path.exists():
        return 0
    content = torch.load(path, weights_only=True)
    if content["recipe"] != repr(recipe):
        raise TrainingError(f"{path.parent.name} holds a training of another recipe; choose another folder.")
    for name, part in state.items():
        part.load_state_dict(content[name])
    return int(content["epoch"])


def _append_metrics(path: Path, epoch: Epoch) -> None:
    row = dataclasses.asdict(epoch)
    new = not path.exists()
    with path.open("a", newline="") as file:
        table = csv.DictWriter(file, row)
        if new:
            table.writeheader()
        table.writerow(row)
