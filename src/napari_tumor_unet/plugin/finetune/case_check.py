"""A scan with its mask, as layers or files, and what a thread finds out of it."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_tumor_unet.io.datasets.pairs import Dataset, Pair, find_pairs, patient_of
from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair
from napari_tumor_unet.plugin.layers.layer_scan import LayerScan
from napari_tumor_unet.plugin.layers.metadata import image_metadata
from napari_tumor_unet.plugin.ui.error_log import note_error
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.finetuning.cases import Marks, marks_of, pair_hash, scan_hash


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


@dataclass(eq=False)
class PairRow:
    """A scan with its mask: two layers, or files.

    Attributes
    ----------
    layers : LayerPair or None
    files : Pair or None
    seen : Seen or None
        What was found out of it.
    stale : bool
        Whether it has changed since.
    """

    layers: LayerPair | None = None
    files: Pair | None = None
    seen: Seen | None = None
    stale: bool = True

    @property
    def scan(self) -> str:
        """What its scan is called in the table."""
        return self.files.name if self.layers is None else self.layers.image.name

    @property
    def mask(self) -> str:
        """What its mask is called in the table."""
        if self.layers is not None:
            return self.layers.labels.name
        return "its _mask files" if self.files.mask == self.files.scan else f"file {self.files.mask.name}"

    @property
    def name(self) -> str:
        """What the scan is called whatever its layer is: as its file, where that is known."""
        if self.layers is None:
            return self.files.name
        return image_metadata(self.layers.image).scan or str(self.layers.image.name)

    @property
    def patient(self) -> str:
        """What a split must keep on one side."""
        return patient_of(self.name) if self.layers else self.files.patient

    def holds(self, layer: Any) -> bool:
        """Whether it is of this layer."""
        return self.layers is not None and any(
            layer is own for own in (self.layers.image, self.layers.labels)
        )


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
        return unreadable(pair.labels.name)


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
        return unreadable(pair.name)


def look_into(folder: Path) -> Generator[None, None, Dataset | str]:
    """The pairs of a folder, or why there are none."""
    yield
    try:
        return find_pairs(folder)
    except ScanError as error:
        return str(error)


def unreadable(name: str) -> Seen:
    """What is to be said after an error that nobody expected, which is noted down."""
    said = f"{name} or its scan could not be read; are their files still there?"
    note_error(said, traceback.format_exc(), [name])
    return Seen(error=said)
