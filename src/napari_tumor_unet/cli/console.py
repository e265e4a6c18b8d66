"""What all commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import NoReturn, TypeVar

import typer
from rich.console import Console

from napari_tumor_unet._common import TumourUnetError

Command = TypeVar("Command", bound=Callable[..., None])

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


def command(function: Command) -> Command:
    """Make a function a command; an error that the user can mend ends it with its sentence and with 1."""

    @app.command()
    @wraps(function)
    def run(*arguments: object, **options: object) -> None:
        try:
            function(*arguments, **options)
        except TumourUnetError as error:
            fail(str(error))

    return function
