"""A labels layer with corrections to its autosave, and back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_tumor_unet.plugin.layers.layer_scan import label_colours
from napari_tumor_unet.plugin.layers.lazy_volume import KEY, Place, axes_of, voxels_of
from napari_tumor_unet.plugin.layers.sequences import is_flair
from napari_tumor_unet.plugin.recovery.store import Autosave, edited_slices, pack
from napari_tumor_unet.plugin.segment.mask_editor import still_fits

if TYPE_CHECKING:
    from napari import Viewer

_TRANSFORM = ("scale", "translate", "rotate", "shear")
_TOLD = ("source", "voxel_ml", "findings", "warnings", "provenance")
_MARKS = ("checked", "visited")  # sets of slices


def is_a_segmentations(layer: Any) -> bool:
    """Whether a layer is one that a segmentation writes, or wrote."""
    return isinstance(layer, Labels) and "written" in layer.metadata.get(KEY, {})


def snapshot(layer: Labels) -> Autosave | None:
    """A copy of a segmentation's layer, its edits not counted yet; None if it has another shape by now."""
    if not still_fits(layer):
        return None
    known = layer.metadata[KEY]
    return Autosave(
        scan=known["scan"],
        edited=0,
        mask=pack(np.asarray(layer.data)),
        written=pack(known["written"]),
        probability=pack(known["probability"]),
        layer={
            "name": layer.name,
            "units": [str(unit) for unit in layer.units],
            "axis_labels": list(layer.axis_labels),
            "affine": layer.affine.affine_matrix.tolist(),
            **{name: np.asarray(getattr(layer, name)).tolist() for name in _TRANSFORM},
        },
        result={
            "place": dataclasses.asdict(known["place"]),
            "geometry": known["geometry"],
            **{name: known[name] for name in _TOLD if name in known},
            **{name: sorted(int(z) for z in known.get(name, ())) for name in _MARKS},
        },
    )


def count_edits(taken: Autosave) -> Autosave:
    """The same, with how many slices the user changed; those of other time points count as well."""
    place = _place(taken.result)
    mask = taken.mask.unpack()
    edited = edited_slices(place.volume(mask), taken.written.unpack())
    place.stored(mask)[...] = 0
    elsewhere = np.count_nonzero(mask.any(axis=(-2, -1)))
    return dataclasses.replace(taken, edited=int(edited + elsewhere))


def add_layer(viewer: Viewer, autosave: Autosave) -> Labels:
    """Add the layer as it was; it belongs to the image of its scan, if that is open."""
    result, place = autosave.result, _place(autosave.result)
    image = _image_of(viewer, autosave, place)
    geometry = result["geometry"]
    known = _tuples({name: result[name] for name in _TOLD if name in result}) | {
        "scan": autosave.scan,
        "place": place,
        "geometry": None if geometry is None else _tuples(geometry),
        "shape": autosave.mask.shape,
        "written": autosave.written.unpack(),
        "probability": autosave.probability.unpack(),
        **{name: set(result[name]) for name in _MARKS},
    }
    if "provenance" in known:
        known["provenance"] = _tuples(known["provenance"])
    if image is not None:
        known["source"] = str(image.unique_id)
    told = autosave.layer
    return viewer.add_labels(
        autosave.mask.unpack(),
        name=told["name"],
        opacity=0.5,
        colormap=label_colours("orange"),
        metadata={KEY: known},
        units=told["units"],
        axis_labels=told["axis_labels"],
        **{name: np.asarray(told[name]) for name in (*_TRANSFORM, "affine")},
    )


def _image_of(viewer: Viewer, autosave: Autosave, place: Place) -> Image | None:
    """The image of the scan, by its name and shape; its FLAIR, as that is what masks are made on."""
    images = []
    for image in viewer.layers:
        if isinstance(image, Image) and autosave.scan in (
            image.metadata.get(KEY, {}).get("scan"),
            image.name,
        ):
            shape = voxels_of(image).shape
            if tuple(shape[axis] for axis in axes_of(image, place.across).mask) == autosave.mask.shape:
                images.append(image)
    return max(images, key=is_flair, default=None)


def _place(result: dict[str, Any]) -> Place:
    return Place(**_tuples(result["place"]))


def _tuples(told: dict[str, Any]) -> dict[str, Any]:
    """Lists, as JSON has them, as the tuples that they were."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
