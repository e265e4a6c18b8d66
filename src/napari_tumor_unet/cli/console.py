"""The application, the consoles that all commands share, and what they do at an error."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text
from typer.core import TyperCommand

from napari_tumor_unet._common import explain
from napari_tumor_unet._error_log import note_error
from napari_tumor_unet._text import visible

Command = TypeVar("Command", bound=Callable[..., None])

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Segment brain tumours in MRI scans. For research, not for clinical use.",
)


class PlainConsole(Console):
    """A console to which every text is data: no markup, no emoji, control characters spelled out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a text of a line or a cell."""
        kept = {name: options[name] for name in ("style", "justify", "overflow") if name in options}
        return Text(visible(text), **kept)


out = PlainConsole()
err = PlainConsole(stderr=True)


class Bar(Progress):
    """Progress of one task, on the console of errors."""

    def __init__(self, description: str = "", total: int | None = 100) -> None:
        text = TextColumn("{task.description}", markup=False)
        super().__init__(
            text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err, transient=True
        )
        self._task = self.add_task(description, total=total)

    def show_progress(self, description: str, done: float, total: int) -> None:
        """Show a state of the task."""
        self.update(self._task, description=visible(description), completed=done, total=total)


class FittingTable(Table):
    """A table that becomes lines, a few a row, in a window so narrow that words would be cut."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the table, or its lines."""
        if not self.show_header or self.__rich_measure__(console, options).minimum <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        kind, *titles = (str(column.header) for column in self.columns)
        width = max(options.max_width - 2, 1)
        for name, *cells in zip(*(column.cells for column in self.columns), strict=True):
            yield Text(f"{kind} {name}" if str(name).isdigit() else visible(str(name)))
            filled = ((title, visible(str(cell))) for title, cell in zip(titles, cells, strict=True) if cell)
            told = [f"{title} {cell}" for title, cell in filled]
            # No-break spaces, as a line should not end between a title and its number.
            line = "\xa0· ".join(one.replace(" ", "\xa0") if len(one) < width else one for one in told)
            for part in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False):
                yield Text(f"  {part}".replace("\xa0", " "))


def table(*titles: str, **options: Any) -> Table:
    """Make a table that shows long texts whole."""
    return FittingTable(*(Column(title, overflow="fold") for title in titles), **options)


def complain(message: str) -> None:
    """Print what is wrong."""
    err.print(message, style="red")


def print_left_out(left_out: Mapping[str, str]) -> None:
    """Print what was left out, with the reason, those of one reason together."""
    for reason, n in Counter(left_out.values()).items():
        names = [name for name, why in left_out.items() if why == reason]
        whose = ", ".join(names) if n <= 3 else f"{n} scans"
        err.print(f"left out: {whose}: {reason.rstrip('.')}.")


def fail(message: str) -> NoReturn:
    """Print what is wrong, and exit with 1."""
    with suppress(OSError):  # errors may go to a full disk too
        complain(message)
    sys.exit(1)


def command(function: Command, cls: type[TyperCommand] = TyperCommand) -> Command:
    """Make a function a command, of a class of typer's, that ends with 1 and one sentence at an error."""

    @app.command(cls=cls)
    @wraps(function)
    def run(*arguments: object, **options: object) -> None:
        with guard(function.__name__.replace("_", "-"), _paths_in(options.values())):
            function(*arguments, **options)

    return function


@contextmanager
def guard(name: str, private: Iterable[str] = ()) -> Iterator[None]:
    """End with 1 and one sentence at an error; one that the user cannot mend is noted in the log.

    Parameters
    ----------
    name : str
        Of what is done.
    private : iterable of str
        What the log must not hold.
    """
    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, typer.Abort, typer.BadParameter, typer.Exit):
        raise  # typer's own way to end
    except Exception as error:
        sentence = noted(error, name, private)
        if isinstance(error, OSError) and error.strerror and error.filename is None:
            sentence = f"The output cannot be written: {sentence}"  # to a full disk
        fail(sentence)


def noted(error: Exception, name: str, private: Iterable[str] = ()) -> str:
    """Return one sentence about an error, and note an unexpected one down; parameters as of :func:`guard`."""
    sentence, details = explain(error, name)
    if details:
        note_error(sentence, details, private)
    return sentence


def _paths_in(options: Iterable[object]) -> Iterator[str]:
    for option in options:
        for one in option if isinstance(option, list) else (option,):
            if isinstance(one, Path):
                yield from (str(one), str(one.absolute().parent), one.name)
