"""Section of the score panel that shows where two masks differ: slice by slice, and as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from napari import Viewer
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from napari_tumor_unet.evaluation.compare import agreement, worst_first
from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.plugin.io.opened_together import look_at
from napari_tumor_unet.plugin.layers.in_view import lies_over_another
from napari_tumor_unet.plugin.layers.layer_scan import COLOURS
from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata, is_agreement, mask_metadata
from napari_tumor_unet.plugin.score.curve import SliceCurve
from napari_tumor_unet.plugin.score.mask_pair import LayerMask, PairCounts
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.threads import Latest
from napari_tumor_unet.plugin.ui.widgets import button, rich_label, row, text_label, wrap

# In the order of agreement's codes; each alone in the colour of its mask.
_COLOURS = {
    "both (true positive)": COLOURS["green"],
    "prediction alone (false positive)": COLOURS["orange"],
    "reference alone (false negative)": COLOURS["blue"],
}
_LEGEND = "<br>".join(f"<span style='color: {colour}'>■</span> {name}" for name, colour in _COLOURS.items())


_PAUSE = 150  # ms without a stroke, before a layer of agreement follows


class SlicesSection(Section):
    """A curve of Dice by slice, the way to the worst slices, and a layer of agreement.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._prediction: LayerMask | None = None
        self._reference: LayerMask | None = None
        self._counts: PairCounts | None = None
        self._next = 0
        self._hid = False
        self.worst = button("Worst slice", "Go to the slice with the lowest Dice.", self._go_to_worst)
        self.next = button("Next", "Go to the next worst slice.", self._go_to_next)
        self.agreement = button(
            "Show agreement",
            "Add a layer that shows where the masks agree, and follows them.",
            self._bring_agreement,
        )
        self.legend = rich_label(value=_LEGEND, visible=False)
        self.curve = SliceCurve(viewer, self._go_to)
        self._plot = wrap(self.curve)
        self.of_label = text_label()
        super().__init__(self.of_label, self._plot, row(self.worst, self.next), self.agreement, self.legend)
        self.legend.visible = self.of_label.visible = False
        self._comparing = Latest()
        self._follow_timer = timer(self.native, _PAUSE, self._follow)
        self.connections.add(viewer.dims.events.point, self._on_point)
        self.connections.at_close(self.clear)

    @property
    def _slices(self) -> Sequence[Counts]:
        """Counts of the slices of the first label."""
        return [] if self._counts is None else next(iter(self._counts.slices.values()), [])

    def show_slices(self, prediction: LayerMask, reference: LayerMask, counts: PairCounts) -> None:
        """Show a comparison by its first label: of a plane, or of empty masks, there is no curve."""
        self._prediction, self._reference, self._counts = prediction, reference, counts
        slices = self._slices
        many = len(slices) > 1 and any(one.predicted or one.reference for one in slices)
        self._plot.visible = many
        label = next(iter(counts.slices), None)
        self.of_label.value = (
            f"Curve, slices and agreement are of label {label}; choose another one under labels."
        )
        self.of_label.visible = len(counts.slices) > 1
        self.curve.show_slices(slices)
        self.worst.enabled = self.next.enabled = many and bool(worst_first(slices))
        self.legend.visible = self._layer() is not None
        self._follow_timer.start()
        self._on_point()

    def clear(self) -> None:
        """Show nothing."""
        self._prediction = self._reference = self._counts = None

    def hide_agreement(self) -> None:
        """Hide a layer of agreement, if nothing is compared now, until it follows the next masks."""
        layer = self._layer()
        if self._counts is None and layer is not None and layer.visible:
            layer.visible, self._hid = False, True

    def _go_to(self, z: int) -> None:
        if self._reference is not None:
            self._look()
            self._viewer.dims.point = self._reference.with_slice(self._viewer.dims.point, z)

    def _look(self) -> None:
        """Bring the scan of the masks into view, and not the slice of another one."""
        if self._prediction is not None and self._reference is not None:
            look_at(self._viewer, self._prediction.layer, self._reference.layer)

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

    def _follow(self) -> None:
        """Let a layer of agreement that is there show the comparison as it is now."""
        if self._layer() is not None:
            self._show_agreement()

    def _bring_agreement(self) -> None:
        self._look()
        self._hid = True  # by whomever
        self._show_agreement()

    def _show_agreement(self) -> None:
        counts, prediction, reference = self._counts, self._prediction, self._reference
        if counts is not None and prediction is not None and reference is not None:
            label = next(iter(counts.slices), None)
            add = partial(self._add, prediction, reference)
            self._comparing(partial(agreement, counts.pair, label), add)

    def _add(self, prediction: LayerMask, reference: LayerMask, mask: NDArray[np.uint8]) -> None:
        if self._reference is not reference:  # another comparison, or the panel is closed
            return
        selected = set(self._viewer.layers.selection)
        data, geometry = reference.like(mask)
        of = f"{prediction.layer.unique_id} {reference.layer.unique_id}"
        layer = self._layer()
        if layer is not None and layer.ndim != data.ndim:
            self._viewer.layers.remove(layer)
            layer = None
        if layer is not None:
            layer.data = data
            layer.metadata[KEY] = MaskMetadata(agreement=of)
            for name, value in geometry.items():
                setattr(layer, name, value)
            elsewhere = any(lies_over_another(self._viewer, one.layer) for one in (prediction, reference))
            wanted = layer.visible or self._hid
            layer.visible = wanted and not elsewhere
            self._hid = wanted and elsewhere
        else:
            self._viewer.add_labels(
                data,
                name="agreement",
                opacity=0.6,
                colormap=CyclicLabelColormap(colors=transform_color(["transparent", *_COLOURS.values()])),
                metadata={KEY: MaskMetadata(agreement=of)},
                **geometry,
            )
            self._viewer.layers.selection = selected  # nobody paints on it by mistake
            self._hid = False
        self.legend.visible = True

    def _layer(self) -> Labels | None:
        """Find the layer of agreement, of whichever masks: it follows those that are compared."""
        layers = (layer for layer in self._viewer.layers if is_agreement(layer))
        return next((layer for layer in layers if mask_metadata(layer).agreement != "doubt"), None)
