"""A scan: the volumes of its MRI sequences, and where their voxels lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.scan.grid import Geometry, Grid, grid_of_geometry, grid_of_spacing, is_possible_spacing
from napari_tumor_unet.scan.source import SourceImage

Sequence = Literal["pre", "flair", "post"]
SEQUENCES: tuple[Sequence, ...] = ("pre", "flair", "post")
"""T1 before contrast, FLAIR, T1 after contrast: the channel order of the LGG data set."""


@dataclass(frozen=True)
class Scan:
    """Scan of one patient: axial slices, front of the head up, the patient's right on the left.

    Attributes
    ----------
    name : str
        A file or folder name, never a path.
    sequences : mapping of {"pre", "flair", "post"} to array
        Each (Z, Y, X), all of one shape, of any real type. Arrays may be lazy: they are read slice by
        slice. FLAIR must be there.
    spacing : tuple of float
        Distance between voxels (z, y, x), in mm, or in any common unit where ``in_mm`` is False; that of the
        geometry where there is one.
    in_mm : bool
        Whether the spacing is in mm. Files without geometry have unit spacing and say so here.
    geometry : Geometry, optional
        Where the voxels lie in the patient, if the scan's file says so.
    modality : str
        As in DICOM: "MR", "CT", ...; empty where unknown.
    notes : tuple of str
        Sentences on what its file leaves in doubt.
    spacing_said : bool
        Whether the user said the spacing, as the file tells none.
    source : tuple of SourceImage
        The DICOM images of FLAIR, one for each slice in the order in which they are stored; else empty.
    """

    name: str
    sequences: Mapping[Sequence, Any]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    in_mm: bool = False
    geometry: Geometry | None = field(default=None, compare=False)
    modality: str = ""
    notes: tuple[str, ...] = ()
    spacing_said: bool = field(default=False, compare=False)
    source: tuple[SourceImage, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.geometry is not None:
            object.__setattr__(self, "spacing", self.geometry.spacing)
        if "flair" not in self.sequences:
            raise ScanError(f"{self.name} has no FLAIR sequence; the model needs one.")
        shapes = {sequence: tuple(array.shape) for sequence, array in self.sequences.items()}
        if any(len(shape) != 3 or 0 in shape for shape in shapes.values()):
            raise ScanError(f"{self.name} is not a stack of slices (Z, Y, X): its shape is {shapes}.")
        if len(set(shapes.values())) > 1:
            raise ScanError(f"The sequences of {self.name} differ in shape: {shapes}.")
        if not is_possible_spacing(self.spacing):
            raise ScanError(f"{self.name} has an impossible voxel spacing: {self.spacing}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        z, y, x = self.sequences["flair"].shape
        return int(z), int(y), int(x)

    @cached_property
    def grid(self) -> Grid:
        """Where the voxels lie, in LPS mm, as far as the scan's file says."""
        if self.geometry is None:
            return grid_of_spacing(self.shape, self.spacing, self.in_mm)
        return grid_of_geometry(self.shape, self.geometry, self.in_mm)

    @property
    def voxel_ml(self) -> float | None:
        """Volume of a voxel; None where the spacing is not in mm."""
        return self.grid.voxel_ml

    def with_spacing(self, spacing: tuple[float, float, float]) -> Scan:
        """Return the same scan with another spacing (z, y, x) in mm."""
        geometry = self.geometry and replace(self.geometry, spacing=spacing)
        return replace(self, spacing=spacing, in_mm=True, geometry=geometry)

    def flair_alone(self) -> Scan:
        """Return the same scan without its other sequences."""
        return replace(self, sequences={"flair": self.sequences["flair"]})

    def slice(self, sequence: Sequence, index: int) -> NDArray[np.float32]:
        """Read a slice (Y, X) as float32.

        A missing sequence is replaced by FLAIR, as in the LGG data set. Values that are not finite become the
        slice's lowest value, but for positive infinity, which becomes its highest.
        """
        array = self.sequences.get(sequence, self.sequences["flair"])
        pixels = np.asarray(array[index])
        if pixels.dtype.kind not in "buif":
            raise ScanError(f"{self.name} holds {pixels.dtype} values; a scan holds real numbers.")
        with np.errstate(over="ignore"):  # beyond float32 is as good as infinite
            pixels = pixels.astype(np.float32)
        finite = np.isfinite(pixels)
        if not finite.all():
            low, high = (pixels[finite].min(), pixels[finite].max()) if finite.any() else (0, 1)
            pixels[~finite] = np.where(pixels[~finite] == np.inf, high, low)
        return pixels


class ScanError(TumourUnetError, ValueError):
    """Error of a scan that cannot be used; the message is one sentence that says why."""


def scan_from_volume(
    volume: Any,
    *,
    name: str = "scan",
    spacing: tuple[float, float, float] | None = None,
    sequences: tuple[Sequence, ...] = SEQUENCES,
) -> Scan:
    """Make a scan of one array.

    Parameters
    ----------
    volume : array
        (Y, X), (Z, Y, X), or with a channel axis of ``len(sequences)`` second or last: (Z, C, Y, X),
        (Z, Y, X, C). Without a channel axis it is taken as FLAIR.
    name : str
    spacing : tuple of float, optional
        Distance between voxels (z, y, x) in mm.
    sequences : tuple of {"pre", "flair", "post"}
        The sequence of each channel.

    Raises
    ------
    ScanError
        If the volume has another shape.
    """
    shape = tuple(volume.shape)
    if len(shape) == 2:
        volume = volume[None]
    if volume.ndim == 3:
        channels: dict[Sequence, Any] = {"flair": volume}
    elif volume.ndim == 4 and shape[1] == len(sequences):
        channels = {sequence: volume[:, i] for i, sequence in enumerate(sequences)}
    elif volume.ndim == 4 and shape[-1] == len(sequences):
        channels = {sequence: volume[..., i] for i, sequence in enumerate(sequences)}
    else:
        raise ScanError(
            f"{name} has shape {shape}; a scan is (Z, Y, X), (Z, C, Y, X) or (Z, Y, X, C) "
            f"with C = {len(sequences)} for {', '.join(sequences)}."
        )
    return Scan(name, channels, spacing or (1.0, 1.0, 1.0), in_mm=spacing is not None)
