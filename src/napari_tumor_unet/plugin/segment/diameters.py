"""Diameters of a mask as lines in a shapes layer: they can be dragged, and the numbers follow."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari import Viewer
from napari.layers import Labels, Shapes
from napari.layers.base._base_constants import ActionType
from numpy.typing import NDArray

from napari_tumor_unet.inference.measures import MOST_REGIONS, MeasureError, Measures, measure_on_grid
from napari_tumor_unet.plugin.layers.mask_volume import MaskVolume, mask_volume
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM, layer_grid

_KEY = "napari-tumor-unet diameters"
_MEASURED, _MOVED = "#ffe14d", "#ff7f2a"
_KINDS = ("longest", "perpendicular")
_DONE = (ActionType.CHANGED, ActionType.ADDED, ActionType.REMOVED)

Lines = list[NDArray[np.float64]]


class Diameters:
    """Lines of the largest regions of a mask; those that were moved by hand are marked as such.

    Parameters
    ----------
    layer : Labels
        The mask; later changes of it change no line.
    volume : MaskVolume
        Of the layer.
    measures : Measures
        Of the volume.

    Attributes
    ----------
    shapes : Shapes
        The layer with the lines, two for each region.
    """

    def __init__(self, layer: Labels, volume: MaskVolume, measures: Measures) -> None:
        regions = (measures.measurable or measures.regions)[:MOST_REGIONS]
        lines = [line for region in regions for line in (region.longest_line, region.perpendicular_line)]
        self.mask_id = str(layer.unique_id)
        self._unit = "mm" if measures.unit == "mm" else "voxels"
        axes = tuple(range(layer.ndim))
        self._to_unit = layer_grid(layer, axes).matrix if measures.unit == "mm" else np.eye(layer.ndim)
        self._measured: Lines = [volume.in_data(line) for line in lines]
        self._names = [f"{i + 1} {kind}" for i in range(len(regions)) for kind in _KINDS]
        self._history: list[Lines] = []
        self.shapes = Shapes(
            self._measured,
            shape_type="line",
            ndim=layer.ndim,
            name=f"{layer.name} diameters",
            edge_width=0.8,
            edge_color=_MEASURED,
            features=self._features(self._measured),
            text={"string": "{label}", "size": 10, "color": "white", "anchor": "upper_left"},
            metadata={_KEY: self},  # which keeps it as long as the layer
            **{name: getattr(layer, name) for name in (*TRANSFORM, "axis_labels")},
        )
        self._lines = self._copy()
        self.shapes.events.data.connect(self._on_data)
        self.shapes.bind_key("Control-Z", lambda _: self.undo(), overwrite=True)

    @property
    def moved(self) -> list[bool]:
        """Whether each line was moved by hand."""
        return [self._is_moved(i, line) for i, line in enumerate(self._lines)]

    @property
    def lengths(self) -> list[float]:
        """Length of each line, in mm, or in voxels where the spacing is unknown."""
        return [self._length(line) for line in self._lines]

    def summary(self) -> str:
        """Say what the lines measure, as a sentence."""
        texts = [
            f"{name} {self._label(i, line)}"
            for i, (name, line) in enumerate(zip(self._names, self._lines, strict=False))
        ]
        return f"Region {'; '.join(texts)}."

    def undo(self) -> None:
        """Take the last change of a line back."""
        if self._history:
            self._lines = self._history.pop()
            with self.shapes.events.data.blocker(self._on_data):
                self.shapes.data = [(line, "line") for line in self._lines]
            self._show()

    def _on_data(self, event: Any) -> None:
        if getattr(event, "action", None) not in _DONE:
            return
        now = self._copy()
        if len(now) != len(self._lines) or not all(map(np.array_equal, now, self._lines)):
            self._history.append(self._lines)
            self._lines = now
            self._show()

    def _show(self) -> None:
        self.shapes.features = self._features(self._lines)
        self.shapes.edge_color = [_MOVED if moved else _MEASURED for moved in self.moved]
        self.shapes.refresh()

    def _features(self, lines: Lines) -> dict[str, list[Any]]:
        return {
            "label": [self._label(i, line) for i, line in enumerate(lines)],
            "diameter": [self._names[i] if i < len(self._names) else "by hand" for i in range(len(lines))],
            "length": [self._length(line) for line in lines],
            "moved": [self._is_moved(i, line) for i, line in enumerate(lines)],
        }

    def _label(self, i: int, line: NDArray[np.float64]) -> str:
        return f"{self._length(line):.1f} {self._unit}{', by hand' if self._is_moved(i, line) else ''}"

    def _is_moved(self, i: int, line: NDArray[np.float64]) -> bool:
        return i >= len(self._measured) or not np.allclose(line, self._measured[i], atol=1e-3)

    def _length(self, line: NDArray[np.float64]) -> float:
        return float(np.linalg.norm(self._to_unit @ (line[-1] - line[0])))

    def _copy(self) -> Lines:
        return [np.array(line, float) for line in self.shapes.data]


def diameters_of(viewer: Viewer, layer: Labels) -> Diameters:
    """Show the diameters of a mask as it is now; lines that were moved by hand stay in a layer of their own.

    Raises
    ------
    MeasureError
        If the mask is empty or no volume.
    """
    volume = mask_volume(layer)
    measures = measure_on_grid(volume.mask, volume.grid)
    if not measures.regions:
        raise MeasureError(f"{layer.name} is empty, so it has no diameters.")
    for shown in [one for one in viewer.layers if isinstance(one.metadata.get(_KEY), Diameters)]:
        old = shown.metadata[_KEY]
        if old.mask_id == str(layer.unique_id) and not any(old.moved):
            viewer.layers.remove(shown)
    made = Diameters(layer, volume, measures)
    viewer.add_layer(made.shapes)
    made.shapes.mode = "select"
    return made
