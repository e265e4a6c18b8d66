"""Combine separate sequences of one patient, each on its own grid, to one scan on FLAIR's grid."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.scan.grid import Grid
from napari_tumor_unet.scan.scan import Scan, ScanError, Sequence
from napari_tumor_unet.scan.sequence_names import TITLES

if TYPE_CHECKING:
    import SimpleITK as sitk

_KINDS = frozenset(("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"))  # that SimpleITK computes with


class Resampled:
    """Volume (Z, Y, X) on another grid, read with the first slice asked for and computed slice by slice.

    Interpolation is linear; voxels outside of the volume have the volume's lowest value.

    Parameters
    ----------
    volume : array
        (Z, Y, X), of any real type; a copy is kept.
    grid : Grid
        The volume's grid; any invertible matrix will do.
    onto : Grid
        The grid to resample onto, in the same world.
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, volume: Any, grid: Grid, onto: Grid) -> None:
        self.shape = onto.shape
        self._volume = volume
        # In indices of both grids, so that the world's matrices may be sheared or mirrored as they like.
        self._matrix, self._offset = grid.seen_from(onto)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Return a slice (Y, X)."""
        plane: NDArray[np.float32] = self._planes(range(self.shape[0])[index], 1)[0]
        return plane

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self._planes(0, self.shape[0])
        return whole if dtype is None else whole.astype(dtype, copy=False)

    @cached_property
    def _source(self) -> tuple[sitk.Image, float]:
        """The volume as a SimpleITK image, and its lowest value."""
        import SimpleITK as sitk

        voxels = np.asarray(self._volume)
        if voxels.dtype.str[1:] not in _KINDS:
            voxels = voxels.astype(np.float32)
        voxels = np.ascontiguousarray(voxels, voxels.dtype.newbyteorder("="))
        return sitk.GetImageFromArray(voxels), _lowest(voxels)

    def _planes(self, first: int, count: int) -> NDArray[np.float32]:
        import SimpleITK as sitk

        image, lowest = self._source
        _, height, width = self.shape
        there: sitk.AffineTransform = sitk.AffineTransform(3)
        there.SetMatrix(self._matrix[::-1, ::-1].ravel().tolist())
        there.SetTranslation(self._offset[::-1].tolist())
        planes: NDArray[np.float32] = sitk.GetArrayFromImage(
            sitk.Resample(
                image,
                (width, height, count),
                there,
                sitk.sitkLinear,
                (0.0, 0.0, float(first)),
                (1.0, 1.0, 1.0),
                np.eye(3).ravel().tolist(),
                lowest,
                sitk.sitkFloat32,
            )
        )
        return planes


def combine(flair: Scan, pre: Scan | None = None, post: Scan | None = None) -> Scan:
    """Combine separate scans to one with the grid, geometry and name of FLAIR.

    Sequences on FLAIR's grid stay as they are; others are resampled, slice by slice when they are read.

    Parameters
    ----------
    flair : Scan
    pre, post : Scan, optional
        T1 before and after contrast. A scan of several sequences gives the one that is asked for.

    Raises
    ------
    ScanError
        If a sequence lies elsewhere than FLAIR, or has another shape and an unknown place.
    """
    sequences, notes = dict(flair.sequences), flair.notes
    others: dict[Sequence, Scan | None] = {"pre": pre, "post": post}
    for sequence, other in others.items():
        if other is not None:
            volume = other.sequences.get(sequence, other.sequences["flair"])
            names = (f"{TITLES[sequence]} ({other.name})", f"FLAIR ({flair.name})")
            sequences[sequence] = resample_onto(volume, other.grid, flair.grid, names)
            notes += other.notes
    return replace(flair, sequences=sequences, notes=notes)


def compare_grids(grid: Grid, onto: Grid) -> Literal["same", "other", "apart", "unknown"]:
    """Compare a grid with FLAIR's: the same, another at the same place, apart, or not comparable."""
    if not (grid.placed and onto.placed) or grid.in_mm != onto.in_mm:
        in_mm = grid.in_mm and onto.in_mm
        alike = grid.shape == onto.shape and (not in_mm or np.allclose(grid.spacing, onto.spacing, rtol=0.01))
        return "same" if alike else "unknown"
    if grid.is_same(onto):
        return "same"
    return "other" if grid.touches(onto) else "apart"


def resample_onto(volume: Any, grid: Grid, onto: Grid, names: tuple[str, str]) -> Any:
    """Bring a volume (Z, Y, X) to FLAIR's grid, as :class:`Resampled` unless it lies there already.

    Parameters
    ----------
    volume : array
    grid, onto : Grid
        The volume's grid, and FLAIR's.
    names : tuple of str
        Names of both for error messages.

    Raises
    ------
    ScanError
        If the volume lies elsewhere than FLAIR, or has another shape and an unknown place.
    """
    related, (one, flair) = compare_grids(grid, onto), names
    if related == "unknown":
        raise ScanError(
            f"{one} differs from {flair} in shape or spacing, and {flair if grid.placed else one} does not "
            "say where it lies; give files that do, such as NIfTI."
        )
    if related == "apart":
        raise ScanError(
            f"{one} and {flair} lie in different places; are they of one patient and one session?"
        )
    return volume if related == "same" else Resampled(volume, grid, onto)


def _lowest(voxels: NDArray[Any]) -> float:
    if voxels.dtype.kind != "f":
        return float(voxels.min())
    return (
        float(np.min(voxels, where=np.isfinite(voxels), initial=np.inf)) if np.isfinite(voxels).any() else 0.0
    )
