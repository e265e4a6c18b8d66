"""What an image layer holds: which axes are channels and which space, and its voxels slice by slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_tumor_unet.scan import SEQUENCES

_CHANNEL_LABELS = {"c", "channel", "channels"}


@dataclass(frozen=True)
class AxisRoles:
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
        return self.leading + tuple(sorted(self.spatial))


def axes_of(image: Image, across: int = 0) -> AxisRoles:
    """Tell a layer's axes apart, by their labels or else by their lengths.

    Parameters
    ----------
    image : Image
    across : int
        Which of the last three axes (without the channels) the slices lie along.
    """
    shape = voxels_of(image).shape
    channel = image.ndim if image.rgb else _channel_axis(image, shape)
    rest = [axis for axis in range(image.ndim) if axis != channel]
    spatial = rest[-3:]
    if len(spatial) == 3:
        spatial.insert(0, spatial.pop(across))
    return AxisRoles(channel, tuple(spatial), tuple(rest[:-3]))


def voxels_of(layer: Image | Labels) -> Any:
    """Return a layer's array, at full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


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


class LayerVolume:
    """One volume (Z, Y, X) of a layer's array, of which nothing is read before a slice is asked for.

    Parameters
    ----------
    array : array
        Of any kind: NumPy, dask, zarr.
    spatial : tuple of int
        Its axes of slices, rows and columns, or of rows and columns.
    fixed : mapping of int to int
        The positions along all other axes.
    turn : int
        Quarter turns, counter-clockwise, of each slice.
    """

    ndim = 3

    def __init__(self, array: Any, spatial: tuple[int, ...], fixed: dict[int, int], turn: int = 0) -> None:
        self._array = array
        self._spatial = spatial
        self._fixed = fixed
        self._turn = turn
        self.dtype = np.dtype(array.dtype)
        depth, height, width = ((1,) * (3 - len(spatial))) + tuple(int(array.shape[a]) for a in spatial)
        self.shape = (depth, width, height) if turn % 2 else (depth, height, width)

    def __getitem__(self, z: int) -> NDArray[Any]:
        return np.rot90(self._part(z), self._turn)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if len(self._spatial) < 3:
            whole = self[0][None]
        else:
            across = sorted(self._spatial).index(self._spatial[0])
            whole = np.rot90(np.moveaxis(self._part(slice(None)), across, 0), self._turn, axes=(1, 2))
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def _part(self, z: int | slice) -> NDArray[Any]:
        index: list[Any] = [slice(None)] * len(self._array.shape)
        for axis, position in self._fixed.items():
            index[axis] = position
        if len(self._spatial) == 3:
            index[self._spatial[0]] = z
        return np.asarray(self._array[tuple(index)])


@dataclass(frozen=True)
class SliceOrientation:
    """Where a scan lies in the data of its mask's layer.

    Attributes
    ----------
    at : tuple of int
        Its position along the leading axes, as along time.
    across : int
        Which of the other axes its slices lie along.
    turn : int
        Quarter turns, counter-clockwise, that bring the front of the head up.
    """

    at: tuple[int, ...] = ()
    across: int = 0
    turn: int = 0

    def stored(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return the scan's part of a layer's data, three axes as they are stored: a view."""
        part: NDArray[Any] = data[self.at]
        return part[None] if part.ndim == 2 else part

    def volume(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return the scan's part as the scan sees it, (Z, Y, X): a view."""
        part = self.stored(data)
        return np.rot90(np.moveaxis(part, self.across, 0), self.turn, axes=(1, 2))

    def indices(self, shape: tuple[int, ...], voxels: tuple[Any, Any, Any]) -> tuple[NDArray[np.intp], ...]:
        """Where voxels (z, y, x) of the scan are in a layer's data of a shape."""
        three = (1,) * (3 - len(shape) + len(self.at)) + shape[len(self.at) :]
        z, y, x = (np.asarray(index) for index in voxels)
        height, width = (n for axis, n in enumerate(three) if axis != self.across)
        rows, columns = np.broadcast_arrays(np.arange(height)[:, None], np.arange(width))
        rest = [np.rot90(part, self.turn)[y, x] for part in (rows, columns)]
        rest.insert(self.across, z)
        leading = [np.full(z.shape, position) for position in self.at]
        return tuple((*leading, *rest)[-len(shape) :])
