"""``napari-tumor-unet segment``."""

from __future__ import annotations

import json
import os
from collections import Counter
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
    scans = list({path.absolute(): path for path in scans}.values())
    failures = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        scans_done = progress.add_task("scans", total=len(scans))
        for path, name in zip(scans, output_names(scans), strict=True):
            try:
                line = _segment_one(path, out_dir / name, loaded, chosen, threshold, overwrite, progress)
                out.print(f"{name}: {line}", highlight=False, soft_wrap=True)
            except Exception as error:  # one bad scan does not stop the others
                failures += 1
                reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
                err.print(f"{name}: {reason}", style="red", highlight=False, soft_wrap=True)
            progress.advance(scans_done)
    if failures:
        err.print(f"{failures} of {len(scans)} scans failed.", style="red", highlight=False)
        raise typer.Exit(1)


def output_names(scans: list[Path]) -> list[str]:
    """The name of each scan, with its parent folder's in front where it would collide with another's.

    Of scans beside each other that differ in the ending alone, the name is the whole file's.
    """
    from napari_tumor_unet.io import scan_name

    # Links are not followed: data sets keep files of all folders in one store.
    parent = [Path(os.path.normpath(path.absolute())) for path in scans]
    names = [scan_name(path) for path in scans]
    beside = Counter(p.with_name(n) for p, n in zip(parent, names, strict=True))
    names = [p.name if beside[p.with_name(n)] > 1 else n for p, n in zip(parent, names, strict=True)]
    while len(set(names)) < len(names) and any(p.parent != p for p in parent):
        count = Counter(names)
        parent = [p.parent if count[n] > 1 else p for p, n in zip(parent, names, strict=True)]
        names = [f"{p.name}_{n}" if count[n] > 1 else n for p, n in zip(parent, names, strict=True)]
    return names


def _segment_one(
    path: Path,
    target: Path,
    model: Any,
    device: str,
    threshold: float | None,
    overwrite: bool,
    progress: Progress,
) -> str:
    from napari_tumor_unet.io import read_scan, write_mask
    from napari_tumor_unet.segmentation import run

    is_nifti = path.name.lower().endswith((".nii", ".nii.gz"))
    mask_file = target.with_name(f"{target.name}_mask{'.nii.gz' if is_nifti else '.tif'}")
    sidecar = target.with_name(f"{target.name}_mask.json")
    if not overwrite and (there := [p.name for p in (mask_file, sidecar) if p.exists()]):
        raise FileExistsError(f"{' and '.join(there)} exist already; give --overwrite to replace them.")
    scan = read_scan(path)
    task = progress.add_task(target.name, total=scan.shape[0])
    try:
        steps = run(scan, model, threshold=threshold, device=device)
        while True:
            try:
                progress.update(task, completed=next(steps).done)
            except StopIteration as end:
                result = end.value
                break
    finally:
        progress.remove_task(task)
    write_mask(mask_file, result.mask, scan)
    sidecar.write_text(json.dumps(result.to_json(), indent=2) + "\n")
    return str(result.findings)
