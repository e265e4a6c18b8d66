"""What the JSON file beside a mask tells of it, from a layer and back to one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from pydantic import TypeAdapter

from napari_tumor_unet.inference.regions import left_out
from napari_tumor_unet.inference.result import Provenance, count_left_out, measure, spacing_said_by_user
from napari_tumor_unet.io.write import made_with
from napari_tumor_unet.model.card import NOT_FOR_THE_CLINIC
from napari_tumor_unet.plugin.layers.metadata import has_result, mask_metadata, provenance_of, said_spacing
from napari_tumor_unet.plugin.layers.opened_masks import checksum_of
from napari_tumor_unet.scan.spacing import Spacing


@dataclass(frozen=True)
class _Spacing:
    mm: tuple[float, float, float]


@dataclass(frozen=True)
class _Told:
    """What a sidecar tells of a mask beside its model, if one made it."""

    warnings: tuple[str, ...] = ()
    checked_slices: tuple[int, ...] = ()
    edited: bool = False
    min_region_voxels: int | None = None
    postprocessing: tuple[str, ...] = ()
    spacing: _Spacing | None = None


def sidecar_contents(layer: Labels, image: Image | None = None) -> dict[str, Any] | None:
    """Return the contents of a mask's JSON sidecar as it is now; None where the mask's file tells all.

    That is where no model is known, no slice is checked, and no spacing was said of the mask or its image.
    """
    metadata = mask_metadata(layer)
    if not has_result(layer):
        return None
    spacing, provenance = _spacing_said(layer, image), metadata.sidecar_provenance()
    if not (provenance or metadata.checked or spacing):
        return None
    mask = metadata.place.volume(layer.data)
    if metadata.has_probability:
        regions = left_out(metadata.probability, metadata.threshold, metadata.written)
        lacking = count_left_out([region for region in regions if not mask[region].any()], metadata.voxel_ml)
        provenance["left_out"] = dataclasses.asdict(lacking)
    return {
        "findings": dataclasses.asdict(measure((mask > 0).astype(np.uint8), metadata.voxel_ml)),
        "warnings": list(metadata.warnings),
        **({"provenance": provenance} if provenance else {}),
        "edited": metadata.edited_before or not all(map(np.array_equal, mask, metadata.written)),
        "checked_slices": sorted(metadata.checked),
        **({} if spacing is None else {"spacing": spacing_said_by_user(spacing)}),
        "note": NOT_FOR_THE_CLINIC,
    }


def told_of(file: Path, mask: NDArray[Any]) -> dict[str, Any]:
    """Return what of :class:`MaskMetadata` is known of a mask (Z, Y, X) that was read from a file.

    A sidecar tells of it only where it holds the checksum of this very file.
    """
    fields: dict[str, Any] = {"saved": checksum_of(mask), "saved_as": file.name}
    sidecar = made_with(file)
    if sidecar is None:
        return fields
    provenance, made = None, {}
    try:
        if "provenance" in sidecar:  # else the user's
            made = provenance_of(TypeAdapter(dict[str, Any]).validate_python(sidecar["provenance"]))
            entries = dataclasses.asdict(made.pop("provenance"))
            provenance = TypeAdapter(Provenance).validate_python(entries)
        told = TypeAdapter(_Told).validate_python(sidecar | made)
    except (LookupError, TypeError, ValueError):  # pydantic's is a ValueError
        return fields  # of another version, or another program
    spacing = None if told.spacing is None else told.spacing.mm
    return fields | {
        "saved": checksum_of(mask, spacing),
        "provenance": provenance,
        "warnings": told.warnings,
        "checked": {z for z in told.checked_slices if 0 <= z < len(mask)},
        "edited_before": told.edited,
        "spacing_said": spacing,
        "min_region_voxels": told.min_region_voxels,
        "postprocessing": told.postprocessing,
    }


def _spacing_said(layer: Labels, image: Image | None) -> Spacing | None:
    """Return what was said of a mask, or its image; without that one, what had been said for its file."""
    said = said_spacing(layer) or (None if image is None else said_spacing(image))
    if said is not None:
        return said.mm
    return mask_metadata(layer).spacing_said if image is None else None
