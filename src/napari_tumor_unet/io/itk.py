"""Files that SimpleITK reads as one volume: NIfTI, NRRD, MetaImage."""

from __future__ import annotations

import gzip
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

from napari_tumor_unet.io.file_names import ending_of
from napari_tumor_unet.io.header_check import check_spacing, look
from napari_tumor_unet.io.orient import as_stored, to_axial
from napari_tumor_unet.io.truncation import Stored, check_whole
from napari_tumor_unet.scan import Geometry, Scan, ScanError

sitk.ProcessObject.SetGlobalWarningDisplay(False)  # a shell is for the user's results

_KINDS = {
    **dict.fromkeys((".nii", ".nii.gz"), "NIfTI"),
    **dict.fromkeys((".nrrd", ".nhdr"), "NRRD"),
    **dict.fromkeys((".mha", ".mhd"), "MetaImage"),
}
_READERS = {"NIfTI": "NiftiImageIO", "NRRD": "NrrdImageIO", "MetaImage": "MetaImageIO"}
_BYTES = {
    **dict.fromkeys((sitk.sitkUInt8, sitk.sitkInt8), 1),
    **dict.fromkeys((sitk.sitkUInt16, sitk.sitkInt16), 2),
    **dict.fromkeys((sitk.sitkUInt32, sitk.sitkInt32, sitk.sitkFloat32), 4),
    **dict.fromkeys((sitk.sitkUInt64, sitk.sitkInt64, sitk.sitkFloat64), 8),
}
_NIFTI_CODES = slice(252, 256)  # qform_code and sform_code: 0 where the orientation is unknown


def read_volume(path: Path, name: str) -> Scan:
    """Read a volume as FLAIR, permuted and flipped to the nearest axial order.

    Raises
    ------
    ScanError
        If the file is damaged, of another format than its ending says, or no single volume.
    """
    stored = look(path, _KINDS[ending_of(path)])
    voxels, geometry = to_axial(_read(path, stored))
    geometry = replace(geometry, stored_axes=stored.axes, oriented=stored.oriented)
    return Scan(name, {"flair": voxels}, geometry.spacing, in_mm=stored.in_mm, geometry=geometry)


def write_volume_mask(path: Path, mask: NDArray[np.unsignedinteger[Any]], scan: Scan) -> None:
    """Write a mask on the grid of the file that the scan was read from.

    Raises
    ------
    RuntimeError, ScanError
        If it cannot be written, or not whole.
    """
    geometry = scan.geometry or Geometry(scan.spacing)
    image = as_stored(mask, geometry)
    if geometry.stored_axes == 2 and image.GetSize()[2] == 1:
        image = image[:, :, 0]
    while image.GetDimension() < geometry.stored_axes:
        image = sitk.JoinSeries(image)
    kind = _KINDS[ending_of(path)]
    sitk.WriteImage(image, str(path), useCompression=True)
    if kind == "NIfTI" and not geometry.oriented:
        _forget_orientation(path)
    check_whole(look(path, kind), mask.nbytes)  # a full disk is no error to SimpleITK


def _read(path: Path, stored: Stored) -> sitk.Image:
    """The image of a file, with three axes."""
    kind = _KINDS[ending_of(path)]
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_READERS[kind])
    try:
        with _alone(path) as file:
            reader.SetFileName(str(file))
            reader.ReadImageInformation()
            _check_header(reader, path.name)
            voxel = stored.bits / 8 if stored.bits else _BYTES[reader.GetPixelIDValue()]
            check_whole(stored, math.ceil(math.prod(reader.GetSize()) * voxel))
            image = reader.Execute()
    except RuntimeError as error:  # SimpleITK's, for all that can go wrong
        if "orthonormal" in str(error):
            raise _sheared(path.name) from error
        raise ScanError(f"{path.name} is damaged or no {kind} file.") from error
    while image.GetDimension() > 3:
        image = image[..., 0]
    return sitk.JoinSeries(image) if image.GetDimension() == 2 else image


@contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """A file where SimpleITK reads no other: for ``a.nii.gz`` it would take the voxels of ``a.nii``."""
    ending = ending_of(path)
    misled = ending == ".nii.gz" and path.with_suffix("").exists()
    if not misled and path.name[-len(ending) :] in (ending, ending.upper()):
        yield path
        return
    with TemporaryDirectory() as folder:
        yield Path(shutil.copyfile(path, Path(folder) / f"volume{ending}"))


def _check_header(reader: sitk.ImageFileReader, name: str) -> None:
    size, spacing = reader.GetSize(), reader.GetSpacing()
    if reader.GetPixelIDValue() not in _BYTES:
        raise ScanError(f"{name} holds several values a voxel; give one file for each sequence.")
    if math.prod(size[3:]) > 1:
        raise ScanError(f"{name} holds {math.prod(size[3:])} volumes; give one file for each sequence.")
    if len(size) < 2:
        raise ScanError(f"{name} holds a line of voxels; a scan has slices.")
    check_spacing(name, spacing)
    if not np.isfinite(reader.GetOrigin()).all():
        raise ScanError(f"{name} does not say where its voxels lie: its origin is no number.")
    direction = np.reshape(reader.GetDirection(), (len(size), len(size)))
    if not np.allclose(direction @ direction.T, np.eye(len(size)), atol=1e-3):
        raise _sheared(name)


def _sheared(name: str) -> ScanError:
    return ScanError(f"{name} has sheared axes; resample it to axes at right angles.")


def _forget_orientation(path: Path) -> None:
    """Say in a NIfTI file that its orientation is unknown, as the scan's own does; SimpleITK cannot."""
    packed = path.name.endswith(".gz")
    content = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    content[_NIFTI_CODES] = bytes(4)
    path.write_bytes(gzip.compress(content) if packed else content)
