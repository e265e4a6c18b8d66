"""A spacing as people write it: three distances in mm."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from napari_tumor_unet.scan.scan import ScanError

Spacing: TypeAlias = tuple[float, float, float]

_LEAST, _MOST = 0.05, 50.0  # mm; beyond them it is in another unit, or a slip


def parse_spacing(text: str) -> Spacing:
    """Read a spacing such as ``5 x 0.94 x 0.94``, ``5, 0.94, 0.94`` or ``5 x 0,94 x 0,94 mm``.

    Raises
    ------
    ScanError
        If it is none, or not one of a head's scan.
    """
    bare = re.sub(r"\s*mm\b", "", text.strip(), flags=re.IGNORECASE)
    parts = [part for part in re.split(r"[x\u00d7*;\s]+", bare, flags=re.IGNORECASE) if part]
    if len(parts) == 3:  # so that a comma in them is a decimal point
        parts = [part.removesuffix(",").replace(",", ".") for part in parts]
    else:
        parts = [part for part in re.split(r"[,\s]+", bare) if part]
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(_LEAST <= number <= _MOST for number in numbers):
        raise ScanError(
            f"{text.strip()!r} is no spacing: write the distances of slices, rows and columns in mm, such as "
            f"5 x 0.94 x 0.94, each from {_LEAST:g} to {_MOST:g}."
        )
    return numbers[0], numbers[1], numbers[2]


def spacing_in_words(spacing: Sequence[float]) -> str:
    """Write a spacing as :func:`parse_spacing` reads it, with what a header's rounding left cut off."""
    return " x ".join(f"{round(float(distance), 4):g}" for distance in spacing)
