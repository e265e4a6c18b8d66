"""Try the student project's own list of improvements one at a time, and print what each gave.

    python scripts/compare_recipes.py DATA --split docs/lgg_split.csv --folder runs [--workers 2]

Every variant is the recipe `seed` with a quarter of its filters, so that all of them train in an hour or two,
and one change. All learn from the part "train" and are scored on the part "val" as by `napari-tumor-unet
evaluate`; differences to the first are paired by patient. Several are trained at once by more workers, or
by a cluster, as for `napari-tumor-unet train --folds`. Stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

import numpy as np

from napari_tumor_unet.cli.cohort import engine_of, stoppable
from napari_tumor_unet.training.augmentation import Augmentation
from napari_tumor_unet.training.fold import FoldJob, FoldScore
from napari_tumor_unet.training.recipe import Recipe, read_recipe
from napari_tumor_unet.worker.cohort import train_on
from napari_tumor_unet.worker.needs import Needs


def variants(epochs: int) -> dict[str, Recipe]:
    """Return the recipes by what was changed."""
    augmentation = Augmentation(skull_stripped=0.0, flair_alone=0.0)
    seed = read_recipe("seed").with_epochs(epochs)
    seed = replace(seed, network=replace(seed.network, widths=(16, 32, 64)))
    network = seed.network
    return {
        "as it is": seed,
        "twice the epochs": seed.with_epochs(2 * epochs),
        "deeper: four levels instead of two": replace(
            seed, network=replace(network, widths=(16, 32, 64, 128, 256))
        ),
        "batch normalisation": replace(seed, network=replace(network, normalisation="batch")),
        "no dropout": replace(seed, network=replace(network, dropout=0.0)),
        "dropout of 0.4 instead of 0.2": replace(seed, network=replace(network, dropout=0.4)),
        "augmentation": replace(seed, augmentation=augmentation),
    }


def main() -> None:
    """Train, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for models, checkpoints and scores")
    parser.add_argument("--epochs", type=int, default=20)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, default=1, help="processes that train at once")
    where.add_argument("--cluster", default="", help="of dask: its scheduler's address, or scheduler file")
    given = parser.parse_args()
    folder = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    recipes = variants(given.epochs)
    data, split = given.data.absolute(), given.split.absolute()
    jobs = {
        FoldJob(data, split, None, folder / f"variant_{i}.safetensors", recipe, watch=False): change
        for i, (change, recipe) in enumerate(recipes.items())
    }
    scores: dict[str, FoldScore] = {}
    workers = None if given.cluster else given.workers
    with (
        stoppable("the same command goes on"),
        engine_of(workers, given.cluster, Needs.of_plugin(), folder) as engine,
    ):
        assert engine is not None
        for job, score in train_on(engine, jobs):
            if isinstance(score, str):
                sys.exit(f"{jobs[job]}: {score}")
            job.out.with_suffix(".json").write_text(json.dumps(score.summary.to_json(), indent=2))
            scores[jobs[job]] = score
            print(f"{jobs[job]}: Dice {score.summary.dice.mean:.3f}", file=sys.stderr)
    first = scores[next(iter(recipes))]
    print("| change | mean Dice per volume | paired difference (standard error) | pooled Dice at 128 |")
    print("| --- | --- | --- | --- |")
    for change in recipes:
        score = scores[change]
        difference = np.array([score.dice[name] - dice for name, dice in first.dice.items()])
        error = difference.std(ddof=1) / len(difference) ** 0.5
        gain = "" if score is first else f"{difference.mean():+.3f} ({error:.3f})"
        summary = score.summary
        print(f"| {change} | {summary.dice.mean:.3f} | {gain} | {summary.pooled_at_128.dice:.3f} |")


if __name__ == "__main__":
    main()
