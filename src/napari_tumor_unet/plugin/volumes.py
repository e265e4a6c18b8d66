"""What an image layer holds: which axes are channels and which space, and its voxels slice by slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_tumor_unet.scan import SEQUENCES, ScanError

_CHANNEL_LABELS = {"c", "channel", "channels"}


@dataclass(frozen=True)
class Axes:
    """What the axes of an image layer's data are.

    Attributes
    ----------
    channel : int or None
        The axis of the sequences, if the layer holds several.
    spatial : tuple of int
        Slices, rows and columns; of a 2D image rows and columns.
    leading : tuple of int
        Those that are left, as time is: one position of them is one scan.
    """

    channel: int | None
    spatial: tuple[int, ...]
    leading: tuple[int, ...] = ()

    @property
    def mask(self) -> tuple[int, ...]:
        """The layer's axes that a mask of it has: all but the channels."""
        return self.leading + self.spatial


def axes_of(image: Image) -> Axes:
    """Tell a layer's axes apart, by their labels or else by their lengths.

    Raises
    ------
    ScanError
        If it is not plain which of its channels are which sequences.
    """
    shape = voxels_of(image).shape
    channel = image.ndim if image.rgb else _channel_axis(image, shape)
    if channel is not None and not image.rgb and shape[channel] not in (1, len(SEQUENCES)):
        raise ScanError(
            f"{image.name} has {shape[channel]} channels; a scan is FLAIR alone, or T1 before contrast, "
            "FLAIR and T1 after contrast."
        )
    rest = tuple(axis for axis in range(image.ndim) if axis != channel)
    return Axes(channel, rest[-3:], rest[:-3])


def voxels_of(image: Image) -> Any:
    """A layer's array, at full resolution."""
    return image.data[0] if image.multiscale else image.data


def _channel_axis(image: Image, shape: tuple[int, ...]) -> int | None:
    labels = [label.lower() for label in image.axis_labels]
    named = [axis for axis, label in enumerate(labels) if label in _CHANNEL_LABELS]
    if named:
        return named[0]
    # As ImageJ orders axes (Z, C, Y, X), or else before the slices.
    candidates = [axis for axis in (image.ndim - 3, image.ndim - 4) if image.ndim > 3 and axis >= 0]
    return next(
        (a for a in candidates if shape[a] == len(SEQUENCES) and labels[a] not in ("t", "time", "z")), None
    )


class Volume:
    """One volume (Z, Y, X) of a layer's array, of which nothing is read before a slice is asked for.

    Parameters
    ----------
    array : array
        Of any kind: NumPy, dask, zarr.
    spatial : tuple of int
        Its axes of slices, rows and columns, or of rows and columns.
    fixed : mapping of int to int
        The positions along all other axes.
    """

    ndim = 3

    def __init__(self, array: Any, spatial: tuple[int, ...], fixed: dict[int, int]) -> None:
        self._array = array
        self._spatial = spatial
        self._fixed = fixed
        self.dtype = np.dtype(array.dtype)
        self.shape = ((1,) * (3 - len(spatial))) + tuple(int(array.shape[axis]) for axis in spatial)

    def __getitem__(self, z: int) -> NDArray[Any]:
        index: list[Any] = [slice(None)] * len(self._array.shape)
        for axis, position in self._fixed.items():
            index[axis] = position
        if len(self._spatial) == 3:
            index[self._spatial[0]] = z
        return np.asarray(self._array[tuple(index)])
