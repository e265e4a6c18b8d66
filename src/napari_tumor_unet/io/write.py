"""Write a mask on the grid of its scan's file, and beside it what was found in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import atomic_write
from napari_tumor_unet.io import itk, tiff
from napari_tumor_unet.io.file_names import FORMATS, MASK_ENDINGS, ending_of, scan_name
from napari_tumor_unet.io.labels import as_small_labels
from napari_tumor_unet.scan import Scan, ScanError


def write_mask(path: str | Path, mask: NDArray[Any], scan: Scan) -> None:
    """Write a mask (Z, Y, X) of a scan, in the format that the name asks for, one of ``MASK_ENDINGS``.

    It lies on the grid of the scan's own file, of which a TIFF keeps the spacing alone. Labels are written
    as the smallest unsigned integers that hold them. The file appears whole or not at all.

    Raises
    ------
    ScanError
        If masks have no such format, it does not hold such labels, they are not the scan's, or the file
        cannot be written.
    """
    path = Path(path).expanduser()
    ending = ending_of(path)
    if ending not in MASK_ENDINGS:
        raise ScanError(
            f"{path.name} names no format for masks; its ending has to be {_one_of(MASK_ENDINGS)}."
        )
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
    except (RuntimeError, ScanError) as error:  # the first is SimpleITK's, for all that can go wrong
        raise ScanError(
            f"{path.name} cannot be written: is the disk full, or do you lack the permission?"
        ) from error


def sidecar_of(mask_file: Path) -> Path:
    """The file that says what was found in a mask, and how."""
    return mask_file.with_name(f"{scan_name(mask_file)}.json")


def write_result(mask_file: Path, mask: NDArray[np.uint8], scan: Scan, told: dict[str, Any]) -> None:
    """Write a mask (Z, Y, X) on the grid of its scan's file, and beside it what is told of it as JSON."""
    write_mask(mask_file, mask, scan)
    sidecar_of(mask_file).write_text(_as_text(told))


def tells_nothing_else(sidecar: Path, told: dict[str, Any]) -> bool:
    """Whether such a file is not there, or is of the same mask, which may be there in another format."""
    return not sidecar.exists() or sidecar.read_bytes() == _as_text(told).encode()


def _as_text(told: dict[str, Any]) -> str:
    return json.dumps(told, indent=2) + "\n"


def _one_of(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
