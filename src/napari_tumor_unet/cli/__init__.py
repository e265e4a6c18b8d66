"""The shell commands: one module per command."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_tumor_unet._common import PASSIVE_THREADS
from napari_tumor_unet.cli.console import guard

if TYPE_CHECKING:
    from napari_tumor_unet.cli.console import app as app

_COMMANDS = (
    *("bids", "evaluate", "export", "fine_tune", "follow_up", "info", "measure", "score", "segment", "train"),
)

__all__ = ["app", "main"]


def main() -> None:
    """Run the command ``napari-tumor-unet``."""
    for name, value in PASSIVE_THREADS.items():  # before torch is imported
        os.environ.setdefault(name, value)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with guard("napari-tumor-unet"):
        __getattr__("app")()


def __getattr__(name: str) -> Any:
    # Imported when first used: where memory is short, the imports of the commands fail.
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module in _COMMANDS:
        import_module(f"{__name__}.{module}")
    from napari_tumor_unet.cli.console import app

    globals()[name] = app
    return app
