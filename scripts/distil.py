"""Try whether a network of half the cost learns more from the bundled one's teacher than from masks alone.

    python -m scripts.distil DATA --split docs/lgg_split.csv --teacher first.safetensors --folder runs

The student is the recipe `default` with three quarters of its filters, so 0.56 of its convolutions, for a
sixth of its steps. It learns from the part "train", as its teacher did; its targets are the masks, or the
mean of the mask and of what the teacher makes of the same, augmented slice. Both are scored on the part
"val" as by `napari-tumor-unet evaluate`, and so is the teacher; differences are paired by patient. Three
quarters of an hour on two cores for each seed; stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

import numpy as np
import torch
from torch import Tensor

from napari_tumor_unet._common import drain
from napari_tumor_unet.evaluation.evaluate import evaluate
from napari_tumor_unet.model.device import autocast
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.training.fold import FoldJob, train_fold
from napari_tumor_unet.training.recipe import Recipe, read_recipe
from napari_tumor_unet.training.sampling import Sampler

SHARE, EPOCHS, SLICES = 0.75, 12, 2000
Dice = dict[str, float]


def taught_by(teacher: Model) -> type[Sampler]:
    """Return a sampler whose masks are half what a teacher says."""
    network = teacher.network.eval()

    class TaughtSampler(Sampler):
        def epoch(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
            for images, masks in super().epoch(generator):
                with torch.inference_mode(), autocast("cpu"):
                    said = network(images.contiguous(memory_format=torch.channels_last)).float()
                yield images, (masks + said.clone()) / 2

    return TaughtSampler


def student(seed: int) -> Recipe:
    """Return the recipe of a narrower, shorter `default`."""
    whole = read_recipe("default").with_epochs(EPOCHS)
    return replace(
        whole,
        network=replace(whole.network, widths=tuple(round(width * SHARE) for width in whole.network.widths)),
        schedule=replace(whole.schedule, cycles=1, seed=seed),
        sampling=replace(whole.sampling, slices=SLICES),
    )


def main() -> None:
    """Train, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help='a model that learned from "train" alone')
    parser.add_argument("--folder", type=Path, required=True, help="for models, checkpoints and scores")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    teacher = load_model(given.teacher)
    if teacher.preprocessing != student(1).preprocessing:
        sys.exit("The teacher prepares scans in another way than the student.")
    samplers = {"masks": Sampler, "masks and teacher": taught_by(teacher)}
    dice = {
        (what, seed): trained(
            FoldJob(
                given.data,
                given.split,
                None,
                given.folder / f"{what.replace(' ', '_')}_{seed}.safetensors",
                student(seed),
                watch=False,
            ),
            sampler,
        )
        for seed in given.seeds
        for what, sampler in samplers.items()
    }
    scores = evaluate(given.data, model=teacher, split=given.split, part="val").scores
    of_teacher = {score.name: score.volume.dice for score in scores}
    print(f"teacher: {np.mean([*of_teacher.values()]):.3f}")
    for (what, seed), each in dice.items():
        values = np.array([*each.values()])
        gain = values - np.array([dice["masks", seed][name] for name in each])
        error = gain.std(ddof=1) / len(gain) ** 0.5
        told = f"{values.mean():.3f} (lowest {values.min():.3f}), {gain.mean():+.3f} ({error:.3f})"
        print(f"{what}, seed {seed}: {told}")


def trained(job: FoldJob, sampler: type[Sampler]) -> Dice:
    """Train a student, unless that was done, and return the Dice of each patient held out."""
    kept = job.out.with_suffix(".json")
    if not kept.exists():
        with patch("napari_tumor_unet.training.loop.Sampler", sampler):
            kept.write_text(json.dumps(drain(train_fold(job), None).dice, indent=2))
    dice: Dice = json.loads(kept.read_text())
    return dice


if __name__ == "__main__":
    main()
