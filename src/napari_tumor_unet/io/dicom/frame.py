"""One image of a DICOM series: its file, geometry and acquisition."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io.dicom.acquisition import Acquisition
from napari_tumor_unet.io.guard import Stamp

_PARALLEL = 1e-3  # difference of direction cosines

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Slice:
    """Image of a DICOM file, or one of its frames.

    Attributes
    ----------
    file : Path
    stamp : tuple of int
        Of the file, when its header was read.
    frame : int
        Which frame of the file.
    image, series, study : str
        UIDs.
    series_number, number : int
    acquisition : Acquisition
    size : tuple of int
        Rows, columns.
    colours : int
        Samples per pixel; a scan has one.
    position : tuple of float, optional
        World position of the centre of the first pixel, LPS mm.
    orientation : tuple of float, optional
        World directions of a row and of a column.
    spacing : tuple of float, optional
        Distance of rows and of columns, in mm.
    distance : float, optional
        Distance to the next slice in mm, by the header; positions are better.
    scale : tuple of float
        Rescale slope and intercept.
    fault : str
        Why the image cannot be read, as the end of a sentence about it.
    """

    file: Path = field(repr=False)
    stamp: Stamp = field(repr=False)
    frame: int
    image: str = field(repr=False)
    series: str = field(repr=False)
    study: str = field(repr=False)
    series_number: int
    number: int
    acquisition: Acquisition
    size: tuple[int, int]
    colours: int
    position: Vector | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    distance: float | None
    scale: tuple[float, float]
    fault: str = ""

    @cached_property
    def is_placed(self) -> bool:
        """Whether the header says where the image lies."""
        complete = None not in (self.position, self.spacing, self.orientation)
        return complete and bool(np.isfinite(self.axes).all())

    @property
    def plane(self) -> str:
        """The nearest of "sagittal", "coronal" and "axial"; empty where the header does not tell."""
        if not self.is_placed:
            return ""
        return ("sagittal", "coronal", "axial")[int(np.abs(self.axes[:, 2]).argmax())]

    @cached_property
    def axes(self) -> NDArray[np.float64]:
        """World directions of x, y and the normal as columns, made perpendicular."""
        x, y = np.reshape(self.orientation or (np.nan,) * 6, (2, 3))
        with np.errstate(invalid="ignore", divide="ignore"):
            x = x / np.linalg.norm(x)
            y = y - (y @ x) * x
            y = y / np.linalg.norm(y)
        return np.column_stack([x, y, np.cross(x, y)])

    def fits(self, other: Slice) -> bool:
        """Tell whether two images may be slices of one stack: of one size and in parallel planes."""
        if (self.size, self.colours) != (other.size, other.colours):
            return False
        mine, others = (self.orientation, self.spacing), (other.orientation, other.spacing)
        if mine == others or None in mine or None in others:
            return mine == others
        return bool(
            np.allclose(self.orientation or (), other.orientation or (), atol=_PARALLEL)
            and np.allclose(self.spacing or (), other.spacing or (), rtol=1e-3)
        )
