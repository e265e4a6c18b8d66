"""Lay a mask that this plugin wrote on its scan again, where one of their files tells less of its place."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from napari.layers import Image, Labels

from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.lazy_volume import voxels_of
from napari_tumor_unet.plugin.layers.metadata import (
    MASK_OF,
    SAID,
    image_metadata,
    mask_metadata,
    said_spacing,
    title_of,
)
from napari_tumor_unet.plugin.layers.said_spacing import (
    count_anew,
    lacks_spacing,
    same_view,
    say_spacing,
    spacing_of,
)
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM
from napari_tumor_unet.scan.spacing import Spacing

if TYPE_CHECKING:
    from napari import Viewer

_READ_WITH = ("scan", "scan_id", "geometry", "shape", "ending", "source_images")

_told: WeakSet[Labels] = WeakSet()


def lay_on_scan(viewer: Viewer, mask: Labels) -> str:
    """Bring a mask and the open scan that it is named after, or was made of, together; say what was done.

    The scan gets the spacing that its file lacks and that the user had said of it when the mask was saved, or
    kept for a crash; a mask whose file tells no place, as TIFF, gets that of the scan with its voxels, and
    one without a spacing what was said of that scan. Of a mask that is named otherwise, which may be another
    patient's, a sentence alone is said.

    Returns
    -------
    str
        A sentence; empty where nothing was done.
    """
    metadata = mask_metadata(mask)
    if image_for(mask, viewer.layers) is not None:
        return ""
    told = ""
    restored = said_spacing(mask)  # of a mask that was kept for a crash; that of a file is in its metadata
    said = metadata.spacing_said if restored is None else restored.mm
    if said is not None:
        told = _say_again(viewer, mask, said)
    elif lacks_spacing(mask) and (image := image_for(mask, viewer.layers, _has_a_said_one)) is not None:
        _take_said(viewer, mask, image)
    elif (metadata.provenance or metadata.checked) and metadata.saved_as and metadata.geometry is None:
        told = _place(viewer, mask)
    elif not lacks_spacing(mask) and (image := image_for(mask, viewer.layers, _is_told_none)) is not None:
        told = _lies_beside(mask, image, spacing_of(mask))
    if mask in _told:  # of which nothing new is known
        return ""
    if told:
        _told.add(mask)
    return told


def _say_again(viewer: Viewer, mask: Labels, spacing: Spacing) -> str:
    image = image_for(mask, viewer.layers, _is_told_none)
    if image is None:
        return ""
    if not _is_named_after(mask, image):
        return _lies_beside(mask, image, spacing)
    if (now := said_spacing(image)) is not None:
        _take_said(viewer, mask, image)
        return (
            f"{mask.name} was saved with {_in_mm(spacing)}; it lies on {title_of(image)} with what was said "
            f"of that now, {_in_mm(now.mm)}."
        )
    opened_first = min(mask, image, key=viewer.layers.index)
    say_spacing(viewer, image, spacing, on_screen=opened_first)
    if image_for(mask, viewer.layers) is not image:
        say_spacing(viewer, image, None)
        return ""
    mask.metadata[SAID] = said_spacing(image)  # which the user may change, or take back
    _read_with(mask, image)
    return f"{title_of(image)} has the spacing again that was said of it for {mask.name}: {_in_mm(spacing)}."


def _lies_beside(mask: Labels, image: Image, spacing: Spacing) -> str:
    mend = f"if it is its mask, say {_in_mm(spacing)} in Sequences and slices."
    return f"{mask.name} lies beside {title_of(image)}; {mend}"


def _in_mm(spacing: Spacing) -> str:
    return f"{' x '.join(f'{distance:g}' for distance in spacing)} mm"


def _place(viewer: Viewer, mask: Labels) -> str:
    image = image_for(mask, viewer.layers, _has_voxels)
    if image is None:
        return ""
    title = title_of(image)
    if not _is_named_after(mask, image):
        return f"The file of {mask.name} tells no place; if it is a mask of {title}, let its name begin so."
    _lay(viewer, mask, image)
    _read_with(mask, image)
    return f"The file of {mask.name} tells no place: it lies on {title}, which has its voxels."


def _lay(viewer: Viewer, mask: Labels, image: Image) -> None:
    with same_view(viewer, image):
        for name in TRANSFORM:
            setattr(mask, name, getattr(image, name))


def _take_said(viewer: Viewer, mask: Labels, image: Image) -> None:
    _lay(viewer, mask, image)
    mask.metadata[SAID] = said_spacing(image)
    count_anew(mask)


def _read_with(mask: Labels, image: Image) -> None:
    read, metadata = image_metadata(image), mask_metadata(mask)
    for name in _READ_WITH:
        setattr(metadata, name, getattr(read, name))


def _is_named_after(mask: Labels, image: Image) -> bool:
    names = [*filter(None, (image_metadata(image).scan, str(image.name)))]
    named = str(mask.name).lower().startswith(tuple(name.lower() for name in names))
    return named or mask_metadata(mask).scan in names


def _has_voxels(image: Image, mask: Labels) -> bool:
    return MASK_OF not in image.metadata and voxels_of(image).shape == voxels_of(mask).shape


def _has_a_said_one(image: Image, mask: Labels) -> bool:
    return _has_voxels(image, mask) and said_spacing(image) is not None


def _is_told_none(image: Image, mask: Labels) -> bool:
    """Whether an image with a mask's voxels has a spacing at most because somebody said it."""
    return _has_voxels(image, mask) and (lacks_spacing(image) or said_spacing(image) is not None)
