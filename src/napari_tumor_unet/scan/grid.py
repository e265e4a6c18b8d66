"""Grids: where the voxels of a scan or mask lie, and masks resampled from one grid onto another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SAME = 1e-3  # of a voxel: as far as two grids may be apart and still be one
_FINEST, _COARSEST = 1e-6, 1e6  # mm; a unit that is told wrongly makes a thousand times as much


@dataclass(frozen=True)
class Geometry:
    """Geometry of a file's voxels in the patient; world coordinates are LPS millimetres.

    Attributes
    ----------
    spacing : tuple of float
        Distance between voxel centres along the array axes (z, y, x), in mm.
    origin : tuple of float
        World position (x, y, z) of the centre of voxel (0, 0, 0), in mm.
    direction : tuple of float
        3x3 matrix, row by row, whose columns are the world directions of the array's x, y and z axes.
    stored_orientation : str
        Orientation of the file's own axes, as the three letters towards which x, y and z run ("LPS",
        "RAS", ...). Writing turns a mask back to it; empty where the array lies as a file's would.
    stored_axes : int
        How many axes the file has: 2 for a single slice, 4 with a last one of length 1.
    oriented : bool
        Whether the file says how it lies; else it is taken as axial.
    """

    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    stored_orientation: str = "LPS"
    stored_axes: int = 3
    oriented: bool = True


@dataclass(frozen=True)
class Grid:
    """Grid of voxels at ``matrix @ index + offset``, with indices in the array's order.

    Attributes
    ----------
    shape : tuple of int
        (Y, X) or (Z, Y, X).
    matrix : array
        One column per axis.
    offset : array
    in_mm : bool
        Whether the world is measured in mm; in voxels else.
    placed : bool
        False where the spacing alone is known, and the offset says nothing.
    """

    shape: tuple[int, ...]
    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    in_mm: bool
    placed: bool = True

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between voxels along each axis."""
        return tuple(float(np.linalg.norm(column)) for column in self.matrix.T)

    @property
    def voxel_ml(self) -> float | None:
        """Volume of a voxel; None in a plane, or where the unit is unknown."""
        if not self.in_mm or len(self.shape) != 3:
            return None
        return abs(float(np.linalg.det(self.matrix))) / 1000

    def is_same(self, other: Grid, tolerance: float = _SAME) -> bool:
        """Tell whether each voxel lies where the other grid has it, up to a share of a voxel."""
        if self.shape != other.shape or self.in_mm != other.in_mm:
            return False
        matrix, offset = self.seen_from(other)
        corner = np.asarray(self.shape) - 1
        there = (np.zeros(len(corner)), corner, *(corner * unit for unit in np.eye(len(corner))))
        return all(np.abs(matrix @ index + offset - index).max() < tolerance for index in there)

    def seen_from(self, other: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the matrix and offset from the other grid's indices to those of this grid."""
        matrix = np.linalg.solve(self.matrix, other.matrix)
        return matrix, np.linalg.solve(self.matrix, other.offset - self.offset)

    def touches(self, other: Grid) -> bool:
        """Tell whether the boxes around both grids, along the other one's axes, have space in common."""
        matrix, offset = other.seen_from(self)
        ends = [(-0.5, n - 0.5) for n in self.shape]
        corners = np.array([matrix @ corner + offset for corner in product(*ends)])
        low, high = corners.min(axis=0), corners.max(axis=0)
        return bool(((low < np.asarray(other.shape) - 0.5) & (high > -0.5)).all())

    def turned(self, across: int, turns: int) -> Grid:
        """Turn the grid as ``np.rot90(np.moveaxis(array, across, 0), turns, axes=(1, 2))`` turns an array.

        Each voxel stays at its place in the world.
        """
        order = [across, *(axis for axis in range(3) if axis != across)]
        shape, matrix, offset = [self.shape[axis] for axis in order], self.matrix[:, order], self.offset
        for _ in range(turns % 4):
            offset = offset + (shape[2] - 1) * matrix[:, 2]
            matrix = np.column_stack([matrix[:, 0], -matrix[:, 2], matrix[:, 1]])
            shape = [shape[0], shape[2], shape[1]]
        return replace(self, shape=tuple(shape), matrix=matrix, offset=offset)

    def resample(self, mask: NDArray[Any], onto: Grid) -> NDArray[Any]:
        """Resample a mask of this grid onto another one, by nearest neighbour; 0 outside."""
        from scipy import ndimage

        matrix, offset = self.seen_from(onto)
        moved: NDArray[Any] = ndimage.affine_transform(
            mask, matrix, offset, output_shape=onto.shape, order=0, mode="grid-constant"
        )
        return moved

    def outside(self, mask: NDArray[Any], of: Grid) -> int:
        """Count the voxels of a mask on this grid that lie outside another grid."""
        matrix, offset = of.seen_from(self)
        there = np.argwhere(mask) @ matrix.T + offset
        inside = ((there > -0.5) & (there < np.asarray(of.shape) - 0.5)).all(axis=1)
        return int(np.count_nonzero(~inside))


def is_possible_spacing(spacing: Sequence[float]) -> bool:
    """Tell whether numbers may be distances between voxels, in mm or in another unit of length."""
    return all(_FINEST <= distance <= _COARSEST for distance in spacing)


def grid_of_geometry(shape: tuple[int, ...], geometry: Geometry, in_mm: bool = True) -> Grid:
    """Make the grid of a geometry, in LPS mm."""
    spacing = np.asarray(geometry.spacing)[::-1]
    direction = np.asarray(geometry.direction).reshape(3, 3)
    matrix = (direction * spacing)[:, ::-1]  # columns for z, y, x
    return Grid(shape, matrix, np.asarray(geometry.origin, float), in_mm)


def geometry_of(grid: Grid) -> Geometry:
    """Make the geometry of a grid in LPS mm, its axes as they are.

    Raises
    ------
    ValueError
        If the axes are not at right angles: no file that is written here can say so.
    """
    spacing = np.asarray(grid.spacing)
    with np.errstate(invalid="ignore", divide="ignore"):
        direction = (grid.matrix / spacing)[:, ::-1]  # columns for x, y, z
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise ValueError("The axes of the grid are not at right angles.")
    return Geometry(
        (float(spacing[0]), float(spacing[1]), float(spacing[2])),
        (float(grid.offset[0]), float(grid.offset[1]), float(grid.offset[2])),
        tuple(float(cosine) for cosine in direction.ravel()),
        stored_orientation="",
        oriented=grid.placed,
    )


def grid_of_spacing(shape: tuple[int, ...], spacing: Sequence[float], in_mm: bool) -> Grid:
    """Make a grid of which the spacing alone is known."""
    return Grid(shape, np.diag(np.asarray(spacing, float)), np.zeros(len(shape)), in_mm, placed=False)
