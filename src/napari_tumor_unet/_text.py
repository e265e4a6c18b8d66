"""Texts from files, layers and headers are data: no command to a terminal, nor a formula to a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Control characters, line ends, what turns the direction of writing, and halves of characters.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_FORMULA = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def visible(text: str, *, lines: bool = False) -> str:
    r"""Return a text with its control characters spelled out, so that it can be printed anywhere.

    Parameters
    ----------
    text : str
    lines : bool
        Whether to keep line feeds.

    Examples
    --------
    >>> print(visible("a\x1b[31m\n\udc80"))
    a\x1b[31m\n\udc80
    """
    return _UNSEEN.sub(lambda c: "\n" if lines and c[0] == "\n" else _spelled(c[0]), text)


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows as CSV, in which no text is a formula to a spreadsheet; other entries are left out."""
    text = io.StringIO()
    table = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows({key: _defused(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _defused(value: Any) -> Any:
    """Put an apostrophe before what a spreadsheet would compute (OWASP, "CSV Injection")."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return ("'" if value.startswith(_FORMULA) else "") + visible(value, lines=True)
