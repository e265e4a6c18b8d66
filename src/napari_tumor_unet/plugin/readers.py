"""Files and folders to layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from napari_tumor_unet.io import is_mask_name, read_mask, read_scan, scan_name
from napari_tumor_unet.io.lgg_folder import looks_like_slices, read_folder_mask
from napari_tumor_unet.plugin.layers import label_colours
from napari_tumor_unet.plugin.volumes import KEY
from napari_tumor_unet.scan import SEQUENCES, Scan

LayerData = tuple[Any, dict[str, Any], str]

_TITLES = {"pre": "T1 pre", "flair": "FLAIR", "post": "T1 post"}


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """What napari asks first; a folder that holds no slices is declined from its first entries."""
    if not isinstance(path, str):
        return None
    if Path(path).is_dir() and not looks_like_slices(Path(path)):
        return None
    return read_layers


def read_layers(path: str | Path) -> list[LayerData]:
    """The layers of a scan: T1 before and after contrast (hidden), FLAIR, and the mask where there is one."""
    path = Path(path)
    if path.is_file() and is_mask_name(path):
        return [mask_layer(read_mask(path), None, scan_name(path))]
    scan = read_scan(path)
    layers = scan_layers(scan)
    if path.is_dir() and (mask := read_folder_mask(path)) is not None:
        layers.append(mask_layer(mask, layers[-1], f"{scan.name} mask"))
    return layers


def scan_layers(scan: Scan) -> list[LayerData]:
    """One image layer for each sequence, FLAIR last: it is what one looks at."""
    order = [s for s in SEQUENCES if s in scan.sequences and s != "flair"] + ["flair"]
    scan_id = uuid4().hex
    layers = []
    for sequence in order:
        title = f"{scan.name} {_TITLES[sequence]}" if len(order) > 1 else scan.name
        known: dict[str, Any] = {"scan": scan.name, "scan_id": scan_id}
        if len(order) > 1:  # of a single one the name may know better
            known["sequence"] = sequence
        if scan.geometry is not None:
            known["geometry"] = dataclasses.asdict(scan.geometry)
        arguments = {
            "name": title,
            "visible": sequence == "flair",
            "contrast_limits": _window(scan, sequence),
            "metadata": {KEY: known},
            **_place(scan),
        }
        layers.append((scan.sequences[sequence], arguments, "image"))
    return layers


def mask_layer(mask: Any, beside: LayerData | None, name: str) -> LayerData:
    """A labels layer, in the place of the scan layer that it belongs to."""
    arguments: dict[str, Any] = {"name": name, "opacity": 0.5}
    if beside is not None:
        place = {k: beside[1][k] for k in ("scale", "translate", "units", "axis_labels") if k in beside[1]}
        known = beside[1]["metadata"][KEY]
        arguments |= place | {"metadata": {KEY: {k: known[k] for k in ("scan", "scan_id")}}}
    if mask.max(initial=0) <= 1:
        arguments["colormap"] = label_colours("green")
    return mask, arguments, "labels"


def _place(scan: Scan) -> dict[str, Any]:
    """Scale, place and units of a layer; along the scan's own axes, as napari slices along those."""
    place: dict[str, Any] = {"axis_labels": ("z", "y", "x")}
    if scan.in_mm:
        place |= {"scale": scan.spacing, "units": ("mm", "mm", "mm")}
    if scan.geometry is not None:
        direction = np.reshape(scan.geometry.direction, (3, 3))
        place["translate"] = (direction.T @ scan.geometry.origin)[::-1]
    return place


def _window(scan: Scan, sequence: Any) -> tuple[float, float]:
    """Contrast limits that a few bright voxels do not decide."""
    some = np.unique(np.linspace(0, scan.shape[0] - 1, 9).round().astype(int))
    values = np.stack([scan.slice(sequence, z)[::2, ::2] for z in some])
    low, high = (float(v) for v in np.percentile(values, (0.5, 99.8)))
    return (low, high) if high > low else (low, low + 1)
