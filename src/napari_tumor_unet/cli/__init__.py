"""The shell commands: one module per command."""

from __future__ import annotations

import os

from napari_tumor_unet._common import PASSIVE_THREADS
from napari_tumor_unet.cli import evaluate, fine_tune, info, score, segment, train
from napari_tumor_unet.cli.console import app

__all__ = ["app", "evaluate", "fine_tune", "info", "main", "score", "segment", "train"]


def main() -> None:
    """Run the command ``napari-tumor-unet``."""
    for name, value in PASSIVE_THREADS.items():  # before torch is imported
        os.environ.setdefault(name, value)
    app()
