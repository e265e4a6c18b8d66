"""The planes in which a head is looked at: which axes of a layer point where, how a camera shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer

from napari_tumor_unet.plugin.layers.lazy_volume import axes_of
from napari_tumor_unet.plugin.layers.sequences import SequenceAssignment
from napari_tumor_unet.plugin.layers.transforms import data_to_world, stored_geometry

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components import ViewerModel

_OPPOSITE = {"S": "I", "P": "A", "L": "R"}
# The direction across the slices, that of the picture's vertical, and what is on its right.
PLANES = {"Axial": ("S", "P", "L"), "Coronal": ("P", "S", "L"), "Sagittal": ("L", "S", "P")}
_AT_BOTTOM = {"S": False, "P": True}


@dataclass(frozen=True)
class Anatomy:
    """How a head lies in a layer.

    Attributes
    ----------
    axes : dict of str to tuple
        Of the directions S, P and L (to the head's top, its back and the patient's left) the axis of the
        layer, and whether the world's coordinate rises that way.
    ndim : int
        Of the layer; a viewer adds its own axes before.
    sides_known : bool
        Whether the file says which side is left.
    """

    axes: dict[str, tuple[int, bool]]
    ndim: int
    sides_known: bool

    def ends(self, viewer: Viewer) -> dict[int, tuple[str, str]]:
        """Return the letters where a viewer's axes begin and end, those of the head alone."""
        more = viewer.dims.ndim - self.ndim
        return {
            axis + more: (_OPPOSITE[to], to) if rises else (to, _OPPOSITE[to])
            for to, (axis, rises) in self.axes.items()
        }


def anatomy_of(image: Image, assignment: SequenceAssignment) -> Anatomy | None:
    """Return how a head lies in an image: as its file says, or as its slices are taken; None in 2D."""
    spatial = axes_of(image, assignment.across).spatial
    if len(spatial) < 3:
        return None
    slices, rows, columns = spatial
    back, left = [
        ((rows, True), (columns, True)),
        ((columns, False), (rows, True)),
        ((rows, False), (columns, False)),
        ((columns, True), (rows, False)),
    ][assignment.turn % 4]
    matrix, _ = data_to_world(image)
    axes = {
        direction: (axis, rises == (matrix[axis, axis] >= 0))
        for direction, (axis, rises) in {"S": (slices, True), "P": back, "L": left}.items()
    }
    as_read = not (assignment.across or assignment.turn) and np.allclose(matrix, np.diag(np.diag(matrix)))
    return Anatomy(axes, image.ndim, as_read and stored_geometry(image) is not None)


def show_plane(viewer: Viewer, anatomy: Anatomy, plane: str) -> None:
    """Show a plane with the head up, as radiologists do: the patient's right, or the face, on the left."""
    more = viewer.dims.ndim - anatomy.ndim
    across, vertical, right = ((anatomy.axes[d][0] + more, anatomy.axes[d][1]) for d in PLANES[plane])
    shown = (across[0], vertical[0], right[0])
    viewer.dims.ndisplay = 2
    viewer.dims.order = (*(axis for axis in viewer.dims.order if axis not in shown), *shown)
    down = vertical[1] == _AT_BOTTOM[PLANES[plane][1]]
    camera = camera_of(viewer)
    towards = camera.orientation[0]
    camera.orientation = (towards, "down" if down else "up", "right" if right[1] else "left")
    fit(viewer, [layer for layer in viewer.layers if layer.visible])


def fit(viewer: ViewerModel, layers: list[Layer]) -> None:
    """Let layers fill the canvas; before napari 0.9, and of none, all do."""
    if layers and hasattr(viewer, "scene"):
        viewer.reset_view(layers=layers, reset_camera_angle=False)
    else:
        viewer.reset_view(reset_camera_angle=False)


def is_at_centre(viewer: ViewerModel, layer: Layer) -> bool:
    """Whether the middle of the canvas lies in a layer's picture; in 3D always."""
    if viewer.dims.ndisplay != 2:
        return True
    (low, high), offset = layer.extent.world, viewer.dims.ndim - layer.ndim
    centre = zip(viewer.dims.displayed, camera_of(viewer).center[-2:], strict=True)
    # An axis that a layer lacks is one that napari put before the layer's own.
    return all(low[axis - offset] <= at <= high[axis - offset] for axis, at in centre if axis >= offset)


def plane_shown(viewer: Viewer, anatomy: Anatomy) -> str:
    """Return the plane that the viewer shows; empty in 3D, and where it is none of the head's."""
    more = viewer.dims.ndim - anatomy.ndim
    shown = set(viewer.dims.displayed)
    for plane, (_, *directions) in PLANES.items():
        if shown == {anatomy.axes[direction][0] + more for direction in directions}:
            return plane
    return ""


def edge_letters(viewer: Viewer, anatomy: Anatomy | None) -> dict[str, str]:
    """Return what is at the left, right, top and bottom of the canvas, where that is known."""
    if anatomy is None or not anatomy.sides_known or viewer.dims.ndisplay != 2:
        return {}
    ends = anatomy.ends(viewer)
    vertical, horizontal = viewer.dims.displayed
    if vertical not in ends or horizontal not in ends:
        return {}
    _, down, right = map(str, camera_of(viewer).orientation)
    top, bottom = ends[vertical] if down == "down" else reversed(ends[vertical])
    first, last = ends[horizontal] if right == "right" else reversed(ends[horizontal])
    return {"left": first, "right": last, "top": top, "bottom": bottom}


def camera_of(viewer: ViewerModel) -> Any:
    """Return the camera, which napari 0.9 keeps in the scene."""
    return getattr(viewer, "scene", viewer).camera


def grid_of(viewer: ViewerModel) -> Any:
    """Return the grid of layers, which napari 0.9 keeps in the canvas."""
    return getattr(viewer, "canvas", viewer).grid
