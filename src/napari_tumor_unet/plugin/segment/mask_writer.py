"""The labels layer that a segmentation writes, slice by slice, without touching what the user painted."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_tumor_unet.inference.result import Findings, Provenance, Slices, blank, find, update
from napari_tumor_unet.plugin.layers.layer_scan import LayerScan, label_colours
from napari_tumor_unet.plugin.layers.lazy_volume import KEY
from napari_tumor_unet.plugin.layers.transforms import stored_geometry

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels


class ResultLayer:
    """Takes the slices of one run to a labels layer, a new one or that of the last run.

    The layer's metadata hold the probability (for a threshold without a new run), and the mask as it was
    last written: what differs from that is the user's work, and stays.
    """

    def __init__(self, viewer: Viewer, source: LayerScan) -> None:
        self._viewer = viewer
        self._source = source
        self._started_at = tuple(viewer.dims.point)
        # Mask and probability of the run before, where there is anything.
        self._before: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] | None = None
        self._known: dict[str, Any] = {}
        self._computed: set[int] = set()
        self.layer = self._unedited_result()
        if self.layer is not None:
            self._known = self.layer.metadata[KEY]
            kept = zip(self._mask(), self._known["probability"], strict=True)
            self._before = {z: (m.copy(), p.copy()) for z, (m, p) in enumerate(kept) if m.any() or p.any()}
            # Undo would write the old run's pixels into the new mask.
            self.layer._reset_history()

    def show(self) -> None:
        """Add the layer, if it is not there from the last run."""
        if self.layer is None:
            self.layer = self._add_layer()

    def write(self, slices: Slices) -> None:
        """Show some slices."""
        if not self._still_there():
            return
        self._computed.update(slices.indices)
        mask, written = self._mask(), self._known["written"]
        for z, new, probability in zip(slices.indices, slices.mask, slices.probability, strict=True):
            update(self._known["probability"][z], probability)
            if np.array_equal(mask[z], written[z]):
                update(mask[z], new)
                update(written[z], new)
        if self._source.slice_on_screen(self._viewer.dims.point) in slices.indices or self.layer.ndim == 2:
            self.layer.refresh()

    def finish(
        self, findings: Findings | None, provenance: Provenance, warnings: tuple[str, ...] = ()
    ) -> Findings:
        """Say in the layer's metadata what was found, where it came from, and why not to trust it."""
        findings = findings or find(self._known["written"], self._source.scan.voxel_ml)
        self._known.update(findings=dataclasses.asdict(findings), provenance=provenance.to_json())
        self._known["warnings"] = warnings
        for marks in ("checked", "visited"):  # of the last run's mask
            self._known[marks] -= self._computed
        if self._still_there():
            self.layer.refresh()
            self._show_tumour()
        return findings

    def forget(self) -> None:
        """Take the run back: the layer is as it was, or gone, but for what the user painted meanwhile."""
        if self.layer is None or not self._still_there():
            return
        mask, written = self._mask(), self._known["written"]
        if self._before is None and _same(mask, written):
            self._viewer.layers.remove(self.layer)
            if self._source.image in self._viewer.layers:
                self._viewer.layers.selection.active = self._source.image
            return
        air = np.zeros(mask.shape[1:], np.uint8)
        for z in range(len(mask)):
            old, probability = (self._before or {}).get(z, (air, air))
            update(self._known["probability"][z], probability)
            untouched = mask[z] == written[z]
            update(written[z], old)
            update(mask[z], np.where(untouched, old, mask[z]))
        self.layer.refresh()

    def _show_tumour(self) -> None:
        """Go to the slice with most tumour, if the one on screen has none and the user did not move."""
        if len(self._source.axes.spatial) < 3 or tuple(self._viewer.dims.point) != self._started_at:
            return
        area = self._mask().sum(axis=(1, 2), dtype=int)
        if area.any() and not area[self._source.slice_on_screen(self._started_at)]:
            self._viewer.dims.point = self._source.with_slice(self._started_at, int(area.argmax()))

    def _unedited_result(self) -> Labels | None:
        """The last run's layer for this image, if it is as the run left it."""
        source = self._source
        for layer in reversed(self._viewer.layers):
            known = layer.metadata.get(KEY, {})
            if known.get("source") == str(source.image.unique_id) and "written" in known:
                same = layer.data.shape == source.mask_shape() and known["place"] == source.place
                return layer if same and _same(source.place.volume(layer.data), known["written"]) else None
        return None

    def _still_there(self) -> bool:
        """Whether the layer is in the viewer, and its data of the scan's shape."""
        return self.layer in self._viewer.layers and self.layer.data.shape == self._source.mask_shape()

    def _add_layer(self) -> Labels:
        scan, geometry = self._source.scan, stored_geometry(self._source.image)
        self._known = {
            "source": str(self._source.image.unique_id),
            "place": self._source.place,
            "geometry": None if geometry is None else dataclasses.asdict(geometry),
            "shape": self._source.mask_shape(),
            "scan": scan.name,
            "voxel_ml": scan.voxel_ml,
            "probability": blank(scan.shape),
            "written": blank(scan.shape),
            "checked": set(),
            "visited": set(),
        }
        return self._viewer.add_labels(
            blank(self._source.mask_shape()),
            name=f"{scan.name} tumour",
            opacity=0.5,
            colormap=label_colours("orange"),
            metadata={KEY: self._known},
            **self._source.geometry(),
        )

    def _mask(self) -> NDArray[np.uint8]:
        """The scan's part of the layer's data, (Z, Y, X): a view."""
        return self._source.place.volume(self.layer.data)


def _same(mask: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two volumes are equal; slice by slice, as a comparison of all takes as much memory again."""
    return all(np.array_equal(a, b) for a, b in zip(mask, other, strict=True))
