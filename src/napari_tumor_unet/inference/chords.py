"""Find the longest chords of a plane mask, whose pixels are rectangles: their edges count, not their centres.

A chord lies in the mask from end to end; where it touches an edge or a corner it is still in it. The longest
one passes through two corners of the outline: else it could be tilted or moved to grow. So lines through two
corners are looked at, the most promising first, until no other can be longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.inference.corners import WAY, corners_of

Points = NDArray[np.float64]

_SAME = 1e-9  # of a mask's size: as far as lengths may differ and still be equal
_CORNERS = 1500  # between which lines are drawn; outlines with more are those of noise
_LINES = 1 << 14  # that are looked at together
_WORK = 1 << 21  # lines times runs that are looked at together; noise has more, and then not all are tried
_TIES = 64
_ANGLES = 24
# Even in each prefix, so that few points of a line tell most that leave the mask.
_FRACTIONS = tuple(int(f"{i:05b}"[::-1], 2) / 32 for i in range(1, 32))


class Chords(NamedTuple):
    """The longest chord and the longest one perpendicular to it: lengths, and ends (2, 2) as (y, x)."""

    longest: float
    perpendicular: float
    longest_ends: Points
    perpendicular_ends: Points


@dataclass(frozen=True)
class _Lines:
    """Lines, each through a point in a direction of length 1, and how long a chord on them may be."""

    points: Points
    directions: Points
    enter: NDArray[np.float64]
    leave: NDArray[np.float64]

    @property
    def bound(self) -> NDArray[np.float64]:
        return self.leave - self.enter

    def __getitem__(self, chosen: NDArray[np.bool_ | np.intp] | slice) -> _Lines:
        return _Lines(*(a[chosen] for a in (self.points, self.directions, self.enter, self.leave)))


class Plane:
    """A plane mask (Y, X), not empty, with the size of its pixels; all that is returned is in that unit.

    Places are (y, x), from the outer corner of pixel (0, 0).
    """

    def __init__(self, mask: NDArray[np.bool_], pixel: tuple[float, float]) -> None:
        from scipy.spatial import ConvexHull  # importing it takes longer than a panel may take to open

        self._pixel = np.asarray(pixel, float)
        self._padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), bool)
        self._padded[1:-1, 1:-1] = mask
        corners, self._bends = corners_of(self._padded)
        self._corners = corners * self._pixel
        hull = ConvexHull(self._corners)
        self.hull, self._sides = self._corners[hull.vertices], hull.equations
        self.hull_area = float(hull.volume)
        self._near = _SAME * float(np.hypot(*np.ptp(self.hull, axis=0)))
        if (every := -(-len(self._corners) * self._runs.shape[1] // _WORK)) > 1:
            self._corners, self._bends = self._corners[::every], self._bends[::every]

    @cached_property
    def bound(self) -> float:
        """No less than the product of both chords, and soon known.

        If the longest chord is as long as the hull, the other one is no longer than the hull is across. Else
        twice the hull's area, as two chords at right angles span at least half their product.
        """
        lengths, directions, _ = self._across_hull
        if not len(lengths):
            return 2 * self.hull_area
        across = directions[:, ::-1] * (1, -1)
        return float(lengths.max() * np.ptp(self.hull @ across.T, axis=0).max())

    @property
    def work(self) -> int:
        """How many pairs of corners :meth:`chords` looks at, about."""
        return 0 if len(self._across_hull[0]) else min(len(self._corners), _CORNERS) ** 2

    def chords(self) -> Chords:
        """Find both chords; of several longest ones that with the longest perpendicular."""
        best: Chords | None = None
        for length, ends in self._longest():
            other, other_ends = self.longest_along((ends[1] - ends[0])[::-1] * (1, -1))
            while other > length + self._near:  # where not all lines were tried
                length, ends = other, other_ends
                other, other_ends = self.longest_along((ends[1] - ends[0])[::-1] * (1, -1))
            if best is None or other > best.perpendicular + self._near:
                best = Chords(length, other, ends, other_ends)
        assert best is not None
        longest, perpendicular = map(self._snapped, best[2:])
        length, other = (float(np.hypot(*(ends[1] - ends[0]))) for ends in (longest, perpendicular))
        return Chords(length, other, longest, perpendicular)

    def _snapped(self, ends: Points) -> Points:
        """Put ends on the edges of pixels that they are next to."""
        places = ends / self._pixel
        edges = places.round()
        snapped: Points = np.where(np.abs(places - edges) < 1e-6, edges, places) * self._pixel
        return snapped

    def longest_along(self, direction: Points) -> tuple[float, Points]:
        """Find the longest chord in a direction (y, x): its length and ends."""
        direction = direction / np.hypot(*direction)
        places = self._corners @ (direction[::-1] * (1, -1))
        corners = self._corners[np.unique(np.round(places / self._near / 1e3), return_index=True)[1]]
        lengths, ends = self._on_lines(corners, np.broadcast_to(direction, corners.shape))
        i = int(lengths.argmax())
        return float(lengths[i]), ends[i]

    @cached_property
    def _across_hull(self) -> tuple[NDArray[np.float64], Points, Points]:
        """Lengths, directions and ends of the chords that are as long as the hull; there may be none."""
        steps = self.hull[:, None] - self.hull
        lengths = np.sqrt((steps**2).sum(axis=2))
        i, j = np.nonzero(np.triu(lengths >= lengths.max() - self._near))
        directions = steps[i, j] / lengths[i, j, None]
        found, ends = self._on_lines(self.hull[i], directions)
        whole = found >= lengths.max() - self._near
        return found[whole], directions[whole], ends[whole]

    def _longest(self) -> list[tuple[float, Points]]:
        """Find the longest chords, without the same one twice."""
        lengths, _, ends = self._across_hull
        if len(lengths):
            return list(zip(lengths.tolist(), ends, strict=True))
        some = self._on_some_lines()
        found = [some, *self._through_corners(float(some[0].max()))]
        lengths, ends = (np.concatenate(parts) for parts in zip(*found, strict=True))
        longest = lengths >= lengths.max() - self._near
        lengths, ends = lengths[longest], ends[longest]
        (dy, dx), middles = (ends[:, 1] - ends[:, 0]).T, ends.mean(axis=1)
        places = np.column_stack([middles, np.abs(dy), np.copysign(dx, dy * dx)])
        distinct = np.unique(np.round(places / self._near / 1e3), axis=0, return_index=True)[1]
        return [(float(lengths[k]), ends[k]) for k in distinct[:_TIES]]

    def _on_some_lines(self) -> tuple[NDArray[np.float64], Points]:
        """Find chords of which one is nearly as long as the longest one, to drop most lines by."""
        angles = np.arange(_ANGLES) * np.pi / _ANGLES
        some = self._corners[:: -(-len(self._corners) // _TIES)]
        points = np.repeat(some, _ANGLES, axis=0)
        directions = np.tile(np.column_stack([np.sin(angles), np.cos(angles)]), (len(some), 1))
        return self._on_lines(points, directions)

    def _through_corners(self, best: float) -> list[tuple[NDArray[np.float64], Points]]:
        """Look at the lines through two corners on which a chord may be as long as the best so far."""
        every = -(-len(self._corners) // _CORNERS)
        corners, bends = self._corners[::every], self._bends[::every]
        first, second = np.triu_indices(len(corners), 1)
        kept = []
        for start in range(0, len(first), _LINES):
            i, j = first[start : start + _LINES], second[start : start + _LINES]
            slope = np.sign(np.prod(corners[j] - corners[i], axis=1))
            # A line that passes through a corner without the mask on either side holds no long chord there.
            passes = (slope * WAY[bends[i]] >= 0) & (slope * WAY[bends[j]] >= 0)
            kept.append(self._promising(self._lines(corners[i[passes]], corners[j[passes]]), best))
        lines = _Lines(
            *(np.concatenate([getattr(k, name) for k in kept]) for name in _Lines.__dataclass_fields__)
        )
        lines = lines[np.argsort(-lines.bound, kind="stable")]
        results, work, step = [], 0, 32
        while len(lines.points) and work < _WORK:
            results.append(self._on_lines(lines.points[:step], lines.directions[:step]))
            work += step * self._runs.shape[1]
            longer = float(results[-1][0].max())
            lines, step = lines[step:], min(2 * step, 1024)
            if longer > best:
                best = longer
                lines = self._promising(lines, best)
        return results

    def _lines(self, points: Points, others: Points) -> _Lines:
        """Draw lines through pairs of points, and cut them at the convex hull."""
        directions = others - points
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        normals, offsets = self._sides[:, :2], self._sides[:, 2]
        along, to_side = directions @ normals.T, -(points @ normals.T + offsets)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = to_side / along
        enter = np.where(along < -1e-12, at, -np.inf).max(axis=1)
        leave = np.where(along > 1e-12, at, np.inf).min(axis=1)
        return _Lines(points, directions, enter, leave)

    def _promising(self, lines: _Lines, best: float) -> _Lines:
        """Drop lines on which no chord can be as long: too short in the hull, or out of the mask on the way.

        A chord of more than half of what lies in the hull covers its middle.
        """
        lines = lines[lines.bound >= best - self._near]
        for fraction in _FRACTIONS:
            low, high = lines.leave - best, lines.enter + best
            middle = np.where(low < high, low + fraction * (high - low), np.nan)
            places = lines.points + middle[:, None] * lines.directions
            lines = lines[np.isnan(middle) | self._holds(np.nan_to_num(places))]
        return lines

    def _holds(self, places: Points) -> NDArray[np.bool_]:
        """Tell whether places are in the mask, or on its edge."""
        places = places / self._pixel + 1  # of the padding
        inside = np.zeros(len(places), bool)
        height, width = self._padded.shape
        for dy in (-1e-6, 1e-6):
            y = np.clip((places[:, 0] + dy).astype(np.intp), 0, height - 1)
            for dx in (-1e-6, 1e-6):
                inside |= self._padded[y, np.clip((places[:, 1] + dx).astype(np.intp), 0, width - 1)]
        return inside

    @cached_property
    def _runs(self) -> Points:
        """Rows of pixels, as rectangles (2, n, 2): their lower corners, and their upper ones."""
        turned = self._padded.shape[0] > self._padded.shape[1]
        steps = np.diff((self._padded.T if turned else self._padded).astype(np.int8), axis=1)
        rows, starts = np.nonzero(steps == 1)
        ends = np.nonzero(steps == -1)[1]
        runs = np.array([[rows - 1, starts], [rows, ends]], float).transpose(0, 2, 1)
        lower_and_upper: Points = (runs[..., ::-1] if turned else runs) * self._pixel
        return lower_and_upper

    def _on_lines(self, points: Points, directions: Points) -> tuple[NDArray[np.float64], Points]:
        """Find the longest chord on each line: lengths (n,), and ends (n, 2, 2)."""
        step = max(1, (1 << 18) // len(self._runs[0]))
        parts = [
            self._on_few_lines(points[i : i + step], directions[i : i + step])
            for i in range(0, len(points), step)
        ]
        lengths, ends = (np.concatenate(part) for part in zip(*parts, strict=True))
        return lengths, ends

    def _on_few_lines(self, points: Points, directions: Points) -> tuple[NDArray[np.float64], Points]:
        low, high = self._runs
        grown = self._near / 1e3  # so that lines along an edge are in it
        with np.errstate(divide="ignore", invalid="ignore"):
            a = (low - grown - points[:, None]) / directions[:, None]
            b = (high + grown - points[:, None]) / directions[:, None]
        enter, leave = np.minimum(a, b).max(axis=2), np.maximum(a, b).min(axis=2)
        missed = ~(enter < leave)
        enter[missed], leave[missed] = np.inf, -np.inf
        order = enter.argsort(axis=1)
        enter, leave = np.take_along_axis(enter, order, 1), np.take_along_axis(leave, order, 1)
        reach = np.maximum.accumulate(leave, axis=1)
        gap = np.ones(enter.shape, bool)
        gap[:, 1:] = enter[:, 1:] > reach[:, :-1] + self._near
        start = np.maximum.accumulate(np.where(gap, enter, -np.inf), axis=1)
        with np.errstate(invalid="ignore"):
            lengths = np.where(np.isfinite(start), reach - start, -np.inf)
        last = lengths.argmax(axis=1)
        each = np.arange(len(points))
        ends = np.stack([start[each, last], reach[each, last]], axis=1)
        return lengths[each, last], points[:, None] + ends[..., None] * directions[:, None]
