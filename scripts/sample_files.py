"""Files of the sample, as scanners and researchers name them, for the pictures of the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from tests.dicom_files import AXES, images, saved

from napari_tumor_unet import read_scan
from napari_tumor_unet.io.datasets.sample import sample_scan

_NAMES = {"flair": "FLAIR", "pre": "T1w", "post": "ce-gadolinium_T1w"}


def _sample(sequence: str) -> tuple[Any, tuple[float, float, float]]:
    """Return the voxels of a sequence of the sample (Z, Y, X), and their spacing."""
    scan = read_scan(sample_scan())
    return np.asarray(scan.sequences[sequence]), scan.spacing


def write_nifti(path: Path, voxels: Any, spacing: tuple[float, float, float]) -> Path:
    """Write voxels (Z, Y, X) as a file that says how they lie."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing[::-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, path)
    return path


def bids_files(folder: Path, *, invert: bool = False) -> list[Path]:
    """Write the sample as BIDS has it; inverted, of FLAIR alone."""
    files = []
    for sequence, name in _NAMES.items():
        voxels, spacing = _sample(sequence)
        if invert:
            voxels, name = voxels.max() - voxels, "inverted_FLAIR"
        files.append(write_nifti(folder / f"sub-01_{name}.nii.gz", voxels, spacing))
    return files[:1] if invert else files


def write_several(folder: Path) -> None:
    """Write the sample in some ways, and a damaged file."""
    voxels, spacing = _sample("flair")
    ways = {"sub-01": voxels, "sub-02": voxels[:, :, ::-1], "sub-03": voxels.max() - voxels}
    for name, changed in ways.items():
        write_nifti(folder / f"{name}_FLAIR.nii.gz", changed.copy(), spacing)
    (folder / "sub-04_FLAIR.nii.gz").write_bytes(b"damaged")


def write_dicom_study(folder: Path) -> Path:
    """Write the sample as series of one study, with a scout beside them."""
    nobody = {"PatientName": "Phantom", "PatientID": "0", "PatientBirthDate": "", "AccessionNumber": ""}
    series = {"pre": "Ax T1", "flair": "Ax T2 FLAIR", "post": "Ax T1 +C"}
    study = folder / "study"
    for number, (sequence, described) in enumerate(series.items(), 2):
        voxels, spacing = _sample(sequence)
        made = images(
            voxels.astype(np.int16),
            spacing=spacing,
            SeriesNumber=number,
            SeriesDescription=described,
            SeriesInstanceUID=f"1.2.3.{number}",
            **nobody,
        )
        saved(made, study, prefix=f"{number}-")
    voxels, spacing = _sample("pre")
    for i, axes in enumerate(AXES.values()):
        scout = images(
            voxels[i : i + 1].astype(np.int16),
            axes,
            SeriesNumber=1,
            SeriesDescription="Localizer",
            SeriesInstanceUID="1.2.3.1",
            ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
            **nobody,
        )
        saved(scout, study, prefix=f"1-{i}-")
    return study
