"""The application and the consoles that all commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from napari_tumor_unet._common import TumourUnetError

Command = TypeVar("Command", bound=Callable[..., None])

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Segment brain tumours in MRI scans. For research, not for clinical use.",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


class Bar(Progress):
    """Progress of one task, on the console of errors."""

    def __init__(self, description: str = "", total: int | None = 100) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        super().__init__(*columns, console=err, transient=True)
        self._task = self.add_task(description, total=total)

    def show_progress(self, description: str, done: int, total: int) -> None:
        """Show a state of the task."""
        self.update(self._task, description=description, completed=done, total=total)


def complain(message: str) -> None:
    """Print what is wrong."""
    err.print(message, style="red")


def fail(message: str) -> NoReturn:
    """Print what is wrong, and exit with 1."""
    complain(message)
    sys.exit(1)


def command(function: Command) -> Command:
    """Make a function a command that ends with 1 and one sentence at an error that the user can mend."""

    @app.command()
    @wraps(function)
    def run(*arguments: object, **options: object) -> None:
        try:
            function(*arguments, **options)
        except TumourUnetError as error:
            fail(str(error))

    return function
