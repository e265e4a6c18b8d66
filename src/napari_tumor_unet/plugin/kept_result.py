"""A finished result: another threshold without another run, and its regions one by one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_tumor_unet.plugin.layers import KEY
from napari_tumor_unet.regions import Region, drop_small_regions, find_regions, threshold_mask, voxels_of
from napari_tumor_unet.result import Findings, find

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
        self._known: dict[str, Any] = layer.metadata[KEY]

    @property
    def threshold(self) -> float:
        """The probability from which a voxel is tumour."""
        return float(self._known["provenance"]["threshold"])

    @property
    def fewest(self) -> int:
        """Voxels under which a region was dropped; 0 where the model's own share was the limit."""
        return int(self._known["provenance"].get("fewest_voxels", 0))

    @property
    def findings(self) -> Findings:
        """What is in the mask now, the user's edits included."""
        return find(self._tumour(), self._known["voxel_ml"])

    def change(self, threshold: float, fewest: int) -> None:
        """Make the mask again from the probability; what the user edited stays.

        Parameters
        ----------
        threshold : float
            From 0 to 1.
        fewest : int
            Regions of fewer voxels are dropped; with 0 the model's own limit holds, a share of the largest.
        """
        provenance = self._known["provenance"]
        mask, written = self._mask(), self._known["written"]
        new = threshold_mask(self._known["probability"], threshold)
        drop_small_regions(new, 0.0 if fewest else provenance["smallest_region"], fewest)
        untouched = mask == written
        written[...] = new
        mask[untouched] = new[untouched]
        provenance |= {"threshold": threshold, "fewest_voxels": fewest}
        self._known["findings"] = dataclasses.asdict(find(new, self._known["voxel_ml"]))
        self.layer.refresh()

    def regions(self) -> list[Region]:
        """The regions of the mask, the largest first."""
        return find_regions(self._tumour())

    def describe(self, region: Region) -> str:
        """Its size, for a list."""
        ml = self._known["voxel_ml"]
        size = f"{region.voxels:,} voxels" if ml is None else f"{region.voxels * ml:.1f} ml"
        return f"{size}, {region.slices} slice{'s' if region.slices > 1 else ''}"

    def go_to(self, region: Region) -> None:
        """Show the slice with most of a region."""
        n, dims = self.layer.ndim, self._viewer.dims
        if n > 2:
            position = (*self._known["at"], *region.seed)
            dims.point = (*dims.point[:-n], *self.layer.data_to_world(position))

    def remove(self, regions: list[Region]) -> None:
        """Erase regions, as one edit of the user's that undo takes back."""
        if not regions:
            return
        found = [voxels_of(self._tumour(), region) for region in regions]
        indices = tuple(np.concatenate([part[axis] for part in found]) for axis in range(3))
        at = tuple(np.full(len(indices[0]), i) for i in self._known["at"])
        self.layer.data_setitem((*at, *indices)[-self.layer.ndim :], 0)

    def _tumour(self) -> NDArray[np.uint8]:
        return (self._mask() > 0).astype(np.uint8)

    def _mask(self) -> NDArray[Any]:
        part = self.layer.data[self._known["at"]]
        return part[None] if part.ndim == 2 else part


def has_result(layer: Layer | None) -> bool:
    """Whether a layer is a segmentation's, finished, and still of its shape."""
    if not isinstance(layer, Labels):
        return False
    known = layer.metadata.get(KEY, {})
    if "provenance" not in known or "at" not in known or layer.ndim < len(known["at"]) + 2:
        return False
    shape = layer.data.shape[len(known["at"]) :]
    return (1,) * (3 - len(shape)) + shape == known["written"].shape
