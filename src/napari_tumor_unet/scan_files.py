"""The files that one scan is in, and those of many patients in a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from napari_tumor_unet.io import find_scans, read_scan, scan_name
from napari_tumor_unet.scan import Scan, ScanError, Sequence
from napari_tumor_unet.sequence_names import find_sequences, patient_in, sequence_named, stem_of
from napari_tumor_unet.sequences import combine


@dataclass(frozen=True)
class ScanFiles:
    """The files of one scan.

    Attributes
    ----------
    path : Path
        FLAIR, or all sequences in one: what the scan is named after.
    others : mapping of {"pre", "post"} to Path
        Sequences in files of their own.
    problem : str
        One sentence that says why it cannot be read, where that is known.
    """

    path: Path
    others: Mapping[Sequence, Path] = field(default_factory=dict)
    problem: str = ""

    def read(self) -> Scan:
        """Read them as one scan on FLAIR's grid.

        Raises
        ------
        ScanError
            If one cannot be read, or they do not belong together.
        """
        if self.problem:
            raise ScanError(self.problem)
        return combine(read_scan(self.path), **{name: read_scan(path) for name, path in self.others.items()})


def find_scan_files(folder: Path, pattern: str = "", *, flair_alone: bool = False) -> list[ScanFiles]:
    """The scans in a folder and the folders in it, each with the sequences that lie beside it.

    In a folder where a file is named after a sequence, the names count: each FLAIR is a scan, the T1 of the
    same patient belong to it, and all else is left out. In others each file is a scan.

    Parameters
    ----------
    folder : Path
    pattern : str
        Which files are FLAIR, as ``*_flair.nii.gz`` or ``flair/*.nii``, at any depth; by default their names
        tell.
    flair_alone : bool
        Leave the T1 out.

    Raises
    ------
    ScanError
        If there is none.
    """
    beside: dict[Path, list[Path]] = defaultdict(list)
    for path in find_scans(folder):
        beside[path.parent].append(path)
    found: list[ScanFiles] = []
    for paths in beside.values():
        matching = [path for path in paths if _matches(path.relative_to(folder), pattern)]
        named = [path for path in paths if sequence_named(scan_name(path))] if not pattern else []
        flairs = [path for path in named if _is(path, "flair")] if named else matching
        t1 = (
            [] if flair_alone else [path for path in paths if _is(path, "pre", "post") and path not in flairs]
        )
        found += [_with_others(flair, t1, flairs) for flair in flairs]
        found += _without_flair(named, flairs)
    if not found:
        raise ScanError(f"{scan_name(folder)} holds no scan that matches {pattern}.")
    return found


def _with_others(flair: Path, t1: list[Path], flairs: list[Path]) -> ScanFiles:
    """A FLAIR with the T1 of its patient."""
    rivals = [path for path in flairs if path != flair and _are_one_patient(path, flair, flairs)]
    same = [path for path in t1 if _are_one_patient(path, flair, flairs)]
    # Of a name with several endings that of the FLAIR counts, so it comes last.
    same.sort(key=lambda path: path.suffix == flair.suffix)
    by_name = {scan_name(path): path for path in same}
    if rivals:
        alike = {n: path for n, path in by_name.items() if stem_of(n) == stem_of(scan_name(flair))}
        if by_name and not alike:
            return ScanFiles(
                flair,
                problem=f"Which T1 belongs to {flair.name} cannot be told, as {rivals[0].name} lies beside "
                "it; say it with --flair, --pre and --post.",
            )
        by_name = alike
    told = find_sequences(by_name, flair=scan_name(flair))
    others = {sequence: by_name[name] for sequence, name in told.names.items() if name in by_name}
    return ScanFiles(flair, others, told.unclear)


def _without_flair(named: list[Path], flairs: list[Path]) -> list[ScanFiles]:
    """Patients of whom there is T1 alone."""
    patients: dict[str, Path] = {}
    for path in named:
        if path not in flairs and not any(_are_one_patient(path, flair, flairs) for flair in flairs):
            patients.setdefault(patient_in(scan_name(path)), path)
    return [
        ScanFiles(path, problem=f"{path.name} has no FLAIR beside it; the model needs one.")
        for path in patients.values()
    ]


def _are_one_patient(one: Path, two: Path, flairs: list[Path]) -> bool:
    """Whether two files beside each other may be of one patient, by their names.

    Beside a single FLAIR, numbers in front are those of series.
    """
    codes = {patient_in(scan_name(path)) for path in (one, two)}
    return len(codes) == 1 or (len(flairs) == 1 and any(not code or code.isdigit() for code in codes))


def _is(path: Path, *sequences: Sequence) -> bool:
    return sequence_named(scan_name(path)) in sequences


def _matches(path: Path, pattern: str) -> bool:
    return not pattern or fnmatch(f"/{path.as_posix()}", f"*/{pattern.removeprefix('**/')}")
