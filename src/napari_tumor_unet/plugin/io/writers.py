"""Write labels layers to files, for napari's own *File > Save*."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from napari.layers import Labels
from qtpy.QtCore import QThread

from napari_tumor_unet.io.dicom.source import check_source
from napari_tumor_unet.io.file_names import DICOM_ENDING, MASK_ENDINGS, mask_ending_of
from napari_tumor_unet.io.write import sidecar_of
from napari_tumor_unet.plugin.io.identity import may_name_patient
from napari_tumor_unet.plugin.io.mask_export import mask_file, with_ending
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM
from napari_tumor_unet.plugin.ui.plain import show_warning
from napari_tumor_unet.scan import ScanError

_ATTRIBUTES = (
    *("name", "metadata", "multiscale"),
    *(*TRANSFORM, "axis_labels"),
)


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer on the grid of its scan's file; a notification says what the file lacks.

    Parameters
    ----------
    path : str
        Its ending names the format, one of ``MASK_ENDINGS``, or ``.dcm`` for masks of DICOM scans.
    data, attributes
        Of the layer, as npe2 hands them over.

    Returns
    -------
    list of str
        The files: the mask's and, where a segmentation made it or the user said something of it, the sidecar.

    Raises
    ------
    OSError
        If it cannot be written, with one sentence that says why.
    """
    viewer = napari.current_viewer()
    layers = [] if viewer is None else list(viewer.layers)
    layer = next((one for one in layers if one.data is data and one.name == attributes.get("name")), None)
    try:
        target = with_ending(Path(path), MASK_ENDINGS[0])
        if layer is None:  # npe2 can be called without a viewer
            layer = Labels(data, **{name: attributes[name] for name in _ATTRIBUTES if name in attributes})
        file = mask_file(layer, viewer)
        if mask_ending_of(target) == DICOM_ENDING:
            check_source(file.scan)
            _ask_for_identity(viewer)
        written = file.write(target)
    except ScanError as error:
        raise OSError(str(error)) from error  # napari takes a ValueError for a missing writer
    file.mark_saved()
    if lost := file.lost(target):
        show_warning(lost)
    if sidecar_of(target) not in written and sidecar_of(target).exists():
        show_warning(f"{sidecar_of(target).name} tells of the mask that was there before; delete it.")
    return [str(one) for one in written]


def _ask_for_identity(viewer: napari.Viewer | None) -> None:
    """Ask in the window; a script that names such a file is told of it."""
    window = None if viewer is None else getattr(viewer, "window", None)
    if window is None or QThread.currentThread() is not window._qt_window.thread():
        show_warning("The file carries the patient's identity, as the scan's own files do.")
    elif not may_name_patient(window._qt_window):
        raise ScanError("Nothing was saved, as the file would carry the patient's identity.")
