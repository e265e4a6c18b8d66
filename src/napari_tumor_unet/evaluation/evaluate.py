"""Evaluate a model on a folder of scans with masks: for a notebook, and for a shell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_tumor_unet._common import plural
from napari_tumor_unet.evaluation.plots import draw_examples
from napari_tumor_unet.evaluation.scan_score import ScanScore, Summary, score_case, summarise
from napari_tumor_unet.io.datasets.pairs import Case, Dataset, find_pairs
from napari_tumor_unet.io.datasets.split import read_split
from napari_tumor_unet.io.write import unedited_model, why_no_truth
from napari_tumor_unet.model.device import choose_device, enough_memory
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.grid import is_possible_spacing

ScoresOf = Callable[[Sequence[Case], Model, str, bool], Iterable[tuple[Case, ScanScore | str]]]
"""Scores cases, in any order: each gets a score, or one sentence on why there is none."""


_REASONS = 3  # that an error tells at most


@dataclass(frozen=True)
class Evaluation:
    """Scores of each scan, their summary, and what was left out with the reason.

    ``by_a_model`` names the scans whose mask a model made and nobody edited: it is no truth.
    """

    scores: tuple[ScanScore, ...]
    summary: Summary
    left_out: Mapping[str, str]
    by_a_model: tuple[str, ...] = ()


def evaluate(
    data: str | Path | Sequence[Case],
    *,
    model: str | Path | Model | None = None,
    split: str | Path | None = None,
    part: str | None = None,
    fold: int | None = None,
    flair_alone: bool = False,
    device: str = "auto",
    spacing: tuple[float, float, float] | None = None,
    pictures: str | Path | None = None,
    on_score: Callable[[ScanScore, int], None] | None = None,
    scores_of: ScoresOf | None = None,
) -> Evaluation:
    """Segment scans whose masks are known, and score the results.

    Parameters
    ----------
    data : str, Path or sequence of Case
        A folder with scans and masks, or pairs found before, ``plan.held_out`` say.
    model : str, Path or Model, optional
        As for :func:`napari_tumor_unet.segment`.
    split : str or Path, optional
        A split by patient; with it only the patients of ``part`` are taken, else all.
    part : str, optional
        "val", the default, "test" or another name that the split gives.
    fold : int, optional
        The fold of the split that is the part "val".
    flair_alone : bool
        Give the model FLAIR alone.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    spacing : tuple of float, optional
        Distance between voxels (z, y, x) in mm, for the measures of scans that do not say.
    pictures : str or Path, optional
        Folder for pictures of the best, the median, the worst and the missed scans.
    on_score : callable, optional
        Called with the score of each scan and the number of all.
    scores_of : callable, optional
        Yields each case with its score, or one sentence on why there is none, in any order, from the cases,
        the model, the device and ``flair_alone``: several processes may do so. By default this one does.

    Returns
    -------
    Evaluation
        With a score for each scan that could be read, and their summary.

    Raises
    ------
    ScanError, ModelError, DeviceError
        Each with one sentence that says what is wrong.
    OSError
        If the pictures cannot be written.
    """
    if spacing is not None and (len(spacing) != 3 or not is_possible_spacing(spacing)):
        raise ScanError(f"The spacing {list(spacing)} is not three distances (z, y, x) in mm.")
    if split is None and (part is not None or fold is not None):
        raise ScanError("A part or a fold needs a split: a CSV file with the columns patient and split.")
    dataset = find_pairs(Path(data)) if isinstance(data, str | Path) else Dataset(tuple(data))
    if split is not None:
        dataset = dataset.part(read_split(Path(split), fold), part or "val")
    loaded = model if isinstance(model, Model) else load_model(model)
    dataset = dataset.without(lambda case: why_no_truth(case.mask, loaded.hash))
    chosen = choose_device(device) if scores_of is None else device
    folder = Path(pictures).expanduser() if pictures is not None else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    score_cases = scores_of or partial(_scores_of, spacing=spacing)
    found: dict[str, ScanScore] = {}
    left_out = dict(dataset.left_out)
    for pair, score in score_cases(dataset.pairs, loaded, chosen, flair_alone):
        if isinstance(score, str):  # one bad scan does not stop the others
            left_out[pair.name] = score
            continue
        found[pair.name] = score
        if on_score is not None:
            on_score(score, len(dataset.pairs))
    scores = [found[pair.name] for pair in dataset.pairs if pair.name in found]
    if not scores:
        raise ScanError(f"No scan could be evaluated{_reasons(left_out)}; choose others.")
    if folder is not None:
        draw_examples(scores, folder)
    by_a_model = tuple(
        pair.name for pair in dataset.pairs if pair.name in found and unedited_model(pair.mask)
    )
    return Evaluation(tuple(scores), summarise(scores), left_out, by_a_model)


def _reasons(left_out: Mapping[str, str]) -> str:
    """List the most frequent reasons for which scans were left out, in parentheses."""
    counts = Counter(reason.rstrip(".") for reason in left_out.values())
    said = "; ".join(f"{plural(n, 'scan')}: {reason}" for reason, n in counts.most_common(_REASONS))
    return f" ({said})" if said else ""


def _scores_of(
    cases: Sequence[Case],
    model: Model,
    device: str,
    flair_alone: bool,
    spacing: tuple[float, float, float] | None,
) -> Iterator[tuple[Case, ScanScore | str]]:
    for case in cases:
        try:
            with enough_memory(device):
                scan, reference = case.read()
                score = score_case(
                    case, scan, reference, model, device=device, flair_alone=flair_alone, spacing=spacing
                )
        except ScanError as error:
            yield case, str(error)
        else:
            yield case, score
