"""Follow the regions of one patient's masks from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.inference.measures import Measures
from napari_tumor_unet.inference.regions import box_around, label_regions

Tracks = tuple[list[tuple[int, ...]], list[tuple[bool | None, ...]]]
"""The number of each region of each mask, and whether it is new."""


def track_regions(masks: Sequence[NDArray[Any]], measures: Sequence[Measures]) -> Tracks:
    """Give each region the number of the last one at its place, or of that which it overlaps most.

    Parameters
    ----------
    masks : sequence of array
        (Z, Y, X), in the order of time, in which voxels of one index are one place.
    measures : sequence of Measures
        Of these masks.
    """
    box = box_around(np.logical_or.reduce([mask != 0 for mask in masks]))
    labelled = [label_regions(mask[box] != 0)[0] for mask in masks]
    places = np.zeros_like(labelled[0])  # the number of what was last there
    all_tracks: list[tuple[int, ...]] = []
    all_new: list[tuple[bool | None, ...]] = []
    taken = 0
    for labels, measured in zip(labelled, measures, strict=True):
        inside = labels > 0
        shape = len(measured.regions) + 1, taken + 1
        pairs = np.ravel_multi_index((labels[inside], places[inside]), shape)
        overlaps = np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)[:, 1:]
        track_of = np.zeros(shape[0], np.int32)
        own = [int(labels[tuple(np.subtract(r.seed, [b.start for b in box]))]) for r in measured.regions]
        is_new = [not overlaps[label].any() for label in own]
        for label, first in zip(own, is_new, strict=True):
            taken += first
            track_of[label] = taken if first else overlaps[label].argmax() + 1
        places[inside] = track_of[labels[inside]]
        all_new.append(tuple(first and bool(all_tracks) for first in is_new))
        all_tracks.append(tuple(track_of[own].tolist()))
    return all_tracks, all_new


def untracked(measures: Sequence[Measures]) -> Tracks:
    """Return numbers that say nothing, of masks that share no frame of reference."""
    return [(0,) * len(m.regions) for m in measures], [(None,) * len(m.regions) for m in measures]
