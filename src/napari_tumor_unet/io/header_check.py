"""Read where NRRD and MetaImage files keep their voxels, and refuse headers that SimpleITK must not see.

SimpleITK believes headers: it fills missing voxels with zeros, allocates what a header declares, follows an
``.mhd`` to any file of the disk, and ends the whole process at some that are damaged.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from napari_tumor_unet.io.guard import opened
from napari_tumor_unet.io.truncation import StoredVoxels
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.grid import is_possible_spacing
from napari_tumor_unet.scan.spacing import spacing_in_words

_LONGEST_HEADER = 1 << 20
_LONGEST_FIELD = 500  # of NRRD, as its library writes its errors into buffers that are little longer
OWN_KEY = "napari-tumor-unet"
"""Key of NRRD and MetaImage under which a mask says that its spacing is unknown, as the formats cannot."""
_NRRD_OTHERS = re.compile(r"[^:]+:=")  # pairs that are no fields


def read_header(path: Path, kind: str) -> StoredVoxels:
    """Read a header of a kind of file, "NRRD" or "MetaImage".

    Raises
    ------
    ScanError
        If the file cannot be read, is of another kind, or keeps its voxels in a way that is not read.
    """
    with as_scan_error(path, kind), opened(path) as file:
        return {"NRRD": _nrrd, "MetaImage": _metaimage}[kind](path, file)


@contextmanager
def as_scan_error(path: Path, kind: str) -> Iterator[None]:
    """Turn a parser's error about a file of a kind into one sentence."""
    try:
        str(path).encode()  # of another name SimpleITK ends the process
        yield
    except UnicodeEncodeError as error:
        raise ScanError("The path is not valid Unicode; rename the file or its folder.") from error
    except ScanError:
        raise
    except (
        ArithmeticError,
        EOFError,
        LookupError,
        ValueError,
        RuntimeError,
        zlib.error,
        gzip.BadGzipFile,
    ) as error:
        if "orthonormal" in str(error):  # SimpleITK's
            raise sheared(path.name) from error
        raise ScanError(f"{path.name} is damaged or no {kind} file.") from error


def sheared(name: str) -> ScanError:
    """Return the error of a file whose axes are not at right angles."""
    return ScanError(f"{name} has sheared axes; resample it to axes at right angles.")


def check_spacing(name: str, spacing: Iterable[float]) -> None:
    """Check that the distances between voxels are possible.

    Raises
    ------
    ScanError
        If a distance is not positive, no number, or beyond all that is measured.
    """
    spacing = tuple(spacing)
    if not is_possible_spacing(spacing):
        raise ScanError(f"{name} has an impossible voxel spacing: {', '.join(map(str, spacing))}.")


def unknown_spacing(spacing: Iterable[float]) -> str:
    """Return the mark of a file whose spacing is unknown; of one that is put there later it does not hold."""
    return f"spacing unknown, {spacing_in_words(np.array([*spacing], np.float32).tolist())}"


def _nrrd(path: Path, file: BinaryIO) -> StoredVoxels:
    if not file.readline(80).startswith(b"NRRD000"):
        raise ValueError
    fields: dict[str, str] = {}
    for line in _lines(file):
        if not line:
            break
        if line.startswith("#") or _NRRD_OTHERS.match(line):
            continue
        key, value = line.split(": ", maxsplit=1)
        if len(line) > _LONGEST_FIELD and key != "content":
            raise ValueError
        _add(fields, key.lower().replace(" ", ""), value)
    encoding = fields["encoding"].lower()
    if fields.get("lineskip", "0") != "0":
        raise ValueError
    if encoding not in ("raw", "gzip", "gz"):
        raise ScanError(f"{path.name} has its voxels encoded as {encoding[:20]}; save it as raw or gzip.")
    data = fields.get("datafile")
    skip = int(fields.get("byteskip", 0))
    return StoredVoxels(
        path if data is None else _beside(path, data),
        None if skip < 0 else file.tell() if data is None else 0,
        max(skip, 0),
        encoding != "raw",
        axes=int(fields["dimension"]),
        in_mm=not fields.keys().isdisjoint(("spacings", "spacedirections")),
        oriented="spacedirections" in fields,
    )


def _metaimage(path: Path, file: BinaryIO) -> StoredVoxels:
    fields: dict[str, str] = {}
    for line in _lines(file):
        key, value = re.split("[=:]", line, maxsplit=1)
        _add(fields, key, value)
        if "ElementDataFile" in fields:
            break
    axes = int(fields["NDims"])
    if not 1 <= axes <= 4 or fields.get("ObjectType", "Image") != "Image" or "ElementType" not in fields:
        raise ValueError
    for key, count in _COUNTS.items():  # of another number of values SimpleITK may end the process
        if key in fields and len(_numbers(fields[key])) != axes**count:
            raise ValueError
    spacing = fields.get("ElementSpacing", fields.get("ElementSize"))
    if spacing is not None:
        check_spacing(path.name, _numbers(spacing))
    if min(_numbers(fields["DimSize"])) < 1:
        raise ValueError
    if fields.get("BinaryData", "True")[:1] not in "Tt1":
        raise ScanError(f"{path.name} has its voxels written as text; save it as binary data.")
    data = fields["ElementDataFile"]
    local = data.lower() == "local"
    start = int(fields.get("HeaderSize", 0)) or (file.tell() if local else 0)
    packed, compressed = (
        int(fields.get("CompressedDataSize", 0)),
        fields.get("CompressedData", "False")[:1] in "Tt1",
    )
    if local and compressed and packed < 1:  # SimpleITK would read something else
        raise ScanError(f"{path.name} does not say how long its compressed voxels are; save it anew.")
    return StoredVoxels(
        path if local else _beside(path, data),
        None if start < 0 else start,
        compressed=compressed,
        packed=packed or None,
        axes=axes,
        in_mm=spacing is not None,
        oriented=not fields.keys().isdisjoint(("TransformMatrix", "Rotation", "Orientation")),
    )


_COUNTS = {
    "DimSize": 1,
    "ElementSpacing": 1,
    "ElementSize": 1,
    **dict.fromkeys(("Offset", "Position", "Origin", "CenterOfRotation"), 1),
    **dict.fromkeys(("TransformMatrix", "Rotation", "Orientation"), 2),
}


def _lines(file: BinaryIO) -> Iterator[str]:
    """Yield the lines of a header without their ends; one that goes on and on is no header."""
    while file.tell() < _LONGEST_HEADER:
        line = file.readline(_LONGEST_HEADER)
        if not line:
            return
        yield line.decode(errors="replace").rstrip("\r\n")
    raise ValueError


def _add(fields: dict[str, str], key: str, value: str) -> None:
    if key.strip() in fields:  # which of the two would be believed?
        raise ValueError
    fields[key.strip()] = value.strip()


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def _beside(path: Path, name: str) -> Path:
    """Return the file beside a header that holds its voxels; a header may name no other folder."""
    name = name.removeprefix("./")
    if re.match(r"LIST\b", name) or re.search(r"%\d*d", name):
        raise ScanError(f"{path.name} has its voxels in several files; save it as one.")
    if name != re.split(r"[/\\]", name)[-1] or name in ("", ".", ".."):
        raise ScanError(f"{path.name} has its voxels in another folder; put the two files into one.")
    if not path.with_name(name).is_file():
        raise ScanError(f"{path.name} misses the file with its voxels; it should lie beside it.")
    return path.with_name(name)
