"""What layers and files tell of a mask: whose it is, of which scan, and when that was taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from napari.layers import Image, Labels, Layer

from napari_tumor_unet.evaluation.visits import date_in, patient_named
from napari_tumor_unet.io.file_names import scan_name
from napari_tumor_unet.plugin.followup.mask_table import OfferedMask
from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.metadata import mask_metadata
from napari_tumor_unet.plugin.layers.sequences import scan_id
from napari_tumor_unet.plugin.layers.transforms import source_images
from napari_tumor_unet.scan import SourceImage


def offered_layer(
    layer: Labels, layers: Iterable[Layer], known: Mapping[SourceImage, date | None]
) -> OfferedMask:
    """Offer a layer, by its own name or that of its scan, and the day on which DICOM images were taken."""
    layers = list(layers)
    image = image_for(layer, layers)
    scan = mask_metadata(layer).scan or ("" if image is None else image.name)
    offered = _offered(layer, str(layer.name), (str(layer.name), scan), scan_of_mask(layer, layers))
    source = source_image(layer, layers)
    told = None if source is None else known.get(source)
    return offered if told is None else replace(offered, taken=told)


def source_image(layer: Labels, layers: Iterable[Layer]) -> SourceImage | None:
    """Return a DICOM image of a mask's scan, if there is one."""
    image = image_for(layer, layers)
    images = source_images(layer) or (() if image is None else source_images(image))
    return images[0] if images else None


def offered_file(path: Path) -> OfferedMask:
    """Offer a file, by its name or that of its folder."""
    return _offered(path, f"{path.parent.name}/{path.name}", (scan_name(path), path.parent.name), "")


def scan_of_mask(layer: Labels, layers: Iterable[Layer]) -> str:
    """Return what all masks of a scan have in common; empty where it is unknown.

    A mask that was drawn here is of the scan that it lies on; one from a file, of that read with it.
    """
    metadata, layers = mask_metadata(layer), list(layers)
    images = (one for one in layers if isinstance(one, Image))
    image = next((one for one in images if str(one.unique_id) == metadata.source), None)
    scan = metadata.scan_id or metadata.source
    if image is None and not scan and layer.source.path is None:
        image = image_for(layer, layers)
        if image is not None and _tells_another(str(layer.name), str(image.name)):
            image = None
    scan = scan if image is None else scan_id(image)
    return f"{scan} {metadata.place.at}" if scan and metadata.place.at else scan


def _tells_another(mask: str, scan: str) -> bool:
    """Whether the name of a mask tells another patient, or date, than that of a scan."""
    told = ((tell(mask), tell(scan)) for tell in (date_in, patient_named))
    return any(mine and mine != theirs for mine, theirs in told)


def _offered(source: Labels | Path, name: str, told_by: tuple[str, ...], scan: str) -> OfferedMask:
    taken = next(filter(None, map(date_in, told_by)), None)
    patient = next(filter(None, map(patient_named, told_by)), "")
    return OfferedMask(source, name, patient, scan, taken)
