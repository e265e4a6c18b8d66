"""The labels layer that a segmentation writes, slice by slice, without touching what the user painted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_tumor_unet.inference.result import Findings, Provenance, Slices, blank, measure, update
from napari_tumor_unet.inference.result_check import part_of_scan, without_part
from napari_tumor_unet.plugin.layers.in_view import shows_scan_of
from napari_tumor_unet.plugin.layers.layer_scan import LayerScan, label_colours
from napari_tumor_unet.plugin.layers.looks import show_outline
from napari_tumor_unet.plugin.layers.metadata import (
    KEY,
    SAID,
    MaskMetadata,
    is_prediction,
    mask_metadata,
    said_spacing,
    title_of,
)
from napari_tumor_unet.plugin.layers.transforms import source_images, stored_geometry
from napari_tumor_unet.plugin.segment.shown_mask import results_of

if TYPE_CHECKING:
    from napari import Viewer


class MaskWriter:
    """Writes the slices of one run to a labels layer, a new one or the last run's.

    The layer's metadata hold the probability (for a threshold without a new run), and the mask as it was
    last written: what differs from that is the user's work, and stays.

    Parameters
    ----------
    viewer : Viewer
    source : LayerScan
    model : str
        The model of the run, by name or file.
    only : bool
        Whether the run is of one slice. A mask is of one model and one threshold: where the last run's is of
        others, the slice gets a mask of its own.

    Attributes
    ----------
    layer : Labels or None
    hidden : list of str
        Names of the image's older masks that the new one has taken from sight.
    """

    def __init__(self, viewer: Viewer, source: LayerScan, model: str = "", *, only: bool = False) -> None:
        self._viewer = viewer
        self._source = source
        self._model, self._only = model, only
        self._started_at = tuple(viewer.dims.point)
        # Mask and probability of the run before, where there is anything.
        self._before: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] | None = None
        self._metadata = MaskMetadata()
        self._computed: set[int] = set()
        self._active_before: Layer | None = None
        self._hidden_before = False
        self.hidden: list[str] = []
        self.layer = self._unedited_result()
        if self.layer is not None:
            self._metadata = mask_metadata(self.layer)
            self._metadata.strokes.clear()  # of the mask before
            kept = zip(self._mask(), self._metadata.probability, strict=True)
            self._before = {z: (m.copy(), p.copy()) for z, (m, p) in enumerate(kept) if m.any() or p.any()}
            # Undo would write the old run's pixels into the new mask.
            self.layer._reset_history()

    def add_layer(self) -> None:
        """Add the layer, or make the last run's the active one; where its scan is hidden, it is, too."""
        in_view = shows_scan_of(self._viewer, self._source.image)
        if self.layer is None:
            selected = set(self._viewer.layers.selection)
            self.layer = self._new_layer(visible=in_view)
            if not in_view:  # the user is at work on another scan
                self._viewer.layers.selection = selected
        elif in_view:
            self._active_before, self._hidden_before = (
                self._viewer.layers.selection.active,
                not self.layer.visible,
            )
            self.layer.visible = True
            self._viewer.layers.selection.active = self.layer

    def write(self, slices: Slices) -> None:
        """Show some slices."""
        layer = self._present_layer()
        if layer is None:
            return
        self._computed.update(slices.indices)
        mask, written = self._mask(), self._metadata.written
        for z, new, probability in zip(slices.indices, slices.mask, slices.probability, strict=True):
            update(self._metadata.probability[z], probability)
            if np.array_equal(mask[z], written[z]):
                update(mask[z], new)
                update(written[z], new)
        if self._source.slice_on_screen(self._viewer.dims.point) in slices.indices or layer.ndim == 2:
            layer.refresh()

    @property
    def is_blank(self) -> bool:
        """Whether the layer is new, and neither the run nor the user put anything into it."""
        if self._before is not None or self._present_layer() is None:
            return False
        return not (self._mask().any() or self._metadata.written.any())

    @property
    def is_painted_on(self) -> bool:
        """Whether the layer is new, and holds what the user painted meanwhile."""
        layer = self._present_layer()
        if self._before is not None or layer is None:
            return False
        mask = self._mask()
        elsewhere = np.count_nonzero(layer.data) - np.count_nonzero(mask)  # in another time point
        return bool(elsewhere) or not _same(mask, self._metadata.written)

    @property
    def is_hidden(self) -> bool:
        """Whether the layer is hidden, and no image of its scan is shown."""
        layer = self._present_layer()
        hidden = layer is not None and not layer.visible
        return hidden and not shows_scan_of(self._viewer, self._source.image)

    def finish(
        self, findings: Findings | None, provenance: Provenance, warnings: tuple[str, ...] = ()
    ) -> Findings:
        """Store findings, provenance and warnings in the layer's metadata; return the findings."""
        findings = findings or measure(self._metadata.written, self._source.scan.voxel_ml)
        metadata = self._metadata
        if self._only:
            provenance = replace(provenance, only_slices=self._only_slices())
            # Of the other slices, what was said still holds.
            warnings = tuple(dict.fromkeys((*without_part(metadata.warnings), *warnings)))
            if provenance.only_slices is not None:
                part = part_of_scan(provenance.only_slices, len(metadata.written))
                warnings = tuple(dict.fromkeys((part, *warnings)))
        metadata.findings, metadata.provenance, metadata.warnings = findings, provenance, warnings
        metadata.made_with = self._model
        # What was chosen for the last run's mask goes, and the marks of its slices.
        metadata.chosen_threshold, metadata.min_region_voxels, metadata.postprocessing = None, None, ()
        for marks in (metadata.checked, metadata.visited):
            marks -= self._computed
        if layer := self._present_layer():
            layer.refresh()
            self._show_tumour()
            self._hide_older(layer)
        return findings

    def revert(self) -> None:
        """Restore the layer, or remove a new one, but for what the user painted meanwhile."""
        layer = self._present_layer()
        if layer is None:
            return
        mask, written = self._mask(), self._metadata.written
        layers, is_active = self._viewer.layers, self._viewer.layers.selection.active is layer
        if self._before is None and not self.is_painted_on:
            layers.remove(layer)
            if is_active and self._source.image in layers:
                layers.selection.active = self._source.image
            return
        if is_active and self._active_before in layers:
            layers.selection.active = self._active_before
        layer.visible = layer.visible and not self._hidden_before
        air = np.zeros(mask.shape[1:], np.uint8)
        for z in range(len(mask)):
            old, probability = (self._before or {}).get(z, (air, air))
            update(self._metadata.probability[z], probability)
            untouched = mask[z] == written[z]
            update(written[z], old)
            update(mask[z], np.where(untouched, old, mask[z]))
        layer.refresh()

    def _only_slices(self) -> tuple[int, ...] | None:
        """Return the slices of this run, and of those before it; None where a run took the whole scan."""
        before = self._metadata.provenance
        if len(self._metadata.written) == 1 or (before is not None and before.only_slices is None):
            return None
        earlier = () if before is None else before.only_slices or ()
        return tuple(sorted({*self._computed, *earlier}))

    def _show_tumour(self) -> None:
        """Go to the slice with most tumour, if the one on screen has none and the user did not move."""
        moved = self.is_hidden or tuple(self._viewer.dims.point) != self._started_at
        if len(self._source.axes.spatial) < 3 or moved:
            return
        area = self._mask().sum(axis=(1, 2), dtype=int)
        if area.any() and not area[self._source.slice_on_screen(self._started_at)]:
            self._viewer.dims.point = self._source.with_slice(self._started_at, int(area.argmax()))

    def _hide_older(self, layer: Labels) -> None:
        """Hide the scan's older masks that a model made: of the same colour, they would look like one."""
        for older in results_of(self._source.image, self._viewer.layers):
            made = mask_metadata(older).provenance is not None
            if made and older is not layer and older.visible and older not in self._viewer.layers.selection:
                older.visible = False
                self.hidden.append(older.name)

    def _unedited_result(self) -> Labels | None:
        """Return the last run's layer for this image, if it is as the run left it."""
        source = self._source
        for layer in reversed(self._viewer.layers):
            if not is_prediction(layer):
                continue
            metadata = mask_metadata(layer)
            if metadata.source == str(source.image.unique_id):
                same = layer.data.shape == source.mask_shape() and metadata.place == source.place
                if self._only and (metadata.was_changed or metadata.made_with != self._model):
                    return None
                return layer if same and _same(source.place.volume(layer.data), metadata.written) else None
        return None

    def _present_layer(self) -> Labels | None:
        """Return the layer, if it is in the viewer and its data are of the scan's shape."""
        layer = self.layer
        if layer is None or layer not in self._viewer.layers:
            return None
        return layer if layer.data.shape == self._source.mask_shape() else None

    def _new_layer(self, *, visible: bool) -> Labels:
        scan, geometry = self._source.scan, stored_geometry(self._source.image)
        said = said_spacing(self._source.image)
        self._metadata = MaskMetadata(
            source=str(self._source.image.unique_id),
            place=self._source.place,
            geometry=geometry,
            shape=self._source.mask_shape(),
            source_images=source_images(self._source.image) or None,
            scan=scan.name,
            voxel_ml=scan.voxel_ml,
            probability=blank(scan.shape),
            written=blank(scan.shape),
        )
        layer = Labels(
            blank(self._source.mask_shape()),
            name=f"{title_of(self._source.image)} tumour",
            visible=visible,
            colormap=label_colours("orange"),
            iso_gradient_mode="smooth",
            metadata={KEY: self._metadata} | ({} if said is None else {SAID: said}),
            **self._source.geometry(),
        )
        show_outline(layer)
        self._viewer.add_layer(layer)
        return layer

    def _mask(self) -> NDArray[np.uint8]:
        """Return the scan's part of the layer's data, (Z, Y, X): a view."""
        return self._source.place.volume(cast("Labels", self.layer).data)


def _same(mask: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Compare two volumes slice by slice, as a comparison of all takes as much memory again."""
    return all(np.array_equal(a, b) for a, b in zip(mask, other, strict=True))
