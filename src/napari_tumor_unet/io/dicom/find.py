"""What is in a folder of DICOM files, as hospitals and archives export them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from napari_tumor_unet.io.dicom.frame import Slice
from napari_tumor_unet.io.dicom.grouping import sort_into_series
from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.scan import ScanError

ENDINGS = (".dcm", ".dicom", ".ima")
"""Of files that are called DICOM; most have none, or end in a number."""
_NAME = re.compile(r"[^.].*\.(dcm|dicom|ima|\d+)|[^.]+", re.IGNORECASE)  # ends so, with a UID, or not at all
_DEPTH = 6  # export / DICOM / patient / study / series
_LOOKED_AT = 300  # entries of a folder until it is no DICOM folder
_OPENED = 20  # files likewise
_MOST = 20_000  # files of one folder


def looks_like_dicom(path: Path) -> bool:
    """Whether a file, or one of the first files in a folder and the folders in it, is DICOM; quick."""
    return first_image(path) is not None


def first_image(path: Path) -> Path | None:
    """A file itself, or one of the first in a folder and the folders in it, if it is DICOM; quick."""
    try:
        first = islice(_files(path, _LOOKED_AT), _OPENED)
        return next((file for file in first if _is_dicom(file)), None)
    except OSError:
        return None


def find_series(path: Path) -> tuple[Series, ...]:
    """All series in a folder and the folders in it, or in a file, with what keeps each from being a volume.

    Raises
    ------
    ScanError
        If it cannot be read, holds no images, or more than one can wait for.
    """
    from napari_tumor_unet.io.dicom.header import read_slices  # pydicom takes long to import

    slices: list[Slice] = []
    damaged: list[Path] = []
    try:
        for i, file in enumerate(_files(path)):
            if i == _MOST:
                raise ScanError(f"This folder holds more than {_MOST} files; open the folder of one patient.")
            try:
                if _is_dicom(file):
                    slices += read_slices(file)
            except ScanError:
                damaged.append(file)
    except OSError as error:
        raise ScanError(f"This folder, or one in it, cannot be read: {error.strerror}.") from error
    if not slices and damaged:
        raise ScanError("All images in this folder are damaged or no DICOM files.")
    if not slices:
        raise ScanError("This folder holds no DICOM images.")
    found = sort_into_series(slices)
    return tuple(_with_damaged_neighbours(series, damaged) for series in found)


def _with_damaged_neighbours(series: Series, damaged: list[Path]) -> Series:
    folders = {file.parent for file in series.files}
    beside = sum(file.parent in folders for file in damaged)
    if not beside:
        return series
    files = "1 file" if beside == 1 else f"{beside} files"
    told = f"{files} beside {series.name} cannot be read: damaged or no DICOM."
    return replace(series, notes=(*series.notes, told))


def _files(path: Path, most: int | None = None) -> Iterator[Path]:
    """Files that may be DICOM by their names, those of a folder before those of the folders in it."""
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


def _is_dicom(file: Path) -> bool:
    """Whether a file is called DICOM, or has its magic."""
    if file.suffix.lower() in ENDINGS:
        return True
    try:
        with file.open("rb") as opened:
            return opened.read(132)[128:] == b"DICM"
    except OSError:
        return False
