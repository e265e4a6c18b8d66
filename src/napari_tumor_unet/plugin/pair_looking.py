"""What a thread finds out of a scan with its mask, and of a folder of them."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from napari_tumor_unet.dataset import Dataset, Pair, find_pairs
from napari_tumor_unet.lessons import Marks, marks_of, pair_hash, scan_hash
from napari_tumor_unet.log import note_error
from napari_tumor_unet.plugin.layers import LayerScan
from napari_tumor_unet.plugin.pairing import LayerPair
from napari_tumor_unet.scan import ScanError


@dataclass(frozen=True)
class Seen:
    """What was seen of a pair.

    Attributes
    ----------
    marks : Marks or None
        None where it cannot be used.
    error : str
        Why not.
    scan, content : str
        The hash of the scan, and with its mask, if they were asked for.
    """

    marks: Marks | None = None
    error: str = ""
    scan: str = ""
    content: str = ""


# Generators, as napari keeps what plain functions were given as long as the window lives.


def look_at_layers(
    pair: LayerPair, source: LayerScan, hashed: bool, scan: str
) -> Generator[None, None, Seen]:
    """Look through the mask of two layers; its hash, if it is asked for, is quick if the scan's is known."""
    yield
    try:
        mask = pair.mask(source)
        marks = marks_of(mask, pair.written(source), pair.checked)
        scan = scan or (scan_hash(source.scan) if hashed else "")
        return Seen(marks, scan=scan, content=pair_hash(scan, mask) if hashed else "")
    except Exception:  # whatever a layer's array, lazy or not, may raise
        return _unreadable(f"{pair.labels.name} or its scan could not be read; are their files still there?")


def look_at_files(pair: Pair, hashed: bool) -> Generator[None, None, Seen]:
    """Read a pair of files and look through the mask."""
    yield
    try:
        scan, mask = pair.read()
        voxels = scan_hash(scan) if hashed else ""
        return Seen(marks_of(mask), scan=voxels, content=pair_hash(voxels, mask) if hashed else "")
    except ScanError as error:
        return Seen(error=str(error))
    except Exception:
        return _unreadable(f"{pair.name} could not be read; are its files still there, and whole?")


def look_into(folder: Path) -> Generator[None, None, Dataset | str]:
    """The pairs of a folder, or why there are none."""
    yield
    try:
        return find_pairs(folder)
    except ScanError as error:
        return str(error)


def _unreadable(said: str) -> Seen:
    name = said.partition(" or its scan")[0].partition(" could not")[0]
    note_error(said, traceback.format_exc(), [name])
    return Seen(error=said)
