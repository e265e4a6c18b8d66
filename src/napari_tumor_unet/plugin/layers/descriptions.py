"""Remember which sequence a series description means, in a small file without patients."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from platformdirs import user_config_path

from napari_tumor_unet._common import atomic_write
from napari_tumor_unet.scan import SEQUENCES, Sequence
from napari_tumor_unet.scan.sequence_names import speaks_of_sequence, words_of

FILE_VARIABLE = "NAPARI_TUMOR_UNET_DESCRIPTIONS"
"""Environment variable that names another file for them."""

Said = Mapping[str, Sequence]
"""Sequences by their description: small letters, words joined by ``_``."""


def description_in(name: str, beside: Iterable[str]) -> str:
    """The part of a name that tells it from those of the patient's other sequences; empty if none does.

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
    """Words as a description; empty if none has two letters."""
    joined = "_".join(words)
    return joined if re.search(r"[^\W\d_]{2}", joined) else ""


def sequence_said(name: str, said: Said) -> Sequence | None:
    """What the user said of a description that a name holds, unless the rest of it speaks of a sequence."""
    words = words_of(name)
    for description in sorted(said, key=len, reverse=True):
        wanted = description.split("_")
        for start in range(len(words) - len(wanted) + 1):
            rest = [*words[:start], *words[start + len(wanted) :]]
            if words[start : start + len(wanted)] == wanted and not speaks_of_sequence(" ".join(rest)):
                return said[description]
    return None


def read_said() -> dict[str, Sequence]:
    """Return all that the user said; nothing, where the file is missing or damaged.

    The file is read once, and again only after it has changed: the window's thread asks often.
    """
    path = _file()
    try:
        state = path.stat()
    except OSError:
        return {}
    return dict(_read(path, (state.st_mtime_ns, state.st_size, state.st_ino)))


def write_said(said: Said) -> None:
    """Write what the user said; a folder that cannot be written to is no error."""
    path = _file()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(dict(said), indent=1, ensure_ascii=False), encoding="utf-8")


@lru_cache(maxsize=1)
def _read(path: Path, _state: tuple[int, int, int]) -> dict[str, Sequence]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {str(description): said for description, said in kept.items() if said in SEQUENCES}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _file() -> Path:
    named = os.environ.get(FILE_VARIABLE)
    return Path(named) if named else user_config_path("napari-tumor-unet", appauthor=False) / "sequences.json"


def _shared(one: list[str], two: list[str]) -> int:
    """How many first words are the same."""
    same = [a == b for a, b in zip(one, two, strict=False)]
    return same.index(False) if False in same else len(same)
