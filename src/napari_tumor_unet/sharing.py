"""A scan that another process holds: its slices are asked for one by one, so it is never there twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.scan import Scan, Sequence

Planes = dict[Sequence, NDArray[Any]]

_KEPT = 64 * 2**20  # bytes of slices that the asking process remembers


@dataclass(frozen=True)
class ScanHandle:
    """A scan without its voxels: small, and picklable."""

    name: str
    spacing: tuple[float, float, float]
    in_mm: bool
    shape: tuple[int, int, int]
    dtypes: dict[Sequence, str]


def handle_of(scan: Scan) -> ScanHandle:
    """What the other process needs to know before it asks for slices."""
    dtypes = {sequence: np.dtype(array.dtype).str for sequence, array in scan.sequences.items()}
    return ScanHandle(scan.name, scan.spacing, scan.in_mm, scan.shape, dtypes)


def planes_of(scan: Scan, z: int) -> Planes:
    """The slice ``z`` of each sequence: the answer to the other process."""
    return {sequence: np.asarray(array[z]) for sequence, array in scan.sequences.items()}


def remote_scan(handle: ScanHandle, ask: Callable[[int], Planes]) -> Scan:
    """The scan, in the other process.

    Parameters
    ----------
    handle : ScanHandle
    ask : callable
        Gets :func:`planes_of` a slice; what was asked for last is remembered.
    """
    plane = handle.shape[1] * handle.shape[2]
    size = sum(np.dtype(dtype).itemsize for dtype in handle.dtypes.values()) * plane
    ask = lru_cache(max(4, _KEPT // size))(ask)
    volumes = {s: _RemoteVolume(s, handle.shape, np.dtype(d), ask) for s, d in handle.dtypes.items()}
    return Scan(handle.name, volumes, handle.spacing, handle.in_mm)


@dataclass(frozen=True)
class _RemoteVolume:
    """One sequence (Z, Y, X)."""

    sequence: Sequence
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    ask: Callable[[int], Planes]

    def __getitem__(self, z: int) -> NDArray[Any]:
        return self.ask(int(z))[self.sequence]
