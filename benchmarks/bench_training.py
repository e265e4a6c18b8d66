"""Training slices per second of a recipe, against a plain float32 loop of the same network in the same run.

    python benchmarks/bench_training.py [--recipe default] [--rounds 3]

The plain loop is what one writes first: batches made in the loop slice by slice, float32, the default memory
layout. Ours is `napari_tumor_unet.training.loop.train` as it is. Both augment, see images of the same size,
and take turns on phantoms; the median of the ratios is printed, as other work on the machine disturbs both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import torch
from phantoms import write_phantoms

from napari_tumor_unet.io.datasets.pairs import Case, find_pairs
from napari_tumor_unet.model.device import precision
from napari_tumor_unet.model.unet import UNet
from napari_tumor_unet.training.augmentation import augment
from napari_tumor_unet.training.events import Step
from napari_tumor_unet.training.loop import train
from napari_tumor_unet.training.optimisation import LOSSES
from napari_tumor_unet.training.recipe import Recipe, Sampling, read_recipe
from napari_tumor_unet.training.sampling import preprocess_case

WARM_UP, TIMED = 2, 6  # steps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    recipe = read_recipe(arguments.recipe)
    steps = Sampling((WARM_UP + TIMED) * recipe.optimisation.batch_size)
    recipe = replace(recipe, sampling=steps).with_epochs(1)
    recipe = replace(recipe, augmentation=replace(recipe.augmentation, skull_stripped=0.0))
    with tempfile.TemporaryDirectory() as folder:
        write_phantoms(Path(folder) / "data", patients=2, slices=12, size=256)
        pairs = find_pairs(Path(folder) / "data").pairs
        ratios = []
        for i in range(arguments.rounds):
            plain = plain_loop(pairs, recipe)
            ours = our_loop(pairs, recipe, Path(folder) / str(i))
            ratios.append(ours / plain)
            print(f"plain float32 {plain:.1f} slices/s, ours {ours:.1f} slices/s: {ratios[-1]:.2f} times")
    size = recipe.preprocessing.size
    kind = str(precision("cpu")).removeprefix("torch.")
    print(
        f"Recipe {arguments.recipe}, {size} x {size}, {torch.get_num_threads()} threads, {kind}: "
        f"{statistics.median(ratios):.2f} times as fast (median of {len(ratios)})"
    )


def our_loop(pairs: tuple[Case, ...], recipe: Recipe, folder: Path) -> float:
    """Slices per second."""
    ends = [time.monotonic() for event in train(pairs, [], recipe, folder) if isinstance(event, Step)]
    return TIMED * recipe.optimisation.batch_size / (ends[-1] - ends[WARM_UP - 1])


def plain_loop(pairs: tuple[Case, ...], recipe: Recipe) -> float:
    """Slices per second."""
    scans = [preprocess_case(*pair.read(), recipe.preprocessing) for pair in pairs]
    net, generator = UNet(recipe.network).train(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(net.parameters(), recipe.optimisation.learning_rate)
    loss_function = LOSSES[recipe.optimisation.loss]
    size = recipe.optimisation.batch_size
    start = 0.0
    for step in range(WARM_UP + TIMED):
        if step == WARM_UP:
            start = time.monotonic()
        batch = []
        for i in range(size):
            scan, z = scans[i % len(scans)], (step + i) % len(scans[0].mask)
            image = scan.inputs([z], recipe.preprocessing.context_slices)
            batch.append(augment(image, scan.mask[z][None, None].float(), recipe.augmentation, generator))
        images, masks = (torch.cat(parts) for parts in zip(*batch, strict=True))
        loss = loss_function(net.logits(images), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()
    return TIMED * size / (time.monotonic() - start)


if __name__ == "__main__":
    main()
