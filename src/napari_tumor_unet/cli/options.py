"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Device(StrEnum):
    """Names of devices."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


DeviceOption = Annotated[Device, typer.Option("--device", help="Where to compute.")]
ModelOption = Annotated[str, typer.Option("--model", help="Name of a bundled model, or a model file.")]
FlairAlone = Annotated[bool, typer.Option("--flair-alone", help="Give the model no other sequence.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Split = Annotated[
    Path | None,
    typer.Option("--split", help="CSV with the columns patient and split.  [default: a fifth is held out]"),
]
Fold = Annotated[
    int | None,
    typer.Option("--fold", help="Hold out this fold (column fold of the split) instead."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")]
