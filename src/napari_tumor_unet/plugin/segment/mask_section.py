"""The part of the panel "Segment tumour" for a finished mask: its size as it is now, changes, saving."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from magicgui.widgets import CheckBox, FloatSlider, FloatSpinBox
from napari.layers import Labels

from napari_tumor_unet.inference.measures import Measures
from napari_tumor_unet.plugin.io.opened_together import look_at
from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair, image_for
from napari_tumor_unet.plugin.layers.in_view import is_looked_at
from napari_tumor_unet.plugin.layers.mask_volume import MaskVolume, measures_of
from napari_tumor_unet.plugin.layers.metadata import has_result, mask_metadata, title_of
from napari_tumor_unet.plugin.layers.said_spacing import lacks_spacing
from napari_tumor_unet.plugin.segment.mask_editor import MaskEditor, MaskState
from napari_tumor_unet.plugin.segment.mask_saving import ask_and_save
from napari_tumor_unet.plugin.segment.measure_section import MeasureSection
from napari_tumor_unet.plugin.segment.probability_layer import add_probability
from napari_tumor_unet.plugin.segment.region_section import RegionSection
from napari_tumor_unet.plugin.segment.result_card import ResultCard
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.threads import Latest, OneAtATime
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.plugin.ui.widgets import button, choice, fields, text_label
from napari_tumor_unet.scan import Scan, ScanError
from napari_tumor_unet.scan.recognise import brightness_of, is_same_scan

if TYPE_CHECKING:
    from napari import Viewer

_MM3, _VOXELS = "mm³", "voxels"
_PAUSE = 150  # ms from an edit to the new size
_SHARE = 5  # how many times as long as measuring takes nothing is measured: large masks take a while
_BRAIN = (0.35, 0.75)  # of the way up, where both sides of the head are seen
_SEEN = 8  # slices in which the midline is looked for


class MaskSection(Section):
    """Follows a labels layer that a segmentation made, and changes it; hidden without one.

    The card, the list of regions and the measures, which it fills, have places of their own in the panel.

    Parameters
    ----------
    viewer : Viewer
    on_measured : callable
        Called when the mask was measured, or is gone.

    Attributes
    ----------
    state : MaskState or None
        The mask as it was last measured.
    """

    def __init__(self, viewer: Viewer, on_measured: Callable[[], None]) -> None:
        self._viewer = viewer
        self._on_measured = on_measured
        self.editor: MaskEditor | None = None
        self.state: MaskState | None = None
        self._named = False
        self._looking = Latest()
        self._measuring = OneAtATime()
        self.card = ResultCard(self._take_in)
        self.regions = RegionSection(self.measure)
        self.measures = MeasureSection(viewer)
        self.threshold = FloatSlider(
            label="threshold",
            min=0.05,
            max=0.95,
            step=0.01,
            tooltip="A voxel counts as tumour from this probability on.",
        )
        self.ticks = {
            "smooth_outline": CheckBox(
                text="smooth outline", tooltip="In each slice; what is thinner than two voxels goes."
            ),
            "fill_holes": CheckBox(text="fill holes", tooltip="What the mask encloses in a slice is added."),
        }
        self.reset = button(
            "Reset",
            "Take threshold, smallest region and shape as the run had them; your strokes stay.",
            self._reset,
        )
        self.note = text_label()
        self.note.value = "Reset takes these back; Ctrl+Z takes back strokes alone."
        self.fewest = FloatSpinBox(
            label="smallest",
            max=10_000_000,
            step=1,
            tooltip="Regions smaller than this are left out. 0: the model decides.",
        )
        self.unit = choice("in", lambda: self._units(), "What the smallest region is measured in.")
        self._preferred = _MM3
        self.probability = button(
            "Add probability",
            "Add the probability as an image layer, in bands from 0.1, blue, to 0.9, bright green; what is "
            "surely tumour, or surely none, stays clear.",
            self._add_probability,
        )
        self.save = button(
            "Save mask...",
            "Saves the mask on the scan's grid, and a .json with how it was made.",
            self.ask_and_save,
        )
        self.fields = fields(self.threshold, self.fewest, self.unit)
        super().__init__(self.fields, *self.ticks.values(), self.reset, self.note, self.probability)
        self.fewest.native.setSpecialValueText("auto")  # what 0 means
        self.threshold.changed.connect(self._change)
        self.fewest.changed.connect(self._change)
        for tick in self.ticks.values():
            tick.changed.connect(self._change)
        self.unit.changed.connect(self._on_unit)
        self._timer = timer(self.native, _PAUSE, self.measure)
        self._edits = Connections(self.native)
        self.connections.add(ViewerContext.of(viewer).view_changed, self._show_whether_in_view)

    def show_mask(self, layer: Labels | None, *, named: bool = False) -> None:
        """Show a result, and follow it from then on.

        Parameters
        ----------
        layer : Labels or None
        named : bool
            Whether to name it, as there are others.
        """
        self._edits.close()
        self._named = named
        before = self.editor and self.editor.layer
        self.editor = editor = MaskEditor(self._viewer, layer) if has_result(layer) else None
        if layer not in (None, before):
            self.measures.forget()
        if editor is not None:
            # A stroke under way emits labels_update alone; undo and redo set_data, as does a slice shown.
            for name in ("labels_update", "paint", "data", "set_data"):
                self._edits.add(getattr(editor.layer.events, name), self._on_edit)
            self._fill(editor)
            self._look_at_scan(editor)
        self.measure()
        self._show_whether_in_view()

    def measure(self) -> None:
        """Show what is in the mask now."""
        self._timer.stop()
        began = time.monotonic()
        editor = self._current()
        self.state = None if editor is None else editor.measure()
        self._timer.setInterval(max(_PAUSE, round(_SHARE * 1000 * (time.monotonic() - began))))
        if editor is not None and self.state is not None:
            name = editor.layer.name if self._named else ""
            lacking = lacks_spacing(editor.layer)
            self.card.show_state(self.state, mask_metadata(editor.layer), name, lacks_spacing=lacking)
            self.regions.show_regions(editor, self.state.regions)
            self._measuring(partial(measures_of, editor.layer), partial(self._show_measures, self.state))
            self.reset.enabled = not editor.is_as_run
        self._on_measured()

    def _show_measures(self, state: MaskState, measured: tuple[MaskVolume, Measures]) -> None:
        if state is self.state and self.editor is not None:
            self.regions.show_measures(measured[1])
            self.measures.show_measures(self.editor, measured[1])

    def _show_whether_in_view(self) -> None:
        """Warn where the numbers of the card stand beside the picture of another scan."""
        mask = self.editor and self.editor.layer
        there = mask in self._viewer.layers
        self.card.out_of_view.visible = there and not is_looked_at(self._viewer, mask)

    def _on_edit(self, *_: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _fill(self, editor: MaskEditor) -> None:
        with ExitStack() as silent:
            for field in (self.threshold, self.fewest, self.unit, *self.ticks.values()):
                silent.enter_context(field.changed.blocked())
            self.unit.reset_choices()
            self.unit.value = self._preferred if self._preferred in self.unit.choices else _VOXELS
            self.threshold.value = editor.threshold
            self.fewest.value = editor.min_region_voxels * self._voxel_size(editor)
            for name, tick in self.ticks.items():
                tick.value = name in editor.postprocessing

    def _look_at_scan(self, editor: MaskEditor) -> None:
        """Find the scan's midline, and whether the mask was made from it; its voxels may lie on a disk."""
        metadata = mask_metadata(editor.layer)
        made_from = None if metadata.provenance is None else metadata.provenance.brightness
        image = image_for(editor.layer, self._viewer.layers) if editor.knows_sides or made_from else None
        self.card.show_other_scan("")
        if image is None:
            return
        if str(image.unique_id) == metadata.source:
            made_from = None  # the run read this very layer

        def show(seen: tuple[tuple[float, float] | None, bool]) -> None:
            editor.midline, of_another = seen
            if self.editor is editor:
                self.card.show_other_scan(title_of(image) if of_another else "")
                self.measure()

        try:
            pair = LayerPair(image, editor.layer, tuple(self._viewer.dims.point))
            scan = pair.source(self._viewer.layers).scan
        except ScanError:  # the image is another one by now
            return
        self._looking(partial(_look_at, scan, midline=editor.knows_sides, made_from=made_from), show)

    def _change(self) -> None:
        if editor := self._current():
            fewest = math.ceil(round(self.fewest.value / self._voxel_size(editor), 6))
            ticked = tuple(name for name, tick in self.ticks.items() if tick.value)
            editor.change(round(self.threshold.value, 2), fewest, ticked)
            self.measure()

    def _reset(self) -> None:
        if editor := self._current():
            editor.change(editor.models_threshold, 0, ())
            self._fill(editor)
            self.measure()

    def _on_unit(self, unit: str) -> None:
        self._preferred = unit
        self._change()

    def _units(self) -> list[str]:
        in_mm = self.editor is not None and self.editor.voxel_mm3 is not None
        return [_MM3, _VOXELS] if in_mm else [_VOXELS]

    def _voxel_size(self, editor: MaskEditor) -> float:
        """Return the volume of a voxel in the unit that is shown."""
        return (editor.voxel_mm3 or 1.0) if self.unit.value == _MM3 else 1.0

    def _take_in(self) -> None:
        if editor := self._current():
            editor.take_in()
            self.measure()

    def _add_probability(self) -> None:
        if editor := self._current():
            look_at(self._viewer, editor.layer)
            add_probability(self._viewer, editor.layer)

    def ask_and_save(self) -> None:
        """Ask where to save the mask, and save it."""
        if editor := self._current():
            checksum = editor.checksum()

            def saved(name: str) -> None:
                editor.mark_saved(checksum, name)
                self.measure()

            ask_and_save(self._viewer, editor.layer, self.native, saved)

    def _current(self) -> MaskEditor | None:
        """Return the editor, if the layer is still what it was; the user may have replaced its data."""
        if self.editor is not None and not has_result(self.editor.layer):
            self._edits.close()
            self.editor = self.state = None
            self._on_measured()
        return self.editor


def _look_at(
    scan: Scan, *, midline: bool, made_from: tuple[float, float] | None
) -> tuple[tuple[float, float] | None, bool]:
    """Return the midline of a scan, if it is wanted, and whether a mask was made from another one."""
    of_another = made_from is not None and not is_same_scan(brightness_of(scan), made_from)
    return _midline_of(scan) if midline else None, of_another


def _midline_of(scan: Scan) -> tuple[float, float] | None:
    from napari_tumor_unet.scan.head import find_midline  # with scipy, for which a panel does not wait

    first, last = (share * (scan.shape[0] - 1) for share in _BRAIN)
    indices = sorted({round(z) for z in np.linspace(first, last, _SEEN)})
    return find_midline(np.stack([scan.slice("flair", z) for z in indices]))
