"""Read and write NIfTI: nibabel reads the header, and SimpleITK the geometry from it."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_tumor_unet.io.guard import opened
from napari_tumor_unet.io.header_check import OWN_KEY, check_spacing, unknown_spacing
from napari_tumor_unet.io.truncation import StoredVoxels, read_whole
from napari_tumor_unet.scan import Geometry, ScanError
from napari_tumor_unet.scan.grid import Grid, geometry_of, grid_of_geometry

if TYPE_CHECKING:
    import nibabel

_MAGIC = {348: b"n+1", 540: b"n+2"}
_LARGEST_SIDE = (1 << 15) - 1
_CODES = ("qform_code", "sform_code")
_DATATYPES = (*(2, 4, 8, 16, 32, 64, 128, 256, 512, 768), *(1024, 1280, 1536, 1792, 2048, 2304))
_LENGTH = 7  # bits of the units
_IN_MM = {1: 1e3, 3: 1e-3}  # units of length that are not mm: m and um
_APART = 0.1  # of a voxel, in a corner: more than what is rounded


def read_header(path: Path) -> tuple[nibabel.Nifti1Header, StoredVoxels]:
    """Read the header of a NIfTI-1 or NIfTI-2 file, and where in the file the voxels are.

    Raises
    ------
    ScanError
        If the spacing or the orientation is impossible.
    ValueError
        If the file has no such header.
    """
    import nibabel  # napari starts without it

    with opened(path) as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if compressed:
            with gzip.open(file) as unpacked:
                block = unpacked.read(540)
        else:
            block = file.read(540)
    lengths = {int.from_bytes(block[:4], "little"), int.from_bytes(block[:4], "big")}
    size = next((size for size in _MAGIC if size in lengths), 0)
    if not size or len(block) < size:
        raise ValueError("no header")
    kind = nibabel.Nifti2Header if size == 540 else nibabel.Nifti1Header
    header = kind(block[:size], check=False)
    axes = int(header["dim"][0])
    if header["sizeof_hdr"] != size or header["magic"].item() != _MAGIC[size] or not 1 <= axes <= 7:
        raise ValueError("no header of one file")
    if header["bitpix"] < 1 or header["dim"][1] < 1 or header["datatype"] not in _DATATYPES:
        raise ValueError("no size, or no type of voxels")  # of which the library below would print
    check_spacing(path.name, header["pixdim"][1 : 1 + min(axes, 3)].tolist())
    keys = [f"{key}_{axis}" for axis in "xyz" for key in ("qoffset", "srow")]
    orientation = [header[key] for key in ("quatern_b", "quatern_c", "quatern_d", *keys)]
    if any(header[code] for code in _CODES) and not np.isfinite(np.hstack(orientation)).all():
        raise ScanError(f"{path.name} does not say where its voxels lie: its orientation is not finite.")
    oriented = any(header[code] > 0 for code in _CODES)
    stored = StoredVoxels(
        path,
        0,
        int(header["vox_offset"]),
        compressed,
        axes=axes,
        in_mm=bool(header["xyzt_units"] & _LENGTH) or header["descrip"].item() != _mark_of(header),
        oriented=oriented,
    )
    return header, stored


def information_of(header: nibabel.Nifti1Header) -> sitk.ImageFileReader:
    """Return what SimpleITK says of a header: size, spacing, origin, direction and type of voxels.

    Raises
    ------
    ScanError
        If a side is longer than NIfTI-1 can say.
    RuntimeError
        If SimpleITK does not read such a header.
    """
    import nibabel

    if header["dim"].max() > _LARGEST_SIDE:
        raise ScanError(f"A side of {header['dim'].max()} voxels is more than any scan of a head has.")
    first = nibabel.Nifti1Header(endianness=header.endianness)
    for key in first.keys():  # noqa: SIM118 - a header is no mapping
        if key in header.keys() and key not in ("sizeof_hdr", "magic", "vox_offset"):  # noqa: SIM118
            with np.errstate(over="ignore"):  # infinite is refused as well
                first[key] = header[key]
    first["vox_offset"] = 352
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NiftiImageIO")
    with TemporaryDirectory() as folder:  # of its own: SimpleITK looks for other files beside the header
        alone = Path(folder) / "header.nii"
        alone.write_bytes(first.binaryblock + bytes(4))
        reader.SetFileName(str(alone))
        reader.ReadImageInformation()
    return reader


def geometry_of_header(
    header: nibabel.Nifti1Header, image: sitk.ImageFileReader, name: str
) -> tuple[Geometry, str]:
    """Return where voxels (Z, Y, X) lie, axes as stored, and a sentence if the header contradicts itself.

    The sform counts where there is one, as in viewers; SimpleITK prefers some qforms to it, and never takes
    the size of voxels from it. Of sheared axes it counts only where there is no qform.

    Parameters
    ----------
    header : Nifti1Header
    image : ImageFileReader
        What :func:`information_of` returned for the header, of three axes or more.
    name : str
        For the sentence.
    """
    geometry, shape, counting = _geometry_of(image), image.GetSize()[2::-1], "sform"
    if header["sform_code"] <= 0:
        return geometry, ""
    to_lps_mm = np.array((-1.0, -1.0, 1.0)) * _IN_MM.get(int(header["xyzt_units"]) & _LENGTH, 1.0)
    sform = header.get_sform()[:3] * to_lps_mm[:, None]
    by_sform = Grid(shape, sform[:, 2::-1], sform[:, 3], in_mm=True)
    if not grid_of_geometry(shape, geometry).is_same(by_sform, _APART):
        try:
            geometry = geometry_of(by_sform)
        except ValueError:
            counting = "qform"
    without = header.copy()
    without["sform_code"] = 0
    by_qform = grid_of_geometry(shape, _geometry_of(information_of(without)))
    if header["qform_code"] > 0:
        alike = counting == "sform" and by_qform.is_same(by_sform, _APART)
    else:  # the spacing alone
        alike = bool(np.allclose(by_qform.spacing, geometry.spacing, rtol=0.01))
    return geometry, "" if alike else (
        f"The header of {name} says twice where its voxels lie, and not the same; the {counting} counts, so "
        "check the volume and the place of the mask."
    )


def _geometry_of(image: sitk.ImageFileReader) -> Geometry:
    axes = image.GetDimension()
    x, y, z = image.GetSpacing()[:3]
    direction = np.reshape(image.GetDirection(), (axes, axes))[:3, :3]
    return Geometry((z, y, x), image.GetOrigin()[:3], tuple(direction.ravel().tolist()))


def read_voxels(header: nibabel.Nifti1Header, stored: StoredVoxels, kind: np.dtype[Any]) -> NDArray[Any]:
    """Read the voxels (..., Z, Y, X) as a type, scaled as the header says, unpacked once.

    Raises
    ------
    ScanError
        If voxels are missing.
    """
    stored_kind = header.get_data_dtype()
    shape = tuple(int(n) for n in header.get_data_shape())[::-1]
    raw: NDArray[Any] = (
        read_whole(stored, math.prod(shape) * stored_kind.itemsize).view(stored_kind).reshape(shape)
    )
    slope, intercept = (
        float(v) if np.isfinite(v) else 0.0 for v in (header["scl_slope"], header["scl_inter"])
    )
    voxels = raw.astype(kind, copy=False)
    slope = slope or 1.0
    if (slope, intercept) != (1.0, 0.0) and kind.kind == "f":
        for plane in voxels.reshape(-1, *shape[-2:]):
            plane[...] = plane * np.float64(slope) + intercept
    return voxels


def write_unoriented(path: Path, image: sitk.Image) -> None:
    """Write an image with codes that say that the orientation is unknown; SimpleITK cannot."""
    import nibabel

    written = nibabel.Nifti1Image(sitk.GetArrayFromImage(image).T, None)
    written.header.set_zooms(image.GetSpacing())
    written.header.set_xyzt_units("mm", "sec")
    nibabel.save(written, path)


def say_spacing_is_unknown(path: Path) -> None:
    """Take the unit of length from a file, and mark it: without a unit alone a file is taken as mm."""
    import nibabel

    image = nibabel.Nifti1Image.from_filename(path, mmap=False)
    image.header.set_xyzt_units("unknown", "sec")
    image.header["descrip"] = _mark_of(image.header)
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj), None, image.header), path)


def _mark_of(header: nibabel.Nifti1Header) -> bytes:
    return f"{OWN_KEY}: {unknown_spacing(header.get_zooms())}".encode()
