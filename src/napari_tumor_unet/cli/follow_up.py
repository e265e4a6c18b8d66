"""``napari-tumor-unet follow-up``: follow the masks of one patient over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_tumor_unet.cli.console import command, out, table
from napari_tumor_unet.cli.options import AsJson, Spacing, as_path

if TYPE_CHECKING:
    from napari_tumor_unet.evaluation.follow_up import FollowUp

_ENDINGS = (".html", ".pdf", ".csv")


@command
def follow_up(
    masks: Annotated[list[Path], typer.Argument(parser=as_path, help="Masks of one patient.")],
    dates: Annotated[
        str | None,
        typer.Option(metavar="D,D,...", help="When each scan was taken, such as 2024-03-31,2024-09-30."),
    ] = None,
    baseline: Annotated[
        int, typer.Option(min=1, help="The mask that changes are since, in the order of time.")
    ] = 1,
    spacing: Spacing = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", parser=as_path, help="Report to write: .html, .pdf or .csv.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the masks of one patient: volume, products, change since baseline and since the smallest.

    They are ordered by --dates, by the sessions in their names (ses-01), or as given.
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
    columns, rows = result.as_table()
    points = table(*columns)
    for row in rows:
        points.add_row(*row)
    out.print(points)
    for note in result.remarks:
        out.print(note)
