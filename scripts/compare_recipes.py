"""Try the student project's own list of improvements one at a time, and print what each gave.

    python scripts/compare_recipes.py DATA --split docs/lgg_split.csv --folder runs

Every variant is the recipe `seed` with a quarter of its filters, so that all of them train in an hour or two,
and one change. All learn from the part "train" and are scored on the part "val" as by `napari-tumor-unet
evaluate`; differences to the first are paired by patient. Stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

import numpy as np

from napari_tumor_unet import evaluate, train
from napari_tumor_unet.io.datasets.split import plan_training
from napari_tumor_unet.training.augmentation import Augmentation
from napari_tumor_unet.training.recipe import Recipe, read_recipe


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
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    plan = plan_training(arguments.data, arguments.split)
    first = None
    print("| change | mean Dice per volume | paired difference (standard error) | pooled Dice at 128 |")
    print("| --- | --- | --- | --- |")
    for i, (change, recipe) in enumerate(variants(arguments.epochs).items()):
        path = arguments.folder / f"variant_{i}.safetensors"
        if not path.exists():
            train(replace(plan, held_out=()), out=path, recipe=recipe, resume=True)
        result = evaluate(plan.held_out, model=path)
        dice = np.array([score.volume.dice for score in result.scores])
        path.with_suffix(".json").write_text(json.dumps(result.summary.to_json(), indent=2))
        first = dice if first is None else first
        difference = dice - first
        error = difference.std(ddof=1) / len(difference) ** 0.5
        pooled = result.summary.pooled_at_128.dice
        gain = "" if i == 0 else f"{difference.mean():+.3f} ({error:.3f})"
        print(f"| {change} | {dice.mean():.3f} | {gain} | {pooled:.3f} |", flush=True)


if __name__ == "__main__":
    main()
