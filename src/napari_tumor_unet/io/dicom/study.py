"""Read the series of a DICOM folder as one scan."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np

from napari_tumor_unet.io.dicom.decode import read_series
from napari_tumor_unet.io.dicom.deidentify import study_of
from napari_tumor_unet.io.dicom.find import find_series
from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.io.guard import opened
from napari_tumor_unet.scan import Scan, ScanError, Sequence
from napari_tumor_unet.scan.combine import combine

_T1: tuple[Sequence, ...] = ("pre", "post")
_BESIDE = 50  # folders that are searched
_NAMED = 6  # series in a message


def read_study(path: Path, series: str | int | None = None) -> Scan:
    """Read the FLAIR of a DICOM folder, with T1 before and after contrast of the same study on its grid.

    Parameters
    ----------
    path : Path
        A folder, with those in it; or one file, which stands for its series alone.
    series : str or int, optional
        The series to read, by its name, or by its number among all that can be opened, from 1; the T1 join
        it if it is a FLAIR.

    Raises
    ------
    ScanError
        If it is unclear which series is meant, or the series cannot be read.
    """
    every = series_of_file(path) if path.is_file() else find_series(path)
    chosen = _main(every) if series is None else _named(every, series)
    if chosen.sequence != "flair":
        return read_series(chosen)
    t1 = [_t1_beside(chosen, every, sequence) for sequence in _T1]
    return combine(read_series(chosen), *(read_series(one) if one else None for one in t1))


def series_of_file(file: Path) -> tuple[Series, ...]:
    """Find the series that a file belongs to, of files beside it or of its own frames.

    Raises
    ------
    ScanError
        As :func:`find_series`.
    """
    with opened(file):  # a file that may not be read is not damaged
        pass
    try:
        alone = find_series(file)
    except ScanError as error:
        raise ScanError("This file is damaged, or holds no DICOM image.") from error
    if any(series.is_segmentation or not series.problem for series in alone):  # a file of frames
        return alone
    beside = find_series(file.parent)
    return tuple(series for series in beside if file in series.files) or alone


def is_segmentation(file: Path) -> bool:
    """Whether a file is a DICOM Segmentation, which stands for itself alone, not for the files beside it."""
    if not file.is_file():
        return False
    with suppress(ScanError):
        return all(series.is_segmentation for series in find_series(file))
    return False


def series_of_study(file: Path) -> tuple[Series, ...]:
    """Find all series in a file's folder, and in the folders beside this one that hold the same study.

    Raises
    ------
    ScanError
        As :func:`find_series`.
    """
    study, folder = study_of(file), file.parent
    every = list(find_series(folder))
    with suppress(OSError), os.scandir(folder.parent) as entries:
        beside = [Path(e.path) for e in islice(entries, _BESIDE) if e.is_dir() and e.name != folder.name]
        same = [other for other in sorted(beside) if study and study_of(other) == study]
        every += [series for other in same for series in find_series(other)]
    return tuple(sorted(every, key=lambda series: series.slices[0].series_number))


def _main(every: tuple[Series, ...]) -> Series:
    """Choose the series that a scan is named after: the only FLAIR, or the only one there is."""
    openable = [series for series in every if not series.problem]
    flairs = [series for series in every if series.sequence == "flair"]
    candidates = _narrowed([s for s in openable if s in flairs] or flairs, _is_original)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise ScanError(f"This folder holds {len(candidates)} FLAIR series; {_say_which(openable)}.")
    volumes = _narrowed(openable, lambda series: series.modality == "MR")
    if len(volumes) == 1:
        return volumes[0]
    if volumes:
        raise ScanError(
            f"None of the {len(openable)} series in this folder is known as FLAIR; {_say_which(openable)}."
        )
    largest = max(every, key=lambda series: len(series.slices))
    if len(every) == 1:
        return largest
    raise ScanError(f"None of the {len(every)} series of this folder is a scan: {largest.problem}")


def _named(every: tuple[Series, ...], series: str | int) -> Series:
    openable = [one for one in every if not one.problem]
    if isinstance(series, int):
        chosen = openable[series - 1 : series] if series > 0 else []
    else:
        chosen = [one for one in every if one.name.casefold() == series.strip().casefold()]
    if len(chosen) == 1:
        return chosen[0]
    many = "more than one" if chosen else "no"
    raise ScanError(f"This folder holds {many} series {series}; {_say_which(openable)}.")


def _say_which(openable: list[Series]) -> str:
    names = [f"{i} ({series.name})" for i, series in enumerate(openable, start=1)]
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    listed = ", ".join(names[:_NAMED] + more)
    return f"choose one by number or name, or give one of its files: {listed}"


def _t1_beside(flair: Series, every: tuple[Series, ...], sequence: Sequence) -> Series | None:
    """Choose the T1 of FLAIR's study: of several one in FLAIR's plane, original, most like it in spacing."""
    candidates = [s for s in every if s.sequence == sequence and s.study == flair.study and not s.problem]
    candidates = _narrowed(candidates, lambda series: series.slices[0].plane == flair.slices[0].plane)
    candidates = _narrowed(candidates, _is_original)
    return min(candidates, key=lambda series: _unlikeness(series, flair), default=None)


def _narrowed(series: list[Series], fits: Callable[[Series], bool]) -> list[Series]:
    """Return the series that fit; all, if none does."""
    return [one for one in series if fits(one)] or series


def _is_original(series: Series) -> bool:
    return series.acquisition.image_type[:1] != ("DERIVED",)


def _unlikeness(series: Series, flair: Series) -> float:
    if series.spacing is None or flair.spacing is None:
        return 0.0
    return float(np.abs(np.log(np.divide(series.spacing, flair.spacing))).sum())
