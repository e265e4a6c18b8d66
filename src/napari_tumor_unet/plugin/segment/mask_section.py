"""The part of the panel "Segment tumour" for a finished mask: threshold, smallest region, list of regions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from magicgui.widgets import FloatSlider, FloatSpinBox, Label, Select

from napari_tumor_unet.inference.regions import Region
from napari_tumor_unet.io.file_names import MASK_ENDINGS, ending_of
from napari_tumor_unet.plugin.io.mask_export import MaskFile, mask_file, with_ending
from napari_tumor_unet.plugin.layers.metadata import has_result
from napari_tumor_unet.plugin.segment.mask_editor import MaskEditor
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import show_error, show_info, show_warning
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.plugin.ui.widgets import button, choice, fields, row
from napari_tumor_unet.scan import ScanError

if TYPE_CHECKING:
    from napari import Viewer

_MM3, _VOXELS = "mm³", "voxels"


class MaskSection(Section):
    """Changes the active labels layer, if a segmentation made it; hidden otherwise.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.editor: MaskEditor | None = None
        self.title = Label(label="mask", tooltip="What is in the mask now, your edits included.")
        self.threshold = FloatSlider(
            label="threshold",
            min=0.05,
            max=0.95,
            step=0.01,
            tooltip="Probability from which a voxel is tumour.",
        )
        self.fewest = FloatSpinBox(
            max=10_000_000,
            step=1,
            tooltip="Smaller regions are dropped; with 0 those for which little speaks beside the main one.",
        )
        self.unit = choice("", lambda: self._units(), "What the smallest region is measured in.")
        self._preferred = _MM3
        self._regions: list[Region] = []
        self.list = Select(
            label="regions",
            # napari has all choices made anew with every layer that comes or goes.
            choices=lambda _: self._described(),
            tooltip="The largest first; a click goes to its largest slice.",
        )
        self.erase = button(
            "Remove", "Erase the region chosen; undo brings it back.", partial(self._erase, chosen=True)
        )
        self.keep = button(
            "Keep only", "Erase all other regions; undo brings them back.", partial(self._erase, chosen=False)
        )
        self.largest = button("Largest slice", "Go to the slice with most tumour.", self._go_to_largest_slice)
        self.probability = button(
            "Add probability", "Add the probability, from 0 to 1, as an image layer.", self._add_probability
        )
        self.save = button(
            "Save mask...", "Save it on the scan's own grid, and beside it what made it.", self._save
        )
        region = row(self.fewest, self.unit, label="smallest region")
        self.fields = fields(self.title, self.threshold, region, self.list)
        rows = (row(self.erase, self.keep), row(self.largest, self.probability), self.save)
        super().__init__(self.fields, *rows)
        self.list.native.setMaximumHeight(90)
        self.fewest.native.setSpecialValueText("model's own")  # what 0 means
        self.threshold.changed.connect(self._change)
        self.fewest.changed.connect(self._change)
        self.unit.changed.connect(self._on_unit)
        self.list.changed.connect(self._go)

    def refresh(self) -> None:
        """Show the active layer's mask, as it is now."""
        layer = self._viewer.layers.selection.active
        self.editor = editor = MaskEditor(self._viewer, layer) if has_result(layer) else None
        self.visible = editor is not None
        self._regions = []
        if editor is not None:
            changed = (self.threshold.changed, self.fewest.changed, self.unit.changed)
            with changed[0].blocked(), changed[1].blocked(), changed[2].blocked():
                self.unit.reset_choices()
                self.unit.value = self._preferred if self._preferred in self.unit.choices else _VOXELS
                self.threshold.value = editor.threshold
                self.fewest.value = editor.min_region_voxels * self._voxel_size(editor)
            self._show(editor)

    def _change(self) -> None:
        if editor := self._current():
            fewest = math.ceil(round(self.fewest.value / self._voxel_size(editor), 6))
            editor.change(round(self.threshold.value, 2), fewest)
            self._show(editor)

    def _on_unit(self, unit: str) -> None:
        self._preferred = unit
        self._change()

    def _units(self) -> list[str]:
        in_mm = self.editor is not None and self.editor.voxel_mm3 is not None
        return [_MM3, _VOXELS] if in_mm else [_VOXELS]

    def _voxel_size(self, editor: MaskEditor) -> float:
        """Return the volume of a voxel in the unit that is shown."""
        return (editor.voxel_mm3 or 1.0) if self.unit.value == _MM3 else 1.0

    def _described(self) -> list[tuple[str, Region]]:
        editor = self.editor
        return [] if editor is None else [(editor.describe(region), region) for region in self._regions]

    def _go(self, regions: list[Region]) -> None:
        editor = self._current()
        if regions and editor:
            editor.go_to(regions[0])

    def _go_to_largest_slice(self) -> None:
        if editor := self._current():
            editor.go_to_largest_slice()

    def _add_probability(self) -> None:
        if editor := self._current():
            editor.add_probability()
            self._viewer.layers.selection.active = editor.layer

    def _save(self) -> None:
        editor = self._current()
        if editor is None:
            return
        layer, proposed = editor.layer, editor.file_name()
        endings = dict.fromkeys((ending_of(proposed), *MASK_ENDINGS))  # the scan's own first
        name, _ = FileDialog.getSaveFileName(
            self.native, "Save the mask", str(proposed), f"Masks ({' '.join(f'*{e}' for e in endings)})"
        )
        if name:
            try:
                file = mask_file(layer, self._viewer)
            except ScanError as error:
                show_error(str(error))
                return
            save = partial(_save_mask, Path(name), ending_of(proposed), file)
            in_thread(save, partial(_tell, file.mark_saved))

    def _erase(self, *, chosen: bool) -> None:
        picked, editor = self.list.value, self._current()
        if picked and editor:
            editor.remove([r for r in self._regions if (r in picked) == chosen])
            self._show(editor)

    def _current(self) -> MaskEditor | None:
        """Return the editor, if the layer is still what it was; the user may have replaced its data."""
        if self.editor is not None and not has_result(self.editor.layer):
            self.refresh()
        return self.editor

    def _show(self, editor: MaskEditor) -> None:
        """Show the findings and the list of regions anew."""
        findings, self._regions = editor.measure()
        self.title.value = findings.size
        with self.list.changed.blocked():
            self.list.reset_choices()
            self.list.value = []


def _save_mask(path: Path, ending: str, file: MaskFile) -> tuple[str, str]:
    """Save a mask; return a sentence on its files, and one on what they lack."""
    path = with_ending(path, ending)
    mask, *beside = file.write(path)
    made = f", and what made it in {beside[0].name}" if beside else ""
    return f"The mask is in {mask.name}{made}, in the folder {mask.parent}.", file.lost(path)


def _tell(mark_saved: Callable[[], None], sentences: tuple[str, str]) -> None:
    files, lost = sentences
    mark_saved()
    show_info(files)
    if lost:
        show_warning(lost)
