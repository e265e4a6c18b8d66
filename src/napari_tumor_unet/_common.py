"""Shared by all rooms: errors, guarded opening, atomic writing, draining of generators, nouns, folders."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import stat
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

Event = TypeVar("Event")
Result = TypeVar("Result")
Passed = TypeVar("Passed")

PASSIVE_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Environment of a process that computes, set before torch is imported.

Threads that spin while they wait make a busy machine ten times slower; an idle one loses nothing.
"""

SPECK_ML = 0.05
"""Under which a region is written as under 0.1 ml, and may be a voxel or two at an edge."""

PARTIAL = ".partial-"
"""First letters of the name of a file that is being written; machine and process follow."""

_STALE = 3600  # seconds in which any file is written

_FOLDERS = re.compile(r"""(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^\s'":;,/\\]+[/\\])+""")


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

    The temporary file ends as ``path`` does, or in ``ending``: writers choose a format by it, and SimpleITK
    knows lower case alone. Whatever happens, no temporary file is left, and what was at ``path`` is replaced
    whole or not at all; a link itself is replaced, not what it leads to.
    """
    partial = path.with_name(partial_name(ending or path.suffix))
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())  # before it replaces the last good one
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def partial_name(ending: str) -> str:
    """Name a new file that is being written."""
    return f"{PARTIAL}{_machine()}-{os.getpid()}-{token_hex(8)}{ending}"


def remove_partials(folder: Path) -> None:
    """Remove what processes left half-written in a folder that were killed: here, or an hour ago."""
    for path in left_partials(folder):
        with suppress(OSError):
            path.unlink()


def left_partials(folder: Path) -> list[Path]:
    """Find the files in a folder that processes were writing which were killed: here, or an hour ago."""
    left = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PARTIAL):
                with suppress(OSError):
                    if _owner_is_gone(entry.name) or time.time() - entry.stat().st_mtime > _STALE:
                        left.append(Path(entry))
    return left


def _owner_is_gone(partial: str) -> bool:
    owner = re.match(rf"{PARTIAL}{_machine()}-(\d+)-", partial)
    if owner is None or sys.platform == "win32":  # where signal 0 is Ctrl-C
        return False
    try:
        os.kill(int(owner[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@cache
def _machine() -> str:
    return hashlib.blake2b(platform.node().encode("utf-8", "replace"), digest_size=4).hexdigest()


def write_whole(path: Path, content: bytes | memoryview | str) -> None:
    """Write a file, whole or not at all; a text as UTF-8, in which halves of characters are spelled out."""
    with atomic_write(path) as partial:
        if isinstance(content, str):
            content = content.encode("utf-8", "backslashreplace")
        partial.write_bytes(content)


def make_folder(folder: Path, kind: type[TumourUnetError] = TumourUnetError) -> None:
    """Make a folder, and those that it lies in, unless it is there.

    Raises
    ------
    TumourUnetError
        Of the kind that is given, if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "a file of that name is there" if isinstance(error, FileExistsError) else error.strerror
        raise kind(f"The folder {folder.name} cannot be made ({why}); choose another.") from error


def explain(error: Exception, name: str) -> tuple[str, str]:
    """Return one sentence about an error of what has a name, and the traceback if the user cannot mend it."""
    if isinstance(error, TumourUnetError):
        return str(error), ""
    if isinstance(error, MemoryError):
        return f"There is not enough memory for {name}; close other programs.", ""
    if isinstance(error, OSError) and error.strerror:
        file = Path(os.fsdecode(error.filename)).name if isinstance(error.filename, str | bytes) else ""
        return f"{file}: {error.strerror}." if file and PARTIAL not in file else f"{error.strerror}.", ""
    reason = _FOLDERS.sub("", str(error).partition("\n")[0]).rstrip(".") or type(error).__name__
    details = "".join(traceback.format_exception(error))
    return f"Unexpected error in {name}: {reason}; details in the log.", details


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


def relay(
    steps: Generator[Event, None, Result], convert: Callable[[Event], Iterable[Passed]]
) -> Generator[Passed, None, Result]:
    """Pass on each event of a generator as those that ``convert`` makes of it, and return its result."""
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield from convert(event)


def plural(n: int, noun: str) -> str:
    """Count a noun.

    Examples
    --------
    >>> plural(1, "slice"), plural(2, "slice")
    ('1 slice', '2 slices')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def size_in_words(voxels: int, volume_ml: float | None) -> str:
    """Write a size in ml, or in voxels where the volume is unknown."""
    if volume_ml is not None:  # of a few voxels 0.0 ml would say that there are none
        return "under 0.1 ml" if 0 < volume_ml < SPECK_ML else f"{volume_ml:.1f} ml"
    return "1 voxel" if voxels == 1 else f"{voxels:,} voxels"


def user_folder(name: str, variable: str) -> Path:
    """Return the user's data folder of this name, or the one that an environment variable names instead."""
    from platformdirs import user_data_path  # not needed by those who only read scans

    named = os.environ.get(variable)
    return Path(named) if named else user_data_path("napari-tumor-unet", appauthor=False) / name
