"""Diameters as lines that can be dragged."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps.standardize_color import transform_color
from skimage.color import rgb2lab

from napari_tumor_unet.inference.measures import MeasureError, measure_on_grid
from napari_tumor_unet.plugin.layers.layer_scan import COLOURS
from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation
from napari_tumor_unet.plugin.layers.mask_volume import MaskVolume
from napari_tumor_unet.plugin.segment import diameters, doubt_layer, probability_layer
from napari_tumor_unet.plugin.segment.diameters import Diameters, diameters_of
from napari_tumor_unet.scan.grid import grid_of_spacing


@pytest.fixture
def mask(viewer_model: ViewerModel) -> Labels:
    data = np.zeros((6, 60, 50), np.uint8)
    data[2:5, 10:40, 12:32] = 1
    data[2, 39:41, 12:32] = 1
    return viewer_model.add_labels(data, name="scan tumour", scale=(5, 1, 1), units="mm")


def drag(diameters: Diameters, i: int, by: tuple[float, float, float]) -> None:
    lines = [np.array(line) for line in diameters.shapes.data]
    lines[i][1] += by
    diameters.shapes.data = lines


def test_the_lines_lie_on_the_mask_and_say_how_long_they_are(viewer_model: ViewerModel, mask: Labels) -> None:
    diameters = diameters_of(viewer_model, mask)
    assert viewer_model.layers[-1] is diameters.shapes
    assert diameters.shapes.name == "scan tumour diameters"
    assert np.array_equal(diameters.shapes.scale, mask.scale)
    assert {float(z) for line in diameters.shapes.data for z in line[:, 0]} == {2}
    assert diameters.lengths[0] == pytest.approx(np.hypot(31, 20))
    assert diameters.shapes.features["label"][0] == "36.9 mm"


def test_a_line_that_is_dragged_has_a_new_length_and_a_mark_until_that_is_undone(
    viewer_model: ViewerModel, mask: Labels
) -> None:
    diameters = diameters_of(viewer_model, mask)
    before = [line.copy() for line in diameters.shapes.data]
    drag(diameters, 0, (0, 5, 0))
    assert diameters.moved == [True, False]
    assert diameters.shapes.features["label"][0].endswith("mm, by hand")
    assert diameters.lengths[0] != pytest.approx(np.hypot(31, 20))
    assert "by hand" in diameters.summary()
    drag(diameters, 1, (0, 0, 2))
    diameters.undo()
    assert diameters.moved == [True, False]
    diameters.undo()
    assert diameters.moved == [False, False]
    assert all(map(np.array_equal, diameters.shapes.data, before))
    diameters.undo()  # nothing is left to take back


def test_lines_that_were_moved_stay_when_diameters_are_shown_again(
    viewer_model: ViewerModel, mask: Labels
) -> None:
    first = diameters_of(viewer_model, mask)
    second = diameters_of(viewer_model, mask)
    assert first.shapes not in viewer_model.layers
    drag(second, 0, (0, 5, 0))
    moved = [line.copy() for line in second.shapes.data]
    mask.data = np.roll(mask.data, 1, axis=2)  # as a new run writes it
    third = diameters_of(viewer_model, mask)
    assert second.shapes in viewer_model.layers
    assert all(map(np.array_equal, second.shapes.data, moved))
    assert third.moved == [False, False]


def test_an_empty_mask_is_told(viewer_model: ViewerModel) -> None:
    empty = viewer_model.add_labels(np.zeros((3, 4, 5), np.uint8), name="empty")
    with pytest.raises(MeasureError, match="empty"):
        diameters_of(viewer_model, empty)
    times = viewer_model.add_labels(np.ones((2, 3, 4, 5), np.uint8), name="times")
    with pytest.raises(MeasureError, match="one by one"):
        diameters_of(viewer_model, times)


@pytest.mark.parametrize("across", [0, 1, 2])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_lines_are_where_the_mask_is_however_its_slices_lie(across: int, turn: int) -> None:
    data = np.zeros((2, 5, 6, 7), np.uint8)
    data[1, 1, 2, 3] = 1
    place = SliceOrientation((1,), across, turn)
    seen = place.volume(data)
    volume = MaskVolume(seen, grid_of_spacing(seen.shape, (1, 1, 1), in_mm=False), place, data.ndim)
    (region,) = measure_on_grid(seen, volume.grid).regions
    assert volume.in_data(region.longest_line).mean(axis=0) == pytest.approx((1, 1, 2, 3))


# How the two commonest kinds of colour-blind see linear RGB: Machado et al., 2009.
_SIGHTS = {
    "usual": np.eye(3),
    "protan": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "deutan": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
}


@pytest.mark.parametrize("sight", _SIGHTS)
def test_its_colours_are_told_from_those_of_what_lies_under_them(sight: str) -> None:
    def seen(colour: str, opacity: float = 1.0) -> np.ndarray:
        rgb = opacity * transform_color(colour)[0, :3].astype(float) + (1 - opacity) * 0.5  # on grey
        linear = np.clip(_SIGHTS[sight] @ rgb**2.2, 0, 1)
        return rgb2lab(linear ** (1 / 2.2))

    others = [seen(colour) for colour in (COLOURS["orange"], "black", "grey", "white")]
    others += [seen(doubt_layer._COLOUR, 0.5), *(seen(band, 0.7) for band in probability_layer._BANDS[1:-1])]
    measured, moved = seen(diameters._MEASURED), seen(diameters._MOVED)
    for one, lines in ((measured, [moved]), (moved, [measured])):
        assert min(np.linalg.norm(one - other) for other in others + lines) > 18
