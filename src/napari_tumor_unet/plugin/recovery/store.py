"""Autosave: one file per labels layer, in a locked folder per process.

What an edit does not change, the probability and the mask as it was written, lies in volumes beside the file.
The file names its volumes, is written after them and deleted before them: whenever the process ends, there is
a whole autosave, the last one or the one before.
"""

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

from napari_tumor_unet._common import TumourUnetError, atomic_write, regular_file, user_folder

if TYPE_CHECKING:
    from filelock import FileLock

FOLDER_VARIABLE = "NAPARI_TUMOR_UNET_AUTOSAVES"
"""Environment variable that names another folder for autosaves."""

_ENDING, _VOLUME_ENDING = ".npz", ".volume"
_FORMAT = "napari-tumor-unet corrections 2"
_OLD_FORMAT = "napari-tumor-unet corrections 1"  # all in one file, without the empty planes
_VOLUMES = ("written", "probability")
_REMAINS = re.compile(rf"(\w+-[0-9a-f]{{32}}|\.partial-[\w-]+)\{_VOLUME_ENDING}|\.partial-[\w-]+\{_ENDING}")


class AutosaveError(TumourUnetError, RuntimeError):
    """An autosave that cannot be written or used; the message is one sentence."""


@dataclass(frozen=True)
class Autosave:
    """A labels layer with corrections, and all that brings it back.

    Attributes
    ----------
    scan : str
        Name of the scan.
    edited : int
        Number of slices that the user changed.
    mask : array
        Data of the layer.
    written, probability : array
        (Z, Y, X), the mask as it was last written, and its probability.
    layer : dict
        Name and transform of the layer, as JSON can hold them.
    result : dict
        What is known of the segmentation, likewise.
    """

    scan: str
    edited: int
    mask: NDArray[Any]
    written: NDArray[Any]
    probability: NDArray[Any]
    layer: dict[str, Any]
    result: dict[str, Any]

    @property
    def digest(self) -> str:
        """The same for two that hold the same corrections, whatever the user was led to since."""
        result = json.dumps({**self.result, "visited": None}, sort_keys=True)
        return hashlib.sha256(f"{result} {_digest(self.mask)} {_digest(self.written)}".encode()).hexdigest()


@dataclass(frozen=True)
class OrphanedAutosave:
    """An autosave that no layer holds any more: its file, and what a user knows it by.

    ``edited`` and ``checked`` count slices, ``mask`` is the layer's name. Two of the same scan, layer and run
    have the same ``of``; two scans may have one name.
    """

    path: Path
    scan: str
    edited: int
    when: datetime
    of: str = ""
    checked: int = 0
    mask: str = ""


def autosave_folder() -> Path:
    """Return where autosaves are; the folder may not be there yet."""
    return user_folder("autosave", FOLDER_VARIABLE)


def new_file() -> Path:
    """Return a path for an autosave, in the folder that this process holds."""
    with _as_autosave_error("Autosave failed ({reason}); save masks yourself"):
        return _own_folder(autosave_folder()) / f"{uuid.uuid4().hex}{_ENDING}"


def save(autosave: Autosave, path: Path) -> None:
    """Write an autosave, whole or not at all, for the user's eyes only.

    Raises
    ------
    AutosaveError
        If it cannot be written; one that was there before is still whole.
    """
    digests = {name: _digest(getattr(autosave, name)) for name in _VOLUMES}
    header = {
        "format": _FORMAT,
        "when": datetime.now().astimezone().isoformat(timespec="seconds"),
        **{name: getattr(autosave, name) for name in ("scan", "edited", "layer", "result")},
        "volumes": digests,
    }
    with _as_autosave_error(f"Autosave of {autosave.scan} failed ({{reason}}); save the mask yourself"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, digest in digests.items():
            if not (volume := _volume(path, digest)).exists():
                _write(volume, volume=getattr(autosave, name))
        _write(path, told=np.frombuffer(json.dumps(header).encode(), np.uint8), mask=autosave.mask)
        for volume in set(_volumes(path)) - {_volume(path, digest) for digest in digests.values()}:
            volume.unlink()


def orphaned_autosaves() -> list[OrphanedAutosave]:
    """Return what processes that have ended left behind, the newest first; other files are passed over."""
    orphans: list[OrphanedAutosave] = []
    own = {Path(lock.lock_file).stem for lock in _LOCKS}
    with suppress(OSError, NotImplementedError):  # NotImplementedError where the disk knows no locks
        for folder in autosave_folder().iterdir():
            if re.fullmatch("[0-9a-f]{32}", folder.name) and folder.is_dir() and folder.name not in own:
                orphans += _orphans_in(folder)
    return sorted(orphans, key=lambda orphan: orphan.when, reverse=True)


def orphaned(path: Path | None) -> OrphanedAutosave | None:
    """Return the autosave of a layer that is gone, if it has one."""
    return None if path is None else _orphan(path)


def load(path: Path) -> Autosave:
    """Read an autosave.

    Raises
    ------
    AutosaveError
        If it is gone, damaged, or none.
    """
    try:
        with regular_file(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            header = _header_in(file)
            arrays: dict[str, Any]
            if header["format"] == _OLD_FORMAT:
                arrays = {name: _unpacked(file, name, header["shapes"][name]) for name in ("mask", *_VOLUMES)}
            else:
                arrays = {"mask": file["mask"]}
                for name in _VOLUMES:
                    with np.load(_volume(path, header["volumes"][name]), allow_pickle=False) as volume:
                        arrays[name] = volume["volume"]
        if any(array.dtype.kind not in "iu" for array in arrays.values()):
            raise ValueError
        return Autosave(**{name: header[name] for name in ("scan", "edited", "layer", "result")}, **arrays)
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
        for volume in _volumes(path):
            volume.unlink(missing_ok=True)


_LOCKS: list[FileLock] = []  # held as long as the process lives, however it ends


@cache
def _own_folder(root: Path) -> Path:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = root / uuid.uuid4().hex
    lock = _hold(folder)  # before the folder is there: others may delete one that nobody holds
    if lock is not None:
        _LOCKS.append(lock)
    folder.mkdir(mode=0o700)
    return folder


def _hold(folder: Path) -> FileLock | None:
    """Return the lock of a folder, or None if another process holds it."""
    from filelock import FileLock, Timeout  # here, as it takes long to import, and a thread is to wait for it

    lock = FileLock(folder.with_suffix(".lock"), timeout=0, mode=0o600, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def _orphans_in(folder: Path) -> list[OrphanedAutosave]:
    """Return the autosaves in a folder that no process holds; delete a folder with remains of some alone."""
    if not _has_remains_alone(folder) and not any(map(_orphan, _files_in(folder))):
        return []  # somebody else's, or of another version: not even a lock is made
    lock = _hold(folder)
    if lock is None:
        return []
    try:
        if _has_remains_alone(folder):
            for rest in folder.iterdir():
                rest.unlink(missing_ok=True)
            folder.rmdir()
            Path(lock.lock_file).unlink()
            return []
        return [orphan for path in _files_in(folder) if (orphan := _orphan(path))]
    except OSError:  # another napari is quicker, or the folder holds something else
        return []
    finally:
        lock.release()


def _files_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"[!.]*{_ENDING}"))


def _has_remains_alone(folder: Path) -> bool:
    return all(_REMAINS.fullmatch(path.name) for path in folder.iterdir())


def _orphan(path: Path) -> OrphanedAutosave | None:
    try:
        with regular_file(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            header = _header_in(file)
        when = datetime.fromisoformat(header["when"]).astimezone()
        of = header.get("volumes", {}).get("probability", path.name)
        scan, mask = header["scan"], header["layer"].get("name", "")
        checked = len(header["result"].get("checked", ()))
        return OrphanedAutosave(path, scan, header["edited"], when, f"{scan} {mask} {of}", checked, mask)
    except Exception:  # as in load
        return None


def _header_in(file: Any) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(file["told"].tobytes())
    known = header["format"] in (_FORMAT, _OLD_FORMAT)
    if not known or not isinstance(header["scan"], str) or not isinstance(header["edited"], int):
        raise ValueError
    return header


def _unpacked(file: Any, name: str, shape: list[int]) -> NDArray[Any]:
    """Read an array of the version before, which stored the planes (Y, X) that are not empty."""
    at, planes = file[f"{name}_at"], file[f"{name}_planes"]
    whole = np.zeros(shape, planes.dtype)
    whole.reshape(-1, *shape[-2:])[at] = planes
    return whole


def _volume(path: Path, digest: str) -> Path:
    """Return the path of a volume of the autosave at a path."""
    return path.with_name(f"{path.stem}-{digest}{_VOLUME_ENDING}")


def _volumes(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.stem}-*{_VOLUME_ENDING}"))


def _digest(array: NDArray[Any]) -> str:
    digest = hashlib.blake2b(repr((array.shape, array.dtype.str)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _write(path: Path, **arrays: Any) -> None:
    with atomic_write(path) as partial, open(partial, "wb", opener=_private) as file:
        np.savez_compressed(file, **arrays)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _as_autosave_error(sentence: str) -> Iterator[None]:
    try:
        yield
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or "the disk knows no locks"
        raise AutosaveError(f"{sentence.format(reason=reason)}.") from error
