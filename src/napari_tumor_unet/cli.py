"""The same from a shell."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from napari_tumor_unet.jobs import PATIENT_THREADS

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


def main() -> None:
    """Entry point of the command ``napari-tumor-unet``."""
    for name, value in PATIENT_THREADS.items():  # before torch is imported
        os.environ.setdefault(name, value)
    app()


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
        _fail(str(error))
    except OSError as error:
        _fail(f"The folder {out_dir.name} cannot be made: {error.strerror}.")
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


@app.command()
def models() -> None:
    """List the bundled models."""
    from napari_tumor_unet.card import bundled_models, file_hash, read_card

    table = Table("name", "summary", "hash", "licence")
    for name, path in bundled_models().items():
        card = read_card(path)
        table.add_row(name, card.summary, file_hash(path)[:12], card.licence)
    out.print(table)


@app.command()
def doctor() -> None:
    """Tell versions, devices and models: what to send with a question."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import torch

    from napari_tumor_unet.card import ModelError, bundled_models, read_card
    from napari_tumor_unet.device import choose_device, precision

    table = Table(show_header=False, box=None)
    table.add_row("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in (
        "napari-tumor-unet",
        "napari",
        "npe2",
        "magicgui",
        "torch",
        "monai",
        "SimpleITK",
        "PyQt6",
        "PySide6",
    ):
        try:
            table.add_row(package, version(package))
        except PackageNotFoundError:
            table.add_row(package, "not installed")
    device = choose_device()
    dtype = str(precision(device)).removeprefix("torch.")
    table.add_row("device", f"{device}, {dtype}, {torch.get_num_threads()} threads")
    for name, path in bundled_models().items():
        try:
            table.add_row(f"model {name}", read_card(path).summary)
        except ModelError as error:
            table.add_row(f"model {name}", f"unusable: {error}")
    out.print(table)


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


def _fail(message: str) -> NoReturn:
    err.print(message, style="red", highlight=False, soft_wrap=True)
    sys.exit(1)
