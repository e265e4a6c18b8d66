"""Read DICOM Segmentations, of whatever program, as labels on the grid of their scan or on their own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.io.dicom.deidentify import Deidentifier, pydicom_silenced
from napari_tumor_unet.io.dicom.frame import Slice
from napari_tumor_unet.io.dicom.series import SAME_PLACE, Series
from napari_tumor_unet.io.guard import check_size, check_unchanged, errors_told
from napari_tumor_unet.io.orient import to_axial
from napari_tumor_unet.scan import Geometry, Scan, ScanError

_EVEN = 0.1  # of the distance of slices


@dataclass(frozen=True)
class Segments:
    """Segments of a file that share no voxel, as labels.

    Attributes
    ----------
    scan : Scan
        The labels as its FLAIR, with the grid that they lie on, and the notes on what was done to them.
    names : mapping of int to str
        The segments' labels, by their numbers; without words that name the patient.
    """

    scan: Scan
    names: dict[int, str] = field(default_factory=dict)


def read_segmentation(file: Path, scans: Iterable[Series] = ()) -> tuple[list[Segments], Series | None]:
    """Read a segmentation: all segments as labels, those that overlap with others apart.

    Fractions count from half on. Labels are brought to the grid of the scan that they were made of.

    Parameters
    ----------
    file : Path
    scans : iterable of Series
        Among which the scan is looked for.

    Returns
    -------
    list of Segments
    Series or None
        The scan; None if it is not among those.

    Raises
    ------
    ScanError
        If the file is damaged or no segmentation, or its frames do not say where they lie.
    """
    from napari_tumor_unet.io.dicom.header import read_frames  # pydicom takes long to import

    header, frames = read_frames(file)
    slices, fields = [one for one, _ in frames], [own for _, own in frames]
    name = slices[0].acquisition.description or "segmentation"
    with pydicom_silenced(), errors_told(name):
        scan = _scan_of(header, slices, scans)
        depths, geometry = _stack(name, slices, fields[0], scan)
        shape = (max(depths) + 1, *slices[0].size)
        names = _names(header)
        numbers = [int(own.get("ReferencedSegmentNumber") or min(names, default=1)) for own in fields]
        volumes = _labels(file, name, header, shape, depths, numbers)
        check_unchanged(file, slices[0].stamp, name)
        segments = [
            _segments(f"{name} {i}" if i > 1 else name, *to_axial(v, geometry), names, scan)
            for i, v in enumerate(volumes, start=1)
        ]
    return segments, scan


def find_scan(file: Path, scans: Iterable[Series]) -> Series | None:
    """Find the scan that a segmentation was made of, where it is among some.

    Raises
    ------
    ScanError
        If the file is damaged or no segmentation.
    """
    from napari_tumor_unet.io.dicom.header import read_frames

    header, frames = read_frames(file)
    with errors_told("This segmentation"):
        return _scan_of(header, [one for one, _ in frames], scans)


def read_segmentation_alone(file: Path) -> Scan:
    """Read a segmentation as labels on its own grid.

    Raises
    ------
    ScanError
        As :func:`read_segmentation`, and if segments of it overlap.
    """
    segments, _ = read_segmentation(file)
    if len(segments) > 1:
        raise ScanError(
            f"Segments of {segments[0].scan.name} overlap, and one volume of labels cannot hold them."
        )
    return segments[0].scan


def _scan_of(header: Mapping[str, Any], frames: list[Slice], scans: Iterable[Series]) -> Series | None:
    """Find the scan that a header names, else one on whose slices the frames lie."""
    scans = [one for one in scans if one.geometry is not None and not one.problem]
    named = {str(one.get("SeriesInstanceUID")) for one in header.get("ReferencedSeriesSequence") or ()}
    places = {(frame.position, frame.orientation): frame for frame in frames}.values()
    lying = [scan for scan in scans if all(_lies_on(frame, scan) for frame in places)]
    by_name = [scan for scan in scans if scan.slices[0].series in named]
    best = [scan for scan in lying if scan in by_name] or by_name or lying
    return best[0] if best else None


def _lies_on(frame: Slice, scan: Series) -> bool:
    """Tell whether a frame is in the place of one of a scan's slices, voxel by voxel."""
    first = scan.slices[0]
    if not frame.is_placed or not frame.fits(replace(first, colours=frame.colours)):
        return False
    away = (np.array(frame.position) - np.array(first.position)) @ first.axes
    index = away[2] / scan.spacing[0] if scan.spacing else np.inf
    near = np.abs(away[:2]).max() < _EVEN * min(first.spacing or (1.0,))
    return bool(near and abs(index - round(index)) < _EVEN and -0.5 < index < len(scan.slices) - 0.5)


def _stack(
    name: str, frames: list[Slice], fields: Mapping[str, Any], scan: Series | None
) -> tuple[list[int], Geometry]:
    """Return which slice of a volume each frame is, and where this lies, axes as stored."""
    first = frames[0]
    if not all(frame.is_placed for frame in frames):
        raise ScanError(f"The frames of {name} do not say where they lie.")
    positions, axes = np.array([frame.position for frame in frames]), first.axes
    aside = np.abs((positions - positions[0]) @ axes[:, :2])
    if not all(frame.fits(first) for frame in frames) or (aside > 0.5 * min(first.spacing or (1.0,))).any():
        raise ScanError(f"The frames of {name} are no stack: they are turned or shifted against each other.")
    along = positions @ axes[:, 2]
    gaps = np.diff(np.unique(along))
    gaps = gaps[gaps > SAME_PLACE]
    told = (
        [scan.spacing[0]] if scan and scan.spacing and first.fits(replace(scan.slices[0], colours=1)) else []
    )
    told += [float(fields.get("SpacingBetweenSlices") or 0), *gaps.min(initial=np.inf, keepdims=True)]
    for step in [*told, first.distance or 1.0]:
        if 0 < step < np.inf:
            depths = (along - along.min()) / step
            if np.abs(depths - depths.round()).max() <= _EVEN:
                break
    else:
        raise ScanError(f"The frames of {name} are unevenly apart; a volume's are even.")
    x, y, z = (float(v) for v in positions[along.argmin()])
    direction = tuple(float(v) for v in axes.ravel())
    geometry = Geometry((float(step), *(first.spacing or (1.0, 1.0))), (x, y, z), direction, "")
    return [int(depth) for depth in depths.round()], geometry


def _labels(
    file: Path,
    name: str,
    header: Mapping[str, Any],
    shape: tuple[int, int, int],
    depths: list[int],
    numbers: list[int],
) -> list[NDArray[np.unsignedinteger[Any]]]:
    """Decode the frames to volumes of labels, one unless segments overlap; a segment stays whole."""
    kind, most = header.get("SegmentationType"), int(header.get("MaximumFractionalValue") or 255)
    dtype = np.uint8 if max(numbers) < 1 << 8 and kind != "LABELMAP" else np.uint16
    size = math.prod(shape) * np.dtype(dtype).itemsize
    check_size(name, size)
    volumes = [np.zeros(shape, dtype)]
    order = sorted(range(len(depths)), key=lambda i: (numbers[i], depths[i]))
    planes = _planes(file, order, math.prod(shape[1:]))
    for number, indices in groupby(order, key=lambda i: numbers[i]):
        segment = [(depths[i], next(planes)) for i in indices]
        if kind == "LABELMAP":
            for z, plane in segment:
                volumes[0][z] = plane
            continue
        parts = [
            (z, 2 * plane.astype(np.uint16) >= most if kind == "FRACTIONAL" else plane > 0)
            for z, plane in segment
        ]
        free = next((v for v in volumes if not any(v[z][part].any() for z, part in parts)), None)
        if free is None:
            check_size(name, size * (len(volumes) + 1))
            volumes.append(free := np.zeros(shape, dtype))
        for z, part in parts:
            free[z][part] = number
    return volumes


def _planes(file: Path, order: list[int], size: int) -> Iterator[NDArray[Any]]:
    """Yield the frames of a file in an order; pydicom splits single bits into frames of whole bytes alone."""
    from pydicom import dcmread
    from pydicom.pixels.utils import iter_pixels

    if size % 8 == 0:
        yield from iter_pixels(file, indices=order, raw=True)
        return
    check_size("The segmentation", size * len(order))
    frames = dcmread(file).pixel_array
    yield from (frames if frames.ndim == 3 else frames[None])[order]


def _names(header: Mapping[str, Any]) -> dict[int, str]:
    deidentifier = Deidentifier(header)
    described = header.get("SegmentSequence") or ()
    return {int(one.SegmentNumber): deidentifier.clean(one.get("SegmentLabel")) for one in described}


def _segments(
    name: str, labels: NDArray[Any], geometry: Geometry, names: Mapping[int, str], scan: Series | None
) -> Segments:
    """Bring labels to the grid of their scan, if they touch it."""
    present = {int(label) for label in np.unique(labels) if label}
    read = Scan(name, {"flair": labels}, in_mm=True, geometry=geometry)
    if scan is not None and scan.geometry is not None:
        air, onto = to_axial(np.broadcast_to(np.uint8(0), scan.shape), scan.geometry)
        onto_scan = Scan(scan.name, {"flair": air}, in_mm=True, geometry=onto, source=scan.source)
        read = _brought(read, onto_scan)
    return Segments(read, {number: text for number, text in names.items() if number in present})


def _brought(labels: Scan, scan: Scan) -> Scan:
    if labels.grid.is_same(scan.grid, _EVEN):
        return replace(labels, geometry=scan.geometry, source=scan.source)
    voxels = np.asarray(labels.sequences["flair"])
    if not labels.grid.touches(scan.grid):
        return replace(labels, notes=(f"{labels.name} lies elsewhere than {scan.name}.",))
    notes = []
    matrix, offset = labels.grid.seen_from(scan.grid)
    if not np.allclose(
        np.hstack([matrix, offset[:, None]]), np.hstack([np.eye(3), offset.round()[:, None]]), atol=_EVEN / 10
    ):
        notes.append(f"{labels.name} has another grid than {scan.name}, and was brought to it.")
    if lost := labels.grid.outside(voxels, scan.grid):
        notes.append(f"{lost:,} voxels of {labels.name} lie outside of {scan.name}, and are left out.")
    voxels = labels.grid.resample(voxels, scan.grid)
    return replace(
        labels,
        sequences={"flair": voxels},
        geometry=scan.geometry,
        notes=tuple(notes),
        source=scan.source,
    )
