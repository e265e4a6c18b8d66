"""Guards of all reading: of regular files alone, that do not change meanwhile, with one kind of error."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from napari_tumor_unet._common import regular_file
from napari_tumor_unet.scan import ScanError

MOST_BYTES = 8 << 30
"""Bytes of voxels of a scan: eight scans of 512 x 512 x 1000 in float32."""
BEST_RATIO = 1032
"""Bytes that one byte may unpack to: deflate cannot do better."""

Stamp = tuple[int, int]
"""Size of a file, and when it was changed."""


@contextmanager
def errors_told(name: str) -> Iterator[None]:
    """Turn whatever goes wrong in reading into a :class:`ScanError`, so that no batch ends."""
    try:
        yield
    except ScanError:
        raise
    except OSError as error:
        raise ScanError(f"{name} cannot be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise ScanError(f"{name} needs more memory than there is; close other programs.") from error
    except Exception as error:
        kind = type(error).__name__
        raise ScanError(f"{name} cannot be read, by an unexpected {kind}; is it damaged?") from error


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be read; an error of the system becomes a sentence."""
    try:
        with regular_file(path).open("rb") as file:
            yield file
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise
        raise ScanError(f"{path.name} cannot be read: {error.strerror or error}.") from error


@contextmanager
def unchanged(*paths: Path) -> Iterator[None]:
    """Refuse what was read of files that changed while the block read them, whether or not it failed."""
    before = [stamp_of(path) for path in paths]
    try:
        yield
    finally:
        for path, stamp in zip(paths, before, strict=True):
            check_unchanged(path, stamp, path.name)


def stamp_of(path: Path) -> Stamp:
    """Return what tells that a file has changed; nothing is told of one that is gone."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def check_unchanged(path: Path, stamp: Stamp, name: str) -> None:
    """Check that a file is still as it was.

    Raises
    ------
    ScanError
        If it has changed, or is gone.
    """
    if stamp_of(path) != stamp:
        raise ScanError(f"{name} changed while it was read; read it again once it is complete.")


def check_size(name: str, size: int) -> None:
    """Check that voxels do not take more memory than any scan, before it is taken.

    Raises
    ------
    ScanError
        If they do.
    """
    if size > MOST_BYTES:
        raise ScanError(f"{name} says that its voxels take {size >> 30} GB; no scan of a head is so large.")
