"""Check that a file holds the pixels that its header promises, before a decoder takes memory for them."""

from __future__ import annotations

from typing import BinaryIO, Literal

from pydicom.encaps import parse_fragments
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, RLELossless

_TAG = {"little": b"\xe0\x7f\x10\x00", "big": b"\x7f\xe0\x00\x10"}
_LAST = b"\xfe\xff\xdd\xe0"
_OPEN = 0xFFFFFFFF  # a length that only the last item tells
_DENSEST = 1000  # pixel bytes to a byte of file; air compresses well, but a damaged size promises more


def fault_of_pixels(
    file: BinaryIO, encoding: tuple[bool | None, bool | None], syntax: UID, promised: float
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
        whole = _is_whole(file, syntax == RLELossless)
        return "" if whole else "is damaged: its compressed pixels are not whole"
    if file.tell() + max(length, promised) > end:
        return "is damaged: its file ends too early"
    return "" if promised <= length else "is damaged: it holds less than its size says"


def _is_whole(file: BinaryIO, rle: bool) -> bool:
    """Tell whether the items of compressed pixels lie in the file, up to the one that ends them."""
    try:
        _, items = parse_fragments(file)
    except ValueError:
        return False
    for item in items[1:] if rle else ():  # the first is a table of where frames begin
        # The decoder of SimpleITK divides by the number of RLE segments, zero or not.
        file.seek(item + 8)
        if not 1 <= int.from_bytes(file.read(4), "little") <= 15:
            return False
    if items:
        file.seek(items[-1] + 4)
        file.seek(int.from_bytes(file.read(4), "little"), 1)
    return file.read(4) == _LAST
