"""The voxels of a DICOM series, decoded by SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_tumor_unet.io.dicom.frame import Slice
from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.io.orient import as_image, to_axial
from napari_tumor_unet.scan import Scan, ScanError


def read_series(series: Series) -> Scan:
    """Read a series as FLAIR, permuted and flipped to the nearest axial order.

    Raises
    ------
    ScanError
        If it is no volume, or a file of it is damaged.
    """
    if series.problem:
        raise ScanError(series.problem)
    if series.geometry is None:
        spacing = series.spacing or (1.0, 1.0, 1.0)
        known = series.spacing is not None
        return Scan(series.name, {"flair": _decoded(series)}, spacing, known, modality=series.modality)
    voxels, geometry = to_axial(as_image(_decoded(series), series.geometry))
    return Scan(series.name, {"flair": voxels}, in_mm=True, geometry=geometry, modality=series.modality)


def _decoded(series: Series) -> NDArray[np.generic]:
    """The voxels (Z, Y, X) of a series as stored, rescaled as the headers say."""
    voxels: NDArray[np.generic] | None = None
    places: dict[Path, list[tuple[int, Slice]]] = {}
    for z, one in enumerate(series.slices):
        places.setdefault(one.file, []).append((z, one))
    for file, parts in places.items():
        try:
            pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(file), imageIO="GDCMImageIO"))
        except RuntimeError as error:
            raise _undecoded(series, parts[0][1]) from error
        if pixels.dtype == np.float64:
            pixels = pixels.astype(np.float32)
        if voxels is None:
            voxels = np.empty(series.shape, pixels.dtype)
        elif voxels.dtype != pixels.dtype:
            voxels = voxels.astype(np.result_type(voxels, pixels))
        for z, one in parts:
            if one.frame >= len(pixels) or pixels.shape[1:] != one.size:
                raise _undecoded(series, one)
            voxels[z] = pixels[one.frame]
    assert voxels is not None
    return voxels


def _undecoded(series: Series, one: Slice) -> ScanError:
    return ScanError(f"Image {one.number} of {series.name} is damaged: its pixels cannot be decoded.")
