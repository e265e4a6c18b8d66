"""Diameters of a mask as lines in a shapes layer: they can be dragged, and the numbers follow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from napari import Viewer
from napari.layers import Labels, Layer, Shapes
from napari.layers.base._base_constants import ActionType
from numpy.typing import NDArray

from napari_tumor_unet.inference.measures import MOST_REGIONS, MeasureError, Measures
from napari_tumor_unet.plugin.layers.mask_volume import MaskVolume, measures_of
from napari_tumor_unet.plugin.layers.metadata import MASK_OF
from napari_tumor_unet.plugin.layers.transforms import TRANSFORM, data_to_world, mm_in
from napari_tumor_unet.plugin.ui.plain import show_info
from napari_tumor_unet.plugin.ui.threads import in_thread

_KEY = "napari-tumor-unet diameters"
# Seen on bright tumours and on dark; told by the colour-blind from outline, doubt and probability.
_MEASURED, _MOVED = "#5577ff", "#ff3333"
_KINDS = ("longest", "perpendicular")
_GRASP = 8  # pixels of the canvas that an end may be away from the mouse
_DONE = (ActionType.CHANGED, ActionType.ADDED, ActionType.REMOVED)

_BY_HAND = "by hand"


class _Line(NamedTuple):
    """The name of a line, and its ends; those that the user drew have no name of a diameter."""

    name: str
    ends: NDArray[np.float64]


Lines = list[_Line]


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
        shown = (measures.measurable or measures.regions)[:MOST_REGIONS]
        numbered = [(n, region) for n, region in enumerate(measures.regions, 1) if region in shown]
        self.mask_id = str(layer.unique_id)
        self._unit, self._to_unit = _unit_of(layer)
        self._lines: Lines = [
            _Line(f"{n} {kind}", volume.in_data(line))
            for n, region in numbered[:MOST_REGIONS]
            for kind, line in zip(_KINDS, (region.longest_line, region.perpendicular_line), strict=True)
        ]
        self._measured = dict(self._lines)
        self._history: list[Lines] = []
        self.shapes = Shapes(
            [line.ends for line in self._lines],
            shape_type="line",
            ndim=layer.ndim,
            name=f"{layer.name} diameters",
            edge_width=0.8,
            opacity=1,
            edge_color=_MEASURED,
            features=self._features(),
            feature_defaults={"label": "", "diameter": _BY_HAND, "length": 0.0, "moved": True},
            text={"string": "{label}", "size": 12, "color": _MEASURED, "anchor": "upper_left"},
            metadata={_KEY: self, MASK_OF: self.mask_id},  # the first keeps it as long as the layer
            **{name: getattr(layer, name) for name in (*TRANSFORM, "axis_labels")},
        )
        self.shapes.events.data.connect(self._on_data)
        self.shapes.events.units.connect(self._on_units)
        self.shapes.mouse_drag_callbacks.insert(0, self._on_drag)  # before napari's own
        self.shapes.bind_key("Control-Z", lambda _: self.undo(), overwrite=True)

    @property
    def moved(self) -> list[bool]:
        """Whether each line was moved, or drawn, by hand."""
        return [self._is_moved(line) for line in self._lines]

    @property
    def lengths(self) -> list[float]:
        """Length of each line, in mm, or in voxels where the spacing is unknown."""
        return [self._length(line) for line in self._lines]

    def summary(self) -> str:
        """Say what the lines measure, as a sentence."""
        return f"Region {'; '.join(f'{line.name} {self._label(line)}' for line in self._lines)}."

    def undo(self) -> None:
        """Take the last change of a line back."""
        if self._history:
            self._lines = self._history.pop()
            with self.shapes.events.data.blocker(self._on_data):
                self.shapes.data = [(line.ends, "line") for line in self._lines]
            self._show()

    def _on_data(self, event: Any) -> None:
        if getattr(event, "action", None) not in _DONE:
            return
        now, before = self._now(), self._lines
        if len(now) != len(before) or not all(map(_same, now, before)):
            self._history.append(before)
            self._lines = now
            self._show()

    def _on_units(self) -> None:
        """Tell the lengths in mm, once the user has said the spacing, or no longer."""
        self._unit, self._to_unit = _unit_of(self.shapes)
        self._show()

    def _on_drag(self, layer: Shapes, event: Any) -> Iterator[None]:
        """Take an end at the first press, and let the numbers follow until it is let go."""
        if (near := self._end_at(layer, event)) is not None:
            layer.selected_data = {near}  # of no other line napari drags an end
        yield
        while event.type == "mouse_move":
            before, self._lines = self._lines, self._now()
            self._show()
            self._lines = before
            yield

    def _end_at(self, layer: Shapes, event: Any) -> int | None:
        """Return the line of which the mouse is on an end, the nearest one, if there is any."""
        point = np.array(layer.world_to_data(event.position))
        away = [float(np.linalg.norm(line.ends - point, axis=1).min()) for line in self._lines]
        here = [i for i, one in enumerate(away) if one <= _GRASP * layer.scale_factor]
        return min(here, key=lambda i: away[i], default=None)

    def _show(self) -> None:
        self.shapes.features = self._features()
        self.shapes.edge_color = [_MOVED if moved else _MEASURED for moved in self.moved]
        self.shapes.refresh()

    def _features(self) -> dict[str, list[Any]]:
        return {
            "label": [self._label(line) for line in self._lines],
            "diameter": [line.name for line in self._lines],
            "length": self.lengths,
            "moved": self.moved,
        }

    def _label(self, line: _Line) -> str:
        return f"{self._length(line):.1f} {self._unit}{', by hand' if self._is_moved(line) else ''}"

    def _is_moved(self, line: _Line) -> bool:
        measured = self._measured.get(line.name)
        return measured is None or not np.allclose(line.ends, measured, atol=1e-3)

    def _length(self, line: _Line) -> float:
        return float(np.linalg.norm(self._to_unit @ (line.ends[-1] - line.ends[0])))

    def _now(self) -> Lines:
        """Return the lines as they are; the layer takes the names of those that go away with them."""
        names = self.shapes.features["diameter"]
        pairs = zip(names, self.shapes.data, strict=True)
        return [_Line(str(name), np.array(ends, float)) for name, ends in pairs]


def _unit_of(layer: Layer) -> tuple[str, NDArray[np.float64]]:
    """Return the unit of lengths in a layer, and the matrix that takes its data to it."""
    matrix, _ = data_to_world(layer)
    if not all(unit.is_compatible_with("mm") for unit in layer.units[-3:]):
        return "voxels", np.eye(layer.ndim)
    return "mm", matrix * np.array([mm_in(unit) for unit in layer.units])[:, None]


def _same(one: _Line, other: _Line) -> bool:
    return one.name == other.name and np.array_equal(one.ends, other.ends)


def diameters_of(viewer: Viewer, layer: Labels) -> Diameters:
    """Show the diameters of a mask as it is now; lines that were moved by hand stay in a layer of their own.

    Raises
    ------
    MeasureError
        If the mask is empty or no volume.
    """
    return _add(viewer, layer, _measure(layer))


def show_diameters(viewer: Viewer, layer: Labels) -> None:
    """Show the same once a thread has measured the mask, go to the first line, and say the lengths."""

    def show(measured: tuple[MaskVolume, Measures]) -> None:
        if layer not in viewer.layers:
            return
        diameters = _add(viewer, layer, measured)
        point = list(viewer.dims.point)
        ends = diameters.shapes.data_to_world(diameters.shapes.data[0][0])
        viewer.dims.point = (*point[: len(point) - len(ends)], *ends)
        show_info(diameters.summary())

    in_thread(partial(_measure, layer), show)


def moved_by_hand(viewer: Viewer, layer: Labels) -> bool:
    """Tell whether lines of a mask are there that were moved by hand."""
    return any(any(one.moved) for one in _shown_of(viewer, layer))


def _measure(layer: Labels) -> tuple[MaskVolume, Measures]:
    volume, measures = measures_of(layer)
    if not measures.regions:
        raise MeasureError(f"{layer.name} is empty, so it has no diameters.")
    return volume, measures


def _shown_of(viewer: Viewer, layer: Labels) -> list[Diameters]:
    shown = [one.metadata.get(_KEY) for one in viewer.layers]
    return [one for one in shown if isinstance(one, Diameters) and one.mask_id == str(layer.unique_id)]


def _add(viewer: Viewer, layer: Labels, measured: tuple[MaskVolume, Measures]) -> Diameters:
    for old in _shown_of(viewer, layer):
        if not any(old.moved):
            viewer.layers.remove(old.shapes)
    made = Diameters(layer, *measured)
    viewer.add_layer(made.shapes)
    made.shapes.mode = "direct"  # in which ends can be dragged, too
    return made
