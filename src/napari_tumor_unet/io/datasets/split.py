"""Which patient is learned from, which is held out."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from napari_tumor_unet.io.datasets.pairs import Pair, patient_of
from napari_tumor_unet.scan import ScanError


def read_split(path: Path, fold: int | None = None) -> dict[str, str]:
    """Read which patient is in which part.

    Parameters
    ----------
    path : Path
        A CSV file with the columns ``patient`` and ``split``.
    fold : int, optional
        Of a cross-validation: of the parts "train" and "val" those with this number in the column ``fold``
        become "val", and the others "train".

    Raises
    ------
    ScanError
        If it cannot be read, misses a column or the fold, or would put one patient into two parts.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.DictReader(file, restval="") if row.get("patient") != ""]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScanError(f"The split {path.name} cannot be read.") from error
    needed = {"patient", "split"} | ({"fold"} if fold is not None else set())
    if missing := needed - (rows[0].keys() if rows else set()):
        raise ScanError(f"The split {path.name} has no column {' or '.join(sorted(missing))}.")
    parts: dict[str, str] = {}
    for row in rows:
        patient, part = patient_of(row["patient"]), row["split"]
        if fold is not None and part in ("train", "val"):
            part = "val" if row["fold"] in (str(fold), f"{fold}.0") else "train"
        if parts.setdefault(patient, part) != part:
            raise ScanError(f"{path.name} puts patient {patient} into two parts; split by patient.")
    if fold is not None and "val" not in parts.values():
        raise ScanError(f"The split {path.name} has no patient in fold {fold}.")
    return parts


def write_split(path: Path, parts: Mapping[str, Iterable[Pair]]) -> None:
    """Write who is in which part, for :func:`read_split`."""
    patients = {(pair.patient, part) for part, pairs in parts.items() for pair in pairs}
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("patient", "split"), *sorted(patients)])


def hold_out(pairs: Iterable[Pair], share: float = 0.2) -> dict[str, str]:
    """A split where none is given: about this share of the patients is "val", the others "train".

    Which ones depends on their names alone; a single patient is never held out.
    """
    patients = {pair.patient for pair in pairs}
    held_out = holding_out(patients, share)
    return {patient: "val" if patient in held_out else "train" for patient in sorted(patients)}


def holding_out(patients: Iterable[str], share: float = 0.2) -> set[str]:
    """Choose who is held out where nobody chose: about this share, at least one of two, never the only one.

    The choice depends on the names alone.
    """
    order = sorted(set(patients), key=lambda patient: hashlib.sha256(patient.encode()).hexdigest())
    return set(order[: max(1, round(share * len(order)))]) if len(order) > 1 else set()
