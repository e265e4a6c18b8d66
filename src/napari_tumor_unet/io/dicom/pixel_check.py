"""Check that a file holds the pixels that its header promises, before a decoder takes memory for them."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, Literal

from pydicom.encaps import parse_fragments
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, RLELossless

from napari_tumor_unet.io.guard import BEST_RATIO, MOST_BYTES

_TAG = {"little": b"\xe0\x7f\x10\x00", "big": b"\x7f\xe0\x00\x10"}
_LAST = b"\xfe\xff\xdd\xe0"
_OPEN = 0xFFFFFFFF  # a length that only the last item tells
_FRAMES = (*(0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7), *(0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF), 0xF7)
_HEAD = 1 << 16  # bytes of a file, or an image in it, that what is looked for lies in
_TOO_LARGE = "is damaged: its size cannot be true"
_NOT_WHOLE = "is damaged: its compressed pixels are not whole"
_DENSEST = 1000  # pixel bytes to a byte of file; air compresses well, but a damaged size promises more


def check_deflated(file: BinaryIO) -> None:
    """Check that an open file does not unpack to more than any scan has: pydicom unpacks whatever it reads.

    Raises
    ------
    ValueError
        If it does.
    """
    file.seek(0)
    head, size = file.read(_HEAD), file.seek(0, 2)
    if size * BEST_RATIO <= MOST_BYTES or DeflatedExplicitVRLittleEndian.encode() not in head:
        return
    file.seek(0)
    read_preamble(file, force=True)
    _read_file_meta_info(file)
    stream, held = zlib.decompressobj(-zlib.MAX_WBITS), 0
    packed = b""
    while packed := packed or file.read(_HEAD):
        held += len(stream.decompress(packed, 1 << 20))
        packed = stream.unconsumed_tail
        if held > MOST_BYTES:
            raise ValueError("a file unpacks to more than any scan has")


def fault_of_pixels(
    file: BinaryIO,
    encoding: tuple[bool | None, bool | None],
    syntax: UID,
    promised: float,
    size: tuple[float, float],
) -> str:
    """Say what is wrong with the pixels of an open file that was read up to them; empty if nothing is.

    Parameters
    ----------
    file : binary file
    encoding : tuple of bool
        Whether its types are implicit, and its numbers little-endian.
    syntax : UID
        Its transfer syntax.
    promised : float
        Bytes of pixels by the header, uncompressed.
    size : tuple of float
        Rows and columns by the header.
    """
    start, end = file.tell(), file.seek(0, 2)
    if promised > MOST_BYTES:
        return _TOO_LARGE
    if syntax == DeflatedExplicitVRLittleEndian:
        return "" if promised <= _DENSEST * end else _TOO_LARGE
    implicit, little = encoding
    order: Literal["little", "big"] = "little" if little else "big"
    file.seek(start)
    head = file.read(8 if implicit else 12)
    length = int.from_bytes(head[-4:], order)
    if len(head) < 8 or head[:4] != _TAG[order] or not (implicit or head[4:6] in (b"OB", b"OW")):
        return "is damaged: its file ends before its pixels"
    if length == _OPEN:
        return _TOO_LARGE if promised > _DENSEST * end else _fault_of_items(file, syntax == RLELossless, size)
    if file.tell() + max(length, promised) > end:
        return "is damaged: its file ends too early"
    return "" if promised <= length else "is damaged: it holds less than its size says"


def _fault_of_items(file: BinaryIO, rle: bool, size: tuple[float, float]) -> str:
    """Say what is wrong with the items of compressed pixels: up to the one that ends them, in the file."""
    try:
        _, items = parse_fragments(file)
    except ValueError:
        return _NOT_WHOLE
    for item in items[1:]:  # the first is a table of where frames begin
        file.seek(item + 8)
        head = file.read(_HEAD)
        # The decoder of SimpleITK divides by the number of RLE segments, zero or not.
        if rle and not 1 <= int.from_bytes(head[:4], "little") <= 15:
            return _NOT_WHOLE
        if any(one > other for one, other in zip(_size_of_image(head), size, strict=True)):
            return _TOO_LARGE
    if items:
        file.seek(items[-1] + 4)
        file.seek(int.from_bytes(file.read(4), "little"), 1)
    return "" if file.read(4) == _LAST else _NOT_WHOLE


def _size_of_image(head: bytes) -> tuple[int, int]:
    """Return rows and columns by the head of a JPEG, JPEG-LS or JPEG 2000 image; 0 of anything else.

    Decoders take memory for these, whatever DICOM says.
    """
    if head[:4] == b"\xff\x4f\xff\x51" and len(head) >= 24:
        right, bottom, left, top = struct.unpack(">4I", head[8:24])
        return bottom - top, right - left
    at = 2
    while head[:2] == b"\xff\xd8" and head[at : at + 1] == b"\xff" and at + 9 <= len(head):
        if head[at + 1] in _FRAMES:
            rows, columns = struct.unpack(">HH", head[at + 5 : at + 9])
            return rows, columns
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return 0, 0
