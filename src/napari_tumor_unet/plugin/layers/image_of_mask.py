"""Which image layer a mask belongs to, and the two as a scan with its mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Labels, Layer

from napari_tumor_unet.plugin.layers.layer_scan import LayerScan, scan_of
from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation, axes_of, voxels_of
from napari_tumor_unet.plugin.layers.metadata import (
    MASK_OF,
    MaskMetadata,
    image_metadata,
    is_prediction,
    mask_metadata,
    masks_in,
)
from napari_tumor_unet.plugin.layers.sequences import SequenceAssignment, file_of, is_flair, scan_id
from napari_tumor_unet.plugin.layers.transforms import data_to_world, mm_in
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.grid import Grid
from napari_tumor_unet.scan.patient_names import patient_told


@dataclass(frozen=True)
class LayerPair:
    """An image layer and a mask of it.

    Attributes
    ----------
    image : Image
    labels : Labels
    point : tuple of float
        Where in the world the viewer was when they were paired: of time points it chooses one.
    """

    image: Image
    labels: Labels
    point: tuple[float, ...]

    def source(self, layers: Iterable[Layer]) -> LayerScan:
        """Return the scan, its slices as the mask's own run had them.

        Raises
        ------
        ScanError
            If the image is no scan, or the mask has another shape or place.
        """
        place = self._metadata.place
        slices = SequenceAssignment(across=place.across, turn=place.turn)
        source = scan_of(self.image, layers, self._point(place), slices)
        shape, wanted = voxels_of(self.labels).shape, source.mask_shape()
        if shape != wanted:
            raise ScanError(f"{self.labels.name} has shape {shape}, but its scan {wanted}.")
        if not _grid(self.labels, self.image).is_same(_grid(self.image, self.labels)):
            raise ScanError(f"{self.labels.name} lies elsewhere than its scan {self.image.name}.")
        return source

    def mask(self, source: LayerScan) -> Any:
        """Return the labels (Z, Y, X) as they are now; a view where they are in memory."""
        return source.place.volume(np.asarray(voxels_of(self.labels)))

    def written(self, source: LayerScan) -> Any:
        """Return the mask that a model last wrote, if one did and its edits since are known."""
        metadata = self._metadata
        unknown = metadata.provenance is None or metadata.edited_before  # a file may hold the truth
        if unknown and not metadata.has_probability:
            return None
        same = metadata.written.shape == source.scan.shape and metadata.place == source.place
        return metadata.written if same else None

    @property
    def checked(self) -> frozenset[int]:
        """The slices that the user marked as checked."""
        return frozenset(self._metadata.checked)

    @property
    def made_by(self) -> str:
        """The hash of the model that wrote the mask, if one did."""
        provenance = self._metadata.provenance
        return "" if provenance is None else provenance.model_hash

    @property
    def segmented(self) -> int | None:
        """How many slices that model has segmented, where it was not the whole scan."""
        provenance = self._metadata.provenance
        return None if provenance is None or provenance.only_slices is None else len(provenance.only_slices)

    @property
    def moment(self) -> tuple[int, ...]:
        """Position along the image's leading axes, as along time."""
        position = self.image.world_to_data(self._point(self._metadata.place))
        return tuple(round(position[axis]) for axis in axes_of(self.image).leading)

    @property
    def _metadata(self) -> MaskMetadata:
        return mask_metadata(self.labels)

    def _point(self, place: SliceOrientation) -> tuple[float, ...]:
        """Return the world's point at which the mask was made, else the pair's."""
        leading = axes_of(self.image).leading
        if not place.at or len(leading) != len(place.at):
            return self.point
        index = [0.0] * self.image.ndim
        for axis, position in zip(leading, place.at, strict=True):
            index[axis] = position
        return tuple(self.image.data_to_world(index))


def matches(layers: Iterable[Layer]) -> tuple[list[tuple[Image, Labels]], int]:
    """Each mask with its image, and how many masks have none, or several that may be it."""
    layers = list(layers)
    masks = masks_in(layers)
    pairs = [(image, mask) for mask in masks if (image := image_for(mask, layers)) is not None]
    return pairs, len(masks) - len(pairs)


def image_for(
    mask: Labels, layers: Iterable[Layer], fits: Callable[[Image, Labels], bool] | None = None
) -> Image | None:
    """Return the image of a mask's shape and place: its source, read with it, or alike in name or folder.

    One whose name tells another patient, by a known code, is none. ``fits`` tells something else than shape
    and place of the images that may be meant.
    """
    fits = fits or _is_scan_of
    layers = layers if isinstance(layers, LayerList) else list(layers)
    sequences = ViewerSequences.of(layers)
    images = [image for image in sequences.images if fits(image, mask)]
    metadata = mask_metadata(mask)
    if made_from := [image for image in images if str(image.unique_id) == metadata.source]:
        return made_from[0]
    if is_prediction(mask) or metadata.restored:  # maybe beside another patient on the same grid
        images = [one for one in images if metadata.scan in (image_metadata(one).scan, one.name)]
    if read_with := [image for image in images if scan_id(image) == metadata.scan_id]:
        return max(read_with, key=is_flair)
    images = [image for image in images if not _tells_another_patient(image, mask)]
    # FLAIR is what the user looks at, whether its T1 were read with it or are files of their own.
    flairs = [flair if (flair := sequences.flair(image)) in images else image for image in images]
    scans = {scan_id(flair) for flair in flairs}
    if len(scans) > 1:
        files = [file_of(image) for image in images]
        names = [_alike(image, mask) for image in images]
        alike = [max(how for how, of in zip(names, files, strict=True) if of == file) for file in files]
        best = max(alike)
        scans = {scan_id(f) for f, how in zip(flairs, alike, strict=True) if how == best and any(how)}
    flairs = [flair for flair in flairs if scan_id(flair) in scans]
    if len(scans) == 1:
        return max(flairs, key=is_flair)
    return _copy_under(mask, flairs, layers) if len({file_of(flair) for flair in flairs}) == 1 else None


def scan_image(mask: Labels, layers: Iterable[Layer]) -> Image | None:
    """Return the image that a mask was made from, moved or not; else the one that it fits."""
    layers, wanted = list(layers), mask_metadata(mask).source
    made_from = (layer for layer in layers if isinstance(layer, Image) and str(layer.unique_id) == wanted)
    return next(made_from, None) or image_for(mask, layers)


def lies_on_image(mask: Labels, layers: Iterable[Layer]) -> bool:
    """Whether an image has a mask's shape and place, or several have."""
    return any(isinstance(layer, Image) and _is_scan_of(layer, mask) for layer in layers)


def _tells_another_patient(image: Image, mask: Labels) -> bool:
    of_image = patient_told(image_metadata(image).scan, image.name)
    of_mask = patient_told(mask.name, mask_metadata(mask).scan)  # the name first: the user may mend it
    return bool(of_image and of_mask and of_image != of_mask)


def _copy_under(mask: Labels, copies: list[Image], layers: Iterable[Layer]) -> Image:
    """Return which of several layers of one file a mask was opened on: the last under it."""
    under = list(takewhile(lambda layer: layer is not mask, layers))
    return max(copies, key=lambda copy: under.index(copy) if copy in under else -1)


def _alike(image: Image, mask: Labels) -> tuple[bool, bool, int]:
    """Whether a mask's name goes on from an image's, both share a folder, and how many letters they share."""
    name, own = image.name.lower(), mask.name.lower()
    same = takewhile(lambda pair: pair[0] == pair[1], zip(name, own, strict=False))
    folders = [Path(one.source.path).parent if one.source.path else None for one in (image, mask)]
    return own.startswith(name), None is not folders[0] == folders[1], sum(1 for _ in same)


def _is_scan_of(image: Image, mask: Labels) -> bool:
    """Whether an image has a mask's shape and place, and does not show a probability."""
    if MASK_OF in image.metadata:
        return False
    same_axes = len(axes_of(image).mask) == mask.ndim
    return same_axes and _grid(mask, image).is_same(_grid(image, mask))


def _grid(layer: Layer, other: Layer) -> Grid:
    """Where a layer's voxels lie, without its channels; in mm if the other one tells its unit as well."""
    axes = axes_of(layer).mask if isinstance(layer, Image) else tuple(range(layer.ndim))
    matrix, offset = data_to_world(layer)
    both = all(unit.is_compatible_with("millimeter") for unit in (layer.units[-1], other.units[-1]))
    factor = np.array([mm_in(layer.units[axis]) if both else 1.0 for axis in axes])
    shape = tuple(int(voxels_of(layer).shape[axis]) for axis in axes)
    return Grid(shape, matrix[np.ix_(axes, axes)] * factor[:, None], offset[list(axes)] * factor, True)
