"""Folders of scans with masks, and which patient each belongs to."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io import read_mask, read_scan
from napari_tumor_unet.scan import Scan, ScanError

_TCGA_PATIENT = re.compile(r"TCGA_[A-Z0-9]{2}_[A-Z0-9]{4}")


@dataclass(frozen=True)
class Pair:
    """A scan on disk with its mask; ``patient`` is what a split must keep on one side."""

    name: str
    patient: str
    scan: Path
    mask: Path

    def read(self) -> tuple[Scan, NDArray[np.bool_]]:
        """The scan and its mask (Z, Y, X).

        Raises
        ------
        ScanError
            If one cannot be read, or they differ in shape.
        """
        scan = read_scan(self.scan)
        mask = read_mask(self.mask) > 0
        if mask.shape != scan.shape:
            raise ScanError(f"The mask of {self.name} has shape {mask.shape}, its scan {scan.shape}.")
        return scan, mask


def find_pairs(folder: Path) -> list[Pair]:
    """The pairs ``x.tif`` + ``x_mask.tif`` or ``x.nii.gz`` + ``x_mask.nii.gz`` in a folder, by name.

    Raises
    ------
    ScanError
        If there is none.
    """
    pairs = []
    for mask in sorted(folder.glob("*_mask.*")):
        scan = mask.with_name(mask.name.replace("_mask.", ".", 1))
        if scan.exists():
            name = scan.name.split(".")[0]
            pairs.append(Pair(name, patient_of(name), scan, mask))
    if not pairs:
        raise ScanError(f"{folder.name} holds no pairs such as x.tif with x_mask.tif.")
    return pairs


def patient_of(name: str) -> str:
    """The patient that a scan's name stands for: the TCGA code where there is one, else the name."""
    code = _TCGA_PATIENT.match(name)
    return code.group() if code else name


def read_split(path: Path) -> dict[str, str]:
    """Read which patient is in which part, from a CSV file with the columns ``patient`` and ``split``.

    Raises
    ------
    ScanError
        If it would put one patient into two parts.
    """
    parts: dict[str, str] = {}
    with path.open(newline="") as table:
        for row in csv.DictReader(table):
            patient = patient_of(row["patient"])
            if parts.setdefault(patient, row["split"]) != row["split"]:
                raise ScanError(f"{path.name} puts patient {patient} into two parts; split by patient.")
    return parts
