"""The network: a U-Net. This file needs torch alone, as packages for other tools hold it as it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from napari_tumor_unet.model.settings import UNetConfig


class UNet(nn.Module):
    """U-Net for binary segmentation of 2D slices [1]_.

    Parameters
    ----------
    config : UNetConfig
        Depth, widths, normalisation and dropout.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image
       segmentation", MICCAI 2015.
    """

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        if config is None:
            from napari_tumor_unet.model.settings import UNetConfig

            config = UNetConfig()
        self.config = config
        narrow = config.widths[:-1]
        inputs = (config.in_channels, *narrow)
        self.encoder = nn.ModuleList(
            _two_convolutions(n_in, n_out, config.normalisation)
            for n_in, n_out in zip(inputs, narrow, strict=False)
        )
        self.bottleneck = _two_convolutions(narrow[-1], config.widths[-1], config.normalisation)
        wide_to_narrow = list(zip(config.widths[:0:-1], narrow[::-1], strict=True))
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, kernel_size=2, stride=2) for n_in, n_out in wide_to_narrow
        )
        self.decoder = nn.ModuleList(
            _two_convolutions(2 * n_out, n_out, config.normalisation) for _, n_out in wide_to_narrow
        )
        self.dropout = nn.Dropout2d(config.dropout)
        self.head = nn.Conv2d(narrow[0], 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the probability of tumour, float32 (N, 1, H, W), for an input (N, C, H, W) of any size."""
        return torch.sigmoid(self.logits(x).float())

    def logits(self, x: Tensor) -> Tensor:
        """Compute what :meth:`forward` does, before the sigmoid, as losses want it."""
        height, width = x.shape[-2:]
        return self.decode(self.encode(x))[..., :height, :width]

    def encode(self, x: Tensor) -> list[Tensor]:
        """Compute the maps of all resolutions (N, widths[i], H / 2^i, W / 2^i), the bottleneck's last.

        Height and width are padded to a multiple of what the bottleneck divides them by.
        """
        x = _pad_to_multiple(x, 2 ** len(self.encoder))
        maps = []
        for convolutions in self.encoder:
            x = convolutions(x)
            maps.append(x)
            x = self.dropout(F.max_pool2d(x, 2))
        return [*maps, self.bottleneck(x)]

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Compute logits (N, 1, H, W) from what :meth:`encode` gives, or from the same part of each."""
        *skips, x = maps
        for upsample, convolutions in zip(self.upsample, self.decoder, strict=True):
            x = torch.cat([skips.pop(), upsample(x)], dim=1)
            x = convolutions(self.dropout(x))
        logits: Tensor = self.head(x)
        return logits


class MirroredUNet(UNet):
    """U-Net whose probability is the mean of the input's and the mirrored input's."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute the mean probability, as :meth:`UNet.forward` one of them."""
        return (super().forward(x) + super().forward(x.flip(-1)).flip(-1)) / 2


def build_unet(*, mirrored: bool, **config: Any) -> UNet:
    """Build a network by what :class:`UNetConfig` holds, where this file stands alone."""
    network = MirroredUNet if mirrored else UNet
    return network(cast("UNetConfig", SimpleNamespace(**config)))


def _two_convolutions(n_in: int, n_out: int, normalisation: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (n_in, n_out):
        # A bias before a normalisation would be subtracted again.
        layers.append(nn.Conv2d(channels, n_out, 3, padding=1, bias=normalisation == "none"))
        if normalisation == "batch":
            layers.append(nn.BatchNorm2d(n_out))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    height, width = x.shape[-2:]
    below, right = -height % multiple, -width % multiple
    return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x
