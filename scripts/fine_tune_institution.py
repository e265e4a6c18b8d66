"""Show on real data what fine-tuning gives: a model learns from five patients of an institution new to it.

    python scripts/fine_tune_institution.py DATA --split docs/lgg_split.csv --folder runs

DATA is the folder `kaggle_3m` of the LGG data. A model is trained by a short version of the recipe `default`
on the patients of the parts "train" and "val" that are not from that institution. The first five that are, by
their codes, teach it then, and it is scored before and after on the rest of them. The part "test" is not
touched. Stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

import numpy as np

from napari_tumor_unet import FineTuning, fine_tune, train
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.datasets.split import Plan, read_split
from napari_tumor_unet.training.events import Epoch
from napari_tumor_unet.training.recipe import read_recipe

TEACHERS = 5


def main() -> None:
    """Train, fine-tune and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for models and checkpoints")
    parser.add_argument("--institution", default="HT")
    parser.add_argument("--epochs", type=int, default=8, help="of the first model")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    parts = read_split(arguments.split)
    pairs = [p for p in find_pairs(arguments.data).pairs if parts.get(p.patient) in ("train", "val")]
    own = sorted((p for p in pairs if f"_{arguments.institution}_" in p.patient), key=lambda p: p.patient)
    others = tuple(p for p in pairs if p not in own)
    recipe = read_recipe("default")
    short = replace(recipe, schedule=replace(recipe.schedule, epochs=arguments.epochs, cycles=1))
    first = arguments.folder / f"without_{arguments.institution}.safetensors"
    if not first.exists():
        train(Plan(others, (), {}), out=first, recipe=short, resume=True, on_event=tell)
    result = fine_tune(
        first,
        Plan(tuple(own[:TEACHERS]), tuple(own[TEACHERS:]), {}),
        out=arguments.folder / f"with_{arguments.institution}.safetensors",
        settings=FineTuning(),
        resume=True,
        on_event=tell,
    )
    held_out = [change for change in result.changes if not change.is_sample]
    sample = result.changes[-1]
    before, after = (np.array([getattr(c, when).dice for c in held_out]) for when in ("before", "after"))
    gain = after - before
    figures = {
        "trained on": len(others),
        "taught by": TEACHERS,
        "scored on": len(held_out),
        "mean Dice before": round(before.mean(), 3),
        "mean Dice after": round(after.mean(), 3),
        "paired difference": round(gain.mean(), 3),
        "its standard error": round(gain.std(ddof=1) / len(gain) ** 0.5, 3),
        "better": int((gain > 0).sum()),
        "median before and after": [round(float(np.median(x)), 3) for x in (before, after)],
        "sample before and after": [round(sample.before.dice, 3), round(sample.after.dice, 3)],
    }
    print(json.dumps(figures, indent=2))
    print(result.advice.said)


def tell(event: object) -> None:
    """Print a line for each epoch."""
    if isinstance(event, Epoch):
        print(
            f"epoch {event.epoch} of {event.epochs}: loss {event.loss:.4f}, {event.seconds:.0f} s", flush=True
        )


if __name__ == "__main__":
    main()
