"""Layers to scans and masks to layers, the geometry whole in both directions."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Positions
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_tumor_unet.plugin.layers.lazy_volume import (
    AxisRoles,
    LayerVolume,
    SliceOrientation,
    axes_of,
    voxels_of,
)
from napari_tumor_unet.plugin.layers.metadata import MaskMetadata, image_metadata, mask_metadata, said_spacing
from napari_tumor_unet.plugin.layers.sequences import Channel, SequenceAssignment, is_flair, scan_id
from napari_tumor_unet.plugin.layers.transforms import (
    common_grids,
    data_to_world,
    layer_grid,
    stored_geometry,
)
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.scan import Scan, ScanError
from napari_tumor_unet.scan.combine import resample_onto
from napari_tumor_unet.scan.sequence_names import TITLES

# Told apart by the colour-blind, too, and beside grey (Okabe and Ito).
COLOURS = {
    "orange": "#e69f00",  # predictions
    "blue": "#56b4e9",  # references, and whatever else a file holds
    "green": "#009e73",  # where both agree
    "yellow": "#f0e442",
    "pink": "#cc79a7",
}


def label_colours(name: str, label: int = 1) -> CyclicLabelColormap:
    """Colours of labels that stand out from grey: ``name`` for one label, others for what a user may add."""
    others = [colour for other, colour in COLOURS.items() if other != name]
    place = (label - 1) % len(COLOURS)
    # Not a direct colormap: napari compiles for a second before it shows the first one.
    colours = ["transparent", *others[:place], COLOURS[name], *others[place:]]
    return CyclicLabelColormap(colors=transform_color(colours))


@dataclass(frozen=True)
class LayerScan:
    """A scan and the image layer that it was made of.

    Attributes
    ----------
    scan : Scan
    image : Image
        The layer whose geometry the mask takes.
    axes : AxisRoles
        What the layer's axes are.
    place : SliceOrientation
        Where the scan lies in the data of a mask's layer.
    assignment : SequenceAssignment
        The layers that its sequences are.
    """

    scan: Scan
    image: Image
    axes: AxisRoles
    place: SliceOrientation
    assignment: SequenceAssignment

    @property
    def combined(self) -> str:
        """Which sequences were put together, and how, if they were not read together, or were resampled."""
        read = {scan_id(channel.image) for channel in self.assignment.channels.values()}
        return self.assignment.describe() if len(read) > 1 or self.assignment.resampled else ""

    def mask_shape(self) -> tuple[int, ...]:
        """Shape of the mask as the layer's data want it: the image's without its channels."""
        return _plain_shape(self.image, self.axes)

    def geometry(self) -> dict[str, Any]:
        """Arguments that give a labels layer exactly the image's place in the world."""
        image, axes = self.image, list(self.axes.mask)
        labels = {
            "units": [image.units[a] for a in axes],
            "axis_labels": [image.axis_labels[a] for a in axes],
        }
        if len(axes) == image.ndim:
            names = ("scale", "translate", "rotate", "shear", "affine")
            return labels | {name: getattr(image, name) for name in names}
        matrix, offset = data_to_world(image)
        matrix, offset = matrix[np.ix_(axes, axes)], offset[axes]
        if np.array_equal(matrix, np.diag(np.diag(matrix))):  # which can be scaled when a spacing is said
            return labels | {"scale": np.diag(matrix), "translate": offset}
        affine = np.eye(len(axes) + 1)
        affine[:-1, :-1], affine[:-1, -1] = matrix, offset
        return labels | {"affine": affine}

    def slice_on_screen(self, point: Iterable[float]) -> int:
        """Return the slice (Z) that lies at a point of the world."""
        if len(self.axes.spatial) < 3:
            return 0
        position = self.image.world_to_data(tuple(point)[-self.image.ndim :])
        return nearest_index(position[self.axes.spatial[0]], self.scan.shape[0])

    def with_slice(self, point: Positions[float], z: int) -> tuple[float, ...]:
        """Return the point of the world that lies in slice ``z``, otherwise where ``point`` is."""
        n = self.image.ndim
        position = list(self.image.world_to_data(point[-n:]))
        position[self.axes.spatial[0]] = z
        return (*point[:-n], *(float(p) for p in self.image.data_to_world(position)))


def scan_of(
    layer: Layer | None,
    layers: Iterable[Layer],
    point: Positions[float] = (),
    assignment: SequenceAssignment | None = None,
) -> LayerScan:
    """Return the scan that a layer stands for.

    That is an image layer itself, together with the other sequences of its patient, on FLAIR's grid; or,
    for a labels layer, the image that it was made from or read with.

    Parameters
    ----------
    layer : Layer or None
        The active layer; without one the only image there is.
    layers : iterable of Layer
        All layers of the viewer.
    point : sequence of float
        Where in the world the viewer is: of a scan with time points the one on screen is meant.
    assignment : SequenceAssignment, optional
        How the layer's slices lie, and its sequences; without any sequence, those of the viewer.

    Raises
    ------
    ScanError
        If there is no such image, or it is no scan.
    """
    sequences = ViewerSequences.of(layers)
    images = sequences.images
    if not images:
        raise ScanError("There is no image to segment; open an MRI scan first.")
    if not isinstance(layer, Image):
        mask = mask_metadata(layer)
        candidates = [image for image in images if _is_source(image, mask)] or images
        if len({sequences.flair(image).unique_id for image in candidates}) > 1:
            raise ScanError("Select the image layer of the scan that is to be segmented.")
        # FLAIR is what the user looks at.
        layer = max(candidates, key=is_flair)
    of_viewer = sequences[layer]
    if assignment is None:
        assignment = of_viewer
    elif not assignment.channels:
        assignment = replace(assignment, channels=of_viewer.channels)
    return _from_image(layer, point, assignment)


def _is_source(image: Image, mask: MaskMetadata) -> bool:
    if mask.source:
        return str(image.unique_id) == mask.source
    return bool(mask.scan_id) and scan_id(image) == mask.scan_id


def _from_image(layer: Image, point: Positions[float], assignment: SequenceAssignment) -> LayerScan:
    channels, across, turn = assignment.channels, assignment.across, assignment.turn
    if not channels:
        raise ScanError(
            f"{layer.name} has {voxels_of(layer).shape[axes_of(layer).channel]} channels; say in the panel "
            "Segment tumour which of them is FLAIR."
        )
    image = channels["flair"].image if "flair" in channels else layer
    axes = axes_of(image, across)
    place = SliceOrientation(
        _position(image, axes.leading, point), across if len(axes.spatial) == 3 else 0, turn
    )
    spacing, in_mm = _spacing(image, axes.spatial)
    if turn % 2:
        spacing = (spacing[0], spacing[2], spacing[1])
    name = image_metadata(image).scan or image.name
    sequences = {s: _volume(channel, image, place, point, TITLES[s]) for s, channel in channels.items()}
    # As the user turned it, it lies in another way than its file says.
    stored = None if across or turn else stored_geometry(image)
    geometry = stored and replace(stored, spacing=spacing)
    scan = Scan(name, sequences, spacing, in_mm, geometry, image_metadata(image).modality or "")
    if said_spacing(image) is not None:
        scan = replace(scan, spacing_said=True)
    return LayerScan(scan, image, axes, place, assignment)


def _volume(
    channel: Channel, image: Image, place: SliceOrientation, point: Positions[float], title: str
) -> Any:
    """Return a sequence on the grid of FLAIR's layer, of which nothing is read yet."""
    axes = axes_of(image, place.across)
    own = axes_of(channel.image, place.across)
    # A layer of another shape has axes of its own.
    alike = _plain_shape(channel.image, own) == _plain_shape(image, axes)
    seen = place if alike else SliceOrientation(_position(channel.image, own.leading, point))
    if not alike:
        own = axes_of(channel.image)
    fixed = dict(zip(own.leading, seen.at, strict=True))
    if channel.index is not None and own.channel is not None:
        fixed[own.channel] = channel.index
    volume = LayerVolume(voxels_of(channel.image), own.spatial, fixed, seen.turn)
    if channel.image is image:
        return volume
    grid, onto = common_grids(channel.image, image)
    names = (f"{title} ({channel.image.name})", f"FLAIR ({image.name})")
    return resample_onto(
        volume, grid.turned(seen.across, seen.turn), onto.turned(place.across, place.turn), names
    )


def _plain_shape(image: Image, axes: AxisRoles) -> tuple[int, ...]:
    """Its shape without its channels."""
    return tuple(int(voxels_of(image).shape[axis]) for axis in axes.mask)


def _position(image: Image, axes: tuple[int, ...], point: Positions[float]) -> tuple[int, ...]:
    """Return the index along each of some axes at a point of the world."""
    if not axes:
        return ()
    position = image.world_to_data(tuple(point)[-image.ndim :]) if point else [0.0] * image.ndim
    return tuple(nearest_index(position[axis], voxels_of(image).shape[axis]) for axis in axes)


def nearest_index(position: float, length: int) -> int:
    """Return the index of an axis that is nearest to a position along it."""
    return min(max(round(float(position)), 0), length - 1)


def _spacing(image: Image, spatial: tuple[int, ...]) -> tuple[tuple[float, float, float], bool]:
    """Distance between voxels (z, y, x), in mm where the layer's units are lengths."""
    grid = layer_grid(image, spatial)
    if len(grid.spacing) == 2:  # one slice has no thickness, so no volume
        return (1.0, grid.spacing[0], grid.spacing[1]), False
    return (grid.spacing[0], grid.spacing[1], grid.spacing[2]), grid.in_mm
