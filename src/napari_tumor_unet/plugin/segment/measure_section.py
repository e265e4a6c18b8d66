"""The part of the panel "Segment tumour" for what a mask measures: its diameters as lines, and a report."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_tumor_unet._common import TumourUnetError, plural
from napari_tumor_unet.inference.measures import Measures
from napari_tumor_unet.inference.result import Provenance, Segmentation, measure
from napari_tumor_unet.io.write import report_files
from napari_tumor_unet.plugin.io.opened_together import look_at
from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair, image_for
from napari_tumor_unet.plugin.layers.mask_volume import mask_volume
from napari_tumor_unet.plugin.layers.metadata import mask_metadata
from napari_tumor_unet.plugin.layers.transforms import stored_geometry
from napari_tumor_unet.plugin.segment.diameters import moved_by_hand, show_diameters
from napari_tumor_unet.plugin.segment.mask_editor import MaskEditor
from napari_tumor_unet.plugin.segment.mask_saving import propose_file
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import show_error, show_info
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.plugin.ui.widgets import button, text_label
from napari_tumor_unet.scan import Scan, ScanError

if TYPE_CHECKING:
    from napari import Viewer

_ENDINGS = (".html", ".pdf")


class MeasureSection(Section):
    """Says the diameters of a mask in words, draws them, and writes a report.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._editor: MaskEditor | None = None
        self.sizes = text_label(tooltip="A spacing that is unknown can be said under Sequences and slices.")
        self.lines = button("Show diameters", "As lines that can be dragged, in a layer.", self._show_lines)
        self.report = button("Report...", "One page with pictures and numbers, to print.", self._report)
        super().__init__(self.sizes, self.lines, self.report)
        self.forget()

    def forget(self) -> None:
        """Show nothing of a mask before, until another one is measured."""
        self._editor = None
        self.sizes.value = ""
        self.lines.enabled = self.report.enabled = False

    def show_measures(self, editor: MaskEditor, measures: Measures) -> None:
        """Show what a mask measures."""
        self._editor = editor
        self.sizes.value = f"{measures.diameters}." if measures.regions else "The mask is empty."
        self.lines.enabled, self.report.enabled = bool(measures.regions), True

    def _show_lines(self) -> None:
        if self._editor is not None:
            look_at(self._viewer, self._editor.layer)
            show_diameters(self._viewer, self._editor.layer)

    def _report(self) -> None:
        if self._editor is None:
            return
        layer = self._editor.layer
        proposed = report_files(propose_file(layer, self._viewer.layers))[0]
        try:
            scan = _scan_of(self._editor, self._viewer)
        except ScanError as error:
            show_error(str(error))
            return
        name, kind = FileDialog.getSaveFileName(
            self.native, "Save the report", str(proposed), "Page (*.html);;PDF (*.pdf)"
        )
        if name:
            path = Path(name)
            if path.suffix.lower() not in _ENDINGS:
                path = path.with_name(path.name + (".pdf" if "pdf" in kind else ".html"))
            moved = moved_by_hand(self._viewer, layer)
            in_thread(partial(_write, path, scan, layer, moved=moved), show_info)


def _scan_of(editor: MaskEditor, viewer: Viewer) -> Scan:
    """Return the scan of a mask, with the place of its file where that tells the sides."""
    layer = editor.layer
    image = image_for(layer, viewer.layers)
    if image is None:
        raise ScanError(f"The scan of {layer.name} is not open; open it for a report.")
    scan = LayerPair(image, layer, tuple(viewer.dims.point)).source(viewer.layers).scan
    return replace(scan, geometry=stored_geometry(layer) if editor.knows_sides else None)


def _write(path: Path, scan: Scan, layer: Labels, *, moved: bool) -> str:
    """Write the report of a mask as it is now; return a sentence that says where."""
    from napari_tumor_unet.evaluation.report import scan_page  # with matplotlib

    metadata, volume = mask_metadata(layer), mask_volume(layer)
    made = metadata.provenance or Provenance.unknown()
    mask = (volume.mask > 0).astype(np.uint8)
    result = Segmentation(
        metadata.probability,
        mask,
        measure(mask, metadata.voxel_ml),
        replace(made, threshold=metadata.threshold),
        metadata.warnings,
        volume.grid,
    )
    checked = plural(len(metadata.checked), "slice") if metadata.checked else "no slice"
    edits = metadata.edited_before or (volume.mask != metadata.written).any()
    edited = "was" if edits else "was not" if metadata.provenance else "may have been"
    review = f"The mask {edited} edited by hand; {checked} marked as checked."
    if moved:
        review += " The diameters are those of the mask, not the lines that were moved by hand."
    try:
        scan_page(scan, result, review).write(path)
    except OSError as error:
        raise TumourUnetError(f"{path.name} cannot be written: {error.strerror}.") from error
    return f"The report is in {path.name}."
