"""Layers to scans and masks to layers, the geometry whole in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from napari_tumor_unet.scan import SEQUENCES, Scan, ScanError

KEY = "napari-tumor-unet"
"""Where this plugin keeps what it knows of a layer, in the layer's metadata."""


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
    spatial : tuple of int
        The layer's own axes without the channel axis: those that the mask has.
    """

    scan: Scan
    image: Image
    spatial: tuple[int, ...]

    def mask_shape(self) -> tuple[int, ...]:
        """Shape of the mask as the layer's data want it: (Y, X) for a 2D image, else (Z, Y, X)."""
        return self.scan.shape[-len(self.spatial) :]

    def geometry(self) -> dict[str, Any]:
        """Arguments that give a labels layer exactly the image's place in the world."""
        image, axes = self.image, list(self.spatial)
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
        if len(self.spatial) < 3:
            return 0
        position = self.image.world_to_data(tuple(point)[-self.image.ndim :])
        return min(max(round(float(position[self.spatial[0]])), 0), self.scan.shape[0] - 1)

    def with_slice(self, point: Sequence[float], z: int) -> tuple[float, ...]:
        """The point of the world that lies in slice ``z``, otherwise where ``point`` is."""
        n = self.image.ndim
        position = list(self.image.world_to_data(point[-n:]))
        position[self.spatial[0]] = z
        return (*point[:-n], *(float(p) for p in self.image.data_to_world(position)))


def scan_of(layer: Layer | None, layers: Iterable[Layer]) -> LayerScan:
    """The scan that a layer stands for.

    That is an image layer itself, together with the other sequences that were read with it; or, for a
    labels layer, the image that it was made from or read with.

    Parameters
    ----------
    layer : Layer or None
        The active layer; without one the only image there is.
    layers : iterable of Layer
        All layers of the viewer.

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
        if len({_scan_id(image) for image in candidates}) > 1:
            raise ScanError("Select the image layer of the scan that is to be segmented.")
        # FLAIR is what the user looks at.
        layer = max(candidates, key=lambda image: image.metadata.get(KEY, {}).get("sequence") == "flair")
    return _from_image(layer, images)


def data_to_world(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The matrix and offset of a layer's whole transform, whatever it is made of."""
    offset = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    columns = [np.asarray(layer.data_to_world(unit)) - offset for unit in np.eye(layer.ndim)]
    return np.stack(columns, axis=1), offset


def _is_source(image: Image, known: dict[str, Any]) -> bool:
    if "source" in known:
        return str(image.unique_id) == known["source"]
    return "scan_id" in known and _scan_id(image) == known["scan_id"]


def _scan_id(image: Image) -> str:
    """What the sequences of one scan have in common."""
    return image.metadata.get(KEY, {}).get("scan_id", str(image.unique_id))


def _from_image(image: Image, images: list[Image]) -> LayerScan:
    data = image.data[0] if image.multiscale else image.data
    known = image.metadata.get(KEY, {})
    spatial = tuple(range(image.ndim))
    if image.rgb:
        # An alpha channel says nothing about the patient.
        channels = [data[..., i] for i in range(3)]
    elif image.ndim == 4 and data.shape[1] == len(SEQUENCES):
        spatial = (0, 2, 3)
        channels = [data[:, i] for i in range(3)]
    elif image.ndim in (2, 3):
        channels = []
    else:
        raise ScanError(
            f"{image.name} has {image.ndim} axes; a scan has slices, rows and columns, and perhaps three "
            "channels second. Pick one time point or volume of it."
        )
    if channels:
        sequences = dict(zip(SEQUENCES, channels, strict=True))
    elif "sequence" in known:
        sequences = {
            other.metadata[KEY]["sequence"]: other.data
            for other in images
            if _scan_id(other) == known["scan_id"] and other.data.shape == data.shape
        }
    else:
        sequences = {"flair": data}
    if len(spatial) == 2:
        sequences = {sequence: array[None] for sequence, array in sequences.items()}
    spacing, in_mm = _spacing(image, spatial)
    return LayerScan(Scan(known.get("scan", image.name), sequences, spacing, in_mm), image, spatial)


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
