"""Segment many files; one bad scan does not stop the rest.

Readers of files are imported when they are needed: a panel that shows outcomes has to open at once.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tumor_unet import _text
from napari_tumor_unet.inference.scan_job import Outcome as Outcome
from napari_tumor_unet.inference.scan_job import Progress as Progress
from napari_tumor_unet.inference.scan_job import ScanJob, Settings, segment_scan

if TYPE_CHECKING:
    from napari_tumor_unet.inference.scan_job import WriteReport
    from napari_tumor_unet.io.find import ScanFiles
    from napari_tumor_unet.model.model_file import Model


@dataclass(frozen=True)
class Plan:
    """The jobs of a folder, and those that are done on the user's word alone: why, their files say."""

    jobs: tuple[ScanJob, ...]
    left_out: tuple[ScanJob, ...] = ()


def segment_files(
    scans: Iterable[ScanFiles],
    out: Path,
    model: Model,
    *,
    device: str = "auto",
    threshold: float | None = None,
    overwrite: bool = False,
    mask_format: str = "",
    go_on: bool = False,
) -> Generator[Progress | Outcome, None, None]:
    """Segment scans one after the other; for each write a mask, and findings and provenance as JSON.

    Parameters
    ----------
    scans : iterable of ScanFiles
        Each named after its FLAIR.
    out : Path
        Folder for ``<name>_mask.nii.gz`` (or ``.tif``, as the scan) and ``<name>_mask.json``.
    model : Model
    device, threshold
        As for :func:`napari_tumor_unet.segment`.
    overwrite : bool
        Replace files that are there; else a scan whose mask is there is an error.
    mask_format : str
        The ending of the masks' files, without its dot, or one of ``DICOM_FORMATS``; by default as the scan.
    go_on : bool
        Leave out the scans that are done, by :func:`napari_tumor_unet.inference.scan_job.segment_scan`.

    Yields
    ------
    Progress
        After each few slices.
    Outcome
        At the end of each scan.
    """
    settings = Settings(device, threshold, mask_format, overwrite, go_on)
    yield from segment_jobs(plan_jobs(scans, out, settings), model)


def segment_jobs(
    jobs: Iterable[ScanJob], model: Model, write_report: WriteReport | None = None
) -> Generator[Progress | Outcome, None, None]:
    """Do jobs one after the other, in this process; yields as :func:`segment_files`."""
    for job in jobs:
        yield (yield from segment_scan(job, model, write_report))


def plan_jobs(scans: Iterable[ScanFiles], out: Path, settings: Settings) -> list[ScanJob]:
    """Name the outputs of scans in a folder; a scan given twice counts once."""
    scans = list({files.path.absolute(): files for files in scans}.values())
    return [
        ScanJob(files, name, out, settings) for files, name in zip(scans, output_names(scans), strict=True)
    ]


def plan_folder(folder: Path, out: Path, settings: Settings) -> Plan:
    """Find the scans in a folder and the folders in it.

    Left out are files beside others that are named after sequences, and FLAIR whose T1 is unclear.

    Raises
    ------
    ScanError
        If there is no file of a scan at all.
    """
    from napari_tumor_unet.io.file_names import scan_name
    from napari_tumor_unet.io.find import find_all_files
    from napari_tumor_unet.scan.sequence_names import sequence_named

    scans, others = find_all_files(folder)
    planned = plan_jobs(scans, out, settings)
    unclear = [
        job
        for job in planned
        if job.files.problem and sequence_named(scan_name(job.files.path)) not in ("pre", "post")
    ]
    # Named as if all were done, while the names of those that are done depend on them alone.
    left_out = plan_jobs([*scans, *others], out, settings)[len(planned) :]
    return Plan(tuple(job for job in planned if job not in unclear), (*unclear, *left_out))


def all_the_same(job: ScanJob) -> ScanJob:
    """Take what was left out for a scan: its file alone, whose image, or one of whose channels, is FLAIR."""
    return replace(job, files=replace(job.files, others={}, problem=""))


def part_of(jobs: list[ScanJob], number: int, parts: int) -> list[ScanJob]:
    """Take a part, from 1 on, of all jobs: what is in it depends on their outputs' names alone."""
    return sorted(jobs, key=lambda job: job.name)[number - 1 :: parts]


def output_names(scans: list[ScanFiles]) -> list[str]:
    """Name the output of each scan, with the parent folder's name in front where two scans have one name.

    Of scans beside each other that differ in the ending alone, the name is the whole file's. DICOM is never
    named after the patient, though the folder may be.
    """
    from napari_tumor_unet.io.dicom.deidentify import study_names

    studies = {files.path: study_names(files.path) for files in scans if files.format == "DICOM"}
    short = Counter(name for name, _ in studies.values())
    named = {path: unique if short[name] > 1 else name for path, (name, unique) in studies.items()}
    paths = [files.path for files in scans]
    others = [path for path in paths if path not in studies]
    named |= zip(others, _names_of_files(others), strict=True)
    return _distinct([named[path] for path in paths])  # one study may be there twice


def _names_of_files(scans: list[Path]) -> list[str]:
    from napari_tumor_unet.io.file_names import scan_name

    # Links are not followed: data sets keep files of all folders in one store.
    files = [Path(os.path.normpath(path.absolute())) for path in scans]
    folders, names = [file.parent for file in files], [scan_name(path) for path in scans]
    shorter: list[str] = []
    while shorter != names:
        beside, shorter = Counter(zip(folders, names, strict=True)), names
        names = [
            file.name if beside[file.parent, name] > 1 else name
            for file, name in zip(files, names, strict=True)
        ]
    while True:
        named = defaultdict(set)
        for folder, name in zip(folders, names, strict=True):
            named[name].add(folder)
        clash = [len(named[n]) > 1 and f != f.parent for f, n in zip(folders, names, strict=True)]
        if not any(clash):
            return names
        names = [f"{f.name}_{n}" if c else n for c, f, n in zip(clash, folders, names, strict=True)]
        folders = [f.parent if c else f for c, f in zip(clash, folders, strict=True)]


def _distinct(names: list[str]) -> list[str]:
    """Give each name a number where it is taken, in whatever case: not all disks tell cases apart."""
    taken = Counter(name.casefold() for name in names)
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        key, unique = name.casefold(), name
        seen[key] += 1
        while seen[key] > 1 and (unique := f"{name}_{seen[key]}").casefold() in taken:
            seen[key] += 1
        taken[unique.casefold()] += 1
        distinct.append(unique)
    return distinct


COLUMNS = (
    *("scan", "volume_ml", "voxels", "slices", "regions"),
    *("longest_diameter_mm", "perpendicular_diameter_mm", "product_mm2", "sum_of_products_mm2"),
    *("sequences", "model", "model_hash", "threshold", "seconds", "warnings", "error"),
)
"""Of a table of outcomes."""


def as_csv(outcomes: Iterable[Outcome]) -> str:
    """Write a table of outcomes, a line each; numbers are not rounded, and empty where there are none."""
    return _text.as_csv(COLUMNS, map(_as_row, outcomes))


def _as_row(outcome: Outcome) -> dict[str, Any]:
    parts = [part for part in (outcome.findings, outcome.provenance) if part is not None]
    row = {key: value for part in parts for key, value in dataclasses.asdict(part).items()}
    if outcome.measures is not None:
        row = {
            **(outcome.measures["regions"] or [{}])[0],
            **outcome.measures,
            **row,
        }  # of the largest region, unless of the whole
    row |= {"scan": outcome.name, "error": outcome.error, "warnings": " ".join(outcome.warnings)}
    return row | {"sequences": " ".join(row.get("sequences", ()))}
