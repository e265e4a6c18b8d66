r"""Score the trainings that the bundled model is the mean of, each on the LGG patients that it did not see.

    python -m scripts.score_held_out VOLUMES --split DATA/split.csv \
        --models first.safetensors "fold{}.safetensors" > held_out.json

``DATA`` is that of ``gather_scans.py``. The weights of each fold are the mean of those before ``robust`` and
those after it, as in the bundled model. It prints what ``napari-tumor-unet evaluate --json`` does, for
``bundle_model.py --score``.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from scripts.bundle_model import held_out_model

from napari_tumor_unet.evaluation.evaluate import evaluate
from napari_tumor_unet.evaluation.scan_score import summarise
from napari_tumor_unet.model.model_file import load_model


def main() -> None:
    """Score each fold, and print the summary of both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lgg", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--models", nargs="+", required=True, help="files, {} for the number of the fold")
    parser.add_argument("--flair-alone", action="store_true")
    parser.add_argument("--spacing", type=lambda text: tuple(map(float, text.split(","))))
    arguments = parser.parse_args()

    scores = [
        score
        for fold in range(2)
        for score in evaluate(
            arguments.lgg,
            model=held_out_model([load_model(name.format(fold)) for name in arguments.models]),
            split=arguments.split,
            fold=fold,
            flair_alone=arguments.flair_alone,
            spacing=arguments.spacing,
        ).scores
    ]
    volumes = [{"name": score.name, "dice": score.volume.dice, "iou": score.volume.iou} for score in scores]
    print(json.dumps(summarise(scores).to_json() | {"volumes": volumes}, indent=2))


if __name__ == "__main__":
    main()
