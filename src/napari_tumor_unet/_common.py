"""Shared by all rooms: base of all errors, guarded opening and atomic writing, generators, nouns, folders."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

Event = TypeVar("Event")
Result = TypeVar("Result")

PASSIVE_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Environment of a process that computes, set before torch is imported.

Threads that spin while they wait make a busy machine ten times slower; an idle one loses nothing.
"""


class TumourUnetError(Exception):
    """Base of all errors that a user can mend; the message is one sentence that says how."""


def regular_file(path: Path) -> Path:
    """Return the path of a file that is about to be opened, unless opening it might wait for ever.

    Raises
    ------
    OSError
        If there is none, or it is a pipe or a device.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is no regular file")
    return path


@contextmanager
def atomic_write(path: Path, ending: str = "") -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and rename it to ``path`` once the block has ended well.

    The temporary file ends as ``path`` does, in the case of ``ending``: writers choose a format by it, and
    SimpleITK knows lower case alone. Whatever happens, no temporary file is left, and a file that was at
    ``path`` is replaced whole or not at all.
    """
    partial = path.with_name(f".partial-{path.name[: len(path.name) - len(ending)]}{ending}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def drain(steps: Generator[Event, Any, Result], on_event: Callable[[Event], object] | None = None) -> Result:
    """Run a generator to its end, call ``on_event`` with each event, and return the generator's result."""
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if on_event is not None:
            on_event(event)


def plural(n: int, noun: str) -> str:
    """Count a noun.

    Examples
    --------
    >>> plural(1, "slice"), plural(2, "slice")
    ('1 slice', '2 slices')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def user_folder(name: str, variable: str) -> Path:
    """Return the user's data folder of this name, or the one that an environment variable names instead."""
    from platformdirs import user_data_path  # not needed by those who only read scans

    named = os.environ.get(variable)
    return Path(named) if named else user_data_path("napari-tumor-unet", appauthor=False) / name
