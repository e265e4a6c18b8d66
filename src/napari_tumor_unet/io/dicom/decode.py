"""Decode the voxels of a DICOM series with SimpleITK."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_tumor_unet.io.dicom.frame import Slice
from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.io.guard import check_size, check_unchanged, errors_told
from napari_tumor_unet.io.orient import to_axial
from napari_tumor_unet.scan import Scan, ScanError


def read_series(series: Series) -> Scan:
    """Read a series as FLAIR, permuted and flipped to the nearest axial order.

    Raises
    ------
    ScanError
        If the series is no volume, or a file of it is damaged.
    """
    if series.problem:
        raise ScanError(series.problem)
    with errors_told(series.name):
        decoded = _decoded(series)
    if series.geometry is None:
        scan = Scan(series.name, {"flair": decoded}, modality=series.modality, source=series.source)
        return scan.with_spacing(series.spacing) if series.spacing else scan
    voxels, geometry = to_axial(decoded, series.geometry)
    return Scan(
        series.name,
        {"flair": voxels},
        in_mm=True,
        geometry=geometry,
        modality=series.modality,
        source=series.source,
    )


def _decoded(series: Series) -> NDArray[np.generic]:
    """Decode the voxels (Z, Y, X) of a series as stored, rescaled as the headers say."""
    voxels: NDArray[np.generic] | None = None
    slices: dict[Path, list[tuple[int, Slice]]] = {}
    for z, one in enumerate(series.slices):
        slices.setdefault(one.file, []).append((z, one))
    for file, in_file in slices.items():
        try:
            pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(file), imageIO="GDCMImageIO"))
        except RuntimeError as error:
            raise _undecoded(series, in_file[0][1]) from error
        finally:
            check_unchanged(file, in_file[0][1].stamp, f"Image {in_file[0][1].number} of {series.name}")
        if pixels.dtype == np.float64:
            pixels = pixels.astype(np.float32)
        if voxels is None:
            check_size(series.name, math.prod(series.shape) * pixels.dtype.itemsize)
            voxels = np.empty(series.shape, pixels.dtype)
        elif voxels.dtype != pixels.dtype:
            voxels = voxels.astype(np.result_type(voxels, pixels))
        for z, one in in_file:
            if one.frame >= len(pixels) or pixels.shape[1:] != one.size:
                raise _undecoded(series, one)
            voxels[z] = pixels[one.frame]
    assert voxels is not None
    return voxels


def _undecoded(series: Series, one: Slice) -> ScanError:
    return ScanError(f"Image {one.number} of {series.name} is damaged: its pixels cannot be decoded.")
