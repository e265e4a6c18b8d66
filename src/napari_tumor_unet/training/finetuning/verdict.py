"""What a fine-tuning gives, and whether it helped; importing it costs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from napari_tumor_unet._common import plural
from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.training.trained import Trained

_FORGETS = 0.05  # loss of Dice on the sample that is worth a warning
_NOISE = 0.005  # change of the mean Dice under which the new model is no other for a user
_LARGE = 0.05  # change of Dice that speaks for itself where a spread cannot be known
_SPREAD_FROM = 3  # scans; the interval of two is wider than any change
_Verdict = Literal["keep", "discard", "no difference", "not judged"]


@dataclass(frozen=True)
class DiceChange:
    """Scores of a scan before and after.

    Attributes
    ----------
    name : str
    before, after : Counts
        Counts of the volume, or of the slices that are judged.
    is_sample : bool
        Whether the scan is the bundled sample, which shows what was forgotten.
    learned_before : bool
        Whether the parent has learned from the scan, as far as its card tells.
    """

    name: str
    before: Counts
    after: Counts
    is_sample: bool = False
    learned_before: bool = False

    @property
    def gain(self) -> float:
        """How much Dice rose."""
        return self.after.dice - self.before.dice


@dataclass(frozen=True)
class Recommendation:
    """What to do with the new model, and why, in a few sentences."""

    verdict: _Verdict
    why: str

    @property
    def keep(self) -> bool:
        """Whether the new model is better."""
        return self.verdict == "keep"

    @property
    def said(self) -> str:
        """The verdict and its reasons."""
        unclear = {"no difference": "No clear difference", "not judged": "Not judged"}
        return f"{unclear.get(self.verdict, f'Recommended: {self.verdict}')}. {self.why}"


@dataclass(frozen=True, kw_only=True)
class FineTuned(Trained):
    """A fine-tuning that ended.

    Attributes
    ----------
    changes : tuple of DiceChange
        Of the held-out scans, then of the sample.
    advice : Recommendation
    pictures : tuple of Path
        A picture of each of these scans before and after.
    """

    changes: tuple[DiceChange, ...]
    advice: Recommendation
    pictures: tuple[Path, ...]


def recommend(changes: Sequence[DiceChange], *, block: bool, stopped: bool) -> Recommendation:
    """Recommend to keep a model or to discard it, or say that nobody can tell.

    Of three scans or more the 95 % confidence interval of the mean gain has to be on one side of 0, by
    Student's t. Of fewer no spread can be known: all have to change alike, by much.

    Parameters
    ----------
    changes : sequence of DiceChange
    block : bool
        Whether the model was judged by slices of the scan that it learned from.
    stopped : bool
        Whether the best epoch was chosen by these very scans.
    """
    held_out = [change for change in changes if not change.is_sample]
    gains = [change.gain for change in held_out]
    lost = -min((change.gain for change in changes if change.is_sample), default=0.0)
    if gains:
        verdict, said = _judge(gains, "block of slices" if block else "held-out scan")
        if block:
            said.append("An optimistic estimate: the slices beside the block were learned from.")
        if stopped:
            said.append("The epoch was chosen by the same scans, so this figure is optimistic.")
        if known := sum(change.learned_before for change in held_out):
            said.append(_learned_before(known, len(held_out), block=block))
    else:
        verdict = "not judged"
        why = "one scan only, of too few slices" if block else "no scan was held out"
        said = [f"No held-out score: {why}; look at what it finds."]
    if lost > _FORGETS:
        said.append(f"On the bundled sample Dice fell by {lost:.3f}: the model forgets what it knew.")
    return Recommendation(verdict, " ".join(said))


def _learned_before(known: int, n: int, *, block: bool) -> str:
    """Say that the parent has learned from some of the held-out scans."""
    of = "this scan" if block else f"{known} of {plural(n, 'held-out scan')}"
    return f"The model had learned from {of} before, so the scores there are optimistic."


def _judge(gains: Sequence[float], which: str) -> tuple[_Verdict, list[str]]:
    """Say what the gains of held-out scans show, and why."""
    n, mean = len(gains), float(np.mean(gains))
    better = sum(gain > 0 for gain in gains)
    of = f"{n} {which}s ({better} of them better)" if n > 1 else f"the {which}"
    moved = f"{'rose' if mean > 0 else 'fell'} by {abs(mean):.3f}" if mean else "stayed as it was"
    said = [f"Dice of {of} {moved}."]
    if n < _SPREAD_FROM:
        clear = abs(mean) >= _LARGE and better in (0, n)
        if not clear:
            less = f": under {_LARGE} may be chance" if abs(mean) < _LARGE else ""
            said.append(f"{plural(n, which)} cannot tell{less}; hold out three scans or more.")
    else:
        reach = _interval(gains)
        clear = abs(mean) > max(reach, _NOISE)
        said[0] = f"{said[0][:-1]} on average, 95 % confidence {mean - reach:+.3f} to {mean + reach:+.3f}."
        if not clear:
            said.append(f"Less than {_NOISE} is nothing." if abs(mean) > reach else "That may be chance.")
    return ("no difference" if not clear else "keep" if mean > 0 else "discard"), said


def _interval(gains: Sequence[float]) -> float:
    """Return how far the 95 % confidence interval of a mean reaches to each side."""
    from scipy.special import stdtrit  # not needed by those who only show what comes of it

    return float(stdtrit(len(gains) - 1, 0.975) * np.std(gains, ddof=1) / len(gains) ** 0.5)
