"""Fit the linear layer that says where the default model need not look, and put it into its card.

    python scripts/fit_cell_scout.py --lgg VOLUMES --split docs/lgg_split.csv --gliomas G --no-tumour N

It learns from what the model itself gives, on what ``robust`` learned from (see ``gather_scans.py``): part
"train" of the LGG patients, with three sequences and FLAIR alone, gliomas, and scans without a tumour, both
FLAIR alone. A cell is as large as a pixel of the bottleneck; it holds tumour if one of its voxels does.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_tumor_unet.inference.predict import for_inference, predict
from napari_tumor_unet.inference.thin_slices import slices_to_compute
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.datasets.split import read_split
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.model.card import CellScout
from napari_tumor_unet.model.device import autocast
from napari_tumor_unet.model.model_file import Model, load_model, save_model
from napari_tumor_unet.model.preprocessing import fit_preprocessing
from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.scan import Scan

OTHERS = 0.2  # share of the cells without tumour that is learned from
WEIGHT = 4.0  # of a cell with tumour
RIDGE = 1e-3
MISSED = 1e-3  # share of the cells with tumour that the limit may lose, with a margin of one cell


def main() -> None:
    """Fit, and save the model with its new card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("lgg", "split", "gliomas", "no-tumour"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    parts = read_split(arguments.split)
    scans = [case.read()[0] for case in find_pairs(arguments.lgg).pairs if parts[case.patient] == "train"]
    for folder in (arguments.gliomas, arguments.no_tumour):
        scans += [read_scan(path) for path in sorted(folder.glob("*/*_flair.nii.gz"))]
    path = find_model("default")
    model = load_model(path)
    cells = [found for one in scans for scan in views(one) for found in cells_of(scan, model)]
    scout = fit(*(torch.cat(part) for part in zip(*cells, strict=True)))
    print(f"{save_model(replace(model, card=replace(model.card, cell_scout=scout)), path).hash}")


def views(scan: Scan) -> Iterator[Scan]:
    """Yield a scan, and its FLAIR alone."""
    yield scan
    if len(scan.sequences) > 1:
        yield replace(scan, sequences={"flair": scan.sequences["flair"]})


def cells_of(scan: Scan, model: Model) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield bottleneck (n, C, h, w), half precision, and whether the model draws tumour there (n, h, w)."""
    network = for_inference(model.network)
    indices = slices_to_compute(scan, model.card.slice_distance_mm)
    for inputs in fit_preprocessing(scan, model.preprocessing).apply(scan, indices).split(4):
        probability = predict(network, inputs, "cpu", tta_flip=model.card.tta_flip)
        with torch.inference_mode(), autocast("cpu"):
            deepest = network.encode(inputs.contiguous(memory_format=torch.channels_last))[-1]
        size = inputs.shape[-1] // deepest.shape[-1]
        yield deepest.half(), F.max_pool2d(probability, size) >= model.card.threshold


def fit(maps: Tensor, tumour: Tensor) -> CellScout:
    """Fit a logistic regression; its limit is what all but ``MISSED`` of the cells with tumour reach."""
    torch.manual_seed(0)
    chosen = tumour | (torch.rand(tumour.shape) < OTHERS)
    x, y = maps.movedim(1, -1)[chosen].float(), tumour[chosen].float()
    mean, std = x.mean(0), x.std(0) + 1e-3
    x = (x - mean) / std
    weights, bias = (torch.zeros(n, requires_grad=True) for n in (x.shape[1], 1))
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        fits = F.binary_cross_entropy_with_logits(x @ weights + bias, y, 1 + (WEIGHT - 1) * y)
        total: Tensor = fits + RIDGE * weights.square().sum()
        total.backward()
        return total

    optimiser.step(loss)
    raw = (weights.detach() / std).tolist()
    rounded = torch.tensor([float(f"{weight:.4g}") for weight in raw])
    given = torch.cat([(part.float() * rounded[:, None, None]).sum(1) for part in maps.split(64)])
    best = F.max_pool2d(given[:, None], 3, 1, 1)[:, 0]  # with the margin of one cell
    limit = float(best[tumour].sort().values[int(MISSED * tumour.sum())])
    stays = given >= limit
    shares = (part.float().mean() for part in (tumour, stays, stays.any(2).any(1)))
    print("of cells {:.1%} hold tumour, {:.1%} stay, in {:.0%} of the slices".format(*shares))
    return CellScout(tuple(rounded.tolist()), float(f"{limit:.4g}"))


if __name__ == "__main__":
    main()
