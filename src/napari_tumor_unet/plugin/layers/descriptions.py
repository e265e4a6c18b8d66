"""Remember which sequence a series description means, in a small file without patients."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

from platformdirs import user_config_path
from pydantic_core import from_json

from napari_tumor_unet._common import regular_file, write_whole
from napari_tumor_unet.scan import SEQUENCES, Sequence
from napari_tumor_unet.scan.sequence_names import speaks_of_sequence, words_of

FILE_VARIABLE = "NAPARI_TUMOR_UNET_DESCRIPTIONS"
"""Environment variable that names another file."""

Descriptions = Mapping[str, Sequence]
"""Sequences by their description: small letters, words joined by ``_``."""

_PATIENCE = 0.2  # seconds for which the window may wait for the file
_thread = ThreadPoolExecutor(1, "tumor-unet-descriptions")  # a single one: files are written in order
_contents: dict[Path, tuple[float, Future[Descriptions]]] = {}  # and when reading began


def description_in(name: str, beside: Iterable[str]) -> str:
    """Return the part of a name that differs from the patient's other sequences; empty if none does.

    What the names have in common, as the patient, is left out. Where they share nothing, or what is left
    is a number or a letter, it is no description.
    """
    words = words_of(name)
    others = [other for other in map(words_of, beside) if other != words]
    first = max((_shared(words, other) for other in others), default=0)
    last = max((_shared(words[::-1], other[::-1]) for other in others), default=0)
    if not first and not last:
        return ""
    return description_of([word for word in words[first : len(words) - last] if not word.isdigit()])


def description_of(words: Iterable[str]) -> str:
    """Join words to a description; empty if none has two letters."""
    joined = "_".join(words)
    return joined if re.search(r"[^\W\d_]{2}", joined) else ""


def described_sequence(name: str, descriptions: Descriptions) -> Sequence | None:
    """Return the sequence of a description in a name, unless the rest of the name speaks of a sequence."""
    words = words_of(name)
    for description in sorted(descriptions, key=len, reverse=True):
        wanted = description.split("_")
        for start in range(len(words) - len(wanted) + 1):
            rest = [*words[:start], *words[start + len(wanted) :]]
            if words[start : start + len(wanted)] == wanted and not speaks_of_sequence(" ".join(rest)):
                return descriptions[description]
    return None


def load_descriptions() -> None:
    """Read the file in a thread, anew where it was read before: another napari may have changed it."""
    path = _file()
    _contents[path] = time.monotonic(), _thread.submit(_read, path)


def read_descriptions() -> Descriptions:
    """Return all corrections; none where the file is missing or damaged, or its disk is slow."""
    path = _file()
    if path not in _contents:
        load_descriptions()
    began, contents = _contents[path]
    try:
        return contents.result(max(0.0, began + _PATIENCE - time.monotonic()))
    except TimeoutError:
        return {}


def change_descriptions(before: Descriptions, after: Descriptions) -> Future[None]:
    """Write what is new, and leave out what is gone, in a thread.

    All else in the file stays, as of another version; and a file that cannot be read, under another name. A
    folder that cannot be written to is no error. The result is there once the file is written.
    """
    contents: Future[Descriptions] = Future()
    contents.set_result(MappingProxyType(dict(after)))
    _contents[_file()] = time.monotonic(), contents
    return _thread.submit(_write, _file(), before, dict(after))


def _read(path: Path) -> Descriptions:
    try:
        entries = _entries_in(path).items()
    except (OSError, ValueError):
        return MappingProxyType({})
    return MappingProxyType({words: sequence for words, sequence in entries if sequence in SEQUENCES})


def _write(path: Path, before: Descriptions, after: dict[str, Sequence]) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            entries = _entries_in(path)
        except FileNotFoundError:
            entries = {}
        except (OSError, ValueError):
            entries = {}
            names = (path.with_name(f"{path.stem}-unreadable-{n}{path.suffix}") for n in count(1))
            path.rename(next(name for name in names if not name.exists()))
        entries = {words: kept for words, kept in entries.items() if words not in before} | after
        write_whole(path, json.dumps(entries, indent=1, ensure_ascii=False))


def _entries_in(path: Path) -> dict[str, Any]:
    entries = from_json(regular_file(path).read_bytes())  # unlike the json of Python, ValueErrors alone
    if not isinstance(entries, dict):
        raise ValueError
    return entries


def _file() -> Path:
    named = os.environ.get(FILE_VARIABLE)
    return Path(named) if named else user_config_path("napari-tumor-unet", appauthor=False) / "sequences.json"


def _shared(one: list[str], two: list[str]) -> int:
    """How many first words are the same."""
    same = [a == b for a, b in zip(one, two, strict=False)]
    return same.index(False) if False in same else len(same)
