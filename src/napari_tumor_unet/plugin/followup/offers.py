"""What layers and files tell of a mask: whose it is, of which scan, and when that was taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_tumor_unet.evaluation.visits import (
    Visit,
    date_in,
    date_told,
    names_of,
    patient_named,
    session_in,
)
from napari_tumor_unet.plugin.followup.mask_table import OfferedMask
from napari_tumor_unet.plugin.layers.image_of_mask import image_for, scan_image
from napari_tumor_unet.plugin.layers.mask_volume import mask_volume
from napari_tumor_unet.plugin.layers.metadata import image_metadata, mask_metadata, said_spacing
from napari_tumor_unet.plugin.layers.sequences import scan_id
from napari_tumor_unet.plugin.layers.transforms import source_images
from napari_tumor_unet.scan import SourceImage
from napari_tumor_unet.scan.patient_names import patient_told
from napari_tumor_unet.scan.sequence_names import patient_in, words_of


def offered_layer(
    layer: Labels, layers: Iterable[Layer], known: Mapping[SourceImage, date | None]
) -> OfferedMask:
    """Offer a layer, by its own name or that of its scan, and the day on which DICOM images were taken."""
    layers = list(layers)
    offered = _offered(layer, str(layer.name), _told_by(layer, layers), scan_of_mask(layer, layers))
    source = source_image(layer, layers)
    told = None if source is None else known.get(source)
    return offered if told is None else replace(offered, taken=told)


def visit_of_layer(layer: Labels, layers: Iterable[Layer]) -> Visit:
    """Take the mask of a layer as it is now, without its date.

    Raises
    ------
    MeasureError
        As :func:`~napari_tumor_unet.plugin.layers.mask_volume.mask_volume`.
    """
    layers, volume = list(layers), mask_volume(layer)
    return Visit(
        str(layer.name),
        np.array(volume.mask),
        volume.grid,
        spacing="told" if said_spacing(layer) is None else "given",
        scan=scan_of_mask(layer, layers),
        patient=patient_told(*_told_by(layer, layers)),
        warnings=tuple(mask_metadata(layer).warnings),
        told_by=_told_by(layer, layers),
    )


def source_image(layer: Labels, layers: Iterable[Layer]) -> SourceImage | None:
    """Return a DICOM image of a mask's scan, if there is one."""
    image = image_for(layer, layers)
    images = source_images(layer) or (() if image is None else source_images(image))
    return images[0] if images else None


def offered_file(path: Path) -> OfferedMask:
    """Offer a file, by its name or that of its folder."""
    return _offered(path, f"{path.parent.name}/{path.name}", names_of(path), "")


def scan_of_mask(layer: Labels, layers: Iterable[Layer]) -> str:
    """Return what all masks of a scan have in common; empty where it is unknown.

    A mask that was drawn here is of the scan that it lies on; one from a file, of that read with it, or of
    that which it lies on and is named after.
    """
    metadata, layers = mask_metadata(layer), list(layers)
    scan, image = metadata.scan_id or metadata.source, scan_image(layer, layers)
    if image is not None and not _is_of(layer, image):
        image = None
    scan = scan if image is None else scan_id(image)
    return f"{scan} {metadata.place.at}" if scan and metadata.place.at else scan


def _is_of(layer: Labels, image: Image) -> bool:
    """Whether a mask is of a scan that it lies on, and not of another visit on the same grid."""
    metadata, name = mask_metadata(layer), str(layer.name)
    if metadata.source == str(image.unique_id) or metadata.scan_id == scan_id(image):
        return True
    told = ((tell(name), tell(str(image.name))) for tell in (date_in, session_in, patient_named))
    if any(mine and mine != theirs for mine, theirs in told):
        return False
    scan = patient_in(image_metadata(image).scan or str(image.name))
    drawn_here = not (metadata.scan_id or metadata.source or layer.source.path)
    return drawn_here or (bool(scan) and f"{'_'.join(words_of(name))}_".startswith(f"{scan}_"))


def _told_by(layer: Labels, layers: Iterable[Layer]) -> tuple[str, str]:
    """Return the names of a mask and of its scan."""
    image = image_for(layer, layers)
    return str(layer.name), mask_metadata(layer).scan or ("" if image is None else str(image.name))


def _offered(source: Labels | Path, name: str, told_by: tuple[str, ...], scan: str) -> OfferedMask:
    patient = next(filter(None, map(patient_named, told_by[:2])), "")
    return OfferedMask(source, name, patient, scan, date_told(told_by), told_by)
