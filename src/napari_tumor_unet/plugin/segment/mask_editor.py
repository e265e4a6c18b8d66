"""Edits of a finished mask: another threshold without another run, and its regions one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_tumor_unet._common import size_in_words
from napari_tumor_unet.inference.measures import RegionMeasures
from napari_tumor_unet.inference.regions import (
    Region,
    drop_faint_regions,
    drop_small_regions,
    find_regions,
    left_out,
    threshold_mask,
    voxels_of,
)
from napari_tumor_unet.inference.result import (
    Findings,
    LeftOut,
    count_left_out,
    measure,
    update,
)
from napari_tumor_unet.inference.smoothing import fill_holes, smooth_outline
from napari_tumor_unet.plugin.io.opened_together import look_at
from napari_tumor_unet.plugin.layers.metadata import mask_metadata, said_spacing
from napari_tumor_unet.plugin.layers.opened_masks import checksum_of
from napari_tumor_unet.plugin.layers.planes import camera_of

if TYPE_CHECKING:
    from napari import Viewer

POSTPROCESSING: dict[str, Callable[[NDArray[np.uint8]], None]] = {
    "smooth_outline": smooth_outline,
    "fill_holes": fill_holes,
}
"""What can be done with a mask (Z, Y, X), in place, in this order."""

_MOST_LISTED = 100  # regions
_MOST_RUNS = 3  # of slices, that are named each
_SPECK_ML, _SPECK_VOXELS = 0.05, 10  # of regions that were left out, smaller ones are not worth an offer
_NO_STROKE = -1
_MIDDLE = 0.05  # of the head's width: nearer to the midline no side is told

Voxels = tuple[NDArray[np.intp], ...]


@dataclass(frozen=True)
class MaskState:
    """What is in a mask now, the user's edits included.

    Attributes
    ----------
    findings : Findings
    regions : list of Region
        The largest first; of very many the largest 100.
    left_out : LeftOut
        Regions that can be taken in.
    left_out_slices : tuple of int
        The slices with these regions.
    edited : bool
        Whether the user changed the mask.
    saved_as : str
        Name of the file that the panel saved the mask in, as it is now.
    """

    findings: Findings
    regions: list[Region]
    left_out: LeftOut
    edited: bool
    saved_as: str = ""
    left_out_slices: tuple[int, ...] = ()


class MaskEditor:
    """Changes the mask of a finished segmentation, with the probability that the mask came from.

    Parameters
    ----------
    viewer : Viewer
    layer : Labels
        One of which :func:`~napari_tumor_unet.plugin.layers.metadata.has_result` is true.

    Attributes
    ----------
    midline : tuple of float, optional
        Column of the head's midline, and the head's width, once they are known.
    """

    def __init__(self, viewer: Viewer, layer: Labels) -> None:
        self.layer = layer
        self.midline: tuple[float, float] | None = None
        self._viewer = viewer
        self._metadata = mask_metadata(layer)
        self._place = self._metadata.place
        self._never_in: list[Voxels] | None = None

    @property
    def threshold(self) -> float:
        """The probability from which a voxel is tumour."""
        return self._metadata.threshold

    @property
    def models_threshold(self) -> float:
        """The same, as the run had it."""
        provenance = self._metadata.provenance
        return self.threshold if provenance is None else provenance.threshold

    @property
    def min_region_voxels(self) -> int:
        """Voxels under which a region was dropped; 0 where the model's own limit holds."""
        return self._metadata.min_region_voxels or 0

    @property
    def voxel_mm3(self) -> float | None:
        """Volume of a voxel; None where the spacing is not in mm."""
        ml = self._metadata.voxel_ml
        return None if ml is None else ml * 1000

    @property
    def knows_sides(self) -> bool:
        """Whether the scan's file says which side of an image is the patient's left."""
        geometry, place = self._metadata.geometry, self._place
        return geometry is not None and geometry.oriented and not (place.across or place.turn)

    def measure(self) -> MaskState:
        """Measure the mask as it is now."""
        metadata, mask = self._metadata, self._mask()
        there = [z for z, plane in enumerate(mask) if plane.any()]
        first = there[0] if there else 0
        part = (mask[first : there[-1] + 1 if there else 1] > 0).astype(np.uint8)
        regions = find_regions(part, _MOST_LISTED, first)
        n = len(regions) if len(regions) < _MOST_LISTED else None
        edited = not all(map(np.array_equal, mask, metadata.written))
        lacking = self._left_out()
        return MaskState(
            measure(part, metadata.voxel_ml, n),
            regions,
            count_left_out(lacking, metadata.voxel_ml),
            edited,
            metadata.saved_as if metadata.saved_as and metadata.saved == self.checksum() else "",
            tuple(sorted({int(z) for voxels in lacking for z in np.unique(voxels[0])})),
        )

    def checksum(self) -> int:
        """Return a number that changes with what is saved: the mask, and the spacing that was said of it."""
        said = said_spacing(self.layer)
        return checksum_of(self.layer.data, None if said is None else said.mm)

    def mark_saved(self, checksum: int, name: str) -> None:
        """Note that the mask with this checksum was saved in a file of this name."""
        self._metadata.saved, self._metadata.saved_as = checksum, name

    @property
    def postprocessing(self) -> tuple[str, ...]:
        """What the user chose to be done with the mask."""
        return self._metadata.postprocessing

    @property
    def is_as_run(self) -> bool:
        """Whether threshold, smallest region and postprocessing are those of the run."""
        chosen = self.threshold != self.models_threshold or self.min_region_voxels or self.postprocessing
        return not chosen

    def change(
        self, threshold: float, min_region_voxels: int, postprocessing: tuple[str, ...] | None = None
    ) -> None:
        """Make the mask again from the probability; what the user edited stays.

        Parameters
        ----------
        threshold : float
            From 0 to 1.
        min_region_voxels : int
            Regions of fewer voxels are dropped; with 0 the model's own limit holds.
        postprocessing : tuple of str, optional
            Of ``POSTPROCESSING``; by default as it was.
        """
        metadata = self._metadata
        if postprocessing is not None:
            metadata.postprocessing = postprocessing
        slices = self._slices_with_tumour(threshold)  # no others change
        probability, written = metadata.probability[slices], metadata.written[slices]
        new = threshold_mask(probability, threshold)
        if min_region_voxels:
            dropped = drop_small_regions(new, min_region_voxels)
        else:
            share = 0.0 if metadata.provenance is None else metadata.provenance.min_region_weight
            dropped = drop_faint_regions(new, probability, threshold, share)
        for name, act in POSTPROCESSING.items():
            if name in metadata.postprocessing:
                act(new)
        for z, (mask, last, plane) in enumerate(
            zip(self._mask()[slices], written, new, strict=True), slices.start
        ):
            edited = self._edited(z, mask, last)
            update(last, plane)
            update(mask, np.where(edited, mask, plane))
        metadata.chosen_threshold, metadata.min_region_voxels = threshold, min_region_voxels
        regions = None if metadata.postprocessing else dropped.regions_left
        metadata.findings = measure(new, metadata.voxel_ml, regions)
        self._never_in = None
        self.layer.refresh()

    def _edited(self, z: int, mask: NDArray[Any], written: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which voxels of a slice the user edited, though the mask may have come to be the same."""
        strokes = self._metadata.strokes
        edited: NDArray[np.bool_] = mask != written
        if z in strokes:
            edited |= mask == strokes[z]  # what was undone since is another
        if edited.any():
            strokes[z] = np.where(edited, mask.astype(np.int64), _NO_STROKE)
        else:
            strokes.pop(z, None)
        return edited

    def describe(self, number: int, region: Region, measured: RegionMeasures | None = None) -> str:
        """Write in two lines what is to be known of a region; with diameters, once it is measured."""
        ml, (first, last) = self._metadata.voxel_ml, region.ends
        where = slices_in_words(range(first, last + 1))
        size = size_in_words(region.voxels, None if ml is None else region.voxels * ml)
        diameters = "" if measured is None else measured.diameters
        lines = ((str(number), size, self._side(region)), (diameters, where))
        return "\n".join(" · ".join(filter(None, line)) for line in lines)

    def go_to(self, region: Region) -> None:
        """Show the slice with most of a region; move there only where it is out of sight."""
        self._show(*region.seed)
        centre = region.seed[0], round(region.centre[1]), round(region.centre[2])
        world, shown = self._world(*centre), self._viewer.dims.displayed
        place = self.layer.world_to_data(world[-self.layer.ndim :])
        first, last = self.layer.corner_pixels  # of what is on screen
        axes = [axis - self._viewer.dims.ndim + self.layer.ndim for axis in shown]
        if any(axis < 0 or not first[axis] <= place[axis] <= last[axis] for axis in axes):
            camera_of(self._viewer).center = tuple(world[axis] for axis in shown)

    def go_to_largest_slice(self) -> None:
        """Show the slice with most of the mask."""
        area = np.array([np.count_nonzero(plane) for plane in self._mask()])
        if area.any():
            z = int(area.argmax())
            y, x = np.argwhere(self._mask()[z])[0]
            self._show(z, int(y), int(x))

    def remove(self, regions: list[Region]) -> bool:
        """Erase regions, as one edit of the user's that undo takes back; return whether they were there."""
        mask = self._tumour()
        return self._set([voxels_of(mask, region) for region in regions], 0)

    def keep_only(self, regions: list[Region]) -> bool:
        """Erase all else, as one edit; return whether the regions were there, without which nothing goes."""
        mask = self._tumour()
        kept = [voxels_of(mask, region) for region in regions]
        if not any(len(voxels[0]) for voxels in kept):
            return False
        for voxels in kept:
            mask[voxels] = 0
        self._set([np.nonzero(mask)], 0)
        return True

    def take_in(self) -> None:
        """Add the regions that were left out, as one edit."""
        self._set(self._left_out(), 1)

    def _left_out(self) -> list[Voxels]:
        """Find the regions, but for specks, that reach the threshold and were neither written nor painted."""
        if not self._metadata.has_probability:
            return []
        if self._never_in is None:
            metadata, slices = self._metadata, self._slices_with_tumour(self.threshold)
            found = left_out(metadata.probability[slices], self.threshold, metadata.written[slices])
            ml = metadata.voxel_ml
            fewest = _SPECK_VOXELS if ml is None else _SPECK_ML / ml
            self._never_in = [(z + slices.start, y, x) for z, y, x in found if len(z) >= fewest]
        mask = self._mask()
        return [voxels for voxels in self._never_in if not mask[voxels].any()]

    def _set(self, regions: list[Voxels], label: int) -> bool:
        """Paint voxels, and let the mask be the active layer; return whether there were any."""
        if not any(len(voxels[0]) for voxels in regions):
            return False
        if self._viewer.layers.selection.active is not self.layer:
            self.layer.mode = "pan_zoom"  # else the next drag would paint
            self._viewer.layers.selection.active = self.layer  # of which Ctrl+Z takes edits back
        z, y, x = (np.concatenate([voxels[axis] for voxels in regions]) for axis in range(3))
        self.layer.data_setitem(self._place.indices(self.layer.data.shape, (z, y, x)), label)
        return True

    def _side(self, region: Region) -> str:
        if self.midline is None:
            return ""
        middle, width = self.midline
        away = region.centre[2] - middle  # towards the patient's left
        if abs(away) < _MIDDLE * width:
            return "midline"
        return "left" if away > 0 else "right"

    def _show(self, z: int, y: int, x: int) -> None:
        look_at(self._viewer, self.layer)
        self._viewer.dims.point = self._world(z, y, x)

    def _world(self, z: int, y: int, x: int) -> tuple[float, ...]:
        """Return the point of the viewer's world at a voxel."""
        n, dims = self.layer.ndim, self._viewer.dims
        position = self._place.indices(self.layer.data.shape, (z, y, x))
        return (*dims.point[:-n], *self.layer.data_to_world(position))

    def _slices_with_tumour(self, threshold: float) -> slice:
        """Return the range of slices with tumour in the mask as it was written, or at a threshold."""
        planes = zip(self._metadata.written, self._metadata.probability, strict=True)
        tumour = [z for z, (w, p) in enumerate(planes) if w.any() or threshold_mask(p, threshold).any()]
        return slice(tumour[0], tumour[-1] + 1) if tumour else slice(0, 1)

    def _tumour(self) -> NDArray[np.uint8]:
        return (self._mask() > 0).astype(np.uint8)

    def _mask(self) -> NDArray[Any]:
        return self._place.volume(self.layer.data)


def slices_in_words(slices: Sequence[int]) -> str:
    """Name slices, which are in order: of many runs of them the first and the last."""
    runs = np.split(np.array(slices), np.flatnonzero(np.diff(slices) > 1) + 1)
    ends = [(run[0], run[-1]) for run in runs] if len(runs) <= _MOST_RUNS else [(slices[0], slices[-1])]
    named = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ends)
    return f"slice{'s' * (len(slices) > 1)} {named}"
