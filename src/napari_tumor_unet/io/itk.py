"""Read and write files of one volume with SimpleITK: NIfTI, NRRD, MetaImage."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_tumor_unet.io import nifti
from napari_tumor_unet.io.file_names import ending_of
from napari_tumor_unet.io.guard import unchanged
from napari_tumor_unet.io.header_check import (
    OWN_KEY,
    as_scan_error,
    check_spacing,
    read_header,
    sheared,
    unknown_spacing,
)
from napari_tumor_unet.io.orient import as_stored, to_axial
from napari_tumor_unet.io.truncation import StoredVoxels, check_whole
from napari_tumor_unet.scan import Geometry, Scan, ScanError

sitk.ProcessObject.SetGlobalWarningDisplay(False)  # a shell is for the user's results

_MOST_AXES = 5  # that SimpleITK gives the mask, too
_READERS = {"NRRD": "NrrdImageIO", "MetaImage": "MetaImageIO"}
_INTEGERS = [f"{sign}Int{bits}" for sign in ("U", "") for bits in (8, 16, 32, 64)]
_TYPES = {getattr(sitk, f"sitk{name}"): np.dtype(name.lower()) for name in (*_INTEGERS, "Float32", "Float64")}


def read_volume(path: Path, name: str, kind: str) -> Scan:
    """Read a NIfTI, NRRD or MetaImage file as FLAIR, permuted and flipped to the nearest axial order.

    Raises
    ------
    ScanError
        If the file is damaged, of another format than its ending says, or no single volume.
    """
    with unchanged(path), as_scan_error(path, kind):
        voxels, geometry, stored, note = _read_nifti(path) if kind == "NIfTI" else _read(path, kind)
    voxels, geometry = to_axial(voxels, geometry)
    geometry = replace(geometry, stored_axes=stored.axes, oriented=stored.oriented)
    return Scan(name, {"flair": voxels}, in_mm=stored.in_mm, geometry=geometry, notes=(note,) if note else ())


def write_volume_mask(path: Path, kind: str, mask: NDArray[Any], scan: Scan) -> None:
    """Write a mask as a kind of file on the grid of the file that the scan was read from.

    Raises
    ------
    RuntimeError, ScanError
        If the mask cannot be written, or not whole.
    """
    geometry = scan.geometry or Geometry(scan.spacing)
    image = as_stored(mask, geometry)
    if geometry.stored_axes == 2 and image.GetSize()[2] == 1:
        image = image[:, :, 0]
    while image.GetDimension() < geometry.stored_axes:
        image = sitk.JoinSeries(image)
    path.touch()  # the libraries below would print why it cannot be made
    if kind != "NIfTI" and not scan.in_mm:
        image.SetMetaData(OWN_KEY, unknown_spacing(image.GetSpacing()))
    if kind == "NIfTI" and not geometry.oriented:
        nifti.write_unoriented(path, image)
    else:
        sitk.WriteImage(image, str(path), useCompression=True)
    with as_scan_error(path, kind):  # a full disk is no error to SimpleITK
        stored = nifti.read_header(path)[1] if kind == "NIfTI" else read_header(path, kind)
        check_whole(stored, mask.nbytes)
    if kind == "NIfTI" and not scan.in_mm:
        nifti.say_spacing_is_unknown(path)


def _read_nifti(path: Path) -> tuple[NDArray[Any], Geometry, StoredVoxels, str]:
    header, stored = nifti.read_header(path)
    reader = nifti.information_of(header)
    _check_header(reader, stored, path.name)
    size = reader.GetSize()
    voxels = nifti.read_voxels(header, stored, _TYPES[reader.GetPixelIDValue()])
    if len(size) > 2:
        geometry, note = nifti.geometry_of_header(header, reader, path.name)
        return voxels.reshape(size[2::-1]), geometry, stored, note
    image = sitk.GetImageFromArray(voxels.reshape(size[::-1]))
    image.SetSpacing(reader.GetSpacing())
    image.SetOrigin(reader.GetOrigin())
    image.SetDirection(reader.GetDirection())
    return *_voxels_of(image), stored, ""


def _read(path: Path, kind: str) -> tuple[NDArray[Any], Geometry, StoredVoxels, str]:
    stored = read_header(path, kind)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_READERS[kind])
    with unchanged(stored.file), _lower_case(path) as file:
        reader.SetFileName(str(file))
        reader.ReadImageInformation()
        _check_header(reader, stored, path.name)
        check_whole(stored, math.prod(reader.GetSize()) * _TYPES[reader.GetPixelIDValue()].itemsize)
        if reader.HasMetaDataKey(OWN_KEY):
            unknown = reader.GetMetaData(OWN_KEY) == unknown_spacing(reader.GetSpacing())
            stored = replace(stored, in_mm=stored.in_mm and not unknown)
        return *_voxels_of(reader.Execute()), stored, ""


def _voxels_of(image: sitk.Image) -> tuple[NDArray[Any], Geometry]:
    """Return the voxels (Z, Y, X) of an image of two axes or more, and where they lie."""
    while image.GetDimension() > 3:
        image = image[..., 0]
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
    x, y, z = image.GetSpacing()
    return sitk.GetArrayFromImage(image), Geometry((z, y, x), image.GetOrigin(), image.GetDirection())


@contextmanager
def _lower_case(path: Path) -> Iterator[Path]:
    """Yield a file whose ending SimpleITK knows, which is one in lower case or in capitals."""
    ending = ending_of(path)
    if path.name[-len(ending) :] in (ending, ending.upper()):
        yield path
        return
    with TemporaryDirectory() as folder:
        yield Path(shutil.copyfile(path, Path(folder) / f"volume{ending}"))


def _check_header(reader: sitk.ImageFileReader, stored: StoredVoxels, name: str) -> None:
    if stored.axes > _MOST_AXES:
        raise ScanError(f"{name} has {stored.axes} axes; a scan has three, so save it with those alone.")
    size, spacing = reader.GetSize(), reader.GetSpacing()
    if reader.GetPixelIDValue() not in _TYPES:
        raise ScanError(f"{name} holds several values per voxel; give one file per sequence.")
    if math.prod(size[3:]) > 1:
        raise ScanError(f"{name} holds {math.prod(size[3:])} volumes; give one file per sequence.")
    if len(size) < 2:
        raise ScanError(f"{name} is one-dimensional; a scan has slices.")
    check_spacing(name, spacing)
    if not np.isfinite(reader.GetOrigin()).all():
        raise ScanError(f"{name} does not say where its voxels lie: its origin is not finite.")
    direction = np.reshape(reader.GetDirection(), (len(size), len(size)))
    if not np.allclose(direction @ direction.T, np.eye(len(size)), atol=1e-3):
        raise sheared(name)
