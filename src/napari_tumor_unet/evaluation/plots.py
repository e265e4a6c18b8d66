"""Draw predictions beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_tumor_unet._common import atomic_write, plural
from napari_tumor_unet._text import visible
from napari_tumor_unet.evaluation.scan_score import ScanScore

# Distinct also for those who see no red and green (Okabe and Ito, 2008).
_PREDICTION, _REFERENCE = "#E69F00", "#56B4E9"


def draw_scan(score: ScanScore, path: Path) -> None:
    """Draw FLAIR, prediction and truth side by side, in the slice of the score's view, as a PNG file."""
    view = score.view
    title = (
        f"{score.name}, slice {view.index}: Dice of the volume {score.volume.dice:.3f}, "
        f"of this slice {score.slices[view.index].dice:.3f}"
    )
    masks = {"FLAIR": (None, "white"), "prediction": (view.prediction, _PREDICTION)}
    _draw(view.flair, masks | {"truth": (view.reference, _REFERENCE)}, title, path)


def draw_change(before: ScanScore, after: ScanScore, path: Path) -> None:
    """Draw truth, and the predictions before and after, in the slice of both scores' view, as a PNG file."""
    view = before.view
    which = "the volume" if before.counted is None else _that_count(len(before.counted))
    title = (
        f"{before.name}, slice {view.index}: Dice of {which} {before.judged.dice:.3f} before, "
        f"{after.judged.dice:.3f} after"
    )
    masks = {"truth": (view.reference, _REFERENCE), "before": (view.prediction, _PREDICTION)}
    _draw(view.flair, masks | {"after": (after.view.prediction, _PREDICTION)}, title, path)


def draw_examples(scores: Sequence[ScanScore], folder: Path) -> None:
    """Draw the best, the median and the worst scan by Dice, and all that were missed entirely.

    The pictures take the place of those of another evaluation.
    """
    for old in folder.glob("missed_*.png"):
        old.unlink()
    for name, score in examples(scores).items():
        draw_scan(score, folder / f"{name}.png")


def examples(scores: Sequence[ScanScore]) -> dict[str, ScanScore]:
    """Choose the scans to look at, by the name of the picture."""
    ranked = sorted(scores, key=lambda score: score.volume.dice)
    chosen = {"best": ranked[-1], "median": ranked[len(ranked) // 2], "worst": ranked[0]}
    missed = [s for s in ranked if s.volume.reference and not s.volume.true_positive]
    return chosen | {f"missed_{i + 1}": score for i, score in enumerate(missed)}


def _that_count(n: int) -> str:
    return f"the {plural(n, 'slice')} that {'counts' if n == 1 else 'count'}"


def _draw(
    flair: NDArray[np.float32],
    masks: Mapping[str, tuple[NDArray[np.bool_] | None, str]],
    title: str,
    path: Path,
) -> None:
    """Draw one slice once per mask, side by side, with the mask's outline in its colour."""
    figure = Figure(figsize=(9, 3.4), dpi=120, layout="constrained", facecolor="black")
    figure.suptitle(visible(title), color="white", parse_math=False)
    low, high = np.percentile(flair, (1, 99.8))
    for axes, (name, (mask, colour)) in zip(figure.subplots(1, 3), masks.items(), strict=True):
        axes.imshow(flair, cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
        if mask is not None and mask.any():
            axes.contour(mask, levels=[0.5], colors=colour, linewidths=1.2)
        axes.set_title(name, color=colour)
        axes.set_axis_off()
    with atomic_write(path) as partial:
        figure.savefig(partial)
