"""The spacing that a user says where a file tells none: all layers of the scan get it, or lose it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.in_view import is_in_view
from napari_tumor_unet.plugin.layers.lazy_volume import axes_of
from napari_tumor_unet.plugin.layers.mask_volume import mask_volume
from napari_tumor_unet.plugin.layers.metadata import (
    MASK_OF,
    SAID,
    SaidSpacing,
    mask_metadata,
    said_spacing,
    tells_edits,
)
from napari_tumor_unet.plugin.layers.planes import camera_of
from napari_tumor_unet.plugin.layers.sequences import scan_id
from napari_tumor_unet.plugin.layers.transforms import data_to_world, layer_grid, stored_geometry
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.scan.spacing import Spacing

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components import LayerList


def lacks_spacing(layer: Layer) -> bool:
    """Whether a layer is a volume in no unit of length."""
    axes = _spatial(layer)
    return len(axes) == 3 and not all(layer.units[axis].is_compatible_with("mm") for axis in axes)


def spacing_of(layer: Layer, across: int = 0) -> Spacing:
    """Return the distances of slices, rows and columns, in a layer's own unit; slices lie along an axis."""
    return cast("Spacing", layer_grid(layer, _as_slices(layer, across)).spacing)


def say_spacing(
    viewer: Viewer,
    layer: Image | Labels,
    spacing: Spacing | None,
    across: int = 0,
    *,
    on_screen: Layer | None = None,
) -> None:
    """Give a layer and all others of its scan a spacing, in place of one that was said; None takes it back.

    Layers whose file tells a spacing stay as they are, and what is on screen stays where it is.

    Parameters
    ----------
    viewer : Viewer
    layer : Image or Labels
    spacing : tuple of float or None
        Distances of slices, rows and columns in mm.
    across : int
        Which of the layer's three axes the slices lie along.
    on_screen : Layer, optional
        The one whose slice is on screen; by default that layer, unless another scan is in view.
    """
    scan = layers_of_scan(layer, viewer.layers)
    if on_screen is None and _is_in_view(viewer, layer, scan):
        on_screen = layer
    with same_view(viewer, on_screen):
        _mark_made_since(scan)
        for one in scan:
            _take_back(one)
        if spacing is not None and lacks_spacing(layer):
            wanted = dict(zip(_as_slices(layer, across), spacing, strict=True))
            now = layer_grid(layer, axes := _spatial(layer)).spacing
            factors = np.array([wanted[axis] for axis in axes]) / now
            late = list(filter(lacks_spacing, scan))
            placed = any(isinstance(one, Image | Labels) and stored_geometry(one) for one in late)
            _scale(late, factors, moved=not placed)


def share_spacing(viewer: Viewer, layer: Image) -> None:
    """Give what was said of a layer's scan to those of its layers that came later."""
    scan = layers_of_scan(layer, viewer.layers)
    if (said := next(filter(None, map(said_spacing, scan)), None)) is not None:
        say_as(viewer, layer, said)


def say_as(viewer: Viewer, layer: Image, said: SaidSpacing) -> None:
    """Give the layers of a scan that lack a spacing what was said of another one."""
    scan = layers_of_scan(layer, viewer.layers)
    late = [one for one in scan if lacks_spacing(one)]
    if late:
        with same_view(viewer, next((one for one in scan if one not in late), late[0])):
            _scale(late, np.array(said.factors), moved=said.moved)


def layers_of_scan(layer: Image | Labels, layers: LayerList) -> list[Layer]:
    """Return the layers that lie in one space with a layer: its scan's sequences and masks, what shows them.

    Points, shapes and the like, which belong to no scan, are among them where no other scan lacks a spacing.
    """
    image = layer if isinstance(layer, Image) else image_for(layer, layers)
    images: set[Layer] = set()
    if image is not None:
        channels = ViewerSequences.of(layers)[image].channels.values()
        images = {image, *(channel.image for channel in channels)}
        images |= {one for one in layers if isinstance(one, Image) and scan_id(one) == scan_id(image)}
    ids = {str(one.unique_id) for one in images}
    masks = {
        one
        for one in layers
        if isinstance(one, Labels) and (mask_metadata(one).source in ids or image_for(one, layers) in images)
    } | ({layer} if isinstance(layer, Labels) else set())
    shown = {one for one in layers if one.metadata.get(MASK_OF) in {str(mask.unique_id) for mask in masks}}
    scan = images | masks | shown
    others = {one for one in layers if not isinstance(one, Image | Labels) and MASK_OF not in one.metadata}
    if not any(lacks_spacing(one) for one in set(layers) - scan - others):
        scan |= others
    return [one for one in layers if one in scan]


def _spatial(layer: Layer) -> tuple[int, ...]:
    """Return the axes of a layer that are space, in their stored order."""
    if isinstance(layer, Image):
        return tuple(sorted(axes_of(layer).spatial))
    return tuple(range(max(0, layer.ndim - 3), layer.ndim))


def _as_slices(layer: Layer, across: int) -> tuple[int, ...]:
    axes = list(_spatial(layer))
    return (axes.pop(across), *axes)


def _scale(layers: Iterable[Layer], factors: NDArray[np.float64], *, moved: bool) -> None:
    for layer in layers:
        units = [str(unit) for unit in layer.units]
        axes = _move(layer, factors, moved=moved)
        spacing, before = np.array(layer.scale)[axes], [units[axis] for axis in axes]
        layer.metadata[SAID] = SaidSpacing(_three(spacing), _three(factors), moved, _three(before))
        _set_units(layer, ["mm" if axis in axes else unit for axis, unit in enumerate(units)])
        count_anew(layer)


def _take_back(layer: Layer) -> None:
    if (said := said_spacing(layer)) is not None:
        del layer.metadata[SAID]
        axes = _move(layer, 1 / np.array(said.factors), moved=said.moved)
        before = dict(zip(axes, said.units[-len(axes) :], strict=True))
        _set_units(layer, [before.get(axis, str(unit)) for axis, unit in enumerate(layer.units)])
        count_anew(layer)


def _set_units(layer: Layer, units: list[str]) -> None:
    layer.units = units
    layer.scale = layer.scale  # else napari looks for shapes in the slice that the units before led to


def _move(layer: Layer, factors: NDArray[np.float64], *, moved: bool) -> list[int]:
    """Scale a layer along its spatial axes, which are returned, and move it with the scan."""
    axes = list(_spatial(layer))
    scale, translate = np.array(layer.scale, float), np.array(layer.translate, float)
    scale[axes] *= factors[-len(axes) :]
    if moved:
        translate[axes] *= factors[-len(axes) :]
    layer.scale, layer.translate = scale.round(12), translate.round(12)
    return axes


def _mark_made_since(scan: list[Layer]) -> None:
    """Mark layers as said that were made on one of which it was said, as napari's new labels are."""
    given = next((one for one in scan if said_spacing(one) is not None), None)
    if given is None:
        return
    spacing = np.array(given.scale)[list(_spatial(given))]
    for layer in scan:
        read = isinstance(layer, Image) and MASK_OF not in layer.metadata
        read |= isinstance(layer, Labels) and bool(mask_metadata(layer).scan_id)
        own = np.array(layer.scale)[list(_spatial(layer))]
        if not read and not lacks_spacing(layer) and np.allclose(own, spacing[-len(own) :]):
            layer.metadata.setdefault(SAID, said_spacing(given))


def _three(values: Iterable[Any]) -> Any:
    """Return values along three axes, of which a plane lacks the first."""
    known = [value.item() if isinstance(value, np.generic) else value for value in values]
    return (*known[:1] * (3 - len(known)), *known)


def count_anew(layer: Layer) -> None:
    """Let the size that a run told of its mask be in ml, or no longer."""
    if not tells_edits(layer):
        return
    metadata = mask_metadata(layer)
    metadata.voxel_ml = ml = mask_volume(layer).grid.voxel_ml
    if (findings := metadata.findings) is not None:
        metadata.findings = replace(findings, volume_ml=None if ml is None else findings.voxels * ml)


def _is_in_view(viewer: Viewer, layer: Image | Labels, scan: list[Layer]) -> bool:
    image = layer if isinstance(layer, Image) else image_for(layer, viewer.layers)
    return any(one.visible for one in scan) and (image is None or is_in_view(viewer, image))


@contextmanager
def same_view(viewer: Viewer, layer: Layer | None) -> Iterator[None]:
    """Keep slice, middle and size of what is on screen: of a layer that is scaled or, without one, others."""
    camera, shown = camera_of(viewer), list(viewer.dims.displayed)
    point, centre, zoom = np.array(viewer.dims.point, float), np.array(camera.center, float), camera.zoom
    before = None if layer is None else data_to_world(layer)
    yield
    larger = np.ones(len(point))
    if layer is not None and before is not None:
        (matrix, offset), (after, moved) = before, data_to_world(layer)
        scaled, n = after @ np.linalg.inv(matrix), layer.ndim
        middle = point.copy()
        middle[shown] = centre[-len(shown) :]
        for place in (point, middle):
            place[-n:] = scaled @ (place[-n:] - offset) + moved
        centre[-len(shown) :] = middle[shown]
        larger[-n:] = np.linalg.norm(scaled, axis=0)
    viewer.dims.point = tuple(point.tolist())
    camera.center = tuple(centre.tolist())
    camera.zoom = zoom / float(np.exp(np.log(larger[shown]).mean()))
