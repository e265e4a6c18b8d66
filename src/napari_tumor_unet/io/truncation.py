"""Check that a file holds all its voxels before memory is taken for them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io.guard import BEST_RATIO, check_size, opened
from napari_tumor_unet.scan import ScanError

_CHUNK = 1 << 20
_ZLIB_OR_GZIP = 47


@dataclass(frozen=True)
class StoredVoxels:
    """Stored voxels of a file: where in it they are, and what else SimpleITK does not tell.

    Attributes
    ----------
    file : Path
        The file that holds the voxels: the scan's own, or one beside it.
    start : int or None
        First byte of the voxels, or of their compressed stream; None if they end the file.
    skip : int
        Bytes in front of the voxels in that stream.
    compressed : bool
    packed : int or None
        Length of the stream in bytes, where the header says so.
    axes : int
        Number of axes by the header.
    in_mm, oriented : bool
        Whether the header has the voxels' spacing, and their orientation in the patient.
    """

    file: Path
    start: int | None
    skip: int = 0
    compressed: bool = False
    packed: int | None = None
    axes: int = 3
    in_mm: bool = True
    oriented: bool = True


def check_whole(stored: StoredVoxels, size: int) -> None:
    """Check that a file holds as many bytes of voxels as it promises, before memory is taken for them.

    Raises
    ------
    ScanError
        If the file ends too early, is damaged inside, or promises more than any scan has.
    """
    _check_promise(stored, size)
    if stored.compressed and sum(map(len, _chunks(stored, size))) < stored.skip + size:
        raise _ends_too_early(stored)


def read_whole(stored: StoredVoxels, size: int) -> NDArray[np.uint8]:
    """Read as many bytes of voxels as a file promises, and take memory only for what is there.

    Raises
    ------
    ScanError
        As :func:`check_whole`.
    """
    _check_promise(stored, size)
    voxels = np.zeros(size, np.uint8)
    end = -stored.skip
    for chunk in _chunks(stored, size):
        start, end = end, end + len(chunk)
        if end > 0:
            piece = np.frombuffer(chunk, np.uint8)[max(-start, 0) : len(chunk) - max(end - size, 0)]
            voxels[max(start, 0) :][: len(piece)] = piece
    if end < size:
        raise _ends_too_early(stored)
    return voxels


def _check_promise(stored: StoredVoxels, size: int) -> None:
    with opened(stored.file):
        held = stored.file.stat().st_size - (stored.start or 0)
    ratio = BEST_RATIO if stored.compressed else 1
    if held < (stored.packed or 0) or held * ratio < stored.skip + size:
        raise _ends_too_early(stored)
    check_size(stored.file.name, size)


def _ends_too_early(stored: StoredVoxels) -> ScanError:
    return ScanError(f"{stored.file.name} is damaged: it ends too early.")


def _chunks(stored: StoredVoxels, size: int) -> Iterator[bytes]:
    """Yield the unpacked bytes up to the end of the voxels, and up to a chunk more."""
    enough, held = stored.skip + size, 0
    with opened(stored.file) as file:
        file.seek(stored.start or 0)
        if not stored.compressed:
            while held < enough and (chunk := file.read(_CHUNK)):
                held += len(chunk)
                yield chunk
            return
        try:
            packed, stream = b"", zlib.decompressobj(_ZLIB_OR_GZIP)
            end = file.tell() + stored.packed if stored.packed else math.inf  # SimpleITK reads no further
            while held <= enough and (
                packed := packed or file.read(int(max(0, min(_CHUNK, end - file.tell()))))
            ):
                chunk = stream.decompress(packed, _CHUNK)
                held += len(chunk)
                yield chunk
                packed = stream.unconsumed_tail
                if stream.eof:
                    if held >= enough:  # the rest is not the scan's
                        break
                    packed = stream.unused_data
                    stream = zlib.decompressobj(_ZLIB_OR_GZIP)
            yield stream.flush()
        except zlib.error as error:
            raise ScanError(f"{stored.file.name} is damaged: it cannot be unpacked.") from error
