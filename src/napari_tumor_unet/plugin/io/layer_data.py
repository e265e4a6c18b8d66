"""Make layers of scans and of masks, as napari takes them from a reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from napari_tumor_unet.plugin.layers.layer_scan import label_colours
from napari_tumor_unet.plugin.layers.metadata import KEY, ImageMetadata, MaskMetadata
from napari_tumor_unet.plugin.layers.opened_masks import copy_of
from napari_tumor_unet.plugin.layers.sidecar import told_of
from napari_tumor_unet.scan import SEQUENCES, Scan, Sequence
from napari_tumor_unet.scan.head import find_head
from napari_tumor_unet.scan.sequence_names import SHORT_TITLES

LayerData = tuple[Any, dict[str, Any], str]


def scan_layers(scan: Scan) -> list[LayerData]:
    """Make an image layer for each sequence, last the one to look at: FLAIR."""
    order: list[Sequence] = [s for s in SEQUENCES if s in scan.sequences and s != "flair"]
    order.append("flair")
    scan_id = uuid4().hex
    layers = []
    for sequence in order:
        title = f"{scan.name} {SHORT_TITLES[sequence]}" if len(order) > 1 else scan.name
        metadata = ImageMetadata(
            scan=scan.name,
            scan_id=scan_id,
            sequence=sequence if len(order) > 1 else None,  # of a single one the name may know better
            geometry=scan.geometry,
            shape=() if scan.geometry is None else scan.shape,
            source_images=scan.source or None,
        )
        arguments = {
            "name": title,
            "rgb": False,  # napari takes three or four columns for colours
            "visible": sequence == "flair",
            "contrast_limits": _window(scan, sequence),
            "metadata": {KEY: metadata},
            **_transform(scan),
        }
        layers.append((scan.sequences[sequence], arguments, "image"))
    return layers


def mask_layer(mask: Any, beside: LayerData, name: str, file: Path | None = None) -> LayerData:
    """Make a labels layer in the place of the scan layer beside, and on the grid of the same file.

    Of a mask that is all of a file it carries what this and its sidecar tell; that of a model is orange.
    """
    kept = ("scale", "translate", "units", "axis_labels")
    transform: dict[str, Any] = {name: beside[1][name] for name in kept if name in beside[1]}
    image: ImageMetadata = beside[1]["metadata"][KEY]
    shared = ("scan", "scan_id", "geometry", "shape", "ending", "source_images")
    told = {} if file is None else told_of(file, mask)
    metadata = MaskMetadata(**{name: getattr(image, name) for name in shared}, written=copy_of(mask), **told)
    arguments: dict[str, Any] = {"name": name, "opacity": 0.5, "metadata": {KEY: metadata}, **transform}
    label = max(1, int(mask.max(initial=0)))
    if label in (1, 255) and not ((mask > 0) & (mask < label)).any():  # or white
        arguments["colormap"] = label_colours("blue" if metadata.provenance is None else "orange", label)
    return mask, arguments, "labels"


def _transform(scan: Scan) -> dict[str, Any]:
    """Place a layer along the scan's own axes, as napari slices along those."""
    transform: dict[str, Any] = {"axis_labels": ("z", "y", "x")}
    if scan.in_mm:
        transform |= {"scale": scan.spacing, "units": ("mm", "mm", "mm")}
    if scan.geometry is not None:
        direction = np.reshape(scan.geometry.direction, (3, 3))
        transform["translate"] = (direction.T @ scan.geometry.origin)[::-1]
    return transform


def _window(scan: Scan, sequence: Any) -> tuple[float, float]:
    """Choose contrast limits that neither bright scalp nor the air around the head decides."""
    some = np.unique(np.linspace(0, scan.shape[0] - 1, 9).round().astype(int))
    values = np.stack([scan.slice(sequence, z)[::2, ::2] for z in some]).astype(np.float32)
    low, high = float(np.percentile(values, 0.5)), float(np.percentile(values[find_head(values)], 99))
    return (low, high) if high > low else (low, low + 1)
