"""Log errors in a file that can be sent with a question: it names no patient and no path."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from logging.handlers import RotatingFileHandler
from pathlib import Path

from platformdirs import user_log_path

from napari_tumor_unet._text import visible

_SHORT = 4  # letters; such names are parts of many words
_PATH = re.compile(r"""(?<![\w.])(?:~|[A-Za-z]:)?[/\\][^\s'":;,]+""")


def log_file() -> Path:
    """Where errors are noted down."""
    return user_log_path("napari-tumor-unet", appauthor=False) / "errors.log"


def note_error(message: str, details: str = "", private: Iterable[str] = ()) -> str:
    """Note an error down, without what is private.

    Parameters
    ----------
    message : str
        What the user was told.
    details : str
        The traceback, if there is one.
    private : iterable of str
        Names of scans and files that are not to be in the log.

    Returns
    -------
    str
        What was noted.
    """
    private = {spelled for name in private for spelled in (name, visible(name), repr(name)[1:-1])}
    text = visible(redacted(f"{message}\n{details}".rstrip(), private), lines=True)
    with suppress(OSError):  # no room, or no leave, for a log: the user has been told all the same
        _log().error(text.replace("\n", "\n  "))  # indented, so that no text can pass for an entry
    return text


def redacted(text: str, private: Iterable[str] = ()) -> str:
    """Redact some names of a text, and paths but those of program files."""
    for name in sorted(filter(None, private), key=len, reverse=True):
        anywhere = re.escape(name)
        alone = rf"(?<![A-Za-z]){anywhere}(?![A-Za-z])"
        text = re.sub(alone if len(name) < _SHORT else anywhere, "<scan>", text)
    return "\n".join(_without_paths(line) for line in text.split("\n"))


def _without_paths(line: str) -> str:
    program = re.match(r'(\s*File ").*[/\\](napari_tumor_unet|site-packages|lib)[/\\](.*)', line)
    if program:
        return f"{program[1]}{program[2]}/{program[3]}"
    return _PATH.sub("<path>", line)


@cache
def _log() -> logging.Logger:
    log_file().parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(log_file(), maxBytes=500_000, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("napari_tumor_unet.errors")
    log.propagate = False
    log.addHandler(handler)
    return log
