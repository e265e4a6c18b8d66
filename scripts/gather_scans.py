"""Gather what the recipe robust learns from into one folder, in nnU-Net's layout, with its folds.

    python scripts/gather_scans.py OUT --lgg volumes --split docs/lgg_split.csv --gliomas G --no-tumour N
    napari-tumor-unet train OUT --recipe robust --start first.safetensors --split OUT/split.csv --fold 0

``volumes`` holds the LGG scans as ``x.tif`` and ``x_mask.tif``; G and N a folder for each scan, with files
called ``*_flair``, ``*_t1``, ``*_t1ce`` and ``*_seg``; scans without a ``*_seg`` have no tumour. Slices
closer than 3 mm are thinned to about that. Persons without a tumour, gliomas, and the LGG patients of the
part "val" are dealt out to two folds; those of the part "train" are in neither. With ``--folds 5``, for a
cross-validation, the first two are dealt out to five, and these LGG patients are in the folds of the split.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Container, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import tifffile

from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.datasets.split import read_split
from napari_tumor_unet.scan import SEQUENCES

CHANNELS = {"flair": 0, "pre": 1, "post": 2}
FILES = {"flair": "flair", "pre": "t1", "post": "t1ce"}
LGG_FOLDS = 5  # of docs/lgg_split.csv
THICKNESS = 3.0  # mm
PERSON = "_study"  # in the names of scans of one person


def main() -> None:
    """Write images, labels, ``dataset.json`` and ``split.csv``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    for name in ("lgg", "split", "gliomas", "no-tumour"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--folds", type=int, choices=(2, LGG_FOLDS), default=2)
    arguments = parser.parse_args()
    for folder in ("imagesTr", "labelsTr"):
        (arguments.out / folder).mkdir(parents=True)
    names = {str(number): name for name, number in CHANNELS.items()}
    (arguments.out / "dataset.json").write_text(json.dumps({"channel_names": names}))
    rows = [("patient", "split", "fold")]
    fold_of = lgg_folds(arguments.split, arguments.folds)
    rows += [
        (patient, "train", fold_of[patient]) for patient in write_lgg(arguments.lgg, fold_of, arguments.out)
    ]
    for folder in (arguments.no_tumour, arguments.gliomas):
        scans = sorted(path for path in folder.iterdir() if path.is_dir())
        persons = sorted({path.name.split(PERSON)[0] for path in scans})
        for scan in scans:
            fold = persons.index(scan.name.split(PERSON)[0]) % arguments.folds
            write_scan(scan, arguments.out)
            rows.append((scan.name, "train", str(fold)))
    with (arguments.out / "split.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def lgg_folds(split: Path, folds: int) -> dict[str, str]:
    """Return the fold of each LGG patient that is taken, or "" for none."""
    if folds == LGG_FOLDS:
        parts = {str(fold): read_split(split, fold) for fold in range(folds)}
        return {patient: fold for fold, each in parts.items() for patient, p in each.items() if p == "val"}
    split_parts = read_split(split)
    held_out = sorted(patient for patient, part in split_parts.items() if part == "val")
    return {patient: "" for patient, part in split_parts.items() if part == "train"} | {
        patient: str(n % folds) for n, patient in enumerate(held_out)
    }


def write_lgg(volumes: Path, patients: Container[str], out: Path) -> Iterator[str]:
    """Write LGG patients, a file for each sequence."""
    for case in find_pairs(volumes).pairs:
        if case.patient not in patients:
            continue
        scan, mask = case.read()
        for sequence in SEQUENCES:
            path = out / "imagesTr" / f"{case.name}_{CHANNELS[sequence]:04}.tif"
            tifffile.imwrite(path, np.asarray(scan.sequences[sequence]), photometric="minisblack")
        path = out / "labelsTr" / f"{case.name}.tif"
        tifffile.imwrite(path, mask.astype(np.uint8), photometric="minisblack")
        yield case.patient


def write_scan(folder: Path, out: Path) -> None:
    """Write the files of a scan, thinned, and an empty mask if it has none."""
    for sequence, channel in CHANNELS.items():
        for path in folder.glob(f"*_{FILES[sequence]}.nii.gz"):
            image = thinned(nib.load(path))
            nib.save(image, out / "imagesTr" / f"{folder.name}_{channel:04}.nii.gz")
            empty = nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine)
    masks = [thinned(nib.load(path)) for path in folder.glob("*_seg.nii.gz")]
    nib.save(next(iter(masks), empty), out / "labelsTr" / f"{folder.name}.nii.gz")


def thinned(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Keep one slice in about 3 mm, from foot to head."""
    axis = int(np.argmax(nib.orientations.io_orientation(image.affine)[:, 0] == 2))
    step = max(1, round(THICKNESS / image.header.get_zooms()[axis]))
    kept = [slice(None)] * 3
    kept[axis] = slice(step // 2, None, step)
    return image.slicer[tuple(kept)]


if __name__ == "__main__":
    main()
