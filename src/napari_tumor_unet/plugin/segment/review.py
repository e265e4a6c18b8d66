"""The slices of a result: how doubtful, which are checked, and the way from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_tumor_unet.inference.regions import threshold_mask
from napari_tumor_unet.inference.uncertainty import expected_errors, most_doubtful
from napari_tumor_unet.plugin.io.opened_together import look_at
from napari_tumor_unet.plugin.layers.in_view import is_looked_at
from napari_tumor_unet.plugin.layers.metadata import mask_metadata

if TYPE_CHECKING:
    from napari import Viewer


class Review:
    """A walk through the slices in which the model is least sure.

    What was checked and visited is kept in the layer's metadata, and stays with it. A slice is its index Z
    in the scan.

    Parameters
    ----------
    viewer : Viewer
    layer : Labels
        One of which :func:`~napari_tumor_unet.plugin.layers.metadata.has_result` is true.
    """

    def __init__(self, viewer: Viewer, layer: Labels) -> None:
        self.layer = layer
        self._viewer = viewer
        self._metadata = mask_metadata(layer)
        self._place = self._metadata.place
        self._doubt: tuple[float, NDArray[np.float64]] | None = None

    @property
    def knows_doubt(self) -> bool:
        """Whether the probability is known, of which the doubt is."""
        return self._metadata.has_probability

    @property
    def errors(self) -> NDArray[np.float64]:
        """How many voxels of each slice are probably wrong at the present threshold."""
        threshold = self._metadata.threshold
        if not self.knows_doubt:
            return np.zeros(len(self._metadata.written))
        if self._doubt is None or self._doubt[0] != threshold:
            self._doubt = threshold, expected_errors(self._metadata.probability, threshold)
        return self._doubt[1]

    @property
    def doubtful(self) -> tuple[int, ...]:
        """The doubtful slices, the most doubtful first."""
        return most_doubtful(self.errors)

    @property
    def checked(self) -> frozenset[int]:
        """The slices that the user marked as right."""
        return frozenset(self._metadata.checked)

    @property
    def left(self) -> list[int]:
        """The doubtful slices that are neither checked nor were visited."""
        seen = self._metadata.checked | self._metadata.visited
        return [z for z in self.doubtful if z not in seen]

    def check(self, z: int, right: bool) -> None:
        """Mark a slice as checked, or take that back."""
        (self._metadata.checked.add if right else self._metadata.checked.discard)(z)

    def is_edited(self, z: int) -> bool:
        """Whether the user changed a slice."""
        return not np.array_equal(self._place.volume(self.layer.data)[z], self._metadata.written[z])

    def is_left_out(self, z: int) -> bool:
        """Whether the model left out all of a slice that reaches the threshold."""
        written, probability = self._metadata.written[z], self._metadata.probability[z]
        return not written.any() and bool(threshold_mask(probability, self._metadata.threshold).any())

    @property
    def slice_on_screen(self) -> int | None:
        """The slice that is shown, if one of the result's is."""
        layer, dims = self.layer, self._viewer.dims
        if not is_looked_at(self._viewer, layer) or self._plane() != set(dims.displayed):
            return None
        position = [round(float(x)) for x in layer.world_to_data(dims.point[-layer.ndim :])]
        if tuple(position[: len(self._place.at)]) != self._place.at:
            return None
        z = 0 if self._axis is None else position[self._axis]
        return z if 0 <= z < len(self._metadata.written) else None

    @property
    def step_on_screen(self) -> int:
        """Where napari's slider stands, whose step is the least slice distance of all layers."""
        dims, axis = self._viewer.dims, self._axis
        return 0 if axis is None else dims.current_step[dims.ndim - self.layer.ndim + axis]

    @property
    def why_none(self) -> str:
        """Say what to do for a slice of the result to be on screen."""
        way = "Next doubtful slice" if self.knows_doubt else "Largest slice"
        if self._viewer.dims.ndisplay == 3:
            return f"Slices are checked in 2D: leave 3D, or press {way}"
        if self._plane() != set(self._viewer.dims.displayed):
            return f"Slices are checked as the model saw them: press Axial, or {way}"
        if not is_looked_at(self._viewer, self.layer):
            return f"This mask and its scan are not in view, or not alone: press {way}"
        return f"The slice on screen is not of this mask: press {way}"

    def go_to(self, z: int) -> None:
        """Show a slice of the mask's scan, turning the axes if they let none of the result's be seen."""
        look_at(self._viewer, self.layer)
        layer, dims = self.layer, self._viewer.dims
        plane = self._plane()
        if plane != set(dims.displayed):
            dims.ndisplay = 2
            dims.order = (*(a for a in range(dims.ndim) if a not in plane), *sorted(plane))
        position = list(layer.world_to_data(dims.point[-layer.ndim :]))
        position[: len(self._place.at)] = self._place.at
        if self._axis is not None:
            position[self._axis] = z
        dims.point = (*dims.point[: -layer.ndim], *layer.data_to_world(position))

    def go_to_next(self) -> bool:
        """Show the most doubtful slice that is neither checked nor was visited.

        Returns
        -------
        bool
            Whether there was none, so that the walk began again.
        """
        visited, here = self._metadata.visited, self.slice_on_screen
        if here is not None:  # who presses there has seen it
            visited.add(here)
        began_again = not self.left
        if began_again:
            visited.clear()
        for z in self.left[:1]:
            visited.add(z)
            self.go_to(z)
        return began_again

    @property
    def _axis(self) -> int | None:
        """The layer's axis along which the slices lie; None in a plane."""
        leading = len(self._place.at)
        return None if self.layer.ndim == leading + 2 else leading + self._place.across

    def _plane(self) -> set[int]:
        """Return the viewer's axes of rows and columns."""
        n, leading = self.layer.ndim, len(self._place.at)
        return {self._viewer.dims.ndim - n + a for a in range(leading, n) if a != self._axis}
