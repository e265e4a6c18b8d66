"""Detect DICOM files by names and first bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

ENDINGS = (".dcm", ".dicom", ".ima")
"""Endings of files that are named as DICOM; most have none, or end in a number."""
_NAME = re.compile(r"[^.].*\.(dcm|dicom|ima|\d+)|[^.]+", re.IGNORECASE)  # ends so, with a UID, or not at all
_DEPTH = 6  # export / DICOM / patient / study / series
_LOOKED_AT = 300  # entries of a folder, before it is declined
_OPENED = 20  # files, likewise


def looks_like_dicom(path: Path) -> bool:
    """Tell whether a file, or one of the first files in a folder and the folders in it, is DICOM; quick."""
    return first_image(path) is not None


def first_image(path: Path) -> Path | None:
    """Return a file, or one of the first in a folder and the folders in it, if it is DICOM; quick."""
    try:
        first = islice(walk_files(path, _LOOKED_AT), _OPENED)
        return next((file for file in first if is_dicom_file(file)), None)
    except (OSError, ValueError):  # the second of a name that no file can have
        return None


def image_among(folder: Path, names: Iterable[str]) -> Path | None:
    """Return one of the first files of a folder, of these names, if it is DICOM; quick."""
    files = (folder / name for name in islice(names, _LOOKED_AT) if _NAME.fullmatch(name))
    return next((file for file in islice(files, _OPENED) if file.is_file() and is_dicom_file(file)), None)


def walk_files(path: Path, most: int | None = None) -> Iterator[Path]:
    """Yield files that may be DICOM by their names, those of a folder before those of the folders in it.

    At most ``most`` entries of folders are seen.
    """
    if path.is_file():
        yield path
        return
    seen = 0
    waiting = [(path, 0)]
    while waiting:
        folder, depth = waiting.pop(0)
        with os.scandir(folder) as entries:
            inner = []
            for entry in entries:
                seen += 1
                if most is not None and seen > most:
                    return
                if entry.is_dir(follow_symlinks=False):
                    if depth < _DEPTH and not entry.name.startswith("."):
                        inner.append(Path(entry.path))
                elif _NAME.fullmatch(entry.name) and entry.is_file():
                    yield Path(entry.path)
        waiting += [(one, depth + 1) for one in sorted(inner)]


def is_dicom_file(file: Path) -> bool:
    """Tell whether a file has an ending or the first bytes of DICOM."""
    if file.suffix.lower() in ENDINGS:
        return True
    try:
        with file.open("rb") as opened:
            return opened.read(132)[128:] == b"DICM"
    except OSError:
        return False
