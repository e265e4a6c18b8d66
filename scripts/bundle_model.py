"""Put a trained model among the bundled ones, with the card that the project answers for.

    napari-tumor-unet train DATA --recipe seed --split docs/lgg_split.csv --out seed.safetensors
    napari-tumor-unet evaluate DATA --split docs/lgg_split.csv --model seed.safetensors --json > val.json
    python scripts/bundle_model.py seed.safetensors --name seed --score "held-out LGG patients" val.json

Of several files the weights are averaged. The card of ``default`` gets its ``cell_scout`` afterwards, by
``fit_cell_scout.py``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napari_tumor_unet.io.datasets.split import read_split
from napari_tumor_unet.model.card import Card, MaskLimits
from napari_tumor_unet.model.model_file import Model, load_model, save_model

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "src" / "napari_tumor_unet" / "model" / "weights"
SPLIT = ROOT / "docs" / "lgg_split.csv"
LGG_CITATIONS = (
    "M. Buda, A. Saha, M. A. Mazurowski, Association of genomic subtypes of lower-grade gliomas with shape "
    "features automatically extracted by a deep learning algorithm, Computers in Biology and Medicine 109, "
    "2019, doi:10.1016/j.compbiomed.2019.05.002",
    "M. A. Mazurowski et al., Radiogenomics of lower-grade glioma, Journal of Neuro-Oncology, 2017",
    "N. Pedano et al., The Cancer Genome Atlas Low Grade Glioma Collection (TCGA-LGG), The Cancer Imaging "
    "Archive, 2016, doi:10.7937/K9/TCIA.2016.L4LTD3TK",
)
CITATIONS = (
    "U. Baid et al., The RSNA-ASNR-MICCAI BraTS 2021 Benchmark on Brain Tumor Segmentation and Radiogenomic "
    "Classification, arXiv 2107.02314, 2021",
    "B. H. Menze et al., The Multimodal Brain Tumor Image Segmentation Benchmark (BRATS), IEEE "
    "Transactions on Medical Imaging 34, 2015, doi:10.1109/TMI.2014.2377694",
    "S. Bakas et al., Advancing The Cancer Genome Atlas glioma MRI collections with expert segmentation "
    "labels and radiomic features, Scientific Data 4, 2017, doi:10.1038/sdata.2017.117",
    "Z. Lesjak et al., Validation of white-matter lesion change detection methods on a novel publicly "
    "available MRI image database, Neuroinformatics 14, 2016, doi:10.1007/s12021-016-9301-1",
    "M. Bashiri Bawil et al., Adversarial Deep Learning for Simultaneous Segmentation of Ventricular and "
    "White Matter Hyperintensities in Clinical MRI, arXiv 2506.07123, 2025",
    "B. A. Landman et al., Multi-parametric neuroimaging reproducibility: a 3-T resource study, "
    "NeuroImage 54, 2011, doi:10.1016/j.neuroimage.2010.11.047",
)
LGG = (
    "{} patients of the LGG MRI segmentation data (TCGA-LGG, masks by Buda et al.), {} of "
    "docs/lgg_split.csv, split by patient"
)
GLIOMAS = tuple(f"BraTS2021_{n:05}" for n in (6, 630, 739, 1426, 1646, 1657, 1658))
LIMITS = "Trained on {}: other diseases, children and treated brains are unknown."


def patients_of(*parts: str) -> tuple[str, ...]:
    """Return the LGG patients of some parts of the split."""
    return tuple(sorted(patient for patient, part in read_split(SPLIT).items() if part in parts))


CARDS = {
    "default": Card(
        "default",
        training_data=LGG.format(85, "parts 'train' and 'val'") + "; 7 gliomas of BraTS 2021; "
        "12 scans of 10 persons without a tumour: multiple sclerosis "
        "(Ljubljana; Golgasht Center, Tabriz) and healthy (Kirby 21).",
        citations=(*LGG_CITATIONS, *CITATIONS),
        slice_distance_mm=3.0,
        scout_stride=3,  # see docs/models.md
        patients=(*patients_of("train", "val"), *GLIOMAS),
        summary="Whole tumour (FLAIR abnormality) of glioma; T1 before and after contrast help.",
        limits=(
            LIMITS.format("glioma, most of it of lower grade"),
            "The lowest and highest slices of a tumour, and thin or faint extensions, are missed most.",
            "Of several tumours those with less than half of the weight of the largest one are dropped.",
            "Cavities and necrosis, dark on FLAIR, are left out in part, and in skull-stripped scans more.",
            "In scans without a tumour it may mark white matter lesions or bright cortex; masks that are "
            "small, uncertain, or hardly brighter than the other side of the head come with a warning. "
            "Of 12 such scans, each by a training that did not see the person, 8 got less than 1 ml, 4 up to "
            "7.1 ml and the warning; of 48 masks of tumours one got it. Masks wrong in part may get none.",
        ),
        doubtful_under=MaskLimits(mean_probability=0.80, contrast=0.75, volume_ml=6.0),  # see docs/models.md
    ),
    "seed": Card(
        "seed",
        training_data=LGG.format(68, "part 'train'") + ".",
        patients=patients_of("train"),
        citations=LGG_CITATIONS,
        summary="The student project's U-Net at 128 x 128, for comparison; the default model is better.",
        limits=(
            LIMITS.format("lower-grade glioma alone"),
            "It sees the whole image at 128 x 128 pixels, as the LGG data are cut: a head that fills less "
            "of its image, or is skull-stripped, is unlike all that it has seen.",
            "It has not learned to do without T1.",
        ),
    ),
}


def main() -> None:
    """Give a model its card, and save it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", help="model files of one network")
    parser.add_argument("--name", choices=CARDS, required=True, help="which of the cards below it gets")
    parser.add_argument("--score", nargs=2, action="append", metavar=("WHAT", "JSON"), default=[])
    parser.add_argument("--training", help="what the card says of it, if not what the first model's does")
    arguments = parser.parse_args()

    made = mean_of([load_model(path) for path in arguments.models])
    card = replace(
        CARDS[arguments.name],
        training=arguments.training or made.card.training,
        scores={what: score(Path(path)) for what, path in arguments.score} or made.card.scores,
        licence="CC-BY-NC-SA-4.0",
        threshold=made.card.threshold,
        min_region_weight=made.card.min_region_weight,
        tta_flip=made.card.tta_flip,
    )
    saved = save_model(replace(made, card=card), WEIGHTS / f"{arguments.name}.safetensors")
    print(f"{arguments.name}: {saved.hash}")


def mean_of(models: Sequence[Model]) -> Model:
    """Average the weights of models that began with the same ones, and prepare scans in the same way."""
    if any(model.preprocessing != models[0].preprocessing for model in models):
        raise ValueError(
            "The models differ in how they prepare a scan, so that a mean of their weights fits none."
        )
    states = [model.network.state_dict() for model in models]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    models[0].network.load_state_dict(mean)
    return models[0]


def held_out_model(models: Sequence[Model]) -> Model:
    """Average models as ``default`` was made, with what its card says of slices and of masks in doubt."""
    mean, bundled = mean_of(models), CARDS["default"]
    said = {name: getattr(bundled, name) for name in ("slice_distance_mm", "scout_stride", "doubtful_under")}
    return replace(mean, card=replace(mean.card, **said))


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
