"""Keys in the canvas of a real window."""

from __future__ import annotations

import warnings
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtCore import Qt

from napari_tumor_unet.io.datasets.sample import sample_scan
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.looks import show_outline
from napari_tumor_unet.plugin.segment.mask_writer import MaskWriter
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext


@pytest.fixture
def sample(viewer: napari.Viewer) -> napari.Viewer:
    viewer.open_sample("napari-tumor-unet", "brain")
    return viewer


@pytest.fixture
def mask(sample: napari.Viewer) -> Labels:
    writer = MaskWriter(sample, scan_of(sample.layers["sample_brain FLAIR"], sample.layers))
    writer.add_layer()
    assert writer.layer is not None
    return writer.layer


def press(qtbot: Any, viewer: napari.Viewer, key: Qt.Key) -> None:
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, key)


def test_one_key_fills_the_mask_and_takes_it_back_to_an_outline(
    sample: napari.Viewer, mask: Labels, qtbot: Any
) -> None:
    for active in (mask, sample.layers["sample_brain FLAIR"]):  # whatever is active
        sample.layers.selection.active = active
        press(qtbot, sample, Qt.Key.Key_U)
        assert not mask.contour
        press(qtbot, sample, Qt.Key.Key_U)
        assert mask.contour


def test_one_key_hides_and_shows_the_mask(sample: napari.Viewer, mask: Labels, qtbot: Any) -> None:
    press(qtbot, sample, Qt.Key.Key_H)
    assert not mask.visible
    press(qtbot, sample, Qt.Key.Key_H)
    assert mask.visible


@pytest.mark.parametrize("active", [False, True])
def test_no_key_shows_a_mask_over_another_scan(
    sample: napari.Viewer, mask: Labels, qtbot: Any, active: bool
) -> None:
    for layer in sample.layers:
        layer.visible = False
    other = sample.add_image(np.random.default_rng(0).random((6, 40, 48)), name="other")
    sample.layers.selection.active = mask if active else other
    press(qtbot, sample, Qt.Key.Key_H)
    assert not mask.visible
    sample.layers["sample_brain FLAIR"].visible, other.visible = True, False
    press(qtbot, sample, Qt.Key.Key_H)
    assert mask.visible


@pytest.mark.parametrize("of_scan", [False, True])
def test_one_key_shows_the_next_sequence_under_the_mask(
    sample: napari.Viewer, mask: Labels, qtbot: Any, of_scan: bool
) -> None:
    sample.layers.selection.active = sample.layers["sample_brain FLAIR"] if of_scan else mask

    def shown() -> list[str]:
        return [one.name for one in sample.layers if isinstance(one, Image) and one.visible]

    for name in ("T1 post", "T1 pre", "FLAIR"):
        press(qtbot, sample, Qt.Key.Key_N)
        assert shown() == [f"sample_brain {name}"]
        assert (sample.layers.selection.active is mask) != of_scan
    assert mask.visible


def test_channels_of_one_layer_are_gone_through_as_well(viewer: napari.Viewer, qtbot: Any) -> None:
    ViewerContext.of(viewer)
    viewer.add_image(np.random.default_rng(0).random((6, 3, 40, 48)))
    steps = []
    for _ in range(3):
        press(qtbot, viewer, Qt.Key.Key_N)
        steps.append(viewer.dims.current_step[1])
    assert sorted(steps) == [0, 1, 2]


def test_keys_that_are_taken_are_left_alone(viewer: napari.Viewer, qtbot: Any) -> None:
    pressed: list[napari.Viewer] = []
    viewer.bind_key("h", pressed.append)
    ViewerContext.of(viewer)
    press(qtbot, viewer, Qt.Key.Key_H)
    assert pressed == [viewer]
    viewer.bind_key("h", None)


def test_in_3d_the_mask_is_a_surface_without_a_warning(sample: napari.Viewer, mask: Labels) -> None:
    with warnings.catch_warnings(record=True) as warned:
        show_outline(mask)
        sample.dims.ndisplay = 3
    assert mask.rendering == "iso_categorical"
    assert not [warning for warning in warned if "Contours" in str(warning.message)]


@pytest.mark.own_child
def test_the_child_starts_when_an_image_is_added_and_ends_after_a_while_unused(
    viewer: napari.Viewer, qtbot: Any
) -> None:
    worker = ViewerContext.of(viewer).worker
    viewer.add_image(np.zeros((20, 30)))
    assert worker.pid is None
    viewer.add_image(np.zeros((4, 20, 30)))
    qtbot.waitUntil(lambda: worker.is_ready, timeout=60_000)
    qtbot.waitUntil(lambda: not worker._lock.locked(), timeout=60_000)
    worker.end_if_unused(600)
    assert worker.pid is not None
    worker.end_if_unused(0)
    assert worker.pid is None
    viewer.add_image(np.zeros((4, 20, 30)))
    qtbot.waitUntil(lambda: worker.pid is not None, timeout=60_000)


def test_what_our_reader_opens_is_expected_to_be_segmented(viewer: napari.Viewer, qtbot: Any) -> None:
    viewer.open(sample_scan(), plugin="napari-tumor-unet")
    window = viewer.window._qt_window
    qtbot.waitUntil(lambda: window.findChild(ViewerContext) is not None, timeout=60_000)
