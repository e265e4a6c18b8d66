"""``napari-tumor-unet follow-up``: follow the masks of one patient over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_tumor_unet.cli.console import command, out
from napari_tumor_unet.cli.options import AsJson, Spacing, as_path

if TYPE_CHECKING:
    from napari_tumor_unet.evaluation.follow_up import FollowUp

_ENDINGS = (".html", ".pdf", ".csv", ".json")


@command
def follow_up(
    masks: Annotated[list[Path], typer.Argument(parser=as_path, help="Masks of one patient.")],
    dates: Annotated[
        str | None,
        typer.Option(
            metavar="D,D,...",
            help="When each scan was taken, such as 2024-03-31,2024-09-30; counts more than names.",
        ),
    ] = None,
    baseline: Annotated[
        int, typer.Option(min=1, help="The mask that changes are since, in the order of time.")
    ] = 1,
    spacing: Spacing = None,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", parser=as_path, help="Report to write: .html, .pdf, .csv or .json."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the masks of one patient: volume, products, change since baseline and since the smallest.

    They are ordered by --dates, by the dates in names of files or folders (20240331), by the numbers of
    visits in all names (ses-01, visit2), or as given; then there is no class.
    """
    from napari_tumor_unet.evaluation import follow_up as following

    if out_file is not None and out_file.suffix.lower() not in _ENDINGS:
        raise typer.BadParameter(f"The file for --out has to end in {', '.join(_ENDINGS)}.")
    result = following.follow_up(
        masks, dates=None if dates is None else dates.split(","), baseline=baseline, spacing=spacing
    )
    if out_file is not None:
        from napari_tumor_unet.evaluation.report import write_follow_up

        write_follow_up(result, out_file)
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2))
    else:
        _print(result)


def _print(result: FollowUp) -> None:
    for i in range(len(result.time_points)):
        name, *lines = result.lines_of(i)
        for line in (name, *(f"  {line}" for line in lines)):
            out.print(line)
    for note in result.remarks:
        out.print(note)
