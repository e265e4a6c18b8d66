"""``napari-tumor-unet segment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from napari_tumor_unet.cli.console import Device, app, err, fail, out


@app.command()
def segment(
    scans: Annotated[list[Path], typer.Argument(help="NIfTI files, TIFF stacks, folders of slices.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the masks; made if need be.")],
    model: Annotated[str, typer.Option(help="Name of a bundled model, or a model file.")] = "default",
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Probability from which a voxel is tumour.  [default: the model's own]"
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace masks that are there.")] = False,
) -> None:
    """Segment scans; write DIR/<name>_mask.nii.gz or .tif, and .json saying what was found and how."""
    from napari_tumor_unet.batch import Outcome, segment_files
    from napari_tumor_unet.card import ModelError
    from napari_tumor_unet.device import DeviceError, choose_device
    from napari_tumor_unet.model import load_model

    try:
        loaded = load_model(model)
        chosen = choose_device(device.value)
        out_dir.mkdir(parents=True, exist_ok=True)
    except (ModelError, DeviceError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"The folder {out_dir.name} cannot be made: {error.strerror}.")
    outcomes: list[Outcome] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        bar = progress.add_task("")
        options: dict[str, Any] = {"device": chosen, "threshold": threshold, "overwrite": overwrite}
        for event in segment_files(scans, out_dir, loaded, **options):
            if not isinstance(event, Outcome):
                progress.update(bar, description=event.name, completed=event.done, total=event.total)
                continue
            outcomes.append(event)
            where, said = (err, event.error) if event.error else (out, str(event.findings))
            style = "red" if event.error else None
            where.print(f"{event.name}: {said}", style=style, highlight=False, soft_wrap=True)
            for warning in event.warnings:
                err.print(f"  {warning}", style="yellow", highlight=False, soft_wrap=True)
    failures = sum(bool(outcome.error) for outcome in outcomes)
    if failures:
        err.print(f"{failures} of {len(outcomes)} scans failed.", style="red", highlight=False)
        raise typer.Exit(1)
