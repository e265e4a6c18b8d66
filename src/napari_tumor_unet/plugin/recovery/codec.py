"""Turn a labels layer with corrections into an autosave, and back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_tumor_unet.inference.result import Findings
from napari_tumor_unet.plugin.layers.layer_scan import label_colours
from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation, axes_of, voxels_of
from napari_tumor_unet.plugin.layers.looks import show_outline
from napari_tumor_unet.plugin.layers.metadata import (
    KEY,
    SAID,
    MaskMetadata,
    SaidSpacing,
    as_tuples,
    image_metadata,
    mask_metadata,
    provenance_of,
    said_spacing,
    still_fits,
)
from napari_tumor_unet.plugin.layers.opened_masks import copy_of
from napari_tumor_unet.plugin.layers.said_spacing import say_as
from napari_tumor_unet.plugin.layers.sequences import is_flair
from napari_tumor_unet.plugin.layers.transforms import stored_geometry
from napari_tumor_unet.plugin.recovery.store import Autosave
from napari_tumor_unet.scan import Geometry

if TYPE_CHECKING:
    from napari import Viewer

_TRANSFORM = ("scale", "translate", "rotate", "shear")
_PLAIN = ("source", "findings", "warnings", "provenance")  # as JSON holds them
_MARKS = ("checked", "visited")  # sets of slices


def snapshot(layer: Labels) -> Autosave | None:
    """Copy a mask's layer, without a count of edits; None if the layer has another shape by now."""
    if not still_fits(layer):
        return None
    metadata, said = mask_metadata(layer), said_spacing(layer)
    return Autosave(
        scan=metadata.scan,
        edited=0,
        mask=copy_of(np.asarray(layer.data)),
        written=copy_of(metadata.written),
        probability=copy_of(metadata.probability),
        layer={
            "name": layer.name,
            "units": [str(unit) for unit in layer.units],
            "axis_labels": list(layer.axis_labels),
            "affine": layer.affine.affine_matrix.tolist(),
            **{name: np.asarray(getattr(layer, name)).tolist() for name in _TRANSFORM},
            **({} if said is None else {"said_spacing": dataclasses.asdict(said)}),
        },
        result={
            "place": dataclasses.asdict(metadata.place),
            "geometry": metadata.get("geometry"),
            "voxel_ml": metadata.voxel_ml,
            "edited_before": metadata.edited_before,
            "paired": metadata.paired,
            **{name: metadata[name] for name in _PLAIN if name in metadata},
            **{name: sorted(int(z) for z in getattr(metadata, name)) for name in _MARKS},
        },
    )


def count_edits(autosave: Autosave) -> Autosave:
    """Count the slices that the user changed; those of other time points count as well."""
    place, mask = _place(autosave.result), autosave.mask
    edited = sum(not same for same in map(np.array_equal, place.volume(mask), autosave.written))
    elsewhere = _count_planes(mask) - _count_planes(place.stored(mask))
    return dataclasses.replace(autosave, edited=edited + elsewhere)


def edits_in(layer: Labels) -> NDArray[np.bool_]:
    """Return where the user changed a mask, on its own grid; the whole mask where another time point's is."""
    mask, metadata = np.asarray(layer.data), mask_metadata(layer)
    edits = np.zeros(mask.shape, bool)
    metadata.place.volume(edits)[:] = metadata.place.volume(mask) != metadata.written
    return edits if edits.any() else mask != 0


def add_layer(viewer: Viewer, autosave: Autosave) -> Labels:
    """Add the layer as it was; the layer belongs to the image of its scan, if that is open."""
    result, place = autosave.result, _place(autosave.result)
    image = _image_of(viewer, autosave, place)
    run = bool(autosave.probability.size)  # else the mask was opened, and goes with what it fits
    metadata = MaskMetadata(
        source=str(image.unique_id) if run and image is not None else result.get("source", ""),
        scan=autosave.scan,
        place=place,
        geometry=None if result["geometry"] is None else Geometry(**as_tuples(result["geometry"])),
        shape=autosave.mask.shape,
        voxel_ml=result["voxel_ml"],
        written=autosave.written,
        probability=autosave.probability,
        findings=Findings(**result["findings"]) if "findings" in result else None,
        warnings=tuple(result.get("warnings", ())),
        checked=set(result["checked"]),
        visited=set(result["visited"]),
        edited_before=result.get("edited_before", False),
        paired=result.get("paired", False),
        restored=result.get("paired", False),
        **(provenance_of(result["provenance"]) if "provenance" in result else {}),
    )
    layer = autosave.layer
    held: dict[str, Any] = {KEY: metadata}
    if "said_spacing" in layer:
        held[SAID] = said = SaidSpacing(**as_tuples(layer["said_spacing"]))
        if image is not None:  # whose file still tells none
            say_as(viewer, image, said)
    restored = viewer.add_labels(
        autosave.mask,
        name=layer["name"],
        colormap=label_colours("blue" if metadata.provenance is None else "orange"),
        metadata=held,
        units=layer["units"],
        axis_labels=layer["axis_labels"],
        **{name: np.asarray(layer[name]) for name in (*_TRANSFORM, "affine")},
    )
    show_outline(restored)
    return restored


def _image_of(viewer: Viewer, autosave: Autosave, place: SliceOrientation) -> Image | None:
    """Find the image of the scan, by name, shape and where its file lies; masks are made on the FLAIR."""
    images, told = [], autosave.result["geometry"]
    for image in viewer.layers:
        if isinstance(image, Image) and autosave.scan in (image_metadata(image).scan, image.name):
            shape = voxels_of(image).shape
            own = tuple(shape[axis] for axis in axes_of(image, place.across).mask)
            if own == autosave.mask.shape and not _lies_elsewhere(image, told):
                images.append(image)
    source = autosave.result.get("source")
    return max(images, key=lambda image: (str(image.unique_id) == source, is_flair(image)), default=None)


def _lies_elsewhere(image: Image, told: dict[str, Any] | None) -> bool:
    """Whether an image's file lies elsewhere than a mask's scan did; two scans may have one name."""
    geometry = stored_geometry(image)
    if geometry is None or told is None:
        return False
    return not all(np.allclose(getattr(geometry, name), told[name]) for name in ("origin", "direction"))


def _place(result: dict[str, Any]) -> SliceOrientation:
    return SliceOrientation(**as_tuples(result["place"]))


def _count_planes(mask: NDArray[Any]) -> int:
    """Count the planes (Y, X) that are not empty."""
    return int(np.count_nonzero(mask.any(axis=(-2, -1))))
