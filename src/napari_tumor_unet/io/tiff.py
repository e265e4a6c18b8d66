"""Read and write TIFF stacks: (Z, Y, X) or with a channel axis (pre, FLAIR, post), in ImageJ or OME style."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_tumor_unet.io.guard import BEST_RATIO, check_size, opened, unchanged
from napari_tumor_unet.scan import SEQUENCES, Scan, ScanError, scan_from_volume

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # a shell is for the user's results

_ALWAYS_HELD = 64 << 20  # bytes of pixels that an image may have however little it takes packed
_BITS = 8  # to a byte: as much as pixels grow that are not compressed
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


def holds_sequences(path: Path) -> bool:
    """Tell from a file's header whether it holds all sequences, each a channel."""
    try:
        with opened_tiff(path) as (_, series):
            return series.ndim > 2 and _channel_axis(series) is not None
    except (OSError, ScanError):  # reading reports it
        return False


@contextmanager
def opened_tiff(path: Path) -> Iterator[tuple[tifffile.TiffFile, tifffile.TiffPageSeries]]:
    """Open a TIFF file with its first series of images.

    Raises
    ------
    ScanError
        If the file is damaged, is none, or changes meanwhile.
    """
    with unchanged(path), opened(path) as file:
        try:
            _check_pages(file)
            with tifffile.TiffFile(file) as tiff:
                yield tiff, tiff.series[0]
        except (OSError, MemoryError, ScanError):
            raise
        except Exception as error:  # tifffile and its codecs raise many kinds for damaged files
            raise ScanError(f"{path.name} is damaged or no TIFF file.") from error


def pixels_of(name: str, series: tifffile.TiffPageSeries) -> NDArray[np.generic]:
    """Read the pixels of a series, and take memory only for what a file can hold.

    Raises
    ------
    ScanError
        If it promises more.
    """
    page = series.keyframe
    pixel = series.dtype.itemsize if series.dtype is not None else 0
    size = max(series.nbytes, len(series.pages) * page.nbytes, math.prod(page.tile or (0,)) * pixel)
    check_size(name, size)
    held: int = page.parent.filehandle.size
    if size > (held * _BITS if page.compression == 1 else max(held * BEST_RATIO, _ALWAYS_HELD)):
        raise ScanError(f"{name} is damaged: it ends too early.")
    pixels: NDArray[np.generic] = series.asarray()
    if not pixels.size:
        raise ScanError(f"{name} holds no pixels.")
    return pixels


def write_tiff_mask(path: Path, mask: NDArray[np.unsignedinteger[Any]], scan: Scan) -> None:
    """Write a mask (Z, Y, X), with the scan's spacing if it is in mm, and no single plane's."""
    metadata: dict[str, Any] = {"axes": "ZYX"}
    resolution = None
    plane = scan.geometry is not None and scan.geometry.stored_axes == 2  # which has no thickness
    if scan.in_mm and not plane:
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
    with opened_tiff(path) as (file, series):
        channel, volume = _channel_axis(series), pixels_of(path.name, series)
        spacing = _imagej_spacing(file) or _ome_spacing(file)
    if channel is not None and volume.ndim > 2:
        volume = np.moveaxis(volume, channel, 0)
        volume = volume.reshape(len(SEQUENCES), -1, *volume.shape[-2:]).swapaxes(0, 1)
    elif volume.ndim > 3:
        volume = volume.reshape([n for n in volume.shape[:-2] if n > 1] + list(volume.shape[-2:]))
    return volume, spacing


def _channel_axis(series: tifffile.TiffPageSeries) -> int | None:
    sizes = zip(series.axes, series.shape, strict=True)
    return next((i for i, (axis, n) in enumerate(sizes) if axis in "CS" and n == len(SEQUENCES)), None)


def _check_pages(file: BinaryIO) -> None:
    """Check that all pages are there, and end.

    tifffile reads what is left of a truncated file, and follows pages that lead back to each other for ever.

    Raises
    ------
    ValueError
        If they do not.
    """
    head, size = file.read(16), file.seek(0, 2)
    order: Literal["little", "big"] = "big" if head[:2] == b"MM" else "little"
    big = int.from_bytes(head[2:4], order) == 43
    count, tag, pointer = (8, 20, 8) if big else (2, 12, 4)
    offset, taken = int.from_bytes(head[8:] if big else head[4:8], order), 0
    while offset:
        file.seek(offset)
        length = count + tag * int.from_bytes(file.read(count), order)
        taken += length
        if max(offset + length, taken) > size:  # the more, if one is led to twice
            raise ValueError("pages are missing")
        file.seek(offset + length)
        offset = int.from_bytes(file.read(pointer), order)
    file.seek(0)


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
