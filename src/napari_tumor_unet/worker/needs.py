"""What a process that does jobs must have: the same plugin, model and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from napari_tumor_unet._common import PARTIAL, TumourUnetError, partial_name
from napari_tumor_unet.model.card import file_hash
from napari_tumor_unet.model.registry import all_models, find_model


@dataclass(frozen=True)
class Needs:
    """The version of the plugin, a model by name or file with its hash, and paths that must be there."""

    version: str
    model: str
    model_hash: str
    paths: tuple[Path, ...] = ()

    @classmethod
    def of(cls, model: str, model_hash: str, *paths: Path) -> Needs:
        """Return what this process has."""
        known = model if model in all_models() else str(find_model(model).absolute())
        return cls(version("napari-tumor-unet"), known, model_hash, tuple(path.absolute() for path in paths))

    @classmethod
    def of_plugin(cls) -> Needs:
        """Return what this process has of the plugin itself."""
        return cls.of("default", file_hash(find_model("default")))

    def find_model(self) -> Path:
        """Find the model here.

        Raises
        ------
        TumourUnetError
            If there is none, or the plugin has another version.
        """
        if (here := version("napari-tumor-unet")) != self.version:
            raise TumourUnetError(
                f"A worker has version {here} of the plugin, not {self.version}; install the same everywhere."
            )
        return find_model(self.model)

    def check_hash(self, found: str) -> None:
        """Raise a TumourUnetError if the model that was found is another one."""
        if found != self.model_hash:
            name = Path(self.model).stem
            raise TumourUnetError(f"A worker has another model of the name {name}; give it the same file.")

    def complaint(self) -> str:
        """Say in one sentence what this process lacks, if anything."""
        try:
            self.check_hash(file_hash(self.find_model()))
        except TumourUnetError as error:
            return str(error)
        for path in self.paths:
            is_probe = path.name.startswith(PARTIAL)
            name = path.parent.name if is_probe else path.name
            if not os.path.lexists(path):
                return (
                    f"A worker does not see {name}; all machines need scans and masks under the same paths."
                )
            if is_probe and not os.access(path.parent, os.W_OK):
                return f"A worker cannot write in {name}; give it the permission, or another folder."
        return ""

    @contextmanager
    def with_probe(self, folder: Path) -> Iterator[Needs]:
        """Need a new file in a folder too, which one of the same name on another machine lacks.

        Raises
        ------
        TumourUnetError
            If the folder cannot be written in.
        """
        probe = folder.absolute() / partial_name(".probe")
        try:
            probe.touch()
        except OSError as error:
            raise TumourUnetError(f"No file can be made in {folder.name}: {error.strerror}.") from error
        try:
            yield replace(self, paths=(*self.paths, probe))
        finally:
            probe.unlink(missing_ok=True)
