"""The commands of the menus: segment a scan, score a mask, open a scan."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from napari.layers import Image, Labels

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.io.dicom import detect
from napari_tumor_unet.io.file_names import FORMATS
from napari_tumor_unet.plugin.io.open_dialog import open_paths
from napari_tumor_unet.plugin.layers.image_of_mask import scan_image
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.metadata import masks_in
from napari_tumor_unet.plugin.segment import diameters
from napari_tumor_unet.plugin.segment.batch import Batch
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui.docks import open_panel
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.plain import show_error, show_info
from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import Message

if TYPE_CHECKING:
    import napari

_PATTERNS = " ".join(f"*{ending}" for ending in (*FORMATS, *detect.ENDINGS))


def segment(viewer: napari.viewer.Viewer) -> None:
    """Segment the tumour in the active image layer, or in the image that the active mask belongs to."""
    controller = SegmentationController.of(viewer)
    if controller.context.busy:
        _offer_cancel(controller)
        return
    controller.context.say("Segmenting...")
    selection = viewer.layers.selection
    chosen = [layer for layer in selection if isinstance(layer, Image)]
    try:
        layer = selection.active or (chosen[0] if len(chosen) == 1 else None)
        if isinstance(layer, Labels):
            layer = scan_image(layer, viewer.layers) or layer
        source = scan_of(layer, viewer.layers, viewer.dims.point)
        controller.segment(source, only=segmentation_settings().one_slice)
    except TumourUnetError as error:
        controller.context.say(str(error))
        controller.context.notify(Message(str(error), "error"))


def _offer_cancel(controller: SegmentationController) -> None:
    """Offer to end what is under way, a run or a batch of them."""
    under_way = weakref.ref(controller)  # napari keeps notifications longer than windows

    def cancel() -> None:
        with suppress(RuntimeError):  # the window may be gone
            if (there := under_way()) is not None and there.context.busy:
                batch = Batch.of(there)
                (batch if there.context.owner is batch else there).cancel()

    controller.context.offer("A segmentation is under way.", "Cancel it", cancel)


def score(viewer: napari.viewer.Viewer) -> None:
    """Compare the two labels layers that are selected, in the panel."""
    layers = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    masks = masks_in(layers)
    if len(masks) != 2:
        show_error("Select two labels layers, a prediction and a reference; Ctrl and Shift select several.")
        return
    panel = open_panel(viewer, "Score")
    panel.set_masks(masks)
    panel.compare()


def show_diameters(viewer: napari.viewer.Viewer) -> None:
    """Draw the diameters of the labels layer that is selected, as lines that can be dragged."""
    layer = viewer.layers.selection.active
    if not isinstance(layer, Labels):
        show_error("Select the labels layer whose diameters are to be shown.")
        return
    diameters.show_diameters(viewer, layer)


def save_mask(viewer: napari.viewer.Viewer) -> None:
    """Ask where to save the mask that the panel shows; without one say how masks are saved."""
    panel = open_panel(viewer, "Segment tumour")
    if panel.mask.state is not None:
        panel.mask.ask_and_save()
        return
    show_info(
        "There is no mask that a segmentation made. Segment a scan first; any other labels layer is saved by "
        "File > Save Selected Layers... with the filter Tumour U-Net masks."
    )


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
