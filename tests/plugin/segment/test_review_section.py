"""The walk through the doubtful slices, in a real viewer; the results are made without a model."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QAction, QKeySequence, QShortcut
from qtpy.QtWidgets import QApplication

from napari_tumor_unet.inference.regions import threshold_mask
from napari_tumor_unet.inference.result import Provenance, Slices
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.looks import mask_looked_at
from napari_tumor_unet.plugin.layers.metadata import (
    KEY,
    ImageMetadata,
    MaskMetadata,
    is_agreement,
    is_prediction,
    mask_metadata,
)
from napari_tumor_unet.plugin.layers.planes import camera_of
from napari_tumor_unet.plugin.layers.sequences import SequenceAssignment
from napari_tumor_unet.plugin.segment.mask_editor import MaskEditor
from napari_tumor_unet.plugin.segment.mask_writer import MaskWriter
from napari_tumor_unet.plugin.segment.review import Review
from tests.plugin.conftest import PATIENCE, choose_model, press

DOUBTFUL = (0, 40, 10, 0, 80, 0, 20)  # voxels of each slice with an even chance; slice 1 has a sure tumour
ORDER = (4, 1, 6, 2)


@pytest.fixture
def panel(viewer: napari.Viewer, tiny_model_file: Path, qtbot: Any) -> Any:
    registry.import_model(tiny_model_file)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    choose_model(panel, "tiny", qtbot)
    return panel


def probability(doubtful: Sequence[int] = DOUBTFUL) -> np.ndarray:
    """So many voxels of each slice (20 x 24) are tumour with an even chance, or almost."""
    made = np.zeros((len(doubtful), 20, 24), np.uint8)
    for plane, n in zip(made, doubtful, strict=True):
        plane.reshape(-1)[:n] = 128
    made[1, 15:, :] = 255
    return made


def finished(
    viewer: napari.Viewer,
    image: Image,
    slices: np.ndarray,
    choice: SequenceAssignment | None = None,
    computed: Sequence[int] | None = None,
) -> Labels:
    """A result as a run leaves it that gave these probabilities."""
    result = MaskWriter(viewer, scan_of(image, viewer.layers, viewer.dims.point, choice))
    result.add_layer()
    chosen = list(range(len(slices)) if computed is None else computed)
    mask = threshold_mask(slices[chosen], 0.5)
    result.write(Slices(tuple(chosen), slices[chosen], mask, len(chosen), len(chosen)))
    given = ("tiny", "", "0", 0.5, 0.0, ("flair",), "cpu", "float32", "", 0.0)
    result.finish(None, Provenance(*given))
    return result.layer


def a_result(viewer: napari.Viewer) -> Labels:
    image = viewer.add_image(np.zeros((len(DOUBTFUL), 20, 24), np.float32), contrast_limits=(0, 1))
    viewer.dims.set_current_step(0, 0)
    return finished(viewer, image, probability())


def marked_slices(viewer: napari.Viewer, panel: Any, layer: Labels) -> tuple[int, ...]:
    """Slices that the panel shows as checked or edited."""
    viewer.layers.selection.active = layer
    panel.show_mask()
    here, marked = viewer.dims.point, []
    for z in range(len(layer.metadata[KEY]["written"]) if panel.review.visible else 0):
        Review(viewer, layer).go_to(z)
        if panel.review.checked.value or ", edited" in panel.review.message.value:
            marked.append(z)
    viewer.dims.point = here
    return tuple(marked)


def test_no_slice_is_checked_of_a_scan_that_is_hidden_and_the_walk_shows_the_scan(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    layer = a_result(viewer)
    mine = viewer.layers[0]
    mine.metadata[KEY] = ImageMetadata(scan="mine", scan_id="1")
    other = viewer.add_image(np.ones((9, 30, 34)), metadata={KEY: ImageMetadata(scan="other", scan_id="2")})
    for hidden in (mine, layer):
        hidden.visible = False
    viewer.layers.selection.active = layer
    panel.show_mask()
    qtbot.waitUntil(lambda: not panel.review.checked.enabled, timeout=PATIENCE)
    assert panel.review.message.value.startswith("This mask and its scan are not in view")
    mine.visible = layer.visible = True  # by their eyes, and under the other one
    QApplication.processEvents()
    assert not panel.review.checked.enabled
    press(panel.review.next, qtbot)
    assert (mine.visible, layer.visible, other.visible) == (True, True, False)
    assert panel.review.checked.enabled
    other.visible, mine.visible = True, False
    qtbot.waitUntil(lambda: not panel.review.checked.enabled, timeout=PATIENCE)
    press(panel.mask.regions.largest, qtbot)
    assert (mine.visible, other.visible) == (True, False)
    qtbot.waitUntil(lambda: panel.review.checked.enabled, timeout=PATIENCE)
    for act in (lambda: panel.review.where.native.click(), panel.mask._add_probability):
        other.visible, mine.visible = True, False
        viewer.layers.selection.active = layer
        act()
        assert (mine.visible, other.visible) == (True, False)
    other.visible, mine.visible = True, False
    qtbot.waitUntil(lambda: not any(map(is_agreement, viewer.layers)), timeout=PATIENCE)  # of doubt
    other.visible, mine.visible = False, True
    made = {KEY: MaskMetadata(source=str(other.unique_id), scan="other")}
    strange = viewer.add_labels(np.ones((9, 30, 34), np.uint8), name="strange", metadata=made)
    viewer.layers.selection.active = layer
    qtbot.waitUntil(lambda: not panel.review.checked.enabled, timeout=PATIENCE)
    press(panel.review.next, qtbot)
    assert (strange.visible, layer.visible) == (False, True)
    camera_of(viewer).center = (0, 500, 500)  # beside it, where another scan may have been
    press(panel.review.next, qtbot)
    np.testing.assert_allclose(camera_of(viewer).center[-2:], layer.extent.world.mean(0)[-2:], atol=1)
    qtbot.waitUntil(lambda: panel.review.checked.enabled, timeout=PATIENCE)


def test_what_is_said_of_the_slice_follows_the_canvas_to_another_scan_and_back(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    layer = a_result(viewer)
    panel.show_mask()
    known = {KEY: ImageMetadata(scan="other")}  # as one that was opened
    other = viewer.add_image(np.zeros((9, 30, 34)), translate=(0, 500, 500), metadata=known)
    viewer.layers.selection.active = layer
    for at, told in ((other, "This mask and its scan are not in view"), (layer, "Slice ")):
        camera_of(viewer).center = tuple(at.extent.world.mean(axis=0))
        qtbot.waitUntil(lambda told=told: panel.review.message.value.startswith(told), timeout=PATIENCE)


def test_the_button_walks_from_the_most_doubtful_slice_on_and_begins_again(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    a_result(viewer)
    panel.show_mask()
    section = panel.review
    viewer.dims.set_current_step(0, 0)
    assert section.message.value == "Slice 0: no voxels in doubt. 0 of 4 doubtful slices checked."
    for z in ORDER:
        press(section.next, qtbot)
        assert viewer.dims.current_step[0] == z
        assert section.message.value == (
            f"Slice {z}: about {DOUBTFUL[z] // 2} voxels in doubt. 0 of 4 doubtful slices checked."
        )
    press(section.next, qtbot)
    assert viewer.dims.current_step[0] == ORDER[0]
    assert section.message.value.startswith("Again from the most doubtful. Slice 4: about 40 voxels")
    viewer.dims.set_current_step(0, ORDER[1])  # who scrolls there has seen it
    assert section.message.value.startswith("Slice 1: ")
    press(section.next, qtbot)
    assert viewer.dims.current_step[0] == ORDER[2]
    viewer.layers.selection.active = viewer.layers[0]
    assert section.visible
    press(section.next, qtbot)
    assert viewer.dims.current_step[0] == ORDER[3]


def test_checked_slices_are_left_out_and_the_marks_stay_with_the_layer(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    first = a_result(viewer)
    panel.show_mask()
    section = panel.review
    for z in ORDER[:2]:
        viewer.dims.set_current_step(0, z)
        on_box = QPoint(8, section.checked.native.height() // 2)
        qtbot.mouseClick(section.checked.native, Qt.MouseButton.LeftButton, pos=on_box)
        assert section.checked.value
    assert "2 of 4 doubtful slices checked" in section.message.value
    viewer.dims.set_current_step(0, 0)
    assert not section.checked.value
    press(section.next, qtbot)
    assert viewer.dims.current_step[0] == ORDER[2]
    second = a_result(viewer)
    panel.show_mask()
    assert "0 of 4 doubtful slices checked" in section.message.value
    assert marked_slices(viewer, panel, second) == ()
    viewer.layers.selection.active = first
    assert marked_slices(viewer, panel, first) == (1, 4)
    viewer.dims.set_current_step(0, ORDER[0])
    assert section.checked.value
    section.checked.value = False
    assert marked_slices(viewer, panel, first) == (1,)
    for z in ORDER:
        viewer.dims.set_current_step(0, z)
        section.checked.value = True
    assert not section.next.enabled
    assert section.message.value.endswith("All 4 doubtful slices are checked.")


def test_edits_and_thresholds_are_followed(viewer: napari.Viewer, panel: Any) -> None:
    layer = a_result(viewer)
    panel.show_mask()
    section = panel.review
    viewer.dims.set_current_step(0, 4)
    layer.paint((4, 10, 10), 1)
    assert section.message.value.startswith("Slice 4, edited: about 40 voxels in doubt before the edits.")
    assert marked_slices(viewer, panel, layer) == (4,)
    layer.undo()
    assert section.message.value.startswith("Slice 4: about 40 voxels")
    assert marked_slices(viewer, panel, layer) == ()
    layer.metadata[KEY]["probability"][4].reshape(-1)[:80] = 204
    layer.visible = False  # napari does not draw it then
    panel.mask.threshold.value = 0.9
    assert section.message.value.startswith("Slice 4: about 64 voxels")


def test_a_new_run_forgets_the_marks_of_the_slices_that_it_computed(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    layer = a_result(viewer)
    panel.show_mask()
    image = viewer.layers[0]
    for z in (4, 6):
        viewer.dims.set_current_step(0, z)
        panel.review.checked.value = True
    assert finished(viewer, image, probability(), computed=[6]) is layer  # "this slice"
    assert marked_slices(viewer, panel, layer) == (4,)
    assert finished(viewer, image, probability()) is layer
    panel.show_mask()
    assert marked_slices(viewer, panel, layer) == ()
    assert "0 of 4" in panel.review.message.value
    press(panel.review.next, qtbot)
    assert viewer.dims.current_step[0] == 4


def test_a_run_that_is_taken_back_leaves_the_marks(viewer: napari.Viewer) -> None:
    layer = a_result(viewer)
    Review(viewer, layer).check(4, True)
    again = MaskWriter(viewer, scan_of(viewer.layers[0], viewer.layers, viewer.dims.point))
    again.write(Slices((4,), probability()[[4]], np.zeros((1, 20, 24), np.uint8), 1, 7))
    again.revert()
    assert Review(viewer, layer).checked == {4}


@pytest.mark.slow
@pytest.mark.parametrize(("across", "turn"), [(1, 3), (2, 1)])
def test_slices_along_another_axis_come_to_the_screen(
    viewer: napari.Viewer, panel: Any, qtbot: Any, across: int, turn: int
) -> None:
    upright = probability()
    stored = np.moveaxis(np.rot90(np.zeros(upright.shape), -turn, axes=(1, 2)), 0, across)
    image = viewer.add_image(stored, contrast_limits=(0, 1), scale=(2, 3, 4), translate=(5, 6, 7))
    layer = finished(viewer, image, upright, SequenceAssignment(across=across, turn=turn))
    panel.show_mask()
    section = panel.review
    assert section.message.value.startswith("Slices are checked as the model saw them: press Axial")
    assert not section.checked.enabled
    for z in ORDER[:2]:
        press(section.next, qtbot)
        assert viewer.dims.not_displayed == (across,)
        assert viewer.dims.current_step[across] == z
        assert section.message.value.startswith(f"Slice {z}: about {DOUBTFUL[z] // 2} voxels")
    section.checked.value = True
    assert marked_slices(viewer, panel, layer) == (ORDER[1],)
    viewer.dims.ndisplay = 3
    assert not section.checked.enabled
    press(section.next, qtbot)
    assert viewer.dims.ndisplay == 2
    assert viewer.dims.current_step[across] == ORDER[2]


def test_of_a_time_axis_the_slices_are_those_of_the_results_time(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    image = viewer.add_image(np.zeros((4, *probability().shape)), contrast_limits=(0, 1))
    viewer.dims.set_current_step((0, 1), (2, 0))
    layer = finished(viewer, image, probability())
    panel.show_mask()
    viewer.dims.set_current_step((0, 1), (0, 4))
    assert panel.review.message.value.startswith("The slice on screen is not of this mask: press Next")
    press(panel.review.next, qtbot)
    assert viewer.dims.current_step[:2] == (2, 4)
    panel.review.checked.value = True
    assert marked_slices(viewer, panel, layer) == (4,)


def test_where_napari_counts_the_slices_of_another_scan_both_numbers_are_told(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    image = viewer.add_image(np.zeros((len(DOUBTFUL), 20, 24), np.float32), scale=(5, 1, 1))
    layer = finished(viewer, image, probability())
    viewer.layers.selection.active = layer
    panel.show_mask()
    Review(viewer, layer).go_to(2)
    assert panel.review.message.value.startswith("Slice 2: ")
    viewer.add_labels(np.zeros((40, 20, 24), np.uint8), name="another scan's")
    assert panel.review.message.value.startswith("Slice 2 (10 on napari's slider): ")
    press(panel.review.next, qtbot)
    assert viewer.dims.point[0] == 5 * ORDER[0]
    panel.mask.regions.list.setCurrentRow(0)
    assert Review(viewer, layer).slice_on_screen == 1  # the largest region is there


def test_a_plane_has_no_next_slice_but_can_be_checked(viewer: napari.Viewer, panel: Any) -> None:
    image = viewer.add_image(np.zeros((20, 24)), contrast_limits=(0, 1))
    layer = finished(viewer, image, probability()[4:5])
    panel.show_mask()
    assert panel.review.message.value == "Slice 0: about 40 voxels in doubt. 0 of 1 doubtful slice checked."
    assert not panel.review.next.enabled
    panel.review.checked.value = True
    assert marked_slices(viewer, panel, layer) == (0,)


def test_replaced_and_removed_data_break_nothing(viewer: napari.Viewer, panel: Any) -> None:
    layer = a_result(viewer)
    panel.show_mask()
    section = panel.review
    viewer.dims.set_current_step(0, 4)
    section.checked.value = True
    layer.data = np.ones_like(layer.data)
    assert section.message.value.startswith("Slice 4, edited")
    assert marked_slices(viewer, panel, layer) == tuple(range(7))
    for shape in ((3, 5, 5), (4, 5), (2, 7, 20, 24)):
        layer.data = np.zeros(shape, np.uint8)
        assert not section.visible
        assert marked_slices(viewer, panel, layer) == ()
        section.next.changed.emit(True)
        section.checked.value = not section.checked.value
    viewer.layers.remove(layer)
    assert not section.visible
    viewer.add_image(np.zeros((5, 5)))
    layer.refresh()


def test_the_doubtful_voxels_are_shown_in_a_layer_that_is_no_mask_and_goes(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    mask = a_result(viewer)
    panel.show_mask()
    lines = viewer.add_shapes()
    viewer.layers.selection.active = mask
    panel.review.where.value = True
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=PATIENCE)
    shown = next(filter(is_agreement, viewer.layers))
    assert list(viewer.layers)[1:] == [mask, shown, lines]
    viewer.layers.remove(lines)
    assert not is_prediction(shown)
    assert viewer.layers.selection.active is mask
    assert mask_looked_at(viewer) is mask
    np.testing.assert_array_equal(shown.data.sum(axis=(1, 2)), DOUBTFUL)
    np.testing.assert_array_equal(shown.extent.world, mask.extent.world)
    assert shown.opacity <= 0.5  # the outline under it is read
    panel.mask.threshold.value = 0.9
    assert len(viewer.layers) == 3
    panel.review.where.value = False
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=PATIENCE)
    panel.review.where.value = True
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=PATIENCE)
    viewer.layers.remove(next(filter(is_agreement, viewer.layers)))
    assert not panel.review.where.value
    panel.review.where.value = True
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=PATIENCE)
    viewer.layers.remove(mask)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=PATIENCE)
    assert panel.review.where.value  # for the next mask
    a_result(viewer)
    panel.show_mask()
    qtbot.waitUntil(lambda: any(map(is_agreement, viewer.layers)), timeout=PATIENCE)
    viewer.window.remove_dock_widget(panel.native.parent())
    qtbot.waitUntil(lambda: not any(map(is_agreement, viewer.layers)), timeout=PATIENCE)


def test_the_curve_of_doubt_goes_to_the_slice_that_is_clicked(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    a_result(viewer)
    panel.show_mask()
    section = panel.review
    qtbot.waitUntil(lambda: section.curve is not None and section.curve.isVisible(), timeout=PATIENCE)
    assert section.curve.dots.getData()[0].tolist() == sorted(ORDER)
    plot = section.curve.getViewBox()
    qtbot.waitUntil(lambda: plot.width() > 50, timeout=PATIENCE)
    place = section.curve.mapFromScene(plot.mapViewToScene(QPointF(6, 5)))
    qtbot.mouseClick(section.curve.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: viewer.dims.current_step[0] == 6, timeout=PATIENCE)
    assert section.curve.here.value() == 6


def test_a_panel_that_is_opened_after_the_run_shows_the_curve(viewer: napari.Viewer, qtbot: Any) -> None:
    a_result(viewer)
    section = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1].review
    assert section.message.value.startswith("Slice ")
    qtbot.waitUntil(lambda: section.curve is not None and section.curve.isVisible(), timeout=PATIENCE)


def test_of_many_doubtful_slices_the_worst_are_told(viewer: napari.Viewer, panel: Any) -> None:
    image = viewer.add_image(np.zeros((25, 20, 24)), contrast_limits=(0, 1))
    finished(viewer, image, probability([40] * 10 + [10] * 15))
    panel.show_mask()
    assert panel.review.message.value.endswith(
        "10 slices hold 73 % of the doubt; 0 of 23 doubtful slices checked."
    )


def test_the_button_that_comes_next_stands_out(viewer: napari.Viewer, panel: Any, qtbot: Any) -> None:
    def primary() -> list[str]:
        buttons = (panel.empty.open, panel.run.start, panel.review.next, panel.mask.save)
        return [one.text for one in buttons if one.native.styleSheet()]

    assert primary() == ["Open MRI scan..."]
    image = viewer.add_image(np.zeros((len(DOUBTFUL), 20, 24), np.float32), contrast_limits=(0, 1))
    assert primary() == ["Segment"]
    layer = finished(viewer, image, probability())
    panel.show_mask()
    viewer.dims.set_current_step(0, 0)
    for _ in ORDER:
        assert primary() == ["Next doubtful slice"]
        press(panel.review.next, qtbot)
        layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), 1 - layer.data[0, 0, 0])
        panel.mask.measure()
    assert primary() == ["Save mask..."]  # all were looked at
    press(panel.review.next, qtbot)
    assert primary() == ["Next doubtful slice"]  # again from the first
    for z in ORDER:
        viewer.dims.set_current_step(0, z)
        panel.review.checked.value = True
    assert primary() == ["Save mask..."]
    panel.mask.editor.mark_saved(panel.mask.editor.checksum(), "a.nii.gz")
    panel.mask.measure()
    assert primary() == []


def test_an_empty_mask_is_not_proposed_to_be_saved(viewer: napari.Viewer, panel: Any) -> None:
    image = viewer.add_image(np.zeros((7, 20, 24), np.float32), contrast_limits=(0, 1))
    finished(viewer, image, np.zeros((7, 20, 24), np.uint8))
    panel.show_mask()
    assert panel.mask.save.visible
    assert not any(one.native.styleSheet() for one in (panel.run.start, panel.review.next, panel.mask.save))


def test_of_a_slice_that_was_left_out_that_is_said(viewer: napari.Viewer, panel: Any) -> None:
    layer = a_result(viewer)
    mask_metadata(layer).written[4] = layer.data[4] = 0
    panel.show_mask()
    viewer.dims.set_current_step(0, 4)
    assert panel.review.message.value.startswith(
        "Slice 4: about 40 voxels in doubt, in and around what was left out."
    )
    assert panel.mask.card.left_out.value == "1 weaker region left out (80 voxels, slice 4)"


def test_a_closed_panel_listens_to_nothing(viewer: napari.Viewer, qtbot: Any) -> None:
    layer = a_result(viewer)

    def open_and_close() -> int:
        dock = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[0]
        during = _listeners(viewer, layer)
        viewer.window.remove_dock_widget(dock)
        return during

    def gone() -> bool:
        gc.collect()
        return _listeners(viewer, layer) == 0

    assert open_and_close() == 5
    qtbot.waitUntil(gone, timeout=PATIENCE)
    viewer.dims.set_current_step(0, 3)


def test_its_keys_are_nobody_elses(viewer: napari.Viewer, panel: Any, qtbot: Any) -> None:
    a_result(viewer)
    panel.show_mask()
    window = viewer.window._qt_window
    own = {s.key().toString() for s in panel.review.native.findChildren(QShortcut)}
    others = {s.key() for s in window.findChildren(QShortcut) if s.parent() is not panel.review.native}
    others |= {key for action in window.findChildren(QAction) for key in action.shortcuts()}
    napari_keys = napari.utils.shortcuts.default_shortcuts.values()
    taken = {QKeySequence(key).toString() for key in others}
    taken |= {str(key) for keys in napari_keys for key in keys}
    assert len(own) == 2
    assert own.isdisjoint(taken)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    canvas = viewer.window._qt_viewer.canvas.native
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(canvas, Qt.Key.Key_D, keys)
    assert viewer.dims.current_step[0] == 4
    qtbot.keyClick(canvas, Qt.Key.Key_K, keys)
    assert panel.review.checked.value


def _listeners(viewer: napari.Viewer, layer: Labels) -> int:
    """How many events a section that is still there hears."""
    dims = viewer.dims.events
    events = (dims.point, dims.order, dims.ndisplay, layer.events.set_data, layer.events.paint)
    # Of a method napari keeps a weak reference to its object, and its name.
    methods = [c for event in events for c in event.callbacks if isinstance(c, tuple)]
    return sum(name == "show_slice" and of() is not None for of, name in methods)


@pytest.mark.parametrize("value", [1, 0])
def test_a_stroke_stays_where_the_threshold_passes_it_and_an_undone_one_does_not(
    viewer: napari.Viewer, value: int
) -> None:
    layer = a_result(viewer)  # at 0.5 the even chances of 128 of 255 are tumour, at 0.7 none is
    editor, spot = MaskEditor(viewer, layer), (4, 0, 3)
    if value:
        editor.change(0.7, 0)
    layer.data_setitem(tuple(np.array([i]) for i in spot), value)
    for threshold in (0.5, 0.7, 0.5, 0.7):
        editor.change(threshold, 0)
        assert layer.data[spot] == value
        assert layer.data[4, 0, 4] == (threshold < 0.6)
    if value:
        layer.undo()
        for threshold in (0.5, 0.7):
            editor.change(threshold, 0)
            assert layer.data[spot] == (threshold < 0.6)
