"""Split patients: which are learned from, and which are held out."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_tumor_unet._common import regular_file, write_whole
from napari_tumor_unet.io.datasets.pairs import Case, find_pairs
from napari_tumor_unet.io.write import why_no_lesson
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.patient_names import patient_of


@dataclass(frozen=True)
class Plan:
    """Cases to learn from and cases held out; and what is left out, with the reason."""

    learn: tuple[Case, ...]
    held_out: tuple[Case, ...]
    left_out: Mapping[str, str]


def plan_training(
    data: str | Path,
    split: str | Path | None = None,
    fold: int | None = None,
    why_not: Callable[[Case], str] = lambda case: why_no_lesson(case.mask),
) -> Plan:
    """Find the pairs in a folder and split them by patient.

    Parameters
    ----------
    data : str or Path
        As for :func:`napari_tumor_unet.io.datasets.pairs.find_pairs`.
    split : str or Path, optional
        As for :func:`read_split`: patients of the part "train" are
        learned from, those of "val" held out. By default a fifth of the patients is held out.
    fold : int, optional
        The fold of the split to hold out instead.
    why_not : callable, optional
        Returns why a case is to be left out; empty for the others. By default masks are that a model made
        and nobody edited.

    Returns
    -------
    Plan
        As :func:`napari_tumor_unet.train` takes it.

    Raises
    ------
    ScanError
        If there is no pair, or the split cannot be used.
    """
    if fold is not None and split is None:
        raise ScanError("A fold needs a split: a CSV file with the columns patient, split and fold.")
    dataset = find_pairs(Path(data)).without(why_not)
    parts = read_split(Path(split), fold) if split is not None else hold_out(dataset.pairs)
    used = dataset.part(parts, "train", "val")
    learn = tuple(pair for pair in used.pairs if parts[pair.patient] == "train")
    return Plan(learn, tuple(pair for pair in used.pairs if pair not in learn), used.left_out)


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
        with regular_file(Path(path)).open(newline="", encoding="utf-8-sig") as file:
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


def folds_in(path: Path) -> tuple[int, ...]:
    """Return the numbers of the folds of a split, sorted.

    Raises
    ------
    ScanError
        If it cannot be read, or has none.
    """
    read_split(path)  # says what is wrong with it
    with path.open(newline="", encoding="utf-8-sig") as file:
        told = {row.get("fold") or "" for row in csv.DictReader(file, restval="")}
    folds = sorted({int(float(fold)) for fold in told if re.fullmatch(r"\d{1,6}(\.0)?", fold, re.ASCII)})
    if not folds:
        raise ScanError(f"The split {path.name} has no column fold with numbers.")
    return tuple(folds)


def write_folds(path: Path, pairs: Iterable[Case], folds: int) -> None:
    """Write a split of all patients into folds of about one size, which depends on their names alone.

    Raises
    ------
    ScanError
        If there are fewer patients than folds.
    """
    order = _shuffled(pair.patient for pair in pairs)
    if len(order) < folds:
        raise ScanError(f"{folds} folds need as many patients, and there are {len(order)}.")
    table = io.StringIO(newline="")
    rows = sorted((patient, "train", i % folds) for i, patient in enumerate(order))
    csv.writer(table).writerows([("patient", "split", "fold"), *rows])
    write_whole(path, table.getvalue())


def write_split(path: Path, parts: Mapping[str, Iterable[Case]]) -> None:
    """Write who is in which part, for :func:`read_split`."""
    patients = {(pair.patient, part) for part, pairs in parts.items() for pair in pairs}
    table = io.StringIO(newline="")
    csv.writer(table).writerows([("patient", "split"), *sorted(patients)])
    write_whole(path, table.getvalue())


def hold_out(pairs: Iterable[Case], share: float = 0.2) -> dict[str, str]:
    """Make a split where none is given: about this share of the patients is "val", the others "train".

    Which ones depends on their names alone; a single patient is never held out.
    """
    patients = {pair.patient for pair in pairs}
    held_out = patients_held_out(patients, share)
    return {patient: "val" if patient in held_out else "train" for patient in sorted(patients)}


def patients_held_out(patients: Iterable[str], share: float = 0.2) -> set[str]:
    """Choose who is held out where nobody chose: about this share, at least one of two, never the only one.

    The choice depends on the names alone.
    """
    order = _shuffled(patients)
    return set(order[: max(1, round(share * len(order)))]) if len(order) > 1 else set()


def _shuffled(patients: Iterable[str]) -> list[str]:
    return sorted(set(patients), key=lambda patient: hashlib.sha256(patient.encode()).hexdigest())
