"""Segment one scan of many, into files; or find that this was done before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from napari_tumor_unet._common import TumourUnetError, explain, relay
from napari_tumor_unet.inference.result import (
    Findings,
    Provenance,
    Segmentation,
    Slices,
    Warned,
    spacing_said_by_user,
)
from napari_tumor_unet.scan.spacing import spacing_in_words

if TYPE_CHECKING:
    from napari_tumor_unet.io.find import ScanFiles
    from napari_tumor_unet.model.model_file import Model
    from napari_tumor_unet.scan import Scan

    WriteReport = Callable[[Path, Scan, Segmentation], object]

_ASKED = "asked"
"""Entry of a sidecar: what was asked for, beside what its provenance holds."""
_DIAMETERS = "diameters"
"""Entry of a sidecar: the largest region's diameters in words."""
_SPACING = "spacing"
"""Entry of a sidecar: the spacing that was used, where the user said it."""


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
    done_before: bool = False  # it is told by the files of an earlier run
    measures: Mapping[str, Any] | None = None  # as in the sidecar
    diameters: str = ""  # in words
    left_out: bool = False  # the error says why it was not taken for a scan


def _unique_folder() -> str:
    return f"replaced-{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(2)}"


@dataclass(frozen=True)
class Settings:
    """How to segment the scans of a batch, and what to do where files are there; as of ``segment_files``.

    Attributes
    ----------
    spacing : tuple of float, optional
        In mm, of scans whose files tell none.
    leave_others : bool
        Whether ``go_on`` leaves what is there and not of these settings where it is; the scan is an error.
    probability : bool
        Whether to write the probability too, named as in BIDS.
    replaced : str
        Name of the folder for that, where ``go_on`` replaces it.
    started : str
        When the batch began, in ISO 8601, UTC.
    """

    device: str = "auto"
    threshold: float | None = None
    mask_format: str = ""
    overwrite: bool = False
    go_on: bool = False
    leave_others: bool = False
    report: bool = False
    probability: bool = False
    spacing: tuple[float, float, float] | None = None
    replaced: str = field(default_factory=_unique_folder)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


@dataclass(frozen=True)
class ScanJob:
    """A scan to segment, the name of its output, and the folder for it: small, and picklable.

    ``entries`` are more of its sidecar's.
    """

    files: ScanFiles
    name: str
    out: Path
    settings: Settings
    entries: Mapping[str, Any] = field(default_factory=dict)


def segment_scan(
    job: ScanJob, model: Model, write_report: WriteReport | None = None
) -> Generator[Progress, None, Outcome]:
    """Segment a scan and write its mask and sidecar; whatever is wrong with it is told in the outcome.

    A report is written where the settings ask for it, by the function that is given.

    Where the batch goes on with an earlier one, a scan is left out whose mask and sidecar are whole and were
    made by this version, this model and these settings. What else is there under their names is moved to a
    folder of its own, never lost.
    """
    from napari_tumor_unet.inference.dicom_report import write_dicom_report
    from napari_tumor_unet.inference.input_check import NO_HEAD, NO_HEAD_NO_MASK
    from napari_tumor_unet.inference.predict import run
    from napari_tumor_unet.io.dicom.source import check_source
    from napari_tumor_unet.io.file_names import DICOM_FORMATS, DICOM_REPORT
    from napari_tumor_unet.io.write import probability_of, write_probability, write_result
    from napari_tumor_unet.scan import ScanError

    settings, files = job.settings, job.files
    try:
        mask_file = job.out / f"{job.name}_mask{_ending(settings, files)}"
        if done := _already(mask_file, job, model):
            return done
        scan, told = _with_spacing(files.read(), settings.spacing)
        if settings.mask_format in DICOM_FORMATS:
            check_source(scan)
        steps = run(scan, model, threshold=settings.threshold, device=settings.device)
        result = yield from relay(steps, partial(_progress, job.name))
        if NO_HEAD in result.warnings and not result.findings.voxels:
            raise ScanError(NO_HEAD_NO_MASK)
        if done := _already(mask_file, job, model):  # by another run at work in the same folder
            return done
        keep_in = job.out / settings.replaced if settings.go_on and not settings.overwrite else None
        made = {**result.to_json(), _DIAMETERS: result.measures.diameters}
        sidecar = {**job.entries, **made, _ASKED: _asked(job)}
        if scan.spacing_said:
            sidecar[_SPACING] = spacing_said_by_user(scan.spacing)
        others_moved = False
        if settings.probability:
            beside = {**job.entries, "Description": "Probability of tumour, from 0 to 1"}
            checksum, others_moved = write_probability(
                probability_of(mask_file), result.probability, scan, beside, keep_in
            )
            sidecar |= checksum
        moved = write_result(mask_file, result.mask, scan, sidecar, keep_in=keep_in)
        if settings.mask_format == DICOM_REPORT:
            write_dicom_report(mask_file, result.mask, scan, sidecar["provenance"])
        if settings.report and write_report is not None:
            write_report(mask_file, scan, result)
    except Exception as error:  # one bad scan does not stop the others
        text, details = explain(error, job.name)
        return Outcome(job.name, error=text, exists=isinstance(error, _ExistsError), details=details)
    kept = (f"What was there before is kept in {settings.replaced}.",) if moved or others_moved else ()
    return Outcome(
        job.name,
        result.findings,
        result.provenance,
        warnings=result.warnings + told + kept,
        measures=json.loads(json.dumps(sidecar["measures"])),
        diameters=sidecar[_DIAMETERS],
    )


def _ending(settings: Settings, files: ScanFiles) -> str:
    from napari_tumor_unet.io.file_names import DICOM_ENDING, DICOM_FORMATS, MASK_ENDING_OF

    if settings.mask_format in DICOM_FORMATS:
        return DICOM_ENDING
    return f".{settings.mask_format}" if settings.mask_format else MASK_ENDING_OF[files.format]


def _dicom_reports(mask_file: Path, settings: Settings) -> list[Path]:
    """Return the path of the DICOM report, where one is asked for."""
    from napari_tumor_unet.io.dicom.report import report_of
    from napari_tumor_unet.io.file_names import DICOM_REPORT

    return [report_of(mask_file)] if settings.mask_format == DICOM_REPORT else []


def _already(mask_file: Path, job: ScanJob, model: Model) -> Outcome | None:
    """Return the outcome of a scan that is done, where the batch goes on; else see that no file is there."""
    from napari_tumor_unet.io.write import sidecar_of

    reports = _dicom_reports(mask_file, job.settings)
    done = _done_before(mask_file, job, model)
    if job.settings.go_on and (done or not job.settings.leave_others):
        return done
    # A process may have died of something else when it had written the files.
    if done and done.provenance and done.provenance.date >= job.settings.started:
        return replace(done, done_before=False)
    if job.settings.overwrite:
        return None
    files = (mask_file, sidecar_of(mask_file), *reports)
    there = [path.name for path in files if os.path.lexists(path)]
    if there:
        which = f"{there[0]} exists" if len(there) == 1 else "The files of the mask exist"
        raise _ExistsError(f"{which} already{_why_another(mask_file, model)}; choose another folder.")
    return None


def _why_another(mask_file: Path, model: Model) -> str:
    """Say why a mask that is there is not the one that is wanted, as far as its files tell."""
    from napari_tumor_unet.io.write import made_with, sidecar_of

    sidecar = made_with(mask_file)
    if sidecar is None:
        changed = mask_file.is_file() and sidecar_of(mask_file).is_file()
        return ", and the mask was changed since it was written" if changed else ""
    try:
        provenance = Provenance.from_json(sidecar["provenance"])
    except (TypeError, ValueError, LookupError):
        return ""
    another = bool(provenance.model_hash) and provenance.model_hash != model.hash
    return f", made by the model {provenance.model!r}" if another else ""


def _done_before(mask_file: Path, job: ScanJob, model: Model) -> Outcome | None:
    from napari_tumor_unet.io.write import has_probability, made_with, report_files

    sidecar = made_with(mask_file)
    if sidecar is None or not model.hash:
        return None
    reports = [
        *_dicom_reports(mask_file, job.settings),
        *(report_files(mask_file) if job.settings.report else ()),
    ]
    if not all(path.exists() for path in reports):
        return None
    if job.settings.probability and not has_probability(mask_file, sidecar):
        return None
    threshold = model.card.threshold if job.settings.threshold is None else job.settings.threshold
    now = {
        "model_hash": model.hash,
        "version": version("napari-tumor-unet"),
        "threshold": threshold,
        "smallest_region": model.card.min_region_weight,
    }
    try:
        provenance = sidecar["provenance"]
        asked = sidecar[_ASKED]
        if any(asked[name] != value for name, value in _asked(job).items()):
            return None
        if any(provenance[name] != now[name] for name in now):
            return None
        if reason := _other_spacing(sidecar, job.settings.spacing):
            if job.settings.leave_others:
                raise _ExistsError(reason)
            return None
        return Outcome(
            job.name,
            Findings(**sidecar["findings"]),
            Provenance.from_json(provenance),
            warnings=tuple(sidecar["warnings"]),
            done_before=True,
            measures=sidecar["measures"],
            diameters=sidecar[_DIAMETERS],
        )
    except (TypeError, ValueError, LookupError):  # of another program, or an older version
        return None


def _asked(job: ScanJob) -> dict[str, Any]:
    """Return which sequences were asked for: known without reading the scan."""
    return {"flair_alone": job.files.alone, "sequences_beside": sorted(job.files.others)}


def _other_spacing(sidecar: Mapping[str, Any], spacing: tuple[float, float, float] | None) -> str:
    """Say that a scan was done with another spacing than it would have now; empty where it was not.

    What a file tells counts whatever is said, and is why a volume is known where none was said.
    """
    said = sidecar[_SPACING]["mm"] if _SPACING in sidecar else None
    if said is None and (spacing is None or sidecar["findings"]["volume_ml"] is not None):
        return ""
    if spacing is not None and said == list(spacing):
        return ""
    done = "Done with a spacing" if spacing is None else "Done without this spacing"
    before = (
        f"the spacing that it was done with, {spacing_in_words(said)} mm" if said else "no spacing, as before"
    )
    return f"{done}; choose another folder, or {before}."


def _with_spacing(scan: Scan, spacing: tuple[float, float, float] | None) -> tuple[Scan, tuple[str, ...]]:
    """Give a scan the spacing that was said, unless its file tells one: the mask has to lie on the file."""
    if spacing is None or (scan.in_mm and scan.spacing == spacing):
        return scan, ()
    if scan.in_mm:
        own = spacing_in_words(scan.spacing)
        return scan, (f"The spacing is that of the file, {own} mm, not the one that was given.",)
    return replace(scan.with_spacing(spacing), spacing_said=True), ()


def _progress(name: str, event: Slices | Warned) -> Iterator[Progress]:
    """Tell the progress of a run, under the name of the scan."""
    if isinstance(event, Slices):
        yield Progress(name, event.done, event.total)
