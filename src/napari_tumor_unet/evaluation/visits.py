"""The masks of one patient, and their order in time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.inference.measures import labels_of, with_spacing
from napari_tumor_unet.io.write import made_with
from napari_tumor_unet.scan.grid import Grid
from napari_tumor_unet.scan.patient_names import patient_of, patient_told

_SESSION = re.compile(r"(?:^|[\W_])ses-([A-Za-z0-9]+)")
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?!\d)")


@dataclass(frozen=True)
class Visit:
    """A mask (Z, Y, X) on its grid, and when the scan was taken, if that is known.

    ``spacing`` is "given" where the user gave it as the file tells none, "replaced" where in place of the
    file's. Masks with one ``scan`` are of that scan, and share its voxels; it is empty where unknown, as
    ``patient`` is where no name tells one for certain. ``warnings`` are those of the run that made the mask.
    """

    name: str
    mask: NDArray[Any]
    grid: Grid
    taken: date | None = None
    spacing: Literal["told", "given", "replaced"] = "told"
    scan: str = ""
    patient: str = ""
    warnings: tuple[str, ...] = ()


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
    warnings = () if path is None else _warnings_of(path)
    visit = Visit(name, labels, grid, taken, patient=patient, warnings=warnings)
    if spacing is None or (grid.in_mm and not replaces):
        return visit
    given = with_spacing(grid, spacing)
    if grid.in_mm and np.allclose(given.spacing, grid.spacing, rtol=1e-4):
        return visit
    return replace(visit, grid=given, spacing="replaced" if grid.in_mm else "given")


def time_order(names: Sequence[str], taken: Sequence[date | None]) -> list[int]:
    """Order masks by date, by the session in their names, or as they are, those without a date last."""
    indices = list(range(len(names)))
    if all(taken):
        return sorted(indices, key=lambda i: taken[i] or date.min)
    sessions = [_SESSION.findall(name) for name in names]
    if all(sessions):
        return sorted(
            indices,
            key=lambda i: [
                (not p.isdigit(), int(p) if p.isdigit() else 0, p)
                for p in re.findall(r"\d+|\D+", sessions[i][-1])
            ],
        )
    return sorted(indices, key=lambda i: taken[i] or date.max)


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
    """Return what of a name stands for a patient: a known code, or what is before a session or date.

    Examples
    --------
    >>> patient_named("sub-1_ses-02_mask"), patient_named("Anna 2024-03-31"), patient_named("Labels")
    ('sub_1', 'Anna', '')
    """
    code = patient_of(name)
    if code != name:
        return code
    when = min((m.start() for m in (_SESSION.search(name), _DATE.search(name)) if m), default=0)
    return name[:when].strip(" _-.")


def _warnings_of(mask_file: Path) -> tuple[str, ...]:
    """Return what the sidecar of a mask warns of, if it is this file's."""
    told = (made_with(mask_file) or {}).get("warnings")
    return tuple(filter(None, map(str, told))) if isinstance(told, list) else ()


def as_date(text: str | date) -> date:
    """Take a text such as ``2024-03-31`` for a date.

    Raises
    ------
    ComparisonError
        If it is none.
    """
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ComparisonError(f"{text.strip()!r} is no date; write dates as 2024-03-31.") from None
