"""What a fine-tuning gives, and whether it helped; importing it costs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.training.trained import Trained

_FORGETS = 0.05  # loss of Dice on the sample that is worth a warning
_NOISE = 0.005  # change of the mean Dice under which the new model is no other for a user


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
    """

    name: str
    before: Counts
    after: Counts
    is_sample: bool = False

    @property
    def gain(self) -> float:
        """How much Dice rose."""
        return self.after.dice - self.before.dice


@dataclass(frozen=True)
class Recommendation:
    """What to do with the new model, and why, in a few sentences."""

    verdict: Literal["keep", "discard", "no difference"]
    why: str

    @property
    def keep(self) -> bool:
        """Whether the new model is better."""
        return self.verdict == "keep"

    @property
    def said(self) -> str:
        """The verdict and its reasons."""
        verdict = "No difference" if self.verdict == "no difference" else f"Recommended: {self.verdict}"
        return f"{verdict}. {self.why}"


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
    """Recommend to keep a model or to discard it, or say that it is no other.

    Parameters
    ----------
    changes : sequence of DiceChange
    block : bool
        Whether the model was judged by slices of the scan that it learned from.
    stopped : bool
        Whether the best epoch was chosen by these very scans.
    """
    held_out = [change for change in changes if not change.is_sample]
    lost = -min((change.gain for change in changes if change.is_sample), default=0.0)
    said = []
    verdict: Literal["keep", "discard", "no difference"] = "keep"
    if held_out:
        gain = float(np.mean([change.gain for change in held_out]))
        better = sum(change.gain > 0 for change in held_out)
        which = "block of slices" if block else "held-out scan"
        many = f"{len(held_out)} {which}s ({better} of them better)"
        moved = f"{'rose' if gain > 0 else 'fell'} by {abs(gain):.3f}" if gain else "stayed as it was"
        said.append(f"Dice of {many if len(held_out) > 1 else f'the {which}'} {moved}.")
        if abs(gain) < _NOISE:
            said.append(f"Less than {_NOISE} is chance.")
            verdict = "no difference"
        elif gain < 0:
            verdict = "discard"
    else:
        said.append("No held-out score: one scan only, of too few slices; look at what it finds.")
    if block and held_out:
        said.append("An optimistic estimate: the slices beside the block were learned from.")
    if stopped and held_out:
        said.append("The epoch was chosen by the same scans, so this figure is optimistic.")
    if lost > _FORGETS:
        said.append(f"On the bundled sample Dice fell by {lost:.3f}: the model forgets what it knew.")
    return Recommendation(verdict, " ".join(said))
