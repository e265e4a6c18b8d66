"""A scan in shared memory: how its voxels get to another process without being pickled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.scan import Scan, Sequence


@dataclass(frozen=True)
class SharedScan:
    """What the other process needs to open it: small, and picklable."""

    name: str
    spacing: tuple[float, float, float]
    in_mm: bool
    shape: tuple[int, int, int]
    blocks: dict[Sequence, tuple[str, str]]  # shared memory's name, and dtype
    digest: str  # of the voxels


@contextmanager
def share(scan: Scan) -> Iterator[SharedScan]:
    """Copy a scan, slice by slice, into shared memory that lasts as long as the context."""
    memories: list[SharedMemory] = []
    blocks: dict[Sequence, tuple[str, str]] = {}
    digest = hashlib.blake2b(digest_size=16)
    try:
        for sequence, array in scan.sequences.items():
            dtype = np.dtype(array.dtype)
            memory = SharedMemory(create=True, size=int(np.prod(scan.shape)) * dtype.itemsize)
            memories.append(memory)
            block: NDArray[np.generic] = np.ndarray(scan.shape, dtype, memory.buf)
            for z in range(scan.shape[0]):
                block[z] = np.asarray(array[z])
                digest.update(block[z])
            del block
            blocks[sequence] = (memory.name, dtype.str)
        yield SharedScan(scan.name, scan.spacing, scan.in_mm, scan.shape, blocks, digest.hexdigest())
    finally:
        for memory in memories:
            memory.close()
            memory.unlink()


@contextmanager
def opened(shared: SharedScan) -> Iterator[Scan]:
    """The scan, in the other process, while the context lasts."""
    memories = {sequence: SharedMemory(name) for sequence, (name, _) in shared.blocks.items()}
    try:
        blocks = {
            sequence: _Block(memories[sequence], np.dtype(dtype), shared.shape)
            for sequence, (_, dtype) in shared.blocks.items()
        }
        yield Scan(shared.name, blocks, shared.spacing, shared.in_mm)
    finally:
        for memory in memories.values():
            memory.close()


@dataclass(frozen=True)
class _Block:
    """Hands out copies of slices, as shared memory cannot be closed while an array looks into it."""

    memory: SharedMemory
    dtype: np.dtype[np.generic]
    shape: tuple[int, int, int]

    def __getitem__(self, index: int) -> NDArray[Any]:
        volume: NDArray[Any] = np.ndarray(self.shape, self.dtype, self.memory.buf)
        pixels: NDArray[Any] = volume[index].copy()
        return pixels
