"""A scan with its mask as they were at one moment, in a file of our own: what a layer holds may change."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.scan import SEQUENCES, Scan, ScanError


@dataclass(frozen=True)
class Snapshot:
    """A :class:`napari_tumor_unet.io.datasets.pairs.Case` in a file that :func:`write_snapshot` wrote.

    Attributes
    ----------
    name : str
        What it is called in tables.
    patient : str
        What a split must keep on one side.
    path : Path
    slices : tuple of int, optional
        Those alone that are learned from, or judged; by default all.
    """

    name: str
    patient: str
    path: Path
    slices: tuple[int, ...] | None = None

    def read(self) -> tuple[Scan, NDArray[np.bool_]]:
        """The scan and its mask (Z, Y, X).

        Raises
        ------
        ScanError
            If the file is gone or damaged.
        """
        try:
            with np.load(self.path, allow_pickle=False) as file:
                voxels = {sequence: file[sequence] for sequence in SEQUENCES if sequence in file}
                z, y, x = (float(step) for step in file["spacing"])
                return Scan(self.name, voxels, (z, y, x), bool(file["in_mm"])), file["mask"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ScanError(f"The copy of {self.name} is gone or damaged; start anew.") from error

    def fingerprint(self) -> tuple[str, str]:
        """Hashes of the scan and of its mask."""
        scan, mask = self.read()
        digest = hashlib.sha256(repr((scan.spacing, scan.in_mm)).encode())
        for sequence, voxels in scan.sequences.items():
            digest.update(sequence.encode() + np.ascontiguousarray(voxels).tobytes())
        return digest.hexdigest(), hashlib.sha256(mask.tobytes()).hexdigest()


def write_snapshot(path: Path, scan: Scan, mask: NDArray[np.bool_]) -> None:
    """Write a scan and its mask (Z, Y, X), slice by slice if the scan is lazy."""
    arrays: dict[str, Any] = {
        sequence: np.stack([np.asarray(volume[z]) for z in range(scan.shape[0])])
        for sequence, volume in scan.sequences.items()
    }
    np.savez(path, mask=mask, spacing=scan.spacing, in_mm=scan.in_mm, **arrays)
