"""Texts from files, layers and headers are data: no command to a terminal, nor a formula to a spreadsheet.

And how some numbers are written.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UNDEFINED = "undefined"
"""In place of a number that there is not."""

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


def defined(number: float, form: str) -> str:
    """Write a number in a format; one that is undefined, as the spread of one scan is, in a word."""
    return UNDEFINED if math.isnan(number) else format(number, form)


def signed(change: float, digits: int = 0) -> str:
    """Write a change with its sign; what rounds to nothing is 0, and has none.

    Examples
    --------
    >>> signed(5.04, 1), signed(-2.0), signed(-0.04, 1)
    ('+5.0', '-2', '0')
    """
    text = f"{change:+.{digits}f}"
    return text if float(text) else "0"


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
