"""The commands of the menus: segment a scan, score a mask, open a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image, Labels

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.io.dicom import detect
from napari_tumor_unet.io.file_names import FORMATS
from napari_tumor_unet.plugin.io.open_dialog import open_paths
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.metadata import is_agreement
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.plain import show_error
from napari_tumor_unet.plugin.ui.viewer_context import BusyError, Message

if TYPE_CHECKING:
    import napari

_PATTERNS = " ".join(f"*{ending}" for ending in (*FORMATS, *detect.ENDINGS))


def segment(viewer: napari.viewer.Viewer) -> None:
    """Segment the tumour in the active image layer, or in the image that the active mask belongs to."""
    controller = SegmentationController.of(viewer)
    selection = viewer.layers.selection
    chosen = [layer for layer in selection if isinstance(layer, Image)]
    try:
        layer = selection.active or (chosen[0] if len(chosen) == 1 else None)
        controller.segment(scan_of(layer, viewer.layers, viewer.dims.point))
    except TumourUnetError as error:
        controller.context.notify(Message(str(error), "info" if isinstance(error, BusyError) else "error"))


def score(viewer: napari.viewer.Viewer) -> None:
    """Compare the two labels layers that are selected, in the panel."""
    layers = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    masks = [layer for layer in layers if isinstance(layer, Labels) and not is_agreement(layer)]
    if len(masks) != 2:
        show_error("Select two labels layers, a prediction and a reference; Ctrl and Shift select several.")
        return
    dock, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Score", tabify=True)
    dock.raise_()  # it may have been open, behind another
    panel.set_masks(masks)
    panel.compare()


def open_scan(viewer: napari.viewer.Viewer) -> None:
    """Ask for MRI scans and open them, without napari's choice of readers."""
    controller = SegmentationController.of(viewer)
    paths, _ = FileDialog.getOpenFileNames(
        controller.parent(),
        "Open MRI scan: a file, or any one slice of a folder of slices or of DICOM",
        "",
        f"MRI scans ({_PATTERNS});;All files, also DICOM without an ending (*)",
    )
    if paths:
        controller.context.warm_up()
        open_paths(controller.viewer, paths)
