"""Try whether a network learns more from wider ones, or from several, than from the masks alone.

    python -m scripts.distil DATA --split docs/lgg_split.csv --folder runs

All are the recipe `default` at 128 x 128, the head's mean as zero, with half of its filters, or all of them
as the wider teacher, and learn from the part "train". A student's targets are the mean of the mask and of
what its teachers make of the same, augmented slice. Models are scored on the part "val" as by
`napari-tumor-unet evaluate`, some with several seeds: a difference is that of a patient's mean over them,
paired by patient. Two hours on two cores; stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

import numpy as np
import torch
from torch import Tensor

from napari_tumor_unet._common import drain
from napari_tumor_unet.model.device import autocast
from napari_tumor_unet.model.model_file import load_model
from napari_tumor_unet.model.unet import UNet
from napari_tumor_unet.training.fold import FoldJob, train_fold
from napari_tumor_unet.training.recipe import Recipe, read_recipe
from napari_tumor_unet.training.sampling import Sampler

EPOCHS, SLICES, SIZE = 10, 2000, 128
SEEDS = (1, 2, 3, 4, 5)  # of the networks that are teachers too
FEW_SEEDS = (1, 2)
Dice = dict[str, float]


class TaughtSampler(Sampler):
    """Draws batches whose masks are half what teachers say."""

    teachers: tuple[UNet, ...] = ()

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches as a sampler does."""
        for images, masks in super().epoch(generator):
            seen = images.contiguous(memory_format=torch.channels_last)
            with torch.inference_mode(), autocast("cpu"):
                said = torch.stack([teacher(seen).float() for teacher in self.teachers]).mean(dim=0)
            yield images, (masks + said.clone()) / 2


def recipe_of(seed: int, share: float) -> Recipe:
    """Return the recipe with a share of the filters of `default`."""
    whole = read_recipe("default").with_epochs(EPOCHS)
    widths = tuple(round(width * share) for width in whole.network.widths)
    return replace(
        whole,
        preprocessing=replace(whole.preprocessing, size=SIZE, intensities="head"),
        network=replace(whole.network, widths=widths),
        schedule=replace(whole.schedule, cycles=1, seed=seed),
        sampling=replace(whole.sampling, slices=SLICES),
    )


def trained(job: FoldJob, teachers: tuple[Path, ...] = ()) -> Dice:
    """Train a model, unless that was done, and return the Dice of each patient held out."""
    kept = job.out.with_suffix(".json")
    if not kept.exists():
        networks = tuple(load_model(path).network.eval() for path in teachers)
        sampler = type("Taught", (TaughtSampler,), {"teachers": networks}) if networks else Sampler
        with patch("napari_tumor_unet.training.loop.Sampler", sampler):
            kept.write_text(json.dumps(drain(train_fold(job), None).dice, indent=2))
    dice: Dice = json.loads(kept.read_text())
    print(f"{job.name}: Dice {np.mean([*dice.values()]):.3f}", flush=True)
    return dice


def main() -> None:
    """Train, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for models, checkpoints and scores")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)

    def model(what: str, seed: int) -> Path:
        return given.folder / f"{what}_{seed}.safetensors"

    def dice_of(what: str, seed: int, share: float, teachers: tuple[Path, ...] = ()) -> Dice:
        recipe = recipe_of(seed, share)
        job = FoldJob(given.data, given.split, None, model(what, seed), recipe, watch=False)
        return trained(job, teachers)

    plain = partial(dice_of, "plain", share=0.5)
    alone = [plain(seed=seed) for seed in SEEDS]
    five = tuple(model("plain", seed) for seed in SEEDS)
    of_five = [dice_of("of_five", seed, 0.5, five) for seed in FEW_SEEDS]
    wider = [dice_of("wider", SEEDS[0], 1.0)]
    of_wider = [dice_of("of_wider", seed, 0.5, (model("wider", SEEDS[0]),)) for seed in FEW_SEEDS]
    print("| learned from | seeds | mean Dice per volume | paired difference (standard error) |")
    print("| --- | --- | --- | --- |")
    show("masks", alone, alone)
    show("masks and five such networks", of_five, alone)
    show("masks, twice the filters", wider, alone)
    show("masks and one of twice the filters", of_wider, alone)


def show(what: str, seeds: list[Dice], alone: list[Dice]) -> None:
    """Print the mean over seeds, its spread, and the difference to learning from masks alone."""
    means = [np.mean([*dice.values()]) for dice in seeds]
    each, others = (
        np.array([[d[name] for name in alone[0]] for d in those]).mean(axis=0) for those in (seeds, alone)
    )
    gain = each - others
    error = gain.std(ddof=1) / len(gain) ** 0.5
    told = "" if seeds is alone else f"{gain.mean():+.3f} ({error:.3f})"
    spread = f"{np.mean(means):.3f} ({min(means):.3f} to {max(means):.3f})"
    print(f"| {what} | {len(seeds)} | {spread} | {told} |")


if __name__ == "__main__":
    main()
