"""Put a trained model among the bundled ones, with the card that the project answers for.

    napari-tumor-unet train DATA --recipe seed --split docs/lgg_split.csv --out seed.safetensors
    napari-tumor-unet evaluate DATA --split docs/lgg_split.csv --model seed.safetensors --json > val.json
    python scripts/bundle_model.py seed.safetensors --score "held-out LGG patients" val.json

The file's name says which of the cards below it gets.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_tumor_unet.model.card import Card, MaskLimits
from napari_tumor_unet.model.model_file import load_model, save_model

WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "napari_tumor_unet" / "model" / "weights"
CITATIONS = (
    "M. Buda, A. Saha, M. A. Mazurowski, Association of genomic subtypes of lower-grade gliomas with shape "
    "features automatically extracted by a deep learning algorithm, Computers in Biology and Medicine 109, "
    "2019, doi:10.1016/j.compbiomed.2019.05.002",
    "M. A. Mazurowski et al., Radiogenomics of lower-grade glioma, Journal of Neuro-Oncology, 2017",
    "N. Pedano et al., The Cancer Genome Atlas Low Grade Glioma Collection (TCGA-LGG), The Cancer Imaging "
    "Archive, 2016, doi:10.7937/K9/TCIA.2016.L4LTD3TK",
)
DATA = (
    "68 patients of the LGG MRI segmentation data (TCGA-LGG, masks by Buda et al.), part 'train' of "
    "docs/lgg_split.csv, split by patient."
)
LIMITS = ("Trained on lower-grade glioma alone: other diseases, children and treated brains are unknown.",)
CARDS = {
    "default": Card(
        "default",
        summary="Whole tumour (FLAIR abnormality) of lower-grade glioma; T1 before and after contrast help.",
        limits=(
            *LIMITS,
            "The lowest and highest slices of a tumour, and thin or faint extensions, are missed most.",
            "Of several tumours those with less than half of the weight of the largest one are dropped.",
            "Cavities and necrosis, dark on FLAIR, are left out in part, and in skull-stripped scans more.",
            "In scans without a tumour it may mark white matter lesions or bright cortex; masks that are "
            "small, uncertain, or hardly brighter than the other side of the head come with a warning.",
        ),
        doubtful_under=MaskLimits(mean_probability=0.80, contrast=0.75, volume_ml=6.0),  # see docs/models.md
    ),
    "seed": Card(
        "seed",
        summary="The student project's U-Net at 128 x 128, for comparison; the default model is better.",
        limits=(
            *LIMITS,
            "It sees the whole image at 128 x 128 pixels, as the LGG data are cut: a head that fills less "
            "of its image, or is skull-stripped, is unlike all that it has seen.",
            "It has not learned to do without T1.",
        ),
    ),
}


def main() -> None:
    """Give a model its card, and save it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="default.safetensors or seed.safetensors")
    parser.add_argument("--score", nargs=2, action="append", metavar=("WHAT", "JSON"), default=[])
    parser.add_argument("--note", default="", help="what else the card should say of the training")
    parser.add_argument("--intensities", choices=["head", "brain"], help="other than in its training")
    arguments = parser.parse_args()

    made = load_model(arguments.model)
    preprocessing = made.preprocessing
    if arguments.intensities:
        preprocessing = replace(preprocessing, intensities=arguments.intensities)
    card = replace(
        CARDS[arguments.model.stem],
        training_data=DATA,
        training=f"{made.card.training} {arguments.note}".strip(),
        scores={what: score(Path(path)) for what, path in arguments.score} or made.card.scores,
        licence="CC-BY-NC-SA-4.0",
        citations=CITATIONS,
        threshold=made.card.threshold,
        min_region_weight=made.card.min_region_weight,
        tta_flip=made.card.tta_flip,
    )
    bundled = replace(made, card=card, preprocessing=preprocessing)
    saved = save_model(bundled, WEIGHTS / arguments.model.name)
    print(f"{arguments.model.name}: {saved.hash}")


def score(path: Path) -> dict[str, Any]:
    """Return what a card tells of an evaluation."""
    summary = json.loads(path.read_text())
    dice, pooled = summary["dice"], summary["pooled_at_128"]
    names = ("mean", "standard_deviation", "median", "lower_quartile", "upper_quartile", "lowest")
    return {
        "scans": summary["scans"],
        "Dice per volume, on the scan's own grid": {
            name: None if dice[name] is None else round(dice[name], 3) for name in names
        },
        "pooled at 128 x 128": {name: round(pooled[name], 4) for name in ("dice", "iou")},
        "empty masks": "two count as 1, one as 0",
    }


if __name__ == "__main__":
    main()
