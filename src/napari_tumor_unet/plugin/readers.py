"""Files and folders to layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from napari_tumor_unet.io import ending_of_mask, is_mask_name, read_labels, read_scan
from napari_tumor_unet.io.lgg_folder import looks_like_slices, read_folder_mask
from napari_tumor_unet.plugin.layers import label_colours
from napari_tumor_unet.plugin.parts import KEY
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
        labels = read_labels(path)
        return [mask_layer(labels.sequences["flair"], scan_layers(labels)[0], labels.name)]
    scan = read_scan(path)
    layers = scan_layers(scan)
    for _, arguments, _ in layers:
        arguments["metadata"][KEY]["ending"] = ending_of_mask(path)
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
        known: dict[str, Any] = {"scan": scan.name, "scan_id": scan_id, "sequence": sequence}
        if scan.geometry is not None:
            known |= {"geometry": dataclasses.asdict(scan.geometry), "shape": scan.shape}
        arguments = {
            "name": title,
            "visible": sequence == "flair",
            "contrast_limits": _window(scan, sequence),
            "metadata": {KEY: known},
            **_place(scan),
        }
        layers.append((scan.sequences[sequence], arguments, "image"))
    return layers


def mask_layer(mask: Any, beside: LayerData, name: str) -> LayerData:
    """A labels layer, in the place of the scan layer that it belongs to, on the grid of the same file."""
    place = {k: beside[1][k] for k in ("scale", "translate", "units", "axis_labels") if k in beside[1]}
    known = beside[1]["metadata"][KEY]
    told = {k: known[k] for k in ("scan", "scan_id", "geometry", "shape", "ending") if k in known}
    arguments: dict[str, Any] = {"name": name, "opacity": 0.5, "metadata": {KEY: told}, **place}
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
