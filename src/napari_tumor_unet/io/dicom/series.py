"""A DICOM series: its images in order, its geometry, and why it is no volume."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet._common import plural
from napari_tumor_unet.io.dicom.acquisition import Acquisition
from napari_tumor_unet.io.dicom.frame import Slice
from napari_tumor_unet.scan import Geometry, Sequence, SourceImage

SAME_PLACE = 0.01
"""Slices less than this far apart, in mm, lie at one place."""
_EVEN = 0.1  # of the distance between slices
_SCANS = ("", "MR", "CT", "PT", "NM", "OT")


@dataclass(frozen=True)
class Series:
    """Series of images of a DICOM folder; none of its fields names the patient.

    Attributes
    ----------
    name : str
        The series' description, or "series 3"; fit for a layer.
    acquisition : Acquisition
    slices : tuple of Slice
        In order along the normal of the slices, from right, front or feet.
    geometry : Geometry, optional
        Where the volume lies, as stored; None where the files do not say.
    spacing : tuple of float, optional
        Distance (z, y, x) in mm; None where the files do not say.
    problem : str
        One sentence that says why the series cannot be opened as a volume; empty if it can.
    notes : tuple of str
        Sentences for the user who opens the series.
    study : int
        Number of the series' study in the folder, from 1: sequences of one patient are in one study.
    """

    name: str
    acquisition: Acquisition
    slices: tuple[Slice, ...] = field(repr=False)
    geometry: Geometry | None = None
    spacing: tuple[float, float, float] | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()
    study: int = 1

    @property
    def modality(self) -> str:
        """How the series was taken: "MR", "CT", ..."""
        return self.acquisition.modality

    @property
    def is_segmentation(self) -> bool:
        """Whether it holds masks of another series, to be read by ``read_segmentation``."""
        return self.modality == "SEG"

    @property
    def can_be_shown(self) -> bool:
        """Whether it is a volume, or holds masks of one."""
        return not self.problem or self.is_segmentation

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns, as stored."""
        return (len(self.slices), *self.slices[0].size)

    @property
    def sequence(self) -> Sequence | None:
        """The MRI sequence, if it is one of the three and the headers tell."""
        return self.acquisition.sequence

    @property
    def study_code(self) -> str:
        """A code of the study, the same in whatever folder a series lies; it says nothing of the patient."""
        return hashlib.sha256(self.slices[0].study.encode()).hexdigest()[:8]

    @property
    def source(self) -> tuple[SourceImage, ...]:
        """The images, to be read again when DICOM is written of them."""
        return tuple(SourceImage(one.file, one.image, one.frame) for one in self.slices)

    @property
    def files(self) -> tuple[Path, ...]:
        """The series' files, each once."""
        return tuple(dict.fromkeys(one.file for one in self.slices))


def make_series(name: str, images: list[Slice], notes: tuple[str, ...] = (), study: int = 1) -> Series:
    """Put images in order, and find out where they lie, or what is wrong with them."""
    problem = _problem_of_images(name, images)
    if not all(one.is_placed for one in images):
        return _unplaced(name, images, problem, notes, study)
    axes, pixel = images[0].axes, images[0].spacing or (1.0, 1.0)
    images = sorted(images, key=lambda one: (float(np.dot(one.position or 0, axes[:, 2])), one.number))
    positions = np.array([one.position for one in images])
    problem = problem or _problem_of_positions(name, positions, axes, pixel)
    if problem:
        return Series(name, images[0].acquisition, tuple(images), problem=problem, notes=notes, study=study)
    distance = float(np.linalg.norm(positions[-1] - positions[0])) / (len(positions) - 1)
    x, y, z = (float(v) for v in positions[0])
    direction = tuple(float(v) for v in axes.ravel())
    geometry = Geometry((distance, *pixel), (x, y, z), direction, stored_orientation="")
    return Series(name, images[0].acquisition, tuple(images), geometry, geometry.spacing, "", notes, study)


def _unplaced(name: str, images: list[Slice], problem: str, notes: tuple[str, ...], study: int) -> Series:
    """Make a series of slices of unknown place, in the order of their numbers."""
    images = sorted(images, key=lambda one: one.number)
    if not problem and any(one.is_placed for one in images):
        problem = f"Some slices of {name} do not say where they lie."
    if not problem and len({one.number for one in images}) < len(images):
        problem = f"The slices of {name} neither say where they lie nor have a number each."
    plane, distance = images[0].spacing, images[0].distance
    spacing = (distance, *plane) if plane and distance and distance > 0 else None
    if not problem:
        note = f"The slices of {name} do not say where they lie, so they are in the order of their numbers."
        notes = (*notes, note)
    return Series(name, images[0].acquisition, tuple(images), None, spacing, problem, notes, study)


def _problem_of_images(name: str, images: list[Slice]) -> str:
    first = images[0]
    if first.acquisition.modality not in _SCANS:
        return f"{name} is no scan: its modality is {first.acquisition.modality}."
    faulty = [one for one in images if one.fault]
    if len(faulty) == len(images) and len({one.fault for one in images}) == 1:
        return f"{name} {first.fault}."
    if faulty:
        return f"Image {faulty[0].number} of {name} {faulty[0].fault}."
    if first.colours > 1:
        return f"{name} is in colours; a scan has one value a voxel."
    if len(images) == 1:
        return f"{name} is a single image; a scan is a stack of slices."
    if not all(one.fits(first) for one in images):
        return f"The images of {name} differ in size or orientation; a scan is a stack of like slices."
    if len({one.scale for one in images if one.file == first.file}) > 1:
        return f"The frames of {name} are scaled each in its own way; export them as single images."
    return ""


def _problem_of_positions(
    name: str, positions: NDArray[Any], axes: NDArray[Any], spacing: tuple[float, float]
) -> str:
    steps = np.diff(positions @ axes[:, 2])
    if (steps <= SAME_PLACE).any():
        n = int(np.argmax(steps <= SAME_PLACE)) + 1
        return f"Slices {n} and {n + 1} of {name} lie at one place, and nothing tells which is meant."
    aside = np.abs((positions - positions[0]) @ axes[:, :2])
    if (aside > 0.5 * np.array(spacing[::-1])).any():
        return f"The slices of {name} are shifted against each other, as with a tilted gantry; resample them."
    step = float(np.median(steps))
    if np.abs(steps - step).max() <= _EVEN * step:
        return ""
    gaps = np.rint(steps / step)
    if np.abs(steps - gaps * step).max() <= _EVEN * step and (gaps >= 1).all():
        after, missing = int(np.argmax(gaps > 1)) + 1, int((gaps - 1).sum())
        return f"{name} misses {plural(missing, 'slice')}, the first after slice {after}."
    return f"The slices of {name} are {steps.min():.3g} to {steps.max():.3g} mm apart; a scan's are even."
