"""Segment scans with the command line, and print Dice and IoU for each volume, their mean and spread.

    python scripts/evaluate.py kaggle_3m --split docs/lgg_split.csv --part val
    python scripts/evaluate.py cases --scan "*Flair*.nii.gz" --mask "OTMultiClass.nii.gz"

Every folder in DATA is a patient: a folder of slices with masks, or one that holds a scan and a mask of
the names given. Dice and IoU are those of the whole volume, on the scan's own grid; whatever is not 0 in
the mask is tumour.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from napari_tumor_unet.cli import output_names
from napari_tumor_unet.dataset import patient_of, read_split
from napari_tumor_unet.io import read_mask
from napari_tumor_unet.scoring import dice, iou


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, help="CSV with the columns patient and split")
    parser.add_argument("--part", default="val", help="the part of the split to take")
    parser.add_argument("--scan", help="name of the scan in each patient's folder, with wildcards")
    parser.add_argument("--mask", help="name of the mask in each patient's folder, with wildcards")
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()

    folders = sorted(path for path in arguments.data.iterdir() if path.is_dir())
    if arguments.split:
        parts = read_split(arguments.split)
        folders = [path for path in folders if parts.get(patient_of(path.name)) == arguments.part]
    scans = [next(path.glob(arguments.scan)) if arguments.scan else path for path in folders]
    references = [next(path.glob(arguments.mask)) if arguments.mask else path for path in folders]

    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-c", "from napari_tumor_unet.cli import main; main()", "segment"]
        command += [*map(str, scans), "--out", out, "--model", arguments.model]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        scores = []
        for name, reference in zip(output_names(scans), references, strict=True):
            prediction = next(path for path in Path(out).glob(f"{name}_mask.*") if path.suffix != ".json")
            masks = read_mask(prediction), read_mask(reference)
            scores.append((dice(*masks), iou(*masks)))
            print(f"{name:60} Dice {scores[-1][0]:.3f}  IoU {scores[-1][1]:.3f}")
    for label, values in zip(("Dice", "IoU"), np.transpose(scores), strict=True):
        low, median, high = np.percentile(values, (25, 50, 75))
        print(
            f"{label} per volume, n = {len(values)}: mean {values.mean():.3f}, standard deviation "
            f"{values.std(ddof=1):.3f}, median {median:.3f}, quartiles {low:.3f} to {high:.3f}, "
            f"lowest {values.min():.3f}"
        )


if __name__ == "__main__":
    main()
