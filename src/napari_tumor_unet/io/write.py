"""Write a mask on the grid of its scan's file, and a JSON sidecar with the findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import atomic_write, regular_file
from napari_tumor_unet.io import itk, tiff
from napari_tumor_unet.io.file_names import FORMATS, MASK_ENDINGS, ending_of, scan_name
from napari_tumor_unet.io.labels import as_small_labels
from napari_tumor_unet.scan import Scan, ScanError


def write_mask(path: str | Path, mask: NDArray[Any], scan: Scan) -> None:
    """Write a mask (Z, Y, X) of a scan, in the format that the name asks for, one of ``MASK_ENDINGS``.

    The mask is written on the grid of the scan's own file; a TIFF keeps the spacing alone. Labels become the
    smallest unsigned integers that hold them. The file appears whole or not at all.

    Raises
    ------
    ScanError
        If masks have no such format, or none for such labels; if the mask has another shape than the scan;
        or if the file cannot be written.
    """
    path = Path(path).expanduser()
    ending = ending_of(path)
    if ending not in MASK_ENDINGS:
        endings = f"{', '.join(MASK_ENDINGS[:-1])} or {MASK_ENDINGS[-1]}"
        raise ScanError(f"{path.name} names no format for masks; its ending has to be {endings}.")
    if mask.shape != scan.shape:
        raise ScanError(f"{path.name} needs a mask of the scan's shape {scan.shape}, not {mask.shape}.")
    labels, kind = as_small_labels(mask, path.name), FORMATS[ending]
    if kind == "TIFF" and labels.dtype.itemsize > 2:
        raise ScanError(f"{path.name} cannot hold labels over 65,535; save them as {MASK_ENDINGS[0]}.")
    try:
        with atomic_write(path, ending) as partial:
            if kind == "TIFF":
                tiff.write_tiff_mask(partial, labels, scan)
            else:
                itk.write_volume_mask(partial, kind, labels, scan)
    except OSError as error:
        raise ScanError(f"{path.name} cannot be written: {error.strerror or error}.") from error
    except (RuntimeError, ScanError) as error:  # the first is SimpleITK's, for all that can go wrong
        raise ScanError(
            f"{path.name} cannot be written: is the disk full, or do you lack the permission?"
        ) from error


def sidecar_of(mask_file: Path) -> Path:
    """Return the path of the JSON file beside a mask that says what was found in it, and how."""
    return mask_file.with_name(f"{scan_name(mask_file)}.json")


def write_result(mask_file: Path, mask: NDArray[np.uint8], scan: Scan, sidecar: dict[str, Any]) -> None:
    """Write a mask (Z, Y, X) on the grid of its scan's file, and its sidecar as JSON beside it."""
    write_mask(mask_file, mask, scan)
    sidecar_of(mask_file).write_text(_as_text(sidecar))


def tells_nothing_else(path: Path, sidecar: dict[str, Any]) -> bool:
    """Tell whether a sidecar is missing, or of the same mask, which may be there in another format."""
    return not path.exists() or regular_file(path).read_bytes() == _as_text(sidecar).encode()


def _as_text(sidecar: dict[str, Any]) -> str:
    return json.dumps(sidecar, indent=2) + "\n"
