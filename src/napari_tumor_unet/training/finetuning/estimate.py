"""Estimate what a fine-tuning will take."""

from __future__ import annotations

import copy
import time

import torch

from napari_tumor_unet.model.model_file import Model, channels_last
from napari_tumor_unet.training.augmentation import augment
from napari_tumor_unet.training.events import Estimate
from napari_tumor_unet.training.finetuning.finetune import recipe_for
from napari_tumor_unet.training.finetuning.run_plan import FineTuning
from napari_tumor_unet.training.optimisation import TrainStep


def estimate(model: Model, settings: FineTuning, slices: int, device: str = "cpu") -> Estimate:
    """Estimate what a fine-tuning will take, by two of its steps on noise.

    Parameters
    ----------
    model : Model
    settings : FineTuning
    slices : int
        Slices of all scans, which are held in memory.
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
