"""The same from a shell: one module a command."""

from __future__ import annotations

import os

from napari_tumor_unet.cli import about, evaluate, fine_tune, score, segment, train
from napari_tumor_unet.cli.console import app
from napari_tumor_unet.worker.worker import PATIENT_THREADS

__all__ = ["about", "app", "evaluate", "fine_tune", "main", "score", "segment", "train"]


def main() -> None:
    """Entry point of the command ``napari-tumor-unet``."""
    for name, value in PATIENT_THREADS.items():  # before torch is imported
        os.environ.setdefault(name, value)
    app()
