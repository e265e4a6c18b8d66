"""Separate sequences of one patient, each on a grid of its own, to one scan on FLAIR's."""

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
    """A volume (Z, Y, X) on another grid: read with the first slice asked for, each slice computed by itself.

    It is interpolated linearly; what lies outside of the volume has its lowest value.

    Parameters
    ----------
    volume : array
        (Z, Y, X), of any real type; a copy is kept.
    grid : Grid
        Where its voxels lie; any invertible matrix will do.
    onto : Grid
        Where voxels are wanted, in the same world.
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, volume: Any, grid: Grid, onto: Grid) -> None:
        self.shape = onto.shape
        self._volume = volume
        # In indices of both grids, so that the world's matrices may be sheared or mirrored as they like.
        self._matrix, self._offset = grid.seen_from(onto)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """A slice (Y, X)."""
        plane: NDArray[np.float32] = self._planes(range(self.shape[0])[index], 1)[0]
        return plane

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self._planes(0, self.shape[0])
        return whole if dtype is None else whole.astype(dtype, copy=False)

    @cached_property
    def _source(self) -> tuple[sitk.Image, float]:
        """The volume as SimpleITK has it, and its lowest value."""
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
    """One scan of separate ones, on FLAIR's grid and with its geometry and name.

    What lies on FLAIR's grid stays as it is; the rest is resampled, slice by slice when it is read.

    Parameters
    ----------
    flair : Scan
    pre, post : Scan, optional
        T1 before and after contrast. Of a scan of several sequences the one meant is taken.

    Raises
    ------
    ScanError
        If one lies elsewhere than FLAIR, or does not say where and has another shape.
    """
    sequences = dict(flair.sequences)
    others: dict[Sequence, Scan | None] = {"pre": pre, "post": post}
    for sequence, other in others.items():
        if other is not None:
            sequences[sequence] = _brought(other, sequence, flair)
    return replace(flair, sequences=sequences)


def _brought(other: Scan, sequence: Sequence, flair: Scan) -> Any:
    """A sequence's volume on FLAIR's grid."""
    volume = other.sequences.get(sequence, other.sequences["flair"])
    names = (f"{TITLES[sequence]} ({other.name})", f"FLAIR ({flair.name})")
    return bring(volume, other.grid, flair.grid, names)


def relation(grid: Grid, onto: Grid) -> Literal["same", "other", "apart", "unknown"]:
    """Whether a grid is FLAIR's, another one that can be resampled, elsewhere, or it cannot be told."""
    if not (grid.placed and onto.placed) or grid.in_mm != onto.in_mm:
        known = grid.in_mm and onto.in_mm
        alike = grid.shape == onto.shape and (not known or np.allclose(grid.spacing, onto.spacing, rtol=0.01))
        return "same" if alike else "unknown"
    if grid.is_same(onto):
        return "same"
    return "other" if grid.touches(onto) else "apart"


def bring(volume: Any, grid: Grid, onto: Grid, names: tuple[str, str]) -> Any:
    """A volume (Z, Y, X) on FLAIR's grid: itself, if it lies there, else :class:`Resampled`.

    Parameters
    ----------
    volume : array
    grid, onto : Grid
        Its own, and FLAIR's.
    names : tuple of str
        What to call both in an error.

    Raises
    ------
    ScanError
        If it lies elsewhere, or does not say where and has another shape.
    """
    found, (one, flair) = relation(grid, onto), names
    if found == "unknown":
        raise ScanError(
            f"{one} differs from {flair} in shape or spacing, and {flair if grid.placed else one} does not "
            "say where it lies; give files that do, such as NIfTI."
        )
    if found == "apart":
        raise ScanError(
            f"{one} and {flair} lie in different places; are they of one patient and one session?"
        )
    return volume if found == "same" else Resampled(volume, grid, onto)


def _lowest(voxels: NDArray[Any]) -> float:
    if voxels.dtype.kind != "f":
        return float(voxels.min())
    return (
        float(np.min(voxels, where=np.isfinite(voxels), initial=np.inf)) if np.isfinite(voxels).any() else 0.0
    )
