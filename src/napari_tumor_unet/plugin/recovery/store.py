"""Autosave: one file per labels layer, in a locked folder per process."""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import TumourUnetError, atomic_write, user_folder

if TYPE_CHECKING:
    from filelock import FileLock

ENDING = ".npz"
FOLDER_VARIABLE = "NAPARI_TUMOR_UNET_AUTOSAVES"
"""Environment variable that names another folder for autosaves."""

_FORMAT = "napari-tumor-unet corrections 1"
_VOLUMES = ("mask", "written", "probability")


class AutosaveError(TumourUnetError, RuntimeError):
    """An autosave that cannot be written or used; the message is one sentence."""


@dataclass(frozen=True)
class Packed:
    """A copy of an array without its empty planes (Y, X).

    Attributes
    ----------
    shape : tuple of int
        Of the whole, at least two axes.
    at : array of int
        (n,), which of the planes are kept, all leading axes counted as one.
    planes : array
        (n, Y, X).
    """

    shape: tuple[int, ...]
    at: NDArray[np.int64]
    planes: NDArray[Any]

    def unpack(self) -> NDArray[Any]:
        """The whole array."""
        whole = np.zeros(self.shape, self.planes.dtype)
        whole.reshape(-1, *self.shape[-2:])[self.at] = self.planes
        return whole


@dataclass(frozen=True)
class Autosave:
    """A labels layer with corrections, and all that brings it back.

    Attributes
    ----------
    scan : str
        What its scan is called.
    edited : int
        How many slices the user changed.
    mask, written, probability : Packed
        The layer's data; the mask (Z, Y, X) as it was last written; and its probability.
    layer : dict
        The layer's name and place in the world, as JSON can hold them.
    result : dict
        What is known of the segmentation, likewise.
    """

    scan: str
    edited: int
    mask: Packed
    written: Packed
    probability: Packed
    layer: dict[str, Any]
    result: dict[str, Any]

    @property
    def digest(self) -> str:
        """The same for two that hold the same corrections."""
        digest = hashlib.blake2b(json.dumps(self.result, sort_keys=True).encode(), digest_size=16)
        for part in (self.mask, self.written):
            digest.update(repr((part.shape, part.planes.dtype.str)).encode())
            digest.update(part.at.data)
            digest.update(np.ascontiguousarray(part.planes).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Leftover:
    """An autosave of a process that has ended: its file, and what a user knows it by."""

    path: Path
    scan: str
    edited: int
    when: datetime


def pack(array: NDArray[Any]) -> Packed:
    """Copy what is not empty of an array (..., Y, X)."""
    planes = array.reshape(-1, *array.shape[-2:])
    at = np.flatnonzero([bool(plane.any()) for plane in planes])
    return Packed(array.shape, at, planes[at])


def edited_slices(mask: NDArray[Any], written: NDArray[Any]) -> int:
    """In how many slices two masks (Z, Y, X) differ."""
    return sum(not np.array_equal(ours, theirs) for ours, theirs in zip(mask, written, strict=True))


def autosave_folder() -> Path:
    """Where autosaves are; it may not be there yet."""
    return user_folder("autosave", FOLDER_VARIABLE)


def new_file() -> Path:
    """A name for an autosave, in the folder that this process holds."""
    with _as_autosave_error("Autosave failed ({reason}); save masks yourself"):
        return _own_folder(autosave_folder()) / f"{uuid.uuid4().hex}{ENDING}"


def save(autosave: Autosave, path: Path) -> None:
    """Write an autosave, whole or not at all, for the user's eyes only.

    Raises
    ------
    AutosaveError
        If it cannot be written; one that was there before is still whole.
    """
    parts = {name: getattr(autosave, name) for name in _VOLUMES}
    told = {
        "format": _FORMAT,
        "when": datetime.now().astimezone().isoformat(timespec="seconds"),
        **{name: getattr(autosave, name) for name in ("scan", "edited", "layer", "result")},
        "shapes": {name: part.shape for name, part in parts.items()},
    }
    arrays = {f"{name}_{kind}": getattr(parts[name], kind) for name in _VOLUMES for kind in ("at", "planes")}
    said = f"Autosave of {autosave.scan} failed ({{reason}}); save the mask yourself"
    with _as_autosave_error(said):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_write(path) as partial, open(partial, "wb", opener=_private) as file:
            np.savez_compressed(file, told=_as_bytes(told), **arrays)
            file.flush()
            os.fsync(file.fileno())  # before it replaces the last good one


def leftovers() -> list[Leftover]:
    """What processes that have ended left behind, the newest first; files that are none are passed over."""
    found: list[Leftover] = []
    own = {Path(lock.lock_file).stem for lock in _LOCKS}
    with suppress(OSError, NotImplementedError):  # the second of a disk without locks
        for folder in autosave_folder().iterdir():
            if re.fullmatch("[0-9a-f]{32}", folder.name) and folder.is_dir() and folder.name not in own:
                found += _left_in(folder)
    return sorted(found, key=lambda leftover: leftover.when, reverse=True)


def load(path: Path) -> Autosave:
    """Read an autosave.

    Raises
    ------
    AutosaveError
        If it is gone, damaged, or none.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            told = _told_in(file)
            parts = {name: _packed(file, name, told["shapes"][name]) for name in _VOLUMES}
        return Autosave(told["scan"], told["edited"], layer=told["layer"], result=told["result"], **parts)
    except FileNotFoundError as error:
        raise AutosaveError(
            "These corrections are gone; another napari has restored or deleted them."
        ) from error
    except Exception as error:  # numpy, zipfile and zlib raise many kinds for damaged files
        raise AutosaveError("The file with these corrections is damaged; delete it.") from error


def discard(path: Path) -> None:
    """Delete an autosave, if it is there.

    Raises
    ------
    AutosaveError
        If it cannot be deleted.
    """
    with _as_autosave_error("The autosave cannot be deleted ({reason}); try again later"):
        path.unlink(missing_ok=True)


_LOCKS: list[FileLock] = []  # held as long as the process lives, however it ends


@cache
def _own_folder(root: Path) -> Path:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = root / uuid.uuid4().hex
    if (
        lock := _hold(folder)
    ) is not None:  # before it is there: others may delete a folder that nobody holds
        _LOCKS.append(lock)
    folder.mkdir(mode=0o700)
    return folder


def _hold(folder: Path) -> FileLock | None:
    """The lock of a folder, or None if another process holds it."""
    from filelock import FileLock, Timeout  # here, as it takes long to import, and a thread is to wait for it

    lock = FileLock(folder.with_suffix(".lock"), timeout=0, mode=0o600, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def _left_in(folder: Path) -> list[Leftover]:
    """The autosaves in a folder that no process holds; a folder without any is deleted."""
    lock = _hold(folder)
    if lock is None:
        return []
    try:
        files = sorted(folder.glob(f"[!.]*{ENDING}"))
        if not files:
            for partial in folder.glob(f".partial-*{ENDING}"):
                partial.unlink()
            folder.rmdir()
            Path(lock.lock_file).unlink()
        return [leftover for path in files if (leftover := _leftover(path))]
    except OSError:  # another napari is quicker, or the folder holds something else
        return []
    finally:
        lock.release()


def _leftover(path: Path) -> Leftover | None:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            told = _told_in(file)
        return Leftover(path, told["scan"], told["edited"], datetime.fromisoformat(told["when"]).astimezone())
    except Exception:  # as in load
        return None


def _told_in(file: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(file["told"].tobytes())
    if told["format"] != _FORMAT or not isinstance(told["scan"], str) or not isinstance(told["edited"], int):
        raise ValueError
    return told


def _packed(file: Any, name: str, shape: list[int]) -> Packed:
    at, planes = file[f"{name}_at"], file[f"{name}_planes"]
    count = int(np.prod(shape[:-2]))
    fits = planes.shape == (len(at), *shape[-2:]) and planes.dtype.kind in "iu" and at.dtype.kind in "iu"
    if not fits or (len(at) and not 0 <= at.min() <= at.max() < count):
        raise ValueError
    return Packed(tuple(shape), at, planes)


def _as_bytes(told: dict[str, Any]) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(told).encode(), np.uint8)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _as_autosave_error(sentence: str) -> Iterator[None]:
    try:
        yield
    except (OSError, NotImplementedError) as error:  # as above
        reason = getattr(error, "strerror", None) or "the disk knows no locks"
        raise AutosaveError(f"{sentence.format(reason=reason)}.") from error
