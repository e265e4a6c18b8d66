"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Device(StrEnum):
    """Names of devices."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


def as_path(text: str | Path) -> Path:
    """Take a text for a path; an empty one, as of a variable that is not set, would be the working folder."""
    if not str(text):
        raise typer.BadParameter("An empty text names no file or folder.")
    return Path(text)


def as_name(text: str) -> str:
    """Take a text for the name or the path of a file."""
    as_path(text)
    return text


def as_spacing(text: str | tuple[float, ...]) -> tuple[float, ...]:
    """Take a text such as ``5,0.5,0.5`` for a spacing (z, y, x)."""
    if isinstance(text, tuple):
        return text
    from napari_tumor_unet.scan import ScanError
    from napari_tumor_unet.scan.spacing import parse_spacing

    try:
        return parse_spacing(text)
    except ScanError as error:
        raise typer.BadParameter(str(error)) from None


DeviceOption = Annotated[Device, typer.Option("--device", help="Where to compute.")]
ModelOption = Annotated[
    str, typer.Option("--model", parser=as_name, help="Name of a bundled model, or a model file.")
]
FlairAlone = Annotated[bool, typer.Option("--flair-alone", help="Give the model no other sequence.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Spacing = Annotated[
    Any,
    typer.Option(
        "--spacing",
        parser=as_spacing,
        metavar="Z,Y,X",
        help="Distance between voxels in mm, in place of what the files say.",
    ),
]
SaidSpacing = Annotated[
    Any,
    typer.Option(
        "--spacing",
        parser=as_spacing,
        metavar="Z,Y,X",
        help="Distance between voxels in mm, of scans whose files tell none.",
    ),
]
Split = Annotated[
    Path | None,
    typer.Option(
        "--split",
        parser=as_path,
        help="CSV with the columns patient and split.  [default: a fifth is held out]",
    ),
]
Fold = Annotated[
    int | None,
    typer.Option("--fold", help="Hold out this fold (column fold of the split) instead."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")]
