"""Loss, optimiser step and learning-rate schedule."""

from __future__ import annotations

import math

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn

from napari_tumor_unet.model.device import autocast, precision
from napari_tumor_unet.model.unet import UNet
from napari_tumor_unet.training.recipe import Layers, Optimisation, Schedule

LOSSES: dict[str, nn.Module] = {
    "bce": nn.BCEWithLogitsLoss(),
    "dice_ce": DiceCELoss(sigmoid=True, batch=True),
}
_DECODER = ("upsample", "decoder", "head")


class TrainStep:
    """A step of the optimiser on one batch.

    Parameters
    ----------
    network : UNet
        On its device.
    settings : Optimisation
        Loss, optimiser, its settings, and which layers learn; the others are frozen here.
    """

    def __init__(self, network: UNet, settings: Optimisation) -> None:
        self._network = network
        self._loss = LOSSES[settings.loss]
        for name, weight in network.named_parameters():
            weight.requires_grad = learns(name, settings.layers)
        kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.optimiser = kind(weights, settings.learning_rate, weight_decay=settings.weight_decay)
        device = next(network.parameters()).device.type
        # float16 alone needs its gradients scaled.
        self.scaler = torch.amp.GradScaler(device, enabled=precision(device) is torch.float16)

    def step(self, images: Tensor, masks: Tensor, rate: float) -> float:
        """Take one step at a learning rate, and return the loss before the step.

        Parameters
        ----------
        images, masks : Tensor
            (N, C, H, W) and (N, 1, H, W), on the network's device.
        rate : float
            Learning rate of this step.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with autocast(images.device.type):
            logits = self._network.logits(images.contiguous(memory_format=torch.channels_last))
        loss: Tensor = self._loss(logits.float(), masks)
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return loss.item()


def learns(name: str, layers: Layers) -> bool:
    """Tell whether a weight of that name learns."""
    return layers == "all" or name.startswith(_DECODER)


def relative_rate(step: int, steps: int, schedule: Schedule) -> float:
    """Return the share of the peak learning rate at a step of the whole training, ``steps`` an epoch."""
    cycle = math.ceil(schedule.epochs / schedule.cycles) * steps
    step %= cycle
    if step < schedule.warm_up:
        return (step + 1) / schedule.warm_up
    if schedule.decay == "none":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - schedule.warm_up) / max(1, cycle - schedule.warm_up)))
