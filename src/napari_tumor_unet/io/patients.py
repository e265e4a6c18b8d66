"""Whose the files of one folder are, as far as their names tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from napari_tumor_unet.io.file_names import scan_name
from napari_tumor_unet.scan.sequence_names import may_be_one_patient, patient_in, speaks_of_sequence


def by_patient(paths: list[Path], flairs: set[Path]) -> Iterable[list[Path]]:
    """Group files of one folder by the patient that their names tell."""
    patients: dict[str, list[Path]] = defaultdict(list)
    alone = scan_name(next(iter(flairs))) if len(flairs) == 1 else None
    for path in paths:
        name = scan_name(path)
        if alone is not None and may_be_one_patient(name, alone, flairs=1):
            name = alone
        patients[patient_in(name)].append(path)
    return patients.values()


class NamedFiles:
    """The files of a folder that are named after a sequence, one of each patient.

    Parameters
    ----------
    paths : iterable of Path
    flairs : int
        How many of them are FLAIR.
    """

    def __init__(self, paths: Iterable[Path], flairs: int) -> None:
        self._flairs = max(flairs, 1)
        self._of_patient: dict[str, Path] = {}
        for path in paths:
            self._of_patient.setdefault(patient_in(scan_name(path)), path)
        kinds: dict[tuple[bool, bool], Path] = {}
        for code, path in self._of_patient.items():
            kinds.setdefault((has_number(code), code.isdigit()), path)
        self._of_each_kind = [*kinds.values()]

    def beside(self, path: Path) -> Path | None:
        """Return one beside which another file is no scan of its own.

        It is one if its name speaks of no sequence and, as theirs, of a patient with a number: another.
        """
        name = scan_name(path)
        words = patient_in(name).split("_")
        codes = ("_".join(words[:n]) for n in range(1, len(words) + 1))
        of_patient = [self._of_patient[code] for code in codes if code in self._of_patient]
        if of_patient:
            return of_patient[-1]
        for other in self._of_each_kind:  # which stand for all, as there may be thousands
            numbered = has_number(name) and has_number(patient_in(scan_name(other)))
            same = may_be_one_patient(name, scan_name(other), flairs=self._flairs)
            if speaks_of_sequence(name) or same or not numbered:
                return other
        return None


def has_number(text: str) -> bool:
    """Tell whether a name may hold a code or a number."""
    return any(letter.isdigit() for letter in text)
