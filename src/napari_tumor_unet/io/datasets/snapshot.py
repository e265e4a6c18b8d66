"""Copies of a scan with its mask at one moment, in files of our own: what a layer holds may change."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import atomic_write
from napari_tumor_unet.scan import SEQUENCES, Scan, ScanError

SNAPSHOT = ".npz"
"""Ending of a snapshot's file."""


def snapshot_in(folder: Path, number: int) -> Path:
    """Return the file of a numbered snapshot in a folder."""
    return folder / f"{number}{SNAPSHOT}"


def read_snapshot(path: Path, name: str) -> tuple[Scan, NDArray[np.bool_]]:
    """Read a scan, which gets this name, and its mask (Z, Y, X).

    Raises
    ------
    ScanError
        If the file is gone or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            voxels = {sequence: file[sequence] for sequence in SEQUENCES if sequence in file}
            z, y, x = (float(step) for step in file["spacing"])
            return Scan(name, voxels, (z, y, x), bool(file["in_mm"])), file["mask"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ScanError(f"The copy of {name} is gone or damaged; start anew.") from error


def write_snapshot(path: Path, scan: Scan, mask: NDArray[np.bool_]) -> None:
    """Write a scan and its mask (Z, Y, X), slice by slice if the scan is lazy."""
    arrays: dict[str, Any] = {
        sequence: np.stack([np.asarray(volume[z]) for z in range(scan.shape[0])])
        for sequence, volume in scan.sequences.items()
    }
    with atomic_write(path) as partial:
        np.savez(partial, mask=mask, spacing=scan.spacing, in_mm=scan.in_mm, **arrays)
