"""Tables of scores: files matched by name, rows, and their summary."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_tumor_unet import _text
from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.overlap import statistics
from napari_tumor_unet.evaluation.score import Score
from napari_tumor_unet.io.file_names import ending_of, name_of_masked, scan_name, words_without_flair
from napari_tumor_unet.io.find_masks import find_masks
from napari_tumor_unet.io.write import unedited_model
from napari_tumor_unet.scan.sequence_names import stem_of

SUMMARISED = (
    *("dice", "iou", "precision", "recall"),
    *("hausdorff95", "average_surface_distance", "surface_dice", "lesion_wise_dice"),
    *("volume_difference_ml", "volume_difference_percent"),
    *("sum_of_products_difference_mm2", "sum_of_products_difference_percent"),
)
_MASK = re.compile(r"mask|seg|segmentation|labels?", re.IGNORECASE)
_SUFFIX = re.compile(r"_(pred|prediction|reference|gt)$", re.IGNORECASE)


@dataclass(frozen=True)
class ScoreRow:
    """A comparison with the names of what was compared, and of the model that predicted, if known."""

    prediction: str
    reference: str
    score: Score
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON holds it."""
        names = {"prediction": self.prediction, "reference": self.reference, "model": self.model or None}
        return names | self.score.to_json()


@dataclass(frozen=True)
class FolderMatch:
    """Masks of two folders with one name, and the names that only one of them has.

    Files that are passed over, as others beside them are named as masks, would have such a name too. The
    references ``by_a_model`` give way to others of their scans.
    """

    pairs: tuple[tuple[str, Path, Path], ...]
    only_predicted: tuple[str, ...]
    only_reference: tuple[str, ...]
    passed_over: tuple[str, ...] = ()
    by_a_model: tuple[str, ...] = ()


def match_folders(predictions: Path, references: Path) -> FolderMatch:
    """Match the masks in two folders by their names, endings such as ``_mask`` or ``_seg`` aside.

    Of the other names words for FLAIR are left out: ``x_flair_mask`` goes with ``x_seg``. If a folder has no
    mask, those in it are searched, as of a patient each; a name that is there twice, or says no more than
    that it is a mask, gets those of the folders that lead to it. A reference that a model made and nobody
    edited is taken where its scan has no other.

    Raises
    ------
    ComparisonError
        If no name is in both, or a name is twice in one of them.
    ScanError
        If a folder cannot be read.
    """
    left, right = _by_name(predictions), _by_name(references)
    by_a_model = {name: right.pop(name) for name in _needless(right)}
    unmatched = [sorted(one.keys() - other.keys()) for one, other in ((left, right), (right, left))]
    alike: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, names in enumerate(unmatched):
        for name in names:
            alike[stem_of(name)][side].append(name)
    for stem, (predicted, true) in alike.items():
        one = len({words_without_flair(name) for name in (*predicted, *true)}) == 1
        if stem and one and len(predicted) == len(true) == 1:
            left[true[0]] = left.pop(predicted[0])
    both = sorted(left.keys() & right.keys())
    passed_over = *_passed_over(predictions, left, right), *_passed_over(references, right, left)
    if not both:
        why = f"; {', '.join(passed_over)}: not named as a mask, as others there are" if passed_over else ""
        raise ComparisonError(f"No mask in {predictions.name} has the name of one in {references.name}{why}.")
    return FolderMatch(
        tuple((name, left[name], right[name]) for name in both),
        tuple(sorted(left.keys() - right.keys())),
        tuple(sorted(right.keys() - left.keys())),
        passed_over,
        tuple(path.name for path in by_a_model.values()),
    )


def _needless(masks: dict[str, Path]) -> list[str]:
    """Return the names of masks that a model made and nobody edited, where their scans have others."""
    by_model = {name for name, path in masks.items() if path.is_file() and unedited_model(path)}
    others = {words_without_flair(name) for name in masks.keys() - by_model}
    return sorted(name for name in by_model if words_without_flair(name) in others)


def summarise_scores(scores: Sequence[Score]) -> dict[str, Any]:
    """Give mean, standard deviation, median and count of each number, of the scores that have it."""
    return {"n": len(scores)} | {name: _summary([getattr(s, name) for s in scores]) for name in SUMMARISED}


def as_csv(rows: Iterable[ScoreRow]) -> str:
    """Write a line per comparison; numbers are not rounded, and empty where they are undefined."""
    names = [field.name for field in dataclasses.fields(Score)]
    lines = (row.to_json() | {"notes": " ".join(row.score.notes)} for row in rows)
    return _text.as_csv(["prediction", "reference", "model", *names], lines)


def _summary(values: Iterable[float | None]) -> dict[str, Any]:
    defined = [value for value in values if value is not None]
    if not defined:
        return {"n": 0, "mean": None, "sd": None, "median": None}
    of = statistics(defined)
    sd = None if math.isnan(of.standard_deviation) else of.standard_deviation
    return {"n": len(defined), "mean": of.mean, "sd": sd, "median": of.median}


def _by_name(folder: Path) -> dict[str, Path]:
    masks: dict[str, Path] = {}
    found = find_masks(folder)
    often = Counter(map(_name_of, found))
    for path in found:
        name = _name_of(path)
        folders = path.relative_to(folder).parent.parts
        if folders and _MASK.fullmatch(name):
            name = "_".join(folders)
        elif often[name] > 1:
            name = "_".join((*folders, name))
        if name in masks:
            raise ComparisonError(
                f"{folder.name} holds two masks for {name}: {masks[name].name}, {path.name}."
            )
        masks[name] = path
    return masks


def _name_of(path: Path) -> str:
    name = name_of_masked(path)
    return _SUFFIX.sub("", name) if name == scan_name(path) else name


def _passed_over(folder: Path, masks: dict[str, Path], others: dict[str, Path]) -> list[str]:
    """Name the files of a folder that are no masks, and would match one of another folder that is alone."""
    alone = others.keys() - masks.keys()
    taken = set(masks.values())
    files = (path for path in sorted(folder.iterdir()) if ending_of(path) and path not in taken)
    return [f"{folder.name}/{path.name}" for path in files if _name_of(path) in alone]
