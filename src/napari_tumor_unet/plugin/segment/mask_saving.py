"""Ask where to save the mask of a segmentation, and save it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.components import LayerList
from napari.layers import Labels
from qtpy.QtWidgets import QWidget

from napari_tumor_unet.io.file_names import MASK_ENDINGS, ending_of
from napari_tumor_unet.plugin.io.mask_export import MaskFile, mask_file, with_ending
from napari_tumor_unet.plugin.layers.metadata import image_metadata, mask_metadata
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.plain import show_error, show_info, show_warning
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.scan import ScanError

if TYPE_CHECKING:
    from napari import Viewer


def ask_and_save(viewer: Viewer, mask: Labels, parent: QWidget, then: Callable[[str], object]) -> None:
    """Ask where to save a mask, and save it as it is now; a thread writes the file.

    Parameters
    ----------
    viewer : Viewer
    mask : Labels
        One of which :func:`~napari_tumor_unet.plugin.layers.metadata.has_result` is true.
    parent : QWidget
        What the question belongs to.
    then : callable
        Gets the name of the file, once it is written.
    """
    proposed = propose_file(mask, viewer.layers)
    endings = dict.fromkeys((ending_of(proposed), *MASK_ENDINGS))  # the scan's own first
    name, _ = FileDialog.getSaveFileName(
        parent, "Save the mask", str(proposed), f"Masks ({' '.join(f'*{e}' for e in endings)})"
    )
    if not name:
        return
    try:
        file = mask_file(mask, viewer)
    except ScanError as error:
        show_error(str(error))
        return
    in_thread(partial(_save, Path(name), ending_of(proposed), file), partial(_tell, file, then))


def propose_file(mask: Labels, layers: LayerList) -> Path:
    """Propose a file: beside the scan, where that is known, in its format, and one that is not there."""
    metadata = mask_metadata(mask)
    image = next((layer for layer in layers if str(layer.unique_id) == metadata.source), None)
    path = None if image is None else image.source.path
    usual = ".nii.gz" if metadata.geometry else ".tif"
    ending = usual if image is None else image_metadata(image).ending or usual
    folder = Path(path).parent if isinstance(path, str | Path) else Path()
    file, n = folder / f"{metadata.scan}_mask{ending}", 1
    while os.path.lexists(file):
        n += 1
        file = folder / f"{metadata.scan}_mask_{n}{ending}"
    return file


def _save(path: Path, ending: str, file: MaskFile) -> tuple[str, str, str]:
    """Save a mask; return its file's name, a sentence on its files, and one on what they lack."""
    path = with_ending(path, ending)
    mask, *beside = file.write(path)
    made = f", and what made it in {beside[0].name}" if beside else ""
    return mask.name, f"The mask is in {mask.name}{made}, in the folder {mask.parent}.", file.lost(path)


def _tell(file: MaskFile, then: Callable[[str], object], saved: tuple[str, str, str]) -> None:
    name, files, lost = saved
    file.mark_saved()
    show_info(files)
    if lost:
        show_warning(lost)
    then(name)
