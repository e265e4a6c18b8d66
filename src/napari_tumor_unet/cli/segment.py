"""``napari-tumor-unet segment``: segment files and folders, and write the masks."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_tumor_unet._error_log import note_error
from napari_tumor_unet.cli.console import Bar, command, err, fail, noted, out
from napari_tumor_unet.cli.options import Device, DeviceOption, FlairAlone, ModelOption, as_path

if TYPE_CHECKING:
    from napari_tumor_unet.inference.batch import Outcome
    from napari_tumor_unet.inference.result import Segmentation
    from napari_tumor_unet.io.find import ScanFiles
    from napari_tumor_unet.scan import Scan, Sequence


class Format(StrEnum):
    """Endings of files that masks can be written to."""

    nii_gz = "nii.gz"
    nrrd = "nrrd"
    mha = "mha"
    tif = "tif"


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
    model: ModelOption = "default",
    device: DeviceOption = Device.auto,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Probability from which a voxel is tumour.  [default: the model's own]"
        ),
    ] = None,
    mask_format: Annotated[
        Format | None, typer.Option("--format", help="Of the masks.  [default: the scan's own]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace masks that are there.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write a page with pictures too, as <name>_mask.html and .pdf.")
    ] = False,
) -> None:
    """Segment scans; write DIR/<name>_mask in the scan's format, and .json saying what was found and how.

    A file is a scan, and so is a DICOM study. In other folders, and in those in them, each FLAIR is a scan,
    together with the T1 before and after contrast that are named like it and lie beside it; they are brought
    to its grid.
    """
    from napari_tumor_unet.inference.batch import Outcome, segment_files
    from napari_tumor_unet.io.find import ScanFiles
    from napari_tumor_unet.io.write import sidecar_of
    from napari_tumor_unet.model.device import choose_device
    from napari_tumor_unet.model.model_file import load_model

    if bool(scans) == bool(flair):
        raise typer.BadParameter("Give either scans, or one with --flair.")
    if (pre or post) and not flair:
        raise typer.BadParameter("--pre and --post go with --flair.")
    if flair and (pattern or flair_alone):
        raise typer.BadParameter("--pattern and --flair-alone go with scans, not with --flair.")
    loaded = load_model(model)
    chosen = choose_device(device.value)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"The folder {out_dir.name} cannot be made: {error.strerror}.")
    if flair:
        given: dict[Sequence, Path | None] = {"pre": pre, "post": post}
        files = [ScanFiles(flair, {name: path for name, path in given.items() if path})]
    else:
        files = [scan for path in scans or () for scan in _find(path, pattern, flair_alone)]

    def write_report(mask_file: Path, scan: Scan, result: Segmentation) -> None:
        from napari_tumor_unet.evaluation.report import scan_page

        page = scan_page(scan, result)
        for ending in (".html", ".pdf"):
            page.write(sidecar_of(mask_file).with_suffix(ending))

    outcomes: list[Outcome] = []
    with Bar() as bar:
        options: dict[str, Any] = {"device": chosen, "threshold": threshold, "overwrite": overwrite}
        options["on_result"] = write_report if report else None
        for event in segment_files(files, out_dir, loaded, mask_format=mask_format or "", **options):
            if not isinstance(event, Outcome):
                bar.show_progress(event.name, event.done, event.total)
                continue
            outcomes.append(event)
            if event.details:
                note_error(event.error, event.details, [event.name])
            where, style = (err, "red") if event.error else (out, None)
            where.print(f"{event.name}: {_sentence(event)}", style=style)
            for warning in event.warnings:
                err.print(f"  {warning}", style="yellow")
    failures = sum(bool(outcome.error) for outcome in outcomes)
    if failures:
        err.print(f"{failures} of {len(outcomes)} scans failed.", style="red")
        raise typer.Exit(1)


def _find(path: Path, pattern: str, flair_alone: bool) -> list[ScanFiles]:
    """Find the scans of a path; a folder without any becomes one that cannot be read."""
    from napari_tumor_unet.io.find import ScanFiles, find_scan_files

    try:
        if not path.is_dir():
            return [ScanFiles(path, alone=flair_alone)]
        return find_scan_files(path, pattern, flair_alone=flair_alone)
    except Exception as error:  # one bad path does not stop the rest
        return [ScanFiles(path, problem=noted(error, path.name, [path.name]))]


def _sentence(outcome: Outcome) -> str:
    if outcome.provenance is None:
        return outcome.error.removesuffix(".") + ", or --overwrite." if outcome.exists else outcome.error
    sentence = f"{outcome.findings} Used: {', '.join(outcome.provenance.sequences)}."
    diameters = outcome.measures.diameters if outcome.measures else ""
    return f"{sentence} {diameters}." if diameters else sentence
