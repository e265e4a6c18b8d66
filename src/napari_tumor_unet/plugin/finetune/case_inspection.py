"""Inspects a training case (image and mask, as layers or files) in a background thread."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._error_log import note_error
from napari_tumor_unet.io.datasets.fingerprint import Fingerprint, fingerprint
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.io.write import review_of
from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair
from napari_tumor_unet.plugin.layers.layer_scan import LayerScan
from napari_tumor_unet.plugin.layers.metadata import image_metadata
from napari_tumor_unet.plugin.layers.sequences import scan_id
from napari_tumor_unet.scan import Scan, ScanError
from napari_tumor_unet.scan.patient_names import patient_of
from napari_tumor_unet.training.finetuning.cases import AnnotationStatus, annotation_of


@dataclass(frozen=True)
class LayerCase:
    """A scan with its mask in layers, as they are now.

    Attributes
    ----------
    name, patient : str
        As of :class:`napari_tumor_unet.io.datasets.pairs.Case`.
    scan : Scan
        The sequences may be lazy; slices are read when they are asked for.
    mask : array of bool
        (Z, Y, X), a copy, on the scan's grid.
    slices : tuple of int or None
        Slices that teach and count; None for all.
    """

    name: str
    patient: str
    scan: Scan
    mask: NDArray[np.bool_]
    slices: tuple[int, ...] | None

    def read(self) -> tuple[Scan, NDArray[np.bool_]]:
        """Return the scan and its mask, as a case on disk does."""
        return self.scan, self.mask

    def copied_to(self, path: Path) -> Case:
        """Return the case that a snapshot in this file will be."""
        return Case(self.name, self.patient, path, path, slices=self.slices)


@dataclass(frozen=True)
class CaseInspection:
    """Result of reading a case.

    Attributes
    ----------
    annotation : AnnotationStatus or None
        Annotation status of the slices; None where the case cannot be used.
    error : str
        Why it cannot be used.
    fingerprint : Fingerprint or None
        Hashes of the scan and its mask, if they were asked for.
    """

    annotation: AnnotationStatus | None = None
    error: str = ""
    fingerprint: Fingerprint | None = None


@dataclass(eq=False)
class CaseRow:
    """A case in the list.

    Attributes
    ----------
    pair : LayerPair or Case
        The scan and its mask, as two layers or as files.
    inspection : CaseInspection or None
        The latest result.
    state : {"stale", "inspecting", "inspected"}
        Whether the result is of the case as it is now.
    """

    pair: LayerPair | Case
    inspection: CaseInspection | None = None
    state: Literal["stale", "inspecting", "inspected"] = "stale"

    @property
    def layers(self) -> tuple[Any, ...]:
        """The image and the labels layer; nothing for files."""
        return (self.pair.image, self.pair.labels) if isinstance(self.pair, LayerPair) else ()

    @property
    def scan_label(self) -> str:
        """Text of the scan in the table."""
        return str(self.pair.image.name) if isinstance(self.pair, LayerPair) else self.pair.name

    @property
    def mask_label(self) -> str:
        """Text of the mask in the table."""
        if isinstance(self.pair, LayerPair):
            return str(self.pair.labels.name)
        return "its _mask files" if self.pair.mask == self.pair.scan else f"file {self.pair.mask.name}"

    @property
    def name(self) -> str:
        """Name of the scan, as in its file, whatever its layer is called."""
        if isinstance(self.pair, LayerPair):
            return image_metadata(self.pair.image).scan or str(self.pair.image.name)
        return self.pair.name

    @property
    def scan(self) -> Any:
        """What two cases of one scan have in common."""
        if isinstance(self.pair, LayerPair):
            return scan_id(self.pair.image), self.pair.moment
        return self.pair.scan

    @property
    def patient(self) -> str:
        """The patient, whose cases a split must keep on one side."""
        return patient_of(self.name) if isinstance(self.pair, LayerPair) else self.pair.patient


def inspect_layers(pair: LayerPair, source: LayerScan, hashed: bool, scan_hash: str) -> CaseInspection:
    """Inspect the mask of two layers; hashing it is quick if the hash of the scan is given."""
    try:
        mask = pair.mask(source)
        annotation = annotation_of_layers(pair, source, mask)
        return CaseInspection(annotation, "", fingerprint(source.scan, mask, scan_hash) if hashed else None)
    except Exception:  # whatever a layer's array, lazy or not, may raise
        return inspection_of_unreadable(pair.labels.name)


def annotation_of_layers(pair: LayerPair, source: LayerScan, mask: Any) -> AnnotationStatus:
    """Find out which slices of a layer's mask (Z, Y, X) are labelled, edited or checked."""
    return annotation_of(mask, pair.written(source), pair.checked, pair.made_by, pair.segmented)


def inspect_files(case: Case, hashed: bool) -> CaseInspection:
    """Read a case on disk and inspect its mask."""
    try:
        scan, mask = case.read()
        made_by, checked, segmented = review_of(case.mask)
        annotation = annotation_of(mask, mask if made_by else None, checked, made_by, segmented)
        return CaseInspection(annotation, "", fingerprint(scan, mask) if hashed else None)
    except ScanError as error:
        return CaseInspection(error=str(error))
    except Exception:
        return inspection_of_unreadable(case.name)


def inspection_of_unreadable(name: str) -> CaseInspection:
    """Log the unexpected error that is being handled, and return an inspection that says so."""
    message = f"{name} or its scan could not be read; are their files still there?"
    note_error(message, traceback.format_exc(), [name])
    return CaseInspection(error=message)
