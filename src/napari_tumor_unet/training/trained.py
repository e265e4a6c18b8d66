"""What a training gives, and the error where it cannot be saved; napari's own process can import it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from napari_tumor_unet.training.events import Epoch, TrainingError

if TYPE_CHECKING:
    from napari_tumor_unet.model.model_file import Model


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A training that ended.

    Attributes
    ----------
    path : Path
        File of the model.
    folder : Path
        Folder with the checkpoint, the metrics and pictures.
    history : tuple of Epoch
    in_memory : Model or None
        The model, in the process that trained it.
    """

    path: Path
    folder: Path
    history: tuple[Epoch, ...]
    in_memory: Model | None = field(default=None, repr=False)

    @property
    def model(self) -> Model:
        """The model, from its file where another process trained it."""
        from napari_tumor_unet.model.model_file import load_model

        return self.in_memory or load_model(self.path)


@contextmanager
def saving(name: str) -> Iterator[None]:
    """Raise a TrainingError where something cannot be saved."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(f"{name} cannot be saved ({reason}); fix this, then resume.") from error
