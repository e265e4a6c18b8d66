"""Read and write TIFF stacks: (Z, Y, X) or with a channel axis (pre, FLAIR, post), in ImageJ or OME style."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_tumor_unet.scan import SEQUENCES, Scan, ScanError, scan_from_volume

_MICROMETRE = dict.fromkeys(("um", "µm", "\\u00b5m", "micron"), 1e-3)
_MM = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1e3, **_MICROMETRE}


def read_tiff(path: Path, name: str) -> Scan:
    """Read a stack as a scan; a single channel is FLAIR.

    Raises
    ------
    ScanError
        If the file is damaged, or no stack of slices.
    """
    volume, spacing = _read(path)
    return scan_from_volume(volume, name=name, spacing=spacing)


def write_tiff_mask(path: Path, mask: NDArray[np.unsignedinteger[Any]], scan: Scan) -> None:
    """Write a mask (Z, Y, X), with the scan's spacing if it is in mm."""
    metadata: dict[str, Any] = {"axes": "ZYX"}
    resolution = None
    if scan.in_mm:
        z, y, x = scan.spacing
        metadata |= {"spacing": z, "unit": "mm"}
        resolution = (1 / x, 1 / y)
    tifffile.imwrite(
        path,
        mask,
        imagej=True,
        metadata=metadata,
        resolution=resolution,
        compression="zlib",
        photometric="minisblack",
    )


def _read(path: Path) -> tuple[NDArray[np.generic], tuple[float, float, float] | None]:
    """Return voxels, with any channels on the second axis, and the spacing (z, y, x) in mm if it is there."""
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            axes, volume = series.axes, series.asarray()
            spacing = _imagej_spacing(file) or _ome_spacing(file)
            if _misses_pages(file):
                raise ValueError
    except OSError as error:
        raise ScanError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # tifffile and its codecs raise many kinds for damaged files
        raise ScanError(f"{path.name} is damaged or no TIFF file.") from error
    channel = next(
        (i for i, axis in enumerate(axes) if axis in "CS" and volume.shape[i] == len(SEQUENCES)), None
    )
    if channel is not None and volume.ndim > 2:
        volume = np.moveaxis(volume, channel, 0)
        volume = volume.reshape(len(SEQUENCES), -1, *volume.shape[-2:]).swapaxes(0, 1)
    elif volume.ndim > 3:
        volume = volume.reshape([n for n in volume.shape[:-2] if n > 1] + list(volume.shape[-2:]))
    return volume, spacing


def _misses_pages(file: tifffile.TiffFile) -> bool:
    """Tell whether the last page names a next one: tifffile reads what is left of a truncated file."""
    file.filehandle.seek(file.pages.next_page_offset or 0)
    return any(file.filehandle.read(file.tiff.offsetsize))


def _imagej_spacing(file: tifffile.TiffFile) -> tuple[float, float, float] | None:
    metadata = file.imagej_metadata
    if not metadata:
        return None
    unit = _MM.get(str(metadata.get("unit", "")).strip())
    tags = file.pages.first.tags
    if unit is None or "XResolution" not in tags or "YResolution" not in tags:
        return None
    (x, per_x), (y, per_y) = tags["XResolution"].value, tags["YResolution"].value
    if not (x and y and per_x and per_y):
        return None
    return float(metadata.get("spacing", per_y / y)) * unit, per_y / y * unit, per_x / x * unit


def _ome_spacing(file: tifffile.TiffFile) -> tuple[float, float, float] | None:
    if not file.ome_metadata:
        return None
    image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    try:
        z, y, x = (
            float(pixels[f"PhysicalSize{axis}"]) * _MM[pixels.get(f"PhysicalSize{axis}Unit", "µm")]
            for axis in "ZYX"
        )
    except KeyError:
        return None
    return z, y, x
