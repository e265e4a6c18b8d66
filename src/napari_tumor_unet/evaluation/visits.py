"""The masks of one patient, and their order in time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.inference.measures import labels_of, with_spacing
from napari_tumor_unet.io.file_names import scan_name
from napari_tumor_unet.io.write import warnings_of
from napari_tumor_unet.scan.grid import Grid
from napari_tumor_unet.scan.patient_names import patient_of, patient_told

_SESSION = re.compile(r"(?:^|[\W_])ses-([A-Za-z0-9]+)")
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?!\d)")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_NUMBER = r"[-_ ]?([0-9]{1,9})"
_NUMBERED = re.compile(
    r"(?<![a-z])(?:(ses[a-z]*-?[a-z]*|visit|study|exam|time(?:[-_ ]?point)?|tp|fu|day|week|month|year)"
    rf"{_NUMBER}|(follow[-_ ]?up)(?:{_NUMBER})?|(baseline))(?![a-z0-9])",
    re.IGNORECASE,
)

OrderedBy: TypeAlias = Literal["dates", "numbers", "names", "list", "call"]
"""What masks are in order by; all but names and list tell their order in time."""


@dataclass(frozen=True)
class Visit:
    """A mask (Z, Y, X) on its grid, and when the scan was taken, if that is known.

    ``spacing`` is "given" where the user gave it as the file tells none, "replaced" where in place of the
    file's. Masks with one ``scan`` are of that scan, and share its voxels; it is empty where unknown, as
    ``patient`` is where no name tells one for certain. ``warnings`` are those of the run that made the mask.
    ``told_by`` are the names of its layer or file, and of what that belongs to, the nearest first; an array
    has none.
    """

    name: str
    mask: NDArray[Any]
    grid: Grid
    taken: date | None = None
    spacing: Literal["told", "given", "replaced"] = "told"
    scan: str = ""
    patient: str = ""
    warnings: tuple[str, ...] = ()
    told_by: tuple[str, ...] = ()


def visit_of(
    name: str,
    mask: ArrayLike | str | Path,
    taken: date | None = None,
    spacing: Sequence[float] | None = None,
    *,
    replaces: bool = False,
) -> Visit:
    """Read a mask; parameters and errors as of :func:`napari_tumor_unet.measure`.

    The spacing is for a file that tells none, or ``replaces`` what the file tells.
    """
    labels, grid = labels_of(mask)
    path = Path(mask) if isinstance(mask, str | Path) else None
    patient = patient_told(name, *(() if path is None else (path.name, path.parent.name)))
    warnings, told_by = ((), ()) if path is None else (warnings_of(path), names_of(path))
    visit = Visit(name, labels, grid, taken, patient=patient, warnings=warnings, told_by=told_by)
    if spacing is None or (grid.in_mm and not replaces):
        return visit
    given = with_spacing(grid, spacing)
    if grid.in_mm and np.allclose(given.spacing, grid.spacing, rtol=1e-4):
        return visit
    return replace(visit, grid=given, spacing="replaced" if grid.in_mm else "given")


def time_order(told_by: Sequence[Sequence[str]], taken: Sequence[date | None]) -> tuple[list[int], OrderedBy]:
    """Order masks by date, by the numbers in their names, or as they are, those without a date last.

    Examples
    --------
    >>> time_order([("study2_flair",), ("study1_flair",)], [None, None])
    ([1, 0], 'numbers')
    >>> time_order([("after",), ("before",)], [None, None])
    ([0, 1], 'list')
    """
    indices = list(range(len(told_by)))
    if indices and all(taken):
        return sorted(indices, key=lambda i: taken[i] or date.min), "dates"
    if numbered := _by_number(told_by, taken):
        return numbered, "numbers"
    sessions = [next(filter(None, map(session_in, names)), "") for names in told_by]
    if all(sessions):
        return sorted(
            indices,
            key=lambda i: [
                (not p.isdigit(), int(p) if p.isdigit() else 0, p)
                for p in re.findall(r"\d+|\D+", sessions[i])
            ],
        ), "names"
    by: OrderedBy = "list" if any(told_by) or any(taken) else "call"
    return sorted(indices, key=lambda i: taken[i] or date.max), by


def _by_number(told_by: Sequence[Sequence[str]], taken: Sequence[date | None]) -> list[int]:
    """Order masks by the number after one word in all their names; empty unless there is one such order."""
    numbers = [_numbers_in(names) for names in told_by]
    orders = set()
    for word in {word for one in numbers for word in one}:
        of_all = [one.get(word, one.get("baseline", -1)) for one in numbers]
        if -1 not in of_all and len(set(of_all)) == len(of_all):
            orders.add(tuple(sorted(range(len(of_all)), key=of_all.__getitem__)))
    order = list(orders.pop()) if len(orders) == 1 else []
    dated = [when for i in order if (when := taken[i])]
    return order if dated == sorted(dated) else []


def _numbers_in(names: Sequence[str]) -> dict[str, int]:
    """Return the number after each word for a visit; a baseline is 0, a follow-up without number 1."""
    numbers: dict[str, int] = {}
    for name in reversed(names):
        found: dict[str, set[int]] = {}
        for word, number, following, of_following, baseline in _NUMBERED.findall(name):
            key = re.sub(r"[\W_]", "", word or following or baseline).lower()
            found.setdefault(key, set()).add(0 if baseline else int(number or of_following or 1))
        numbers |= {word: several.pop() for word, several in found.items() if len(several) == 1}
    return numbers


def names_of(file: Path) -> tuple[str, ...]:
    """Return the name of a mask's file, and those of the folders that it is in."""
    return scan_name(file), *(folder.name for folder in file.absolute().parents)


def date_told(names: Sequence[str]) -> date | None:
    """Return the date in the name of a file or layer, else that in the name of its folder or scan."""
    return next(filter(None, map(date_in, names[:2])), None)


def date_in(name: str) -> date | None:
    """Return the date in a name, such as ``20240331`` or ``2024-03-31``; None if there is none, or several.

    Examples
    --------
    >>> date_in("TCGA_CS_4941_19960909_mask"), date_in("20240231"), date_in("p_2024-03-31_2024-09-30")
    (datetime.date(1996, 9, 9), None, None)
    """
    found = set()
    for year, _, month, day in _DATE.findall(name):
        with suppress(ValueError):
            found.add(date(int(year), int(month), int(day)))
    return found.pop() if len(found) == 1 else None


def session_in(name: str) -> str:
    """Return the last session in a name, as BIDS writes it (``ses-01``); empty if there is none."""
    return next(iter(_SESSION.findall(name)[-1:]), "")


def patient_named(name: str) -> str:
    """Return what of a name stands for a patient: a known code, or what is before a visit or date.

    Examples
    --------
    >>> patient_named("sub-1_ses-02_mask"), patient_named("Anna 2024-03-31"), patient_named("Labels")
    ('sub_1', 'Anna', '')
    """
    code = patient_of(name)
    if code != name:
        return code
    found = (kind.search(name) for kind in (_SESSION, _DATE, _NUMBERED))
    when = min((m.start() for m in found if m), default=0)
    return name[:when].strip(" _-.")


def as_date(text: str | date) -> date:
    """Take a text such as ``2024-03-31`` or ``31.03.2024`` for a date.

    Raises
    ------
    ComparisonError
        If it is none.
    """
    if isinstance(text, date):
        return text
    try:
        if dotted := _DOTTED.fullmatch(text.strip()):
            day, month, year = map(int, dotted.groups())
            return date(year, month, day)
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ComparisonError(f"{text.strip()!r} is no date; write dates as 2024-03-31.") from None
