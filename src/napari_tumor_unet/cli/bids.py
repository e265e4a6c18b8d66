"""``napari-tumor-unet bids``: segment a data set in BIDS, by the convention of BIDS Apps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from napari_tumor_unet._common import make_folder, write_whole
from napari_tumor_unet._text import visible
from napari_tumor_unet.cli.cohort import ClusterOption, Workers
from napari_tumor_unet.cli.console import command, fail, out
from napari_tumor_unet.cli.options import Device, DeviceOption, ModelOption, as_path
from napari_tumor_unet.cli.segment import run_jobs


class Level(StrEnum):
    """Of analysis."""

    participant = "participant"
    group = "group"


# Columns of the group's table: where each comes from in a sidecar, and what it means.
_COLUMNS: dict[str, tuple[tuple[str, str], dict[str, Any]]] = {
    "volume_ml": (("findings", "volume_ml"), {"Description": "Volume of the tumour", "Units": "mL"}),
    "voxels": (("findings", "voxels"), {"Description": "Voxels of the tumour"}),
    "slices": (("findings", "slices"), {"Description": "Slices with tumour"}),
    "regions": (("findings", "regions"), {"Description": "Connected regions of the tumour"}),
    "model": (("provenance", "model"), {"Description": "Name of the model that made the mask"}),
    "model_hash": (("provenance", "model_hash"), {"Description": "SHA-256 of the model's file"}),
    "threshold": (("provenance", "threshold"), {"Description": "Probability from which a voxel is tumour"}),
}


_PARTICIPANT = ("--participant-label", "--participant_label")
_SESSION = ("--session-label", "--session_label")


class _BidsCommand(TyperCommand):
    """Takes several labels after one option, as BIDS Apps do: --participant-label 01 02."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [*_with_options(args)])


def _with_options(arguments: list[str]) -> Iterator[str]:
    """Put the option before each of its labels."""
    option = before = ""
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in (*_PARTICIPANT, *_SESSION) else ""
        elif option and before != option:
            yield option
        yield argument
        before = argument


@partial(command, cls=_BidsCommand)
def bids(
    bids_dir: Annotated[Path, typer.Argument(parser=as_path, help="Folder of the data set.")],
    output_dir: Annotated[Path, typer.Argument(parser=as_path, help="Folder for the derivatives.")],
    level: Annotated[Level, typer.Argument(help="participant segments, group gathers measurements.tsv.")],
    participant_label: Annotated[
        list[str] | None, typer.Option(*_PARTICIPANT, help="Subjects, with or without sub-.")
    ] = None,
    session_label: Annotated[
        list[str] | None, typer.Option(*_SESSION, help="Sessions, with or without ses-.")
    ] = None,
    model: ModelOption = "default",
    device: DeviceOption = Device.auto,
    probseg: Annotated[
        bool, typer.Option("--probseg", help="Write the probability of tumour too, as _probseg.nii.gz.")
    ] = False,
    workers: Workers = None,
    cluster: ClusterOption = "",
) -> None:
    """Segment each FLAIR of a BIDS data set, with the T1 of its session, into BIDS derivatives.

    A run goes on with an earlier one: scans that are done with the same model are left out.
    """
    from napari_tumor_unet.inference.scan_job import ScanJob, Settings
    from napari_tumor_unet.io.bids import describe, find_bids_scans

    dataset, folder = bids_dir.absolute(), output_dir.absolute()
    if level is Level.group:
        _gather(folder)
        return
    scans = find_bids_scans(dataset, participant_label or (), session_label or ())
    make_folder(folder)
    describe(folder, dataset)
    settings = Settings(device.value, mask_format="nii.gz", go_on=True)
    jobs = []
    for scan in scans:
        where = folder / scan.folder
        make_folder(where)
        entries = {
            "Description": "Tumour, as a U-Net segmented it",
            "Type": "Lesion",
            "Sources": list(scan.sources),
            "SpatialReference": scan.sources[0],
        }
        name = f"{scan.stem}_space-orig_label-tumor"
        # One that is there, of an earlier run, must not stay beside a mask of another model.
        both = probseg or (where / f"{name}_probseg.nii.gz").exists()
        jobs.append(ScanJob(scan.files, name, where, replace(settings, probability=both), entries))
    run_jobs(jobs, folder, model, workers=workers, cluster=cluster)


def _gather(folder: Path) -> None:
    from napari_tumor_unet.io.bids import sidecars_in

    columns = ["participant_id", "session_id", "mask", *_COLUMNS]
    rows = []
    for entities, sidecar in sidecars_in(folder):
        ids = [f"{key}-{entities[key]}" if key in entities else "n/a" for key in ("sub", "ses")]
        mask = "_".join(f"{key}-{value}" for key, value in entities.items())
        values = [sidecar.get(part, {}).get(name) for (part, name), _ in _COLUMNS.values()]
        rows.append([*ids, mask, *("n/a" if value is None else visible(str(value)) for value in values)])
    if not rows:
        fail(f"{folder.name} holds no mask; run the level participant first.")
    table = "".join("\t".join(row) + "\n" for row in (columns, *rows))
    meanings = {
        "participant_id": {"Description": "The subject"},
        "session_id": {"Description": "The session"},
        "mask": {"Description": "Entities in the name of the mask"},
    } | {name: meaning for name, (_, meaning) in _COLUMNS.items()}
    write_whole(folder / "measurements.tsv", table)
    write_whole(folder / "measurements.json", json.dumps(meanings, indent=2) + "\n")
    out.print(f"{len(rows)} masks are in measurements.tsv.")
