"""What the menus call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QFileDialog

from napari_tumor_unet.card import ModelError
from napari_tumor_unet.io.lgg_folder import folder_of_slice
from napari_tumor_unet.plugin.layers import scan_of
from napari_tumor_unet.plugin.readers import LayerData, read_layers
from napari_tumor_unet.plugin.session import Session
from napari_tumor_unet.scan import ScanError

if TYPE_CHECKING:
    import napari


def segment(viewer: napari.viewer.Viewer) -> None:
    """Segment the tumour in the active image layer, or in the image that the active mask belongs to."""
    session = Session.of(viewer)
    if session.running:
        show_info("A segmentation is under way; wait for it, or cancel it in the activity dock.")
        return
    selection = viewer.layers.selection
    chosen = [layer for layer in selection if isinstance(layer, Image)]
    try:
        layer = selection.active or (chosen[0] if len(chosen) == 1 else None)
        session.segment(scan_of(layer, viewer.layers))
    except (ScanError, ModelError) as error:
        show_error(str(error))


def open_scan(viewer: napari.viewer.Viewer) -> None:
    """Ask for MRI scans and open them, without napari's choice of readers."""
    paths, _ = QFileDialog.getOpenFileNames(
        viewer.window._qt_window,
        "Open MRI scan: a file, or any one slice of a folder of slices",
        "",
        "MRI scans (*.nii *.nii.gz *.tif *.tiff)",
    )
    for path in dict.fromkeys(folder_of_slice(path) for path in paths):
        open_path(viewer, path)


def open_path(viewer: napari.viewer.Viewer, path: Any) -> Any:
    """Read a scan in the background, add its layers, and get the model ready for the one click."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    Session.of(viewer).warm_up()
    worker = create_worker(read_layers, path, _start_thread=False)
    worker.returned.connect(lambda layers: add_layers(viewer, layers))
    worker.errored.connect(lambda error: show_error(str(error)))
    worker.start()
    return worker


def add_layers(viewer: napari.viewer.Viewer, layers: list[LayerData]) -> None:
    """Add layers as read, and leave the scan active, not its mask."""
    added = [viewer.add_layer(Layer.create(*data)) for data in layers]
    images = [layer for layer in added if isinstance(layer, Image)]
    if images:
        viewer.layers.selection.active = images[-1]
