"""A scan that another process holds: its slices are asked for one by one, so it is never there twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.scan import Geometry, Scan, Sequence

Planes = dict[Sequence, list[NDArray[Any]]]
"""Of each sequence a few slices (Y, X)."""

_KEPT = 64 * 2**20  # bytes of slices that the asking process remembers
_AT_ONCE = 2 * 2**20  # bytes of an answer; each has to wait until a busy window lets the other thread run


@dataclass(frozen=True)
class ScanHandle:
    """A scan without its voxels: small, and picklable."""

    name: str
    spacing: tuple[float, float, float]
    in_mm: bool
    shape: tuple[int, int, int]
    dtypes: dict[Sequence, str]
    geometry: Geometry | None = None
    modality: str = ""


def handle_of(scan: Scan) -> ScanHandle:
    """Describe a scan to the other process, before it asks for slices."""
    dtypes = {sequence: np.dtype(array.dtype).str for sequence, array in scan.sequences.items()}
    return ScanHandle(scan.name, scan.spacing, scan.in_mm, scan.shape, dtypes, scan.geometry, scan.modality)


def planes_of(scan: Scan, indices: range) -> Planes:
    """Return some slices of each sequence, as the answer to the other process."""
    return {s: [np.asarray(array[z]) for z in indices] for s, array in scan.sequences.items()}


def remote_scan(handle: ScanHandle, ask: Callable[[range], Planes]) -> Scan:
    """Make a scan in the other process, from slices that it asks for.

    Parameters
    ----------
    handle : ScanHandle
    ask : callable
        Gets :func:`planes_of` some slices; what was asked for last is remembered.
    """
    plane = handle.shape[1] * handle.shape[2]
    size = sum(np.dtype(dtype).itemsize for dtype in handle.dtypes.values()) * plane
    together = max(1, _AT_ONCE // size)

    @lru_cache(max(4, _KEPT // (size * together)))
    def block(number: int) -> Planes:
        first = number * together
        return ask(range(first, min(first + together, handle.shape[0])))

    def plane_of(sequence: Sequence, z: int) -> NDArray[Any]:
        return block(z // together)[sequence][z % together]

    volumes = {
        s: _RemoteVolume(handle.shape, np.dtype(dtype), partial(plane_of, s))
        for s, dtype in handle.dtypes.items()
    }
    return Scan(handle.name, volumes, handle.spacing, handle.in_mm, handle.geometry, handle.modality)


@dataclass(frozen=True)
class _RemoteVolume:
    """One sequence (Z, Y, X)."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    plane: Callable[[int], NDArray[Any]]

    def __getitem__(self, z: int) -> NDArray[Any]:
        return self.plane(int(z))
