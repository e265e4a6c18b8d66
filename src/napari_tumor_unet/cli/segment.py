"""``napari-tumor-unet segment``: segment files and folders, and write the masks."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_tumor_unet._common import make_folder, remove_partials
from napari_tumor_unet._error_log import note_error
from napari_tumor_unet.cli.cohort import (
    ClusterOption,
    GrowingTable,
    Part,
    TableOption,
    Workers,
    engine_of,
    stoppable,
    summary,
)
from napari_tumor_unet.cli.console import Bar, command, err, noted, out
from napari_tumor_unet.cli.options import Device, DeviceOption, FlairAlone, ModelOption, SaidSpacing, as_path
from napari_tumor_unet.inference.tally import Tally

if TYPE_CHECKING:
    from napari_tumor_unet.inference.scan_job import Outcome, Progress, ScanJob
    from napari_tumor_unet.io.find import ScanFiles
    from napari_tumor_unet.scan import Sequence


class Format(StrEnum):
    """What masks can be written as: endings of files, or DICOM objects, which name the patient."""

    nii_gz = "nii.gz"
    nrrd = "nrrd"
    mha = "mha"
    tif = "tif"
    dicom_seg = "dicom-seg"
    dicom_sr = "dicom-sr"


@command
def segment(
    out_dir: Annotated[
        Path, typer.Option("--out", parser=as_path, help="Folder for the masks; made if need be.")
    ],
    scans: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=as_path,
            help="Files, folders of slices or DICOM, folders with the sequences of a patient or of many.",
        ),
    ] = None,
    flair: Annotated[
        Path | None,
        typer.Option(parser=as_path, help="FLAIR of one patient, in place of SCANS, with --pre and --post."),
    ] = None,
    pre: Annotated[Path | None, typer.Option(parser=as_path, help="Its T1 before contrast.")] = None,
    post: Annotated[Path | None, typer.Option(parser=as_path, help="Its T1 after contrast.")] = None,
    pattern: Annotated[
        str,
        typer.Option(
            metavar="GLOB",
            help="Which files of the folders are FLAIR, such as '*_flair.nii.gz'.  [default: names tell]",
        ),
    ] = "",
    flair_alone: FlairAlone = False,
    spacing: SaidSpacing = None,
    model: ModelOption = "default",
    device: DeviceOption = Device.auto,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Probability from which a voxel is tumour.  [default: the model's own]"
        ),
    ] = None,
    mask_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Of the masks: dicom-seg and dicom-sr (with a report of the measures) are of DICOM scans, "
            "and name the patient.  [default: the scan's own]",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace masks that are there.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write a page with pictures too, as <name>_mask.html and .pdf.")
    ] = False,
    go_on: Annotated[
        bool,
        typer.Option(
            "--continue",
            help="Leave out scans that are done, by the same model and settings; what else is there of the "
            "others is kept in a folder.",
        ),
    ] = False,
    workers: Workers = None,
    cluster: ClusterOption = "",
    part: Part = None,
    table: TableOption = None,
) -> None:
    """Segment scans; write DIR/<name>_mask in the scan's format, and .json saying what was found and how.

    A file is a scan, and so is a DICOM study. In other folders, and in those in them, each FLAIR is a scan,
    together with the T1 before and after contrast that are named like it and lie beside it; they are brought
    to its grid.
    """
    from napari_tumor_unet.inference import batch
    from napari_tumor_unet.inference.scan_job import Settings
    from napari_tumor_unet.io.dicom.extra import check_installed
    from napari_tumor_unet.io.file_names import DICOM_FORMATS
    from napari_tumor_unet.io.find import ScanFiles
    from napari_tumor_unet.model.device import choose_device
    from napari_tumor_unet.model.model_file import load_model

    if bool(scans) == bool(flair):
        raise typer.BadParameter("Give either scans, or one with --flair.")
    if (pre or post) and not flair:
        raise typer.BadParameter("--pre and --post go with --flair.")
    if flair and (pattern or flair_alone):
        raise typer.BadParameter("--pattern and --flair-alone go with scans, not with --flair.")
    if mask_format in DICOM_FORMATS:
        check_installed()
        err.print("The .dcm files carry the patient's identity, as the scans do; nothing else does.")
    load_model(model)  # whose errors come first
    # Of a cluster's devices its workers alone know.
    chosen = device.value if cluster else choose_device(device.value)
    make_folder(out_dir)
    growing = GrowingTable(table, replace=overwrite or go_on) if table else None
    if flair:
        given: dict[Sequence, Path | None] = {"pre": pre, "post": post}
        files = [ScanFiles(flair, {name: path for name, path in given.items() if path})]
    else:
        scans = scans or []
        if cluster:  # whose workers have working folders of their own
            out_dir, scans = out_dir.absolute(), [path.absolute() for path in scans]
        files = [scan for path in scans for scan in _find(path, pattern, flair_alone)]
    settings = Settings(
        chosen, threshold, mask_format or "", overwrite, go_on, report=report, spacing=spacing
    )
    planned = batch.plan_jobs(files, out_dir, settings)
    jobs = batch.part_of(planned, part.number, part.parts) if part else planned
    run_jobs(
        jobs,
        out_dir,
        model,
        workers=workers,
        cluster=cluster,
        growing=growing,
        last_line=lambda tally: summary(tally, part, len(planned)) if go_on or part else "",
    )


def run_jobs(
    jobs: list[ScanJob],
    out_dir: Path,
    model: str,
    *,
    workers: int | None,
    cluster: str,
    growing: GrowingTable | None = None,
    last_line: Callable[[Tally], str] = lambda tally: summary(tally, None, tally.total),
) -> None:
    """Do the jobs of a command, here or by an engine; tell how each ends, and exit with 1 if one failed.

    Parameters
    ----------
    jobs : list of ScanJob
    out_dir : Path
        The folder that holds all their outputs.
    model : str
        Name or file.
    workers, cluster
        As the options.
    growing : GrowingTable, optional
        Gets a line for each.
    last_line : callable
        Gives it; empty for none.
    """
    from napari_tumor_unet.evaluation.report import write_report
    from napari_tumor_unet.inference import batch
    from napari_tumor_unet.inference.scan_job import Outcome
    from napari_tumor_unet.model.model_file import load_model
    from napari_tumor_unet.worker.cohort import segment_on
    from napari_tumor_unet.worker.needs import Needs

    loaded = load_model(model)
    folders = {out_dir, *(job.out for job in jobs)}
    tally = Tally(len(jobs))
    for folder in folders:
        remove_partials(folder)
    first = [job.files.path for job in jobs[:1] if job.files.path.exists()]
    needs = Needs.of(model, loaded.hash, *first)
    with (
        stoppable("the same command with --continue goes on"),
        engine_of(workers, cluster, needs, out_dir) as engine,
        Bar() as bar,
    ):
        events = segment_on(engine, jobs, needs) if engine else batch.segment_jobs(jobs, loaded, write_report)
        for event in events:
            if not isinstance(event, Outcome):
                _show(bar, tally, event)
                continue
            tally.count(event)
            bar.show_progress(str(tally), tally.done, tally.total)
            if growing:
                growing.add(event)
            if event.details:
                note_error(event.error, event.details, [event.name])
            if not event.done_before:
                _print(event)
    for folder in folders:
        remove_partials(folder)
    if tally.failed:
        err.print(f"{tally.failed} of {tally.total} scans failed.", style="red")
    if last := last_line(tally):
        out.print(last)
    if tally.failed:
        raise typer.Exit(1)


def _show(bar: Bar, tally: Tally, progress: Progress) -> None:
    """Show the slices of one scan, or the scans of many."""
    if tally.total == 1:
        bar.show_progress(progress.name, progress.done, progress.total)
    else:
        bar.show_progress(str(tally), tally.done + progress.done / progress.total, tally.total)


def _print(outcome: Outcome) -> None:
    where, style = (err, "red") if outcome.error else (out, None)
    where.print(f"{outcome.name}: {_sentence(outcome)}", style=style)
    for warning in outcome.warnings:
        err.print(f"  {warning}", style="yellow")


def _find(path: Path, pattern: str, flair_alone: bool) -> list[ScanFiles]:
    """Find the scans of a path; a folder without any becomes one that cannot be read."""
    from napari_tumor_unet.io.find import ScanFiles, find_all_files, find_scan_files

    try:
        if not path.is_dir():
            return [ScanFiles(path, alone=flair_alone)]
        scans, left_out = find_all_files(path, pattern, flair_alone=flair_alone)
        for other in left_out:
            err.print(f"{other.path.name}: {other.problem}", style="dim")
        return scans or find_scan_files(path, pattern)  # which says why there is none
    except Exception as error:  # one bad path does not stop the rest
        return [ScanFiles(path, problem=noted(error, path.name, [path.name]))]


def _sentence(outcome: Outcome) -> str:
    if outcome.provenance is None:
        return outcome.error.removesuffix(".") + ", or --overwrite." if outcome.exists else outcome.error
    sentence = f"{outcome.findings} Used: {', '.join(outcome.provenance.sequences)}."
    return f"{sentence} {outcome.diameters}." if outcome.diameters else sentence
