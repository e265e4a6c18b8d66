"""Segment many files; one bad scan does not stop the rest.

Readers of files are imported when they are needed: a panel that shows outcomes has to open at once.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tumor_unet import _text
from napari_tumor_unet._common import TumourUnetError, explain
from napari_tumor_unet.inference.result import Findings, Provenance, Segmentation, Slices, Warned

if TYPE_CHECKING:
    from napari_tumor_unet.inference.measures import Measures
    from napari_tumor_unet.io.find import ScanFiles
    from napari_tumor_unet.model.model_file import Model
    from napari_tumor_unet.scan import Scan


class _ExistsError(TumourUnetError):
    """A mask, or its sidecar, is there already."""


@dataclass(frozen=True)
class Progress:
    """Slices of one scan of several that are done."""

    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Outcome:
    """Findings of one scan, with provenance and warnings; or the error."""

    name: str
    findings: Findings | None = None
    provenance: Provenance | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()
    exists: bool = False  # the error is that the mask is there already
    details: str = ""  # the traceback of an error that the user cannot mend
    measures: Measures | None = None
    left_out: bool = False  # the error says why it was not taken for a scan


@dataclass(frozen=True)
class Found:
    """How many scans a folder holds, and what in it is left out."""

    total: int
    left_out: tuple[Outcome, ...] = ()


def segment_files(
    scans: Iterable[ScanFiles],
    out: Path,
    model: Model,
    *,
    device: str = "auto",
    threshold: float | None = None,
    overwrite: bool = False,
    mask_format: str = "",
    on_result: Callable[[Path, Scan, Segmentation], None] | None = None,
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
        The ending of the masks' files, without its dot; by default as the scan.
    on_result : callable, optional
        Called with the file of each mask, its scan, and the result; its error is one of that scan.

    Yields
    ------
    Progress
        After each few slices.
    Outcome
        At the end of each scan.
    """
    from napari_tumor_unet.inference.predict import run
    from napari_tumor_unet.io.file_names import MASK_ENDING_OF
    from napari_tumor_unet.io.write import sidecar_of, write_result

    scans = list({files.path.absolute(): files for files in scans}.values())
    for files, name in zip(scans, output_names(scans), strict=True):
        try:
            ending = f".{mask_format}" if mask_format else MASK_ENDING_OF[files.format]
            mask_file = out / f"{name}_mask{ending}"
            there = [path.name for path in (mask_file, sidecar_of(mask_file)) if os.path.lexists(path)]
            if there and not overwrite:
                verb = "exists" if len(there) == 1 else "exist"
                raise _ExistsError(f"{' and '.join(there)} {verb} already; choose another folder.")
            scan = files.read()
            result = yield from _progress(name, run(scan, model, threshold=threshold, device=device))
            write_result(mask_file, result.mask, scan, result.to_json())
            if on_result is not None:
                on_result(mask_file, scan, result)
            yield Outcome(
                name, result.findings, result.provenance, warnings=result.warnings, measures=result.measures
            )
        except Exception as error:  # one bad scan does not stop the others
            text, details = explain(error, name)
            yield Outcome(name, error=text, exists=isinstance(error, _ExistsError), details=details)


def _progress(
    name: str, steps: Generator[Slices | Warned, None, Segmentation]
) -> Generator[Progress, None, Segmentation]:
    """Pass on the progress of a run, under the name of the scan."""
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            result: Segmentation = end.value
            return result
        if isinstance(event, Slices):
            yield Progress(name, event.done, event.total)


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


def as_csv(outcomes: Iterable[Outcome]) -> str:
    """Write a table of outcomes, a line each; numbers are not rounded, and empty where there are none."""
    columns = [
        *(
            "scan",
            "volume_ml",
            "voxels",
            "slices",
            "regions",
            "longest_diameter_mm",
            "perpendicular_diameter_mm",
        ),
        *("product_mm2", "sum_of_products_mm2"),
        *("sequences", "model", "model_hash", "threshold", "seconds", "warnings", "error"),
    ]
    return _text.as_csv(columns, map(_as_row, outcomes))


def _as_row(outcome: Outcome) -> dict[str, Any]:
    parts = [part for part in (outcome.findings, outcome.provenance) if part is not None]
    row = {key: value for part in parts for key, value in dataclasses.asdict(part).items()}
    if outcome.measures is not None:
        measured = outcome.measures.to_json()
        row = (measured["regions"] or [{}])[0] | measured | row  # of the largest region, unless of the whole
    row |= {"scan": outcome.name, "error": outcome.error, "warnings": " ".join(outcome.warnings)}
    return row | {"sequences": " ".join(row.get("sequences", ()))}
