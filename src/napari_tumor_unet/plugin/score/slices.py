"""Section of the score panel that shows where two masks differ: slice by slice, and as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from magicgui.widgets import Label
from napari import Viewer
from napari.layers import Labels
from napari.qt.threading import create_worker
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from napari_tumor_unet.evaluation.compare import agreement, worst_first
from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.plugin.layers.layer_scan import COLOURS
from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata, is_agreement, mask_metadata
from napari_tumor_unet.plugin.score.curve import SliceCurve
from napari_tumor_unet.plugin.score.mask_pair import LayerMask, PairCounts
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.widgets import button, row, wrap

# In the order of agreement's codes; each alone in the colour of its mask.
_COLOURS = {
    "both (true positive)": COLOURS["green"],
    "prediction alone (false positive)": COLOURS["orange"],
    "reference alone (false negative)": COLOURS["blue"],
}
_LEGEND = "<br>".join(f"<span style='color: {colour}'>■</span> {name}" for name, colour in _COLOURS.items())


class SlicesSection(Section):
    """A curve of Dice by slice, the way to the worst slices, and a layer of agreement.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._reference: LayerMask | None = None
        self._counts: PairCounts | None = None
        self._next = 0
        self.worst = button("Worst slice", "Go to the slice with the lowest Dice.", self._go_to_worst)
        self.next = button("Next", "Go to the next worst slice.", self._go_to_next)
        self.agreement = button(
            "Show agreement",
            "Add a layer that shows where the masks agree and where not.",
            self._show_agreement,
        )
        self.legend = Label(value=_LEGEND, visible=False)
        self.curve = SliceCurve(viewer, self._go_to)
        self._plot = wrap(self.curve)
        super().__init__(self._plot, row(self.worst, self.next), self.agreement, self.legend)
        self.legend.visible = False
        self.connections.add(viewer.dims.events.point, self._on_point)
        self.connections.at_close(self.clear)

    @property
    def _slices(self) -> Sequence[Counts]:
        """Counts of the slices of the first label."""
        return [] if self._counts is None else next(iter(self._counts.slices.values()), [])

    def show_slices(self, reference: LayerMask, counts: PairCounts) -> None:
        """Show a comparison by its first label: of a plane there is no curve."""
        self._reference, self._counts = reference, counts
        slices = self._slices
        many = len(slices) > 1
        self._plot.visible = many
        self.curve.show_slices(slices)
        self.worst.enabled = self.next.enabled = many and bool(worst_first(slices))
        self.legend.visible = self._layer(reference) is not None
        self._on_point()

    def clear(self) -> None:
        """Show nothing."""
        self._reference = self._counts = None

    def _go_to(self, z: int) -> None:
        if self._reference is not None:
            self._viewer.dims.point = self._reference.with_slice(self._viewer.dims.point, z)

    def _go_to_worst(self) -> None:
        self._next = 0
        self._go_to_next()

    def _go_to_next(self) -> None:
        if order := worst_first(self._slices):
            self._go_to(order[self._next % len(order)])
            self._next += 1

    def _on_point(self, *_: object) -> None:
        reference = self._reference
        if reference is not None and reference.layer in self._viewer.layers and len(self._slices) > 1:
            self.curve.show_here(reference.slice_at(self._viewer.dims.point))

    def _show_agreement(self) -> None:
        if self._reference is not None and self._counts is not None:
            label = next(iter(self._counts.slices), None)
            worker = create_worker(agreement, self._counts.pair, label, _start_thread=False)
            worker.returned.connect(partial(self._add, self._reference))
            worker.start()

    def _add(self, reference: LayerMask, mask: NDArray[np.uint8]) -> None:
        if self._reference is not reference:  # another comparison, or the panel is closed
            return
        selected = set(self._viewer.layers.selection)
        data, geometry = reference.like(mask)
        layer = self._layer(reference)
        if layer is not None and layer.data.shape == data.shape:
            layer.data = data
            for name, value in geometry.items():
                setattr(layer, name, value)
        else:
            self._viewer.add_labels(
                data,
                name="agreement",
                opacity=0.6,
                colormap=CyclicLabelColormap(colors=transform_color(["transparent", *_COLOURS.values()])),
                metadata={KEY: MaskMetadata(agreement=str(reference.layer.unique_id))},
                **geometry,
            )
            self._viewer.layers.selection = selected  # nobody paints on it by mistake
        self.legend.visible = True

    def _layer(self, reference: LayerMask) -> Labels | None:
        """Find the layer that shows the agreement with a reference already."""
        wanted = str(reference.layer.unique_id)
        layers = (layer for layer in self._viewer.layers if is_agreement(layer))
        return next((layer for layer in layers if mask_metadata(layer).agreement == wanted), None)
