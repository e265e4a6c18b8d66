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

from napari_tumor_unet.io.dicom.source import check_source
from napari_tumor_unet.io.file_names import DICOM_ENDING, MASK_ENDINGS, ending_of, mask_ending_of
from napari_tumor_unet.plugin.io.identity import may_name_patient
from napari_tumor_unet.plugin.io.mask_export import MaskFile, mask_file, source_of, with_ending
from napari_tumor_unet.plugin.layers.image_of_mask import scan_image
from napari_tumor_unet.plugin.layers.metadata import image_metadata, mask_metadata
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.plain import show_error, show_info, show_warning
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.scan import ScanError

if TYPE_CHECKING:
    from napari import Viewer

DICOM_KINDS = ["DICOM Segmentation (*.dcm)", "DICOM Segmentation and report (*.dcm)"]
"""Of files that a mask of a DICOM scan can be saved as; they name the patient."""


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
    kinds = [f"Masks ({' '.join(f'*{e}' for e in endings)})"]
    if source_of(mask, viewer):
        kinds += DICOM_KINDS
    name, kind = FileDialog.getSaveFileName(parent, "Save the mask", str(proposed), ";;".join(kinds))
    if not name:
        return
    in_dicom = kind in DICOM_KINDS or mask_ending_of(Path(name)) == DICOM_ENDING
    try:
        file = mask_file(mask, viewer)
        if in_dicom:
            check_source(file.scan)
    except ScanError as error:
        show_error(str(error))
        return
    if in_dicom and not may_name_patient(parent):
        return
    ending = DICOM_ENDING if in_dicom else ending_of(proposed)
    save = partial(_save, Path(name), ending, file, in_dicom=in_dicom, with_report=kind == DICOM_KINDS[1])
    in_thread(save, partial(_tell, file, then))


def propose_file(mask: Labels, layers: LayerList) -> Path:
    """Propose a file: beside the scan, where that is known, in its format, and one that is not there."""
    metadata = mask_metadata(mask)
    image = scan_image(mask, layers)
    path = None if image is None else image.source.path
    usual = ".nii.gz" if metadata.geometry else ".tif"
    ending = usual if image is None else image_metadata(image).ending or usual
    folder = Path(path).parent if isinstance(path, str | Path) else Path()
    file, n = folder / f"{metadata.scan}_mask{ending}", 1
    while os.path.lexists(file):
        n += 1
        file = folder / f"{metadata.scan}_mask_{n}{ending}"
    return file


def _save(
    path: Path, ending: str, file: MaskFile, *, in_dicom: bool, with_report: bool
) -> tuple[str, str, str]:
    """Save a mask; return its file's name, a sentence on its files, and one on what they lack."""
    path = with_ending(path, ending, instead=in_dicom)
    mask, *beside = file.write(path, with_report=with_report)
    told = ""
    if file.sidecar is not None:
        what = "what made it" if "provenance" in file.sidecar else "what you said of it"
        told = f", and {what} in {beside[0].name}"
    if with_report:
        told += f", its measures in {beside[-1].name}"
    return mask.name, f"The mask is in {mask.name}{told}, in the folder {mask.parent}.", file.lost(path)


def _tell(file: MaskFile, then: Callable[[str], object], saved: tuple[str, str, str]) -> None:
    name, files, lost = saved
    file.mark_saved()
    show_info(files)
    if lost:
        show_warning(lost)
    then(name)
