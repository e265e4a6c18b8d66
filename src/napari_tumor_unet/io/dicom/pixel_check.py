"""Whether a file holds the pixels that its header promises, found before a decoder takes memory for them."""

from __future__ import annotations

from typing import BinaryIO, Literal

from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, RLELossless

_TAG = {"little": b"\xe0\x7f\x10\x00", "big": b"\x7f\xe0\x00\x10"}
_ITEM, _LAST = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_OPEN = 0xFFFFFFFF  # a length that only the last item tells
_DENSEST = 1000  # pixel bytes to a byte of file; air compresses well, but a damaged size promises more


def fault_of_pixels(
    file: BinaryIO, encoding: tuple[bool | None, bool | None], syntax: UID, promised: float
) -> str:
    """What is wrong with the pixels of an open file that was read up to them; empty if nothing is.

    Parameters
    ----------
    file : binary file
    encoding : tuple of bool
        Whether its types are implicit, and its numbers little-endian.
    syntax : UID
        Its transfer syntax.
    promised : float
        Bytes of pixels by the header, uncompressed.
    """
    start, end = file.tell(), file.seek(0, 2)
    if syntax == DeflatedExplicitVRLittleEndian:
        return "" if promised <= _DENSEST * end else "is damaged: its size cannot be true"
    implicit, little = encoding
    order: Literal["little", "big"] = "little" if little else "big"
    file.seek(start)
    head = file.read(8 if implicit else 12)
    length = int.from_bytes(head[-4:], order)
    if len(head) < 8 or head[:4] != _TAG[order]:
        return "is damaged: its file ends before its pixels"
    if length == _OPEN:
        if promised > _DENSEST * end:
            return "is damaged: its size cannot be true"
        whole = _is_whole(file, end, syntax == RLELossless)
        return "" if whole else "is damaged: its compressed pixels are not whole"
    if file.tell() + max(length, promised) > end:
        return "is damaged: its file ends too early"
    return "" if promised <= length else "is damaged: it holds less than its size says"


def _is_whole(file: BinaryIO, end: int, rle: bool) -> bool:
    """Whether the items of compressed pixels, each with its length, lie in the file."""
    table = True  # of where frames begin: the first item
    while True:
        head = file.read(8)
        if head[:4] == _LAST:
            return True
        start, length = file.tell(), int.from_bytes(head[4:], "little")
        if head[:4] != _ITEM or start + length > end:
            return False
        # The decoder of SimpleITK divides by the number of RLE segments, zero or not.
        if rle and not table and not 1 <= int.from_bytes(file.read(4), "little") <= 15:
            return False
        file.seek(start + length)
        table = False
