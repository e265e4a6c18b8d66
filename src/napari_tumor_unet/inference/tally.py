"""How far a batch of scans is, and how fast."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_tumor_unet.inference.scan_job import Outcome


class Tally:
    """Counts how many scans are done, failed and left, and how fast.

    Attributes
    ----------
    total : int
        Scans to do.
    done, failed, before : int
        Scans that have ended; of these, those that failed, and those that were done before.
    left_out : int
        Scans that were found and are not to be done.
    """

    def __init__(self, total: int = 0) -> None:
        self.total = total
        self.done = self.failed = self.before = self.left_out = 0
        self._start = time.monotonic()

    @property
    def segmented(self) -> int:
        """How many scans were computed, and have a mask."""
        return self.done - self.before - self.failed

    def count(self, outcome: Outcome) -> None:
        """Count one more scan."""
        if outcome.left_out:
            self.left_out += 1
            return
        self.done += 1
        self.failed += bool(outcome.error)
        self.before += outcome.done_before

    def __str__(self) -> str:
        left = self.total - self.done
        words = f"{self.done - self.failed} done, {self.failed} failed, {left} left"
        computed, minutes = self.done - self.before, (time.monotonic() - self._start) / 60
        if not computed or not left:
            return words
        return f"{words}, {computed / minutes:.3g} scans a minute, {_span(left * minutes / computed)} left"


def _span(minutes: float) -> str:
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
