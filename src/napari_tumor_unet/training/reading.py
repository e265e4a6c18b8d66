"""Read each case of a training once: prepare it, and tell whether it is the case of a run to be resumed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io.datasets.fingerprint import Fingerprint, earlier_fingerprint, fingerprint
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.scan import Scan
from napari_tumor_unet.training.events import Command, Reading, Scored, TrainingError
from napari_tumor_unet.training.recipe import Recipe
from napari_tumor_unet.training.sampling import PreprocessedCase, find_brain, preprocess_case, without_skull


class CaseContent(NamedTuple):
    """A case that is being read."""

    case: Case
    scan: Scan
    mask: NDArray[np.bool_]
    fingerprint: Fingerprint
    held_out: bool


Look = Callable[[CaseContent], Iterator[Scored]]


@dataclass
class CasesRead:
    """Cases as the network sees them; their scans are no longer in memory.

    Attributes
    ----------
    learned, held_out : list of PreprocessedCase
    stripped : list of PreprocessedCase
        Scans learned from without skulls, if the recipe wants them.
    fingerprints : tuple of two lists
        What identifies each case, of both sides.
    """

    learned: list[PreprocessedCase] = field(default_factory=list)
    held_out: list[PreprocessedCase] = field(default_factory=list)
    stripped: list[PreprocessedCase] = field(default_factory=list)
    fingerprints: tuple[list[Any], list[Any]] = field(default_factory=lambda: ([], []))


def read_cases(
    cases: Sequence[Case], held_out: Sequence[Case], recipe: Recipe, look: Look | None = None
) -> Generator[Reading | Scored, Command | None, CasesRead]:
    """Read and prepare each case, one at a time; ``look`` is called with each, and its events are passed on.

    Raises
    ------
    TrainingError
        If a scan is on both sides.
    ScanError
        If a case cannot be read.
    """
    read, names, changes = CasesRead(), dict[str, str](), recipe.augmentation
    for i, case in enumerate((*cases, *held_out)):
        scan, mask = case.read()
        own, judges = fingerprint(scan, mask), i >= len(cases)
        if judges and names.get(own.scan, case.name) != case.name:
            raise TrainingError(f"{case.name} and {names[own.scan]} are one scan on both sides of the split.")
        outlined = not judges and (changes.skull_stripped or changes.dark_scalp or changes.lesions)
        brain = find_brain(scan, mask) if outlined else None
        prepared = replace(preprocess_case(scan, mask, recipe.preprocessing, brain), slices=case.slices)
        (read.held_out if judges else read.learned).append(prepared)
        if not judges:
            names[own.scan] = case.name
            if brain is not None and changes.skull_stripped:
                bare = without_skull(scan, brain)
                read.stripped.append(preprocess_case(bare, mask, recipe.preprocessing, brain))
        spacing = tuple(map(float, scan.spacing))
        read.fingerprints[judges].append((case.name, case.slices, own.case, spacing, scan.in_mm))
        yield Reading(i + 1, len(cases) + len(held_out))
        if look is not None:
            yield from look(CaseContent(case, scan, mask, own, judges))
    return read


def check_patients(cases: Sequence[Case], held_out: Sequence[Case]) -> None:
    """Refuse a training without scans, or with a patient on both sides.

    Raises
    ------
    TrainingError
    """
    if not cases:
        raise TrainingError("There is no scan to learn from.")
    if both := {a.patient for a in cases for b in held_out if _shares(a, b)}:
        raise TrainingError(f"Patients on both sides of the split: {', '.join(sorted(both))}.")


def earlier_fingerprints(sides: Sequence[Sequence[Case]]) -> list[list[Any]]:
    """Return what identified the cases of both sides in a checkpoint of the version before."""
    return [[(case.name, case.slices, *earlier_fingerprint(case)) for case in side] for side in sides]


def _shares(a: Case, b: Case) -> bool:
    """Whether two cases are of one patient, but for different slices of one scan."""
    apart = a.slices is not None and b.slices is not None and not set(a.slices) & set(b.slices)
    return a.patient == b.patient and not (a.name == b.name and apart)
