"""Whether a fine-tuning helped; importing it costs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_tumor_unet.evaluation.overlap import Counts

_FORGETS = 0.05  # loss of Dice on the sample that is worth a warning


@dataclass(frozen=True)
class Change:
    """What a scan scored before and after.

    Attributes
    ----------
    name : str
    before, after : Counts
        Of the volume, or of the slices that are judged.
    is_sample : bool
        Whether it is the bundled sample, which shows what was forgotten.
    """

    name: str
    before: Counts
    after: Counts
    is_sample: bool = False

    @property
    def gain(self) -> float:
        """Of Dice."""
        return self.after.dice - self.before.dice


@dataclass(frozen=True)
class Advice:
    """Whether to keep the new model, and why, in a few sentences."""

    keep: bool
    said: str


def advise(changes: Sequence[Change], *, block: bool, stopped: bool) -> Advice:
    """Whether to keep a model of which the changes are known.

    Parameters
    ----------
    changes : sequence of Change
    block : bool
        Whether it was judged by slices of the scan that it learned from.
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
    return Advice(keep, " ".join([f"Recommended: {'keep' if keep else 'discard'}.", *said]))
