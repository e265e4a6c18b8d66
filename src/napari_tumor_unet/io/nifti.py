"""NIfTI files, through SimpleITK, which knows their geometry."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_tumor_unet.scan import Geometry, Scan, ScanError

_AXIAL = "LPS"  # axes towards left, posterior, superior: front up, the patient's right on the left


def read_nifti(path: Path, name: str) -> Scan:
    """Read a volume as FLAIR, permuted and flipped to the nearest axial order.

    Raises
    ------
    ScanError
        If the file is damaged, no NIfTI file, or no single volume.
    """
    try:
        stored = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = "has sheared axes" if "orthonormal" in str(error) else "is damaged or no NIfTI file"
        raise ScanError(f"{path.name} {reason}.") from error
    if not _is_whole(path, stored):
        raise ScanError(f"{path.name} is damaged: it ends too early.")
    image = _single_volume(stored, path.name)
    orientation = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    image = sitk.DICOMOrient(image, _AXIAL)
    x, y, z = image.GetSpacing()
    geometry = Geometry((z, y, x), image.GetOrigin(), image.GetDirection(), orientation)
    voxels = sitk.GetArrayFromImage(image)
    return Scan(name, {"flair": voxels}, geometry.spacing, in_mm=True, geometry=geometry)


def write_nifti_mask(path: Path, mask: NDArray[np.uint8], scan: Scan) -> None:
    """Write a mask on the grid of the file that the scan was read from."""
    image = sitk.GetImageFromArray(mask)
    geometry = scan.geometry or Geometry(scan.spacing)
    z, y, x = geometry.spacing
    image.SetSpacing((x, y, z))
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    sitk.WriteImage(sitk.DICOMOrient(image, geometry.stored_orientation), str(path), useCompression=True)


def _is_whole(path: Path, image: sitk.Image) -> bool:
    """Whether a file holds all that its header promises; SimpleITK reads what is missing as zeros."""
    offset, bits = (float(image.GetMetaData(key)) for key in ("vox_offset", "bitpix"))
    promised: float = offset + math.prod(image.GetSize()) * bits / 8
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return path.stat().st_size >= promised
    held = 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(1 << 20):
                held += len(chunk)
    except (OSError, EOFError, zlib.error):
        return False
    return held >= promised


def _single_volume(image: sitk.Image, name: str) -> sitk.Image:
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise ScanError(f"{name} holds several values a voxel; give one file for each sequence.")
    if image.GetDimension() == 2:
        return sitk.JoinSeries(image)
    while image.GetDimension() > 3:
        if image.GetSize()[-1] > 1:
            raise ScanError(f"{name} holds {image.GetSize()[-1]} volumes; give one file for each sequence.")
        image = image[..., 0]
    return image
