"""Layers to scans and masks to layers, the geometry whole in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Positions
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from napari_tumor_unet.plugin.parts import KEY, Part, guessed_parts, scan_id
from napari_tumor_unet.plugin.volumes import Axes, Place, Volume, axes_of, voxels_of
from napari_tumor_unet.scan import Geometry, Scan, ScanError, Sequence

_PALETTE = {
    "orange": "#ff6a3d",
    "green": "#35d07f",
    "yellow": "#ffd23d",
    "blue": "#4aa8ff",
    "pink": "#ff5fa2",
}


def label_colours(first: str) -> CyclicLabelColormap:
    """Colours of labels that stand out from grey: ``first`` for label 1, others for what a user may add."""
    others = [colour for name, colour in _PALETTE.items() if name != first]
    # Not a direct colormap: napari compiles for a second before it shows the first one.
    return CyclicLabelColormap(colors=transform_color(["transparent", _PALETTE[first], *others]))


@dataclass(frozen=True)
class LayerScan:
    """A scan and the image layer that it was made of.

    Attributes
    ----------
    scan : Scan
    image : Image
        The layer whose geometry the mask takes.
    axes : Axes
        What the layer's axes are.
    place : Place
        Where the scan lies in the data of a mask's layer.
    """

    scan: Scan
    image: Image
    axes: Axes
    place: Place

    def mask_shape(self) -> tuple[int, ...]:
        """Shape of the mask as the layer's data want it: the image's without its channels."""
        shape = voxels_of(self.image).shape
        return tuple(int(shape[axis]) for axis in self.axes.mask)

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
        affine = np.eye(len(axes) + 1)
        affine[:-1, :-1] = matrix[np.ix_(axes, axes)]
        affine[:-1, -1] = offset[axes]
        return labels | {"affine": affine}

    def slice_on_screen(self, point: Iterable[float]) -> int:
        """The slice (Z) that lies at a point of the world."""
        if len(self.axes.spatial) < 3:
            return 0
        position = self.image.world_to_data(tuple(point)[-self.image.ndim :])
        return _nearest(position[self.axes.spatial[0]], self.scan.shape[0])

    def with_slice(self, point: Positions[float], z: int) -> tuple[float, ...]:
        """The point of the world that lies in slice ``z``, otherwise where ``point`` is."""
        n = self.image.ndim
        position = list(self.image.world_to_data(point[-n:]))
        position[self.axes.spatial[0]] = z
        return (*point[:-n], *(float(p) for p in self.image.data_to_world(position)))


@dataclass(frozen=True)
class Choice:
    """What the user knows better of a scan than its layer tells.

    Attributes
    ----------
    parts : mapping of {"pre", "flair", "post"} to Part
        Which layer or channel is which sequence; empty for what :func:`guessed_parts` makes of it.
    across : int
        Which of the last three axes the slices lie along.
    turn : int
        Quarter turns, counter-clockwise, that bring the front of the head up.
    """

    parts: Mapping[Sequence, Part] = field(default_factory=dict)
    across: int = 0
    turn: int = 0


def scan_of(
    layer: Layer | None,
    layers: Iterable[Layer],
    point: Positions[float] = (),
    choice: Choice | None = None,
) -> LayerScan:
    """The scan that a layer stands for.

    That is an image layer itself, together with the other sequences that were read with it; or, for a
    labels layer, the image that it was made from or read with.

    Parameters
    ----------
    layer : Layer or None
        The active layer; without one the only image there is.
    layers : iterable of Layer
        All layers of the viewer.
    point : sequence of float
        Where in the world the viewer is: of a scan with time points the one on screen is meant.
    choice : Choice, optional
        What the user said of the layer.

    Raises
    ------
    ScanError
        If there is no such image, or it is no scan.
    """
    images = [candidate for candidate in layers if isinstance(candidate, Image)]
    if not images:
        raise ScanError("There is no image to segment; open an MRI scan first.")
    if not isinstance(layer, Image):
        known = layer.metadata.get(KEY, {}) if layer is not None else {}
        candidates = [image for image in images if _is_source(image, known)] or images
        if len({scan_id(image) for image in candidates}) > 1:
            raise ScanError("Select the image layer of the scan that is to be segmented.")
        # FLAIR is what the user looks at.
        layer = max(candidates, key=lambda image: image.metadata.get(KEY, {}).get("sequence") == "flair")
    return _from_image(layer, images, point, choice or Choice())


def data_to_world(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The matrix and offset of a layer's whole transform, whatever it is made of."""
    offset = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    columns = [np.asarray(layer.data_to_world(unit)) - offset for unit in np.eye(layer.ndim)]
    return np.stack(columns, axis=1), offset


def _is_source(image: Image, known: dict[str, Any]) -> bool:
    if "source" in known:
        return str(image.unique_id) == known["source"]
    return "scan_id" in known and scan_id(image) == known["scan_id"]


def stored_geometry(layer: Image | Labels) -> Geometry | None:
    """The geometry of the file that a layer's voxels lie as, if our reader read it, and they still do."""
    known = layer.metadata.get(KEY, {})
    same = tuple(known.get("shape", ())) == tuple(voxels_of(layer).shape)
    return Geometry(**known["geometry"]) if same and known.get("geometry") else None


def _from_image(image: Image, images: list[Image], point: Positions[float], choice: Choice) -> LayerScan:
    axes = axes_of(image, choice.across)
    across = choice.across if len(axes.spatial) == 3 else 0
    place = Place(_position(image, axes.leading, point), across, choice.turn)
    parts = choice.parts or guessed_parts(image, images)
    if not parts:
        raise ScanError(
            f"{image.name} has {voxels_of(image).shape[axes.channel]} channels; say in the panel Segment "
            "tumour which of them is FLAIR."
        )
    fixed = dict(zip(axes.leading, place.at, strict=True))

    def volume(part: Part) -> Volume:
        if part.image is not image and axes.channel is not None:  # its axes are those of the mask
            spatial = tuple(axes.mask.index(axis) for axis in axes.spatial)
            return Volume(voxels_of(part.image), spatial, dict(enumerate(place.at)), place.turn)
        chosen = fixed if part.channel is None else fixed | {axes.channel: part.channel}
        return Volume(voxels_of(part.image), axes.spatial, chosen, place.turn)

    spacing, in_mm = _spacing(image, axes.spatial)
    if choice.turn % 2:
        spacing = (spacing[0], spacing[2], spacing[1])
    name = image.metadata.get(KEY, {}).get("scan", image.name)
    # As the user turned it, it lies in another way than its file says.
    known = None if choice.across or choice.turn else stored_geometry(image)
    geometry = known and replace(known, spacing=spacing)
    scan = Scan(name, {s: volume(part) for s, part in parts.items()}, spacing, in_mm, geometry)
    return LayerScan(scan, image, axes, place)


def _position(image: Image, axes: tuple[int, ...], point: Positions[float]) -> tuple[int, ...]:
    """The index along each of some axes at a point of the world."""
    if not axes:
        return ()
    position = image.world_to_data(tuple(point)[-image.ndim :]) if point else [0.0] * image.ndim
    return tuple(_nearest(position[axis], voxels_of(image).shape[axis]) for axis in axes)


def _nearest(position: float, length: int) -> int:
    return min(max(round(float(position)), 0), length - 1)


def _spacing(image: Image, spatial: tuple[int, ...]) -> tuple[tuple[float, float, float], bool]:
    """Distance between voxels (z, y, x), in mm where the layer's units are lengths."""
    matrix, _ = data_to_world(image)
    units = [image.units[axis] for axis in spatial]
    in_mm = all(unit.is_compatible_with("millimeter") for unit in units)
    to_mm = [float((1 * unit).to("millimeter").magnitude) if in_mm else 1.0 for unit in units]
    lengths = [
        float(np.linalg.norm(matrix[:, axis])) * factor for axis, factor in zip(spatial, to_mm, strict=True)
    ]
    if len(lengths) == 2:  # one slice has no thickness, so no volume
        return (1.0, lengths[0], lengths[1]), False
    return (lengths[0], lengths[1], lengths[2]), in_mm
