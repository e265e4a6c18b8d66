"""A finished result: another threshold without another run, and its regions one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_tumor_unet.inference.regions import (
    Region,
    drop_faint_regions,
    drop_small_regions,
    find_regions,
    threshold_mask,
    voxels_of,
)
from napari_tumor_unet.inference.result import Findings, blank, find, update
from napari_tumor_unet.plugin.layers.metadata import has_result, image_metadata, mask_metadata

if TYPE_CHECKING:
    from napari import Viewer


class KeptResult:
    """A labels layer that a segmentation has finished, with the probability that it came from.

    Parameters
    ----------
    viewer : Viewer
    layer : Labels
        One of which :func:`has_result` is true.
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
    def fewest(self) -> int:
        """Voxels under which a region was dropped; 0 where the model's own share was the limit."""
        return self._metadata.min_region_voxels or 0

    @property
    def voxel_mm3(self) -> float | None:
        """Volume of a voxel; None where the spacing is not in mm."""
        ml = self._metadata.voxel_ml
        return None if ml is None else ml * 1000

    @property
    def findings(self) -> Findings:
        """What is in the mask now, the user's edits included."""
        return find(self._tumour(), self._metadata.voxel_ml)

    def change(self, threshold: float, fewest: int) -> None:
        """Make the mask again from the probability; what the user edited stays.

        Parameters
        ----------
        threshold : float
            From 0 to 1.
        fewest : int
            Regions of fewer voxels are dropped; with 0 the model's own limit holds.
        """
        metadata = self._metadata
        mask, written = self._mask(), self._metadata.written
        new = blank(mask.shape)
        probability = self._metadata.probability
        for z, plane in enumerate(probability):
            update(new[z], threshold_mask(plane, threshold))
        if fewest:
            drop_small_regions(new, fewest)
        else:
            share = 0.0 if metadata.provenance is None else metadata.provenance.min_region_weight
            drop_faint_regions(new, probability, threshold, share)
        for z, plane in enumerate(new):
            untouched = mask[z] == written[z]
            update(written[z], plane)
            update(mask[z], np.where(untouched, plane, mask[z]))
        metadata.chosen_threshold, metadata.min_region_voxels = threshold, fewest
        metadata.findings = find(new, metadata.voxel_ml)
        self.layer.refresh()

    def regions(self) -> list[Region]:
        """The regions of the mask, the largest first."""
        return find_regions(self._tumour())

    def describe(self, region: Region) -> str:
        """Its size, for a list."""
        ml = self._metadata.voxel_ml
        size = f"{region.voxels:,} voxels" if ml is None else f"{region.voxels * ml:.1f} ml"
        return f"{size}, {region.slices} slice{'s' if region.slices > 1 else ''}"

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
        names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        self._viewer.add_image(
            data,
            name=f"{self._metadata.scan} probability",
            colormap="inferno",
            blending="additive",
            opacity=0.6,
            contrast_limits=(0, 1),
            **{name: getattr(self.layer, name) for name in names},
        )

    def file_name(self) -> Path:
        """Where a mask would be looked for: beside its scan, where that is known, and in its format."""
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
        found = [voxels_of(self._tumour(), region) for region in regions]
        z, y, x = (np.concatenate([part[axis] for part in found]) for axis in range(3))
        self.layer.data_setitem(self._place.indices(self.layer.data.shape, (z, y, x)), 0)

    def _show(self, z: int, y: int, x: int) -> None:
        n, dims = self.layer.ndim, self._viewer.dims
        position = self._place.indices(self.layer.data.shape, (z, y, x))
        dims.point = (*dims.point[:-n], *self.layer.data_to_world(position))

    def _tumour(self) -> NDArray[np.uint8]:
        return (self._mask() > 0).astype(np.uint8)

    def _mask(self) -> NDArray[Any]:
        return self._place.volume(self.layer.data)


def slices_to_teach(layer: Layer | None) -> tuple[int, ...]:
    """The slices (Z) that the user checked or edited; none where :func:`has_result` is false."""
    if not has_result(layer):
        return ()
    metadata = mask_metadata(layer)
    pairs = zip(metadata.place.volume(layer.data), metadata.written, strict=True)
    edited = {z for z, (mask, written) in enumerate(pairs) if not np.array_equal(mask, written)}
    return tuple(sorted(metadata.checked | edited))
