"""What all commands share."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import NoReturn

import typer
from rich.console import Console

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Segment brain tumours in MRI scans. For research, not for clinical use.",
)
out = Console()
err = Console(stderr=True)


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


def complain(message: str) -> None:
    """Say what is wrong."""
    err.print(message, style="red", highlight=False, soft_wrap=True)


def fail(message: str) -> NoReturn:
    """Say what is wrong, and exit with 1."""
    complain(message)
    sys.exit(1)
