"""Edits of a finished mask: another threshold without another run, and its regions one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_tumor_unet._common import plural
from napari_tumor_unet.inference.regions import (
    Region,
    drop_faint_regions,
    drop_small_regions,
    find_regions,
    threshold_mask,
    voxels_of,
)
from napari_tumor_unet.inference.result import Findings, measure, update
from napari_tumor_unet.plugin.layers.metadata import image_metadata, mask_metadata
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM

if TYPE_CHECKING:
    from napari import Viewer

_MOST_LISTED = 100  # regions


class MaskEditor:
    """Changes the mask of a finished segmentation, with the probability that the mask came from.

    Parameters
    ----------
    viewer : Viewer
    layer : Labels
        One of which :func:`~napari_tumor_unet.plugin.layers.metadata.has_result` is true.
    """

    def __init__(self, viewer: Viewer, layer: Labels) -> None:
        self.layer = layer
        self._viewer = viewer
        self._metadata = mask_metadata(layer)
        self._place = self._metadata.place

    @property
    def threshold(self) -> float:
        """The probability from which a voxel is tumour."""
        return self._metadata.threshold

    @property
    def min_region_voxels(self) -> int:
        """Voxels under which a region was dropped; 0 where the model's own limit holds."""
        return self._metadata.min_region_voxels or 0

    @property
    def voxel_mm3(self) -> float | None:
        """Volume of a voxel; None where the spacing is not in mm."""
        ml = self._metadata.voxel_ml
        return None if ml is None else ml * 1000

    def measure(self) -> tuple[Findings, list[Region]]:
        """Measure the mask as it is now, the user's edits included, and its regions, the largest first."""
        mask = self._tumour()
        regions = find_regions(mask, _MOST_LISTED)
        n = len(regions) if len(regions) < _MOST_LISTED else None
        return measure(mask, self._metadata.voxel_ml, n), regions

    def change(self, threshold: float, min_region_voxels: int) -> None:
        """Make the mask again from the probability; what the user edited stays.

        Parameters
        ----------
        threshold : float
            From 0 to 1.
        min_region_voxels : int
            Regions of fewer voxels are dropped; with 0 the model's own limit holds.
        """
        metadata = self._metadata
        slices = self._slices_with_tumour(threshold)  # no others change
        probability, written = metadata.probability[slices], metadata.written[slices]
        new = threshold_mask(probability, threshold)
        if min_region_voxels:
            dropped = drop_small_regions(new, min_region_voxels)
        else:
            share = 0.0 if metadata.provenance is None else metadata.provenance.min_region_weight
            dropped = drop_faint_regions(new, probability, threshold, share)
        for mask, last, plane in zip(self._mask()[slices], written, new, strict=True):
            untouched = mask == last
            update(last, plane)
            update(mask, np.where(untouched, plane, mask))
        metadata.chosen_threshold, metadata.min_region_voxels = threshold, min_region_voxels
        metadata.findings = measure(new, metadata.voxel_ml, dropped.regions_left)
        self.layer.refresh()

    def describe(self, region: Region) -> str:
        """Write a region's size, for a list."""
        ml = self._metadata.voxel_ml
        size = f"{region.voxels:,} voxels" if ml is None else f"{region.voxels * ml:.1f} ml"
        return f"{size}, {plural(region.slices, 'slice')}"

    def go_to(self, region: Region) -> None:
        """Show the slice with most of a region."""
        self._show(*region.seed)

    def go_to_largest_slice(self) -> None:
        """Show the slice with most of the mask."""
        area = np.array([np.count_nonzero(plane) for plane in self._mask()])
        if area.any():
            z = int(area.argmax())
            y, x = np.argwhere(self._mask()[z])[0]
            self._show(z, int(y), int(x))

    def add_probability(self) -> None:
        """Add the probability as an image layer in the mask's place, from 0 to 1."""
        data = np.zeros(self.layer.data.shape, np.float32)
        volume = self._place.volume(data)
        for z, plane in enumerate(self._metadata.probability):
            volume[z] = plane / np.float32(255)
        self._viewer.add_image(
            data,
            rgb=False,  # napari takes three or four columns for colours
            name=f"{self._metadata.scan} probability",
            colormap="inferno",
            blending="additive",
            opacity=0.6,
            contrast_limits=(0, 1),
            **{name: getattr(self.layer, name) for name in (*TRANSFORM, "axis_labels")},
        )

    def file_name(self) -> Path:
        """Propose a file: beside the scan, where that is known, and in its format."""
        sources = (layer for layer in self._viewer.layers if str(layer.unique_id) == self._metadata.source)
        image = next(sources, None)
        path = None if image is None else image.source.path
        usual = ".nii.gz" if self._metadata.geometry else ".tif"
        ending = usual if image is None else image_metadata(image).ending or usual
        folder = Path(path).parent if isinstance(path, str | Path) else Path()
        return folder / f"{self._metadata.scan}_mask{ending}"

    def remove(self, regions: list[Region]) -> None:
        """Erase regions, as one edit of the user's that undo takes back."""
        if not regions:
            return
        mask = self._tumour()
        voxels = [voxels_of(mask, region) for region in regions]
        z, y, x = (np.concatenate([of_region[axis] for of_region in voxels]) for axis in range(3))
        self.layer.data_setitem(self._place.indices(self.layer.data.shape, (z, y, x)), 0)

    def _show(self, z: int, y: int, x: int) -> None:
        n, dims = self.layer.ndim, self._viewer.dims
        position = self._place.indices(self.layer.data.shape, (z, y, x))
        dims.point = (*dims.point[:-n], *self.layer.data_to_world(position))

    def _slices_with_tumour(self, threshold: float) -> slice:
        """Return the range of slices with tumour in the mask as it was written, or at a threshold."""
        planes = zip(self._metadata.written, self._metadata.probability, strict=True)
        tumour = [z for z, (w, p) in enumerate(planes) if w.any() or threshold_mask(p, threshold).any()]
        return slice(tumour[0], tumour[-1] + 1) if tumour else slice(0, 1)

    def _tumour(self) -> NDArray[np.uint8]:
        return (self._mask() > 0).astype(np.uint8)

    def _mask(self) -> NDArray[Any]:
        return self._place.volume(self.layer.data)
