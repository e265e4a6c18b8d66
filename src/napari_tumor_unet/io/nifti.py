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

from napari_tumor_unet.io.header_check import check_spacing
from napari_tumor_unet.io.truncation import StoredVoxels, opened, read_whole
from napari_tumor_unet.scan import ScanError

if TYPE_CHECKING:
    import nibabel

_MAGIC = {348: b"n+1", 540: b"n+2"}
_LARGEST_SIDE = (1 << 15) - 1
_CODES = ("qform_code", "sform_code")


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
    if header["bitpix"] < 1:
        raise ValueError("no size of a voxel")
    check_spacing(path.name, header["pixdim"][1 : 1 + min(axes, 3)].tolist())
    keys = [f"{key}_{axis}" for axis in "xyz" for key in ("qoffset", "srow")]
    orientation = [header[key] for key in ("quatern_b", "quatern_c", "quatern_d", *keys)]
    if any(header[code] for code in _CODES) and not np.isfinite(np.hstack(orientation)).all():
        raise ScanError(f"{path.name} does not say where its voxels lie: its orientation is not finite.")
    oriented = any(header[code] > 0 for code in _CODES)
    stored = StoredVoxels(path, 0, int(header["vox_offset"]), compressed, axes=axes, oriented=oriented)
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
