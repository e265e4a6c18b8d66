"""What the commands share that do many scans: engines, parts, the table that grows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_tumor_unet._common import TumourUnetError, plural
from napari_tumor_unet.cli.console import complain, err, fail

if TYPE_CHECKING:
    from napari_tumor_unet.inference.batch import Outcome
    from napari_tumor_unet.inference.tally import Tally
    from napari_tumor_unet.worker.engine import Engine
    from napari_tumor_unet.worker.needs import Needs


@dataclass(frozen=True)
class PartOf:
    """A part, from 1 on, of how many."""

    number: int
    parts: int


def as_part(text: str) -> PartOf:
    """Take "2/5" for the second part of five."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip(), re.ASCII)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise typer.BadParameter(f"{text!r} is no part; the parts of five are 1/5 to 5/5.")
    return PartOf(int(found[1]), int(found[2]))


Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes that compute at once.  [default: this one alone]"),
]
Part = Annotated[
    PartOf | None,
    typer.Option("--part", parser=as_part, metavar="I/N", help="Do the I-th of N parts of the scans alone."),
]
ClusterOption = Annotated[
    str,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Compute on a cluster of dask: its scheduler's address, tcp://HOST:8786, or its scheduler file.",
    ),
]
TableOption = Annotated[
    Path | None,
    typer.Option("--table", metavar="FILE.csv", help="Write a line for each scan as it ends."),
]


@contextmanager
def engine_of(
    workers: int | None, cluster: str, needs: Needs, out: Path | None = None
) -> Iterator[Engine | None]:
    """Open the engine that was asked for, None for this process; end it with the block.

    Parameters
    ----------
    workers : int, optional
        For processes of this machine.
    cluster : str
        For a cluster: its address, or scheduler file.
    needs : Needs
        What a cluster's workers must have.
    out : Path, optional
        The folder that is written in.
    """
    if workers and cluster:
        raise typer.BadParameter("--workers goes without --cluster, whose workers are its own.")
    if not workers and not cluster:
        yield None
        return
    from napari_tumor_unet.worker.engine import LocalPool

    engine: Engine
    if cluster:
        from napari_tumor_unet.worker.cluster import Cluster

        engine = Cluster(cluster, needs, out)
        if not engine.threads:
            err.print("The cluster has no worker yet; the first one that comes begins.", style="yellow")
    else:
        engine = LocalPool(workers or 1)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def stoppable(words: str) -> Iterator[None]:
    """Say at Ctrl-C how to go on."""
    from napari_tumor_unet.worker.engine import LostEngineError

    try:
        yield
    except KeyboardInterrupt:
        complain(f"Stopped; {words}.")
        raise typer.Exit(130) from None
    except LostEngineError as error:
        fail(f"{error}; {words}.")


class GrowingTable:
    """A table of outcomes in a file, written line by line, so that nothing is lost.

    Parameters
    ----------
    path : Path
    replace : bool
        Whether a table of this kind that is there may be written anew.
    """

    def __init__(self, path: Path, replace: bool) -> None:
        from napari_tumor_unet.inference.batch import as_csv

        self._path = path
        titles = as_csv([])
        try:
            if os.path.lexists(path) and not (replace and _begins_with(path, titles)):
                fail(f"{path.name} exists already and is not replaced; choose another name for the table.")
            self._write(titles, "w")
        except OSError as error:
            fail(f"The table {path.name} cannot be written: {error.strerror}.")

    def add(self, outcome: Outcome) -> None:
        """Write a line."""
        from napari_tumor_unet.inference.batch import as_csv

        try:
            self._write(as_csv([outcome]).split("\n", 1)[1], "a")
        except OSError as error:
            why = f"The table {self._path.name} cannot be written: {error.strerror}"
            end = "what is done stays, and the same command with --continue goes on"
            raise TumourUnetError(f"{why}; {end}.") from error

    def _write(self, text: str, mode: str) -> None:
        with self._path.open(mode, encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)


def _begins_with(path: Path, titles: str) -> bool:
    if not path.is_file():
        return False
    content = path.read_bytes()[: len(titles)]
    return not content or content == titles.encode()


def summary(tally: Tally, part: PartOf | None, of_all: int) -> str:
    """Say in one line what became of all."""
    which = f"Part {part.number} of {part.parts}, {tally.total} of {plural(of_all, 'scan')}: " if part else ""
    before = f", {tally.before} done before" if tally.before else ""
    return f"{which}{tally.segmented} segmented{before}, {tally.failed} failed."
