"""What a fine-tuning gives, and whether it helped; importing it costs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.training.trained import Trained

_FORGETS = 0.05  # loss of Dice on the sample that is worth a warning


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
    """Whether to keep the new model, and why, in a few sentences."""

    keep: bool
    said: str


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
    """Recommend to keep a model or to discard it.

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
    if held_out:
        gain = float(np.mean([change.gain for change in held_out]))
        better = sum(change.gain > 0 for change in held_out)
        which = "block of slices" if block else "held-out scan"
        many = f"{len(held_out)} {which}s ({better} of them better)"
        moved = f"{'rose' if gain > 0 else 'fell'} by {abs(gain):.3f}" if gain else "stayed as it was"
        said.append(f"Dice of {many if len(held_out) > 1 else f'the {which}'} {moved}.")
        keep = gain > 0
    else:
        said.append("No held-out score: one scan only, of too few slices; look at what it finds.")
        keep = True
    if block and held_out:
        said.append("An optimistic estimate: the slices beside the block were learned from.")
    if stopped and held_out:
        said.append("The epoch was chosen by the same scans, so this is optimistic too.")
    if lost > _FORGETS:
        said.append(f"On the bundled sample Dice fell by {lost:.3f}: the model forgets what it knew.")
    return Recommendation(keep, " ".join([f"Recommended: {'keep' if keep else 'discard'}.", *said]))
