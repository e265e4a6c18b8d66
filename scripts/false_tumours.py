r"""Tell what models draw in scans without a tumour, and which share each part of a model has in it.

    python -m scripts.false_tumours NO_TUMOUR --split DATA/split.csv \
        --models first.safetensors "fold{}.safetensors"
    python -m scripts.false_tumours NO_TUMOUR --gliomas GLIOMAS --models first.safetensors

``NO_TUMOUR`` and ``GLIOMAS`` hold a folder for each scan. With ``--split``, that of ``gather_scans.py``, each
scan is segmented by the training that did not see the person. With ``--gliomas`` one part of the model is
changed at a time, and the gliomas, FLAIR alone, say what the change costs.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

import numpy as np
import SimpleITK as sitk
from scripts.bundle_model import held_out_model, mean_of

from napari_tumor_unet import read_scan, segment
from napari_tumor_unet.evaluation.overlap import overlap, statistics
from napari_tumor_unet.inference.input_check import warnings_of
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.datasets.split import read_split
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.scan import Scan

GRID = 4.0, 4.0, 3.0  # mm (x, y, z), about, of the voxels that N4 fits its field to


@dataclass(frozen=True)
class Change:
    """What is changed of a model, or of the scans before."""

    what: str
    intensities: Literal["head", "brain"] = "head"
    threshold: float = 0.3
    min_region_weight: float = 0.5
    n4: bool = False

    def of(self, model: Model) -> Model:
        """Return the model with the change."""
        preprocessing = replace(model.preprocessing, intensities=self.intensities)
        card = replace(model.card, threshold=self.threshold, min_region_weight=self.min_region_weight)
        return replace(model, preprocessing=preprocessing, card=card)


def without_shading(scan: Scan) -> Scan:
    """Divide FLAIR by the bias field that N4 finds in the head."""
    image = sitk.GetImageFromArray(np.asarray(scan.sequences["flair"], np.float32))
    image.SetSpacing(scan.spacing[::-1])
    head = sitk.OtsuThreshold(image, 0, 1)
    small = [max(1, round(mm / size)) for mm, size in zip(GRID, image.GetSpacing(), strict=True)]
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.Execute(sitk.Shrink(image, small), sitk.Shrink(head, small))
    field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image))
    flair = sitk.GetArrayFromImage(image) / np.exp(field)
    return replace(scan, sequences=dict(scan.sequences) | {"flair": flair})


CHANGES = (
    Change("as the first `default` was: zero of the head's mean"),
    Change("threshold 0.5 instead of 0.3", threshold=0.5),
    Change("every region kept, not the heaviest", min_region_weight=0.0),
    Change("zero of the brain's median", intensities="brain"),
    Change("the same, threshold 0.5", intensities="brain", threshold=0.5),
    Change("zero of the head's mean, N4 before", n4=True),
    Change("zero of the brain's median, N4 before", intensities="brain", n4=True),
)


def main() -> None:
    """Print what is drawn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("no_tumour", type=Path)
    parser.add_argument("--models", nargs="+", required=True, help="files, {} for the number of the fold")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--split", type=Path)
    what.add_argument("--gliomas", type=Path)
    given = parser.parse_args()
    scans = {path.parent.name: read_scan(path) for path in sorted(given.no_tumour.glob("*/*_flair.nii.gz"))}
    if given.split:
        show_folds(scans, given.split, given.models)
    else:
        show_changes(scans, given.gliomas, mean_of([load_model(path) for path in given.models]))


def show_folds(scans: dict[str, Scan], split: Path, names: list[str]) -> None:
    """Print what is drawn in each scan by the training that did not see the person, and the warning."""
    for fold in range(2):
        model = held_out_model([load_model(name.format(fold)) for name in names])
        held_out = {patient for patient, part in read_split(split, fold).items() if part == "val"}
        for name in sorted(held_out & scans.keys()):
            drawn = segment(scans[name], model=model)
            warned = set(drawn.warnings) - set(warnings_of(scans[name]))
            print(
                f"{name}: {drawn.findings.volume_ml:.2f} ml, {'warned' if warned else 'not warned'}",
                flush=True,
            )


def show_changes(scans: dict[str, Scan], gliomas: Path, model: Model) -> None:
    """Print for each change the false volumes, and the Dice of the gliomas."""
    tumours = {case.name: case.read() for case in find_pairs(gliomas).pairs}
    as_they_are = scans | {name: scan.flair_alone() for name, (scan, _) in tumours.items()}
    corrected = {name: without_shading(scan) for name, scan in as_they_are.items()}
    print("| changed | ml drawn without a tumour | gliomas: mean Dice, standard deviation, lowest |")
    print("| --- | --- | --- |")
    for change in CHANGES:
        changed, seen = change.of(model), corrected if change.n4 else as_they_are
        drawn = {name: segment(seen[name], model=changed).findings.volume_ml for name in scans}
        dice = statistics(
            [
                overlap(segment(seen[name], model=changed).mask > 0, truth).dice
                for name, (_, truth) in tumours.items()
            ]
        )
        told = ", ".join(f"{name} {ml:.1f}" for name, ml in drawn.items())
        print(
            f"| {change.what} | {told} | {dice.mean:.3f}, {dice.standard_deviation:.3f}, {dice.lowest:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
