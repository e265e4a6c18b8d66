"""Fingerprints of cases: by them a training is resumed, a leak is found, and a card names its data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import regular_file
from napari_tumor_unet.io import slice_folder
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.scan import Scan, ScanError


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 hashes of what a model sees: the same for layers and for their files, whatever their names.

    Attributes
    ----------
    scan : str
        Of the voxels of all sequences, their types and shape.
    case : str
        Of the scan with its mask, where that is not 0.
    """

    scan: str
    case: str


def fingerprint(scan: Scan, mask: Any, scan_hash: str = "") -> Fingerprint:
    """Compute the fingerprint of a scan with its mask (Z, Y, X), read slice by slice.

    Parameters
    ----------
    scan : Scan
    mask : array
    scan_hash : str
        Hash of the scan from a fingerprint before, if the scan is the same.
    """
    scan_hash = scan_hash or _hash_of_scan(scan)
    digest = hashlib.sha256(f"{scan_hash} {tuple(mask.shape)}".encode())
    for z in range(mask.shape[0]):
        digest.update(_bytes(np.asarray(mask[z]) != 0))
    return Fingerprint(scan_hash, digest.hexdigest())


def earlier_fingerprint(case: Case) -> tuple[str, str]:
    """Hash a scan and its mask as version 0.1.0 did, in whose checkpoints these hashes count.

    Raises
    ------
    ScanError
        If one cannot be read.
    """
    if case.is_snapshot:
        scan, mask = case.read()
        digest = hashlib.sha256(repr((scan.spacing, scan.in_mm)).encode())
        for sequence, voxels in scan.sequences.items():
            digest.update(sequence.encode() + np.ascontiguousarray(voxels).tobytes())
        return digest.hexdigest(), hashlib.sha256(mask.tobytes()).hexdigest()
    if case.scan.is_dir():
        masks = slice_folder.mask_files(case.scan)
        return _hash_of_files(slice_folder.slice_files(case.scan)), _hash_of_files(masks)
    return _hash_of_files([case.scan, *case.others.values()]), _hash_of_files([case.mask])


def _hash_of_scan(scan: Scan) -> str:
    digest = hashlib.sha256(repr(scan.shape).encode())
    for sequence, array in sorted(scan.sequences.items()):
        digest.update(f"{sequence} {np.dtype(array.dtype).newbyteorder('<').str}".encode())
        for z in range(scan.shape[0]):
            digest.update(_bytes(np.asarray(array[z])))
    return digest.hexdigest()


def _bytes(plane: NDArray[Any]) -> bytes:
    return plane.astype(plane.dtype.newbyteorder("<"), copy=False).tobytes()


def _hash_of_files(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(regular_file(path).read_bytes())
        except OSError as error:
            raise ScanError(f"{path.name} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()
