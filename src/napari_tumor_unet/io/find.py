"""Find the files of one scan, and the scans of many patients in a folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from itertools import islice
from pathlib import Path

from napari_tumor_unet.io import slice_folder
from napari_tumor_unet.io.dicom.deidentify import study_of
from napari_tumor_unet.io.dicom.detect import image_among
from napari_tumor_unet.io.file_names import (
    FORMATS,
    KNOWN,
    Format,
    ending_of,
    format_of,
    is_mask_name,
    scan_name,
)
from napari_tumor_unet.io.labels import is_labels
from napari_tumor_unet.io.patients import NamedFiles, by_patient, has_number
from napari_tumor_unet.io.read import read_as, read_scan
from napari_tumor_unet.io.tiff import holds_sequences
from napari_tumor_unet.scan import Scan, ScanError, Sequence
from napari_tumor_unet.scan.combine import combine
from napari_tumor_unet.scan.sequence_names import (
    find_sequences,
    sequence_named,
    speaks_of_sequence,
    stem_of,
)

_LOOKED_AT = 200  # entries of a folder, before it is declined


@dataclass(frozen=True)
class ScanFiles:
    """Files of one scan.

    Attributes
    ----------
    path : Path
        FLAIR, or all sequences in one; the scan is named after it.
    others : mapping of {"pre", "post"} to Path
        Sequences in files of their own.
    problem : str
        One sentence that says why the scan cannot be read, where that is known.
    alone : bool
        Whether to leave out all sequences but FLAIR.
    """

    path: Path
    others: Mapping[Sequence, Path] = field(default_factory=dict)
    problem: str = ""
    alone: bool = False

    @cached_property
    def format(self) -> Format:
        """How FLAIR is stored."""
        return format_of(self.path)

    def read(self) -> Scan:
        """Read the files as one scan on FLAIR's grid.

        Raises
        ------
        ScanError
            If a file cannot be read or holds labels, or the files do not belong together.
        """
        if self.problem:
            raise ScanError(self.problem)
        scan = read_as(self.path, self.format)
        if self.path.is_file() and is_labels(self.path, scan):
            raise ScanError(f"{self.path.name} holds labels; give the scan that they belong to.")
        if self.alone:
            return scan.flair_alone()
        return combine(scan, **{name: read_scan(path) for name, path in self.others.items()})


def find_scan_files(folder: Path, pattern: str = "", *, flair_alone: bool = False) -> list[ScanFiles]:
    """Find the scans in a folder and the folders in it, each with the sequences that lie beside it.

    In a folder where a file is named after a sequence, the names count: each FLAIR is a scan, the T1 of the
    same patient belong to it, and other files that may be that patient's are left out. Any other file is a
    scan, and so is one that holds all sequences, whatever lies beside it. A DICOM folder is one scan,
    whatever its name, and a folder of slices too, unless it is named after a sequence.

    Parameters
    ----------
    folder : Path
    pattern : str
        Which files are FLAIR, as ``*_flair.nii.gz`` or ``flair/*.nii``, at any depth; by default those named
        so.
    flair_alone : bool
        Leave the T1 out, also of files that hold all sequences.

    Raises
    ------
    ScanError
        If there is none.
    """
    scans, _ = find_all_files(folder, pattern, flair_alone=flair_alone)
    if not scans:
        raise ScanError(f"{scan_name(folder)} holds no scan that matches {pattern}.")
    return scans


def find_all_files(
    folder: Path, pattern: str = "", *, flair_alone: bool = False
) -> tuple[list[ScanFiles], list[ScanFiles]]:
    """Find scans as :func:`find_scan_files` does, and the patients that are left out, each with the reason.

    Raises
    ------
    ScanError
        If there is no file of a scan at all.
    """
    beside: dict[Path, list[Path]] = defaultdict(list)
    scans: list[ScanFiles] = []
    left_out: list[ScanFiles] = []
    for path, is_file in _scans_in(folder).items():
        files = ScanFiles(path, alone=flair_alone)
        if is_file or (files.format == "slices" and sequence_named(scan_name(path))):
            beside[path.parent].append(path)
        elif _matches(path.relative_to(folder), pattern):
            scans.append(files)  # it tells itself what it holds
    for paths in beside.values():
        named = {path: sequence_named(scan_name(path)) for path in paths}
        if any(named.values()) and not pattern:
            whole = [path for path, sequence in named.items() if not sequence and _holds_sequences(path)]
            scans += [ScanFiles(path, alone=flair_alone) for path in whole]
            named = {path: sequence for path, sequence in named.items() if path not in whole}
        flairs = {path for path, sequence in named.items() if sequence == "flair"}
        chosen = flairs if any(named.values()) else set(paths)
        if pattern:
            chosen = {path for path in paths if _matches(path.relative_to(folder), pattern)}
        named_files = NamedFiles((path for path, sequence in named.items() if sequence), len(flairs))
        for patient in by_patient([*named], flairs | chosen):
            flair_files = [path for path in patient if path in chosen]
            t1 = [path for path in patient if named[path] in ("pre", "post") and path not in chosen]
            for path in flair_files:
                alone = ScanFiles(path, alone=True)
                scans.append(alone if flair_alone else _with_others(path, t1, flair_files))
            if pattern:
                continue
            if flair_files:
                others = [path for path in patient if path not in chosen and _may_be_another(path)]
                left_out += [_left_out(path, flair_files[0]) for path in others]
                continue
            if t1:
                problem = f"{t1[0].name} has no FLAIR beside it; the model needs one."
                scans.append(ScanFiles(t1[0], problem=problem))
                continue
            if named_one := named_files.beside(patient[0]):
                left_out.append(_left_out(patient[0], named_one))
            else:
                scans += [ScanFiles(path, alone=flair_alone) for path in patient]
    return scans, left_out


def t1_beside(flair: Path) -> Mapping[Sequence, Path]:
    """Find the T1 of a FLAIR's patient among the files beside it; none where that is unclear.

    Raises
    ------
    ScanError
        If the folder cannot be read.
    """
    try:
        paths = [path for path in sorted(flair.parent.iterdir()) if _is_scan_name(path) and path.is_file()]
    except OSError as error:
        raise ScanError(f"{flair.parent.name} cannot be read: {error.strerror}.") from error
    named = {path: sequence_named(scan_name(path)) for path in paths}
    flairs = {path for path, sequence in named.items() if sequence == "flair"} | {flair}
    patient = next((paths for paths in by_patient(paths, flairs) if flair in paths), [])
    t1 = [path for path in patient if named[path] in ("pre", "post") and path != flair]
    return _with_others(flair, t1, [path for path in patient if path in flairs]).others


def holds_scan_files(folder: Path) -> bool:
    """Tell from a folder's first entries whether files of scans lie in it; quick for any folder."""
    try:
        with os.scandir(folder) as entries:
            first = islice(entries, _LOOKED_AT)
            return any(_is_scan_name(Path(entry.path)) and entry.is_file() for entry in first)
    except OSError:
        return False


def scan_files_in(folder: Path) -> list[Path]:
    """Return the files of scans that lie in a folder, and last those named as masks."""
    named = (path for path in folder.iterdir() if ending_of(path) and not path.name.startswith("."))
    return sorted(filter(Path.is_file, named), key=lambda path: (is_mask_name(path), path.name))


def find_scans(folder: Path) -> list[Path]:
    """Find the scans in a folder and the folders in it: files but masks, folders of slices, DICOM studies.

    The path of a DICOM study is the folder that holds all its series.

    Raises
    ------
    ScanError
        If there is none.
    """
    return [*_scans_in(folder)]


def _scans_in(folder: Path) -> dict[Path, bool]:
    """Find scans, and tell of each whether it is a file; folders are listed once, no file is looked at."""
    scans: list[tuple[Path, bool]] = []
    studies: dict[str, int] = {}
    for name, folders, files in os.walk(folder):
        path = Path(name)
        if slice_folder.holds_slices(path, [*folders, *files]):
            scans.append((path, False))
            folders.clear()
            continue
        folders.sort()
        if image := image_among(path, (n for n in files if not is_mask_name(Path(n)))):  # masks of a study
            i = studies.setdefault(study_of(image) or name, len(scans))
            if i < len(scans):
                scans[i] = Path(os.path.commonpath([scans[i][0], path])), False
            else:
                scans.append((path, False))
        scans += [(path / n, True) for n in sorted(files) if _is_scan_name(path / n)]
    if not scans:
        raise ScanError(f"{folder.name} holds no scan: no file of {KNOWN}, no folder of slices and no DICOM.")
    return dict(scans)


def _with_others(flair: Path, t1: list[Path], flairs: list[Path]) -> ScanFiles:
    """Choose the T1 of a FLAIR among those of its patient."""
    # Of files that differ in the ending alone the one with FLAIR's counts, so it comes last.
    by_name = {scan_name(path): path for path in sorted(t1, key=lambda path: path.suffix == flair.suffix)}
    if len(flairs) > 1 and by_name:
        by_name = {n: path for n, path in by_name.items() if stem_of(n) == stem_of(scan_name(flair))}
        if not by_name:
            other = next(path for path in flairs if path != flair)
            return ScanFiles(
                flair,
                problem=f"It is unclear which T1 belongs to {flair.name}, as {other.name} lies beside it; "
                "give FLAIR and the T1 by themselves.",
            )
    named = find_sequences(by_name, flair=scan_name(flair))
    others = {sequence: by_name[name] for sequence, name in named.names.items() if name in by_name}
    return ScanFiles(flair, others, named.unclear)


def _left_out(path: Path, named: Path) -> ScanFiles:
    problem = f"Left out, as {named.name} beside it is named after its sequence; name its FLAIR so too."
    return ScanFiles(path, problem=problem)


def _may_be_another(path: Path) -> bool:
    """Tell whether a file may be another patient's although it goes with a FLAIR: it has but a number."""
    name = scan_name(path)
    return not speaks_of_sequence(name) and has_number(name)


def _holds_sequences(path: Path) -> bool:
    """Tell whether a file whose name speaks of no sequence holds all of them."""
    return (
        FORMATS.get(ending_of(path)) == "TIFF"
        and not speaks_of_sequence(scan_name(path))
        and holds_sequences(path)
    )


def _matches(path: Path, pattern: str) -> bool:
    return not pattern or fnmatch(f"/{path.as_posix()}", f"*/{pattern.removeprefix('**/')}")


def _is_scan_name(path: Path) -> bool:
    return bool(ending_of(path)) and not path.name.startswith(".") and not is_mask_name(path)
