"""Train a model on pairs of scan and mask, and save it with its card; goes on where it was stopped.

    python scripts/train.py DATA --split docs/lgg_split.csv --out default.safetensors --folder run

DATA holds pairs such as x.tif with x_mask.tif. Patients of the part "train" are learned from, those of
"val" are watched but decide nothing, and all others are left alone.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from rich import print

from napari_tumor_unet.card import Card
from napari_tumor_unet.dataset import find_pairs, read_split
from napari_tumor_unet.device import choose_device
from napari_tumor_unet.model import Model, save_model
from napari_tumor_unet.recipe import read_recipe
from napari_tumor_unet.training import train, trained_network

CITATIONS = (
    "M. Buda, A. Saha, M. A. Mazurowski, Association of genomic subtypes of lower-grade gliomas with shape "
    "features automatically extracted by a deep learning algorithm, Computers in Biology and Medicine 109, "
    "2019, doi:10.1016/j.compbiomed.2019.05.002",
    "M. A. Mazurowski et al., Radiogenomics of lower-grade glioma, Journal of Neuro-Oncology, 2017",
    "N. Pedano et al., The Cancer Genome Atlas Low Grade Glioma Collection (TCGA-LGG), The Cancer Imaging "
    "Archive, 2016, doi:10.7937/K9/TCIA.2016.L4LTD3TK",
)


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, required=True, help="CSV with the columns patient and split")
    parser.add_argument("--recipe", default="default", help="name of a recipe of the package, or a TOML file")
    parser.add_argument("--out", type=Path, required=True, help="the model file")
    parser.add_argument("--folder", type=Path, required=True, help="for the checkpoint and the metrics")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--note", default="", help="what else the card should say of the training")
    arguments = parser.parse_args()

    recipe, parts = read_recipe(arguments.recipe), read_split(arguments.split)
    pairs = find_pairs(arguments.data)
    part = {name: [p for p in pairs if parts.get(p.patient) == name] for name in ("train", "val")}
    device = choose_device(arguments.device)
    for epoch in train(part["train"], part["val"], recipe, arguments.folder, device=device):
        print(epoch)
    schedule = recipe.schedule
    card = Card(
        name=arguments.out.stem,
        summary="Whole tumour (FLAIR abnormality) of lower-grade glioma; T1 before and after contrast help.",
        training_data=f"{len(part['train'])} patients of the LGG MRI segmentation data (TCGA-LGG, masks by "
        "Buda et al.), part 'train' of docs/lgg_split.csv, split by patient.",
        training=f"Recipe '{arguments.recipe}': {schedule.epochs} epochs of {schedule.slices_per_epoch} "
        f"slices, on {device}, {platform.machine()}; averaged weights of the last epoch. {arguments.note}",
        limits=(
            "Trained on lower-grade glioma alone: other diseases, children and treated brains are unknown.",
            "The lowest and highest slices of a tumour, and thin or faint extensions, are missed most.",
            "In skull-stripped scans large parts of the tumour are missed.",
            "Standardised scans whose air is 0, in the middle of the brain's values, are prepared wrongly.",
        ),
        licence="CC-BY-NC-SA-4.0",
        citations=CITATIONS,
        # In the masks of the training patients no further region reaches 5 % of the largest one.
        smallest_region=0.1,
    )
    model = save_model(
        Model(trained_network(arguments.folder, recipe), recipe.preparation, card), arguments.out
    )
    print(f"{arguments.out.name}: {model.hash}")


if __name__ == "__main__":
    main()
