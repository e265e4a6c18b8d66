"""Compute a slice only where it may hold tumour, as a linear layer on the network's bottleneck says."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_tumor_unet.model.card import CellScout
from napari_tumor_unet.model.unet import UNet


def predict_cells(network: UNet, scout: CellScout, inputs: Tensor) -> Tensor:
    """Predict (N, 1, H, W) as the network does, in cells that may be tumour and half one around; else 0.

    The encoder sees the whole slice; the decoder, two thirds of the network, a box around these cells.
    """
    maps = network.encode(inputs)
    weights = torch.tensor(scout.weights, device=inputs.device)
    maybe = ~((maps[-1].float() * weights[:, None, None]).sum(1) < scout.limit)  # what is no number may be
    probability = inputs.new_zeros(len(inputs), 1, *maps[0].shape[-2:])
    for z in maybe.any(2).any(1).nonzero().flatten().tolist():
        box = _box(maybe[z])
        *part, target = (_cut(m[z : z + 1], box, maybe.shape[-1]) for m in (*maps, probability))
        target[:] = torch.sigmoid(network.decode(part).float())
    halves = F.interpolate(maybe[:, None].float(), scale_factor=2)
    near = F.max_pool2d(halves, 3, 1, 1)  # beyond half a cell the box's edges would make something of nothing
    probability *= F.interpolate(near, probability.shape[-2:])
    return probability[..., : inputs.shape[-2], : inputs.shape[-1]]


def _box(cells: Tensor) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of the box around cells and those beside them.

    Sides are even: for each new size torch's library prepares itself, as long as a small box takes.
    """
    edges: list[int] = []
    for axis, cells_in_all in ((1, cells.shape[0]), (0, cells.shape[1])):
        inside = cells.any(axis).nonzero().flatten()
        side = (int(inside[-1]) - int(inside[0]) + 4) // 2 * 2
        first = max(0, min(int(inside[0]) - 1, cells_in_all - side))
        edges += [first, first + side]
    return edges[0], edges[1], edges[2], edges[3]


def _cut(maps: Tensor, box: tuple[int, int, int, int], cells: int) -> Tensor:
    """Return the part of maps in a box of cells, of which so many are in a row."""
    size = maps.shape[-1] // cells
    top, bottom, left, right = (size * edge for edge in box)
    return maps[..., top:bottom, left:right]
