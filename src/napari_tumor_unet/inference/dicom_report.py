"""Measure each label of a mask, and write that as a DICOM report beside its DICOM Segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.inference.measures import measure_on_grid
from napari_tumor_unet.io.dicom.report import SegmentMeasures, write_measures
from napari_tumor_unet.scan import Scan


def write_dicom_report(
    mask_file: Path, mask: NDArray[Any], scan: Scan, provenance: Mapping[str, Any] | None
) -> Path:
    """Write the report beside a segmentation of a mask (Z, Y, X), and return its path.

    Raises
    ------
    ScanError
        As :func:`napari_tumor_unet.io.dicom.report.write_measures`.
    """
    labels = [label for label in np.unique(mask) if label > 0]
    return write_measures(mask_file, scan, [_measure(mask == label, scan) for label in labels], provenance)


def _measure(segment: NDArray[np.bool_], scan: Scan) -> SegmentMeasures:
    measures = measure_on_grid(segment, scan.grid)
    largest = measures.regions[0]
    return SegmentMeasures(
        measures.volume_ml or 0.0,
        largest.longest_diameter,
        largest.perpendicular_diameter,
    )
