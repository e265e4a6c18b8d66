"""The panel "Score" in a real viewer."""

from __future__ import annotations

import csv
import gc
import json
import os
import signal
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import tifffile
from napari._app_model import get_app_model
from napari.layers import Labels
from napari.settings import get_settings
from napari.utils.transforms import Affine
from qtpy.QtCore import QPointF, QRect, Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox, QScrollArea
from superqt import QCollapsible

from napari_tumor_unet.evaluation.score import score
from napari_tumor_unet.plugin.io.opened_together import look_at
from napari_tumor_unet.plugin.layers.metadata import KEY, ImageMetadata, MaskMetadata, is_agreement
from napari_tumor_unet.plugin.score.mask_pair import answer_with_box
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from tests.plugin.conftest import PATIENCE, entries_of, made_by, press

MM = {"scale": (5, 1, 0.5), "units": "mm"}
Masks = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def masks() -> Masks:
    """A prediction and a reference that differ in every slice that they have, and a second label."""
    prediction, reference = np.zeros((2, 12, 40, 44), np.uint8)
    for z in range(3, 10):
        reference[z, 10:25, 12:30] = 1
        prediction[z, 10 : 25 - z // 2, 13:30] = 1
    reference[4:6, 30:36, 30:36] = prediction[5:7, 30:36, 30:35] = 2
    return prediction, reference


@pytest.fixture
def layers(viewer: napari.Viewer, masks: Masks) -> tuple[Labels, Labels]:
    prediction = viewer.add_labels(masks[0].copy(), name="prediction", **MM)
    return prediction, viewer.add_labels(masks[1].copy(), name="reference", **MM)


@pytest.fixture
def panel(viewer: napari.Viewer) -> Any:
    return viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Score")[1]


@pytest.fixture
def compare(panel: Any, qtbot: Any) -> Callable[[], list[Any]]:
    """Press the button and wait for all numbers."""

    def wait() -> list[Any]:
        with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
            press(panel.start, qtbot)
        return panel.numbers.scores

    return wait


def set_layers(panel: Any, prediction: Labels, reference: Labels) -> None:
    panel.prediction.value, panel.reference.value = prediction, reference


def test_the_command_compares_the_two_masks_that_are_selected(
    viewer: napari.Viewer, layers: tuple[Labels, Labels], masks: Masks, qtbot: Any
) -> None:
    prediction, reference = layers
    made = {"written": masks[0], "probability": masks[0], "provenance": made_by("default")}
    prediction.metadata[KEY] = MaskMetadata(**made)
    viewer.layers.selection = {prediction, reference}
    entry = entries_of(viewer, "Measure")[0]
    assert entry.text() == "Score a prediction (Tumour U-Net)"
    assert entry.isEnabled()
    get_app_model().commands.execute_command("napari-tumor-unet.score").result()
    panel = viewer.window.dock_widgets["Score (Tumour U-Net)"]
    assert (panel.prediction.value, panel.reference.value) == layers
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        pass
    expected = score(*masks, spacing=(5, 1, 0.5))
    assert panel.numbers.scores == [expected]
    assert f"{expected.dice:.4f}" in panel.numbers.overview.value
    assert panel.rows()[0].model == "default"


def test_a_mask_of_the_brain_is_no_reference_where_there_are_others(
    viewer: napari.Viewer, layers: tuple[Labels, Labels], masks: Masks
) -> None:
    viewer.add_labels(np.ones_like(masks[0]), name="brainmask", **MM)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Score")[1]
    assert {panel.prediction.value, panel.reference.value} == {*layers}


def test_masks_of_two_patients_are_told_of(
    viewer: napari.Viewer, masks: Masks, panel: Any, compare: Callable[[], list[Any]]
) -> None:
    made = {KEY: MaskMetadata(scan="BraTS2021_00006_flair")}
    viewer.add_labels(masks[0], name="BraTS2021_00630_seg", **MM)
    viewer.add_labels(masks[1], name="BraTS2021_00006_seg", **MM)
    mine = viewer.add_labels(masks[1], name="tumour", metadata=made, **MM)
    panel.prediction.value, panel.reference.value = viewer.layers[0], viewer.layers[1]
    compare()
    told = "By their names, the masks are of two patients, BraTS2021_00630 and BraTS2021_00006."
    assert panel.message.value == told
    panel.reference.value = mine
    compare()
    assert panel.message.value == told
    panel.prediction.value = viewer.layers[1]
    compare()
    assert panel.message.value == ""


def test_the_command_brings_the_panel_to_the_front(
    viewer: napari.Viewer, layers: tuple[Labels, Labels], qtbot: Any
) -> None:
    other, _ = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")
    for _ in range(2):
        other.raise_()
        viewer.layers.selection = set(layers)
        get_app_model().commands.execute_command("napari-tumor-unet.score").result()
        panel = viewer.window.dock_widgets["Score (Tumour U-Net)"]
        with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
            pass
        qtbot.waitUntil(lambda panel=panel: not panel.native.visibleRegion().isEmpty())
        assert other.visibleRegion().isEmpty()


def test_menu_and_command_share_one_dock(
    viewer: napari.Viewer, layers: tuple[Labels, Labels], qtbot: Any
) -> None:
    get_app_model().commands.execute_command("napari-tumor-unet.score_panel").result()
    made = viewer.window.dock_widgets["Score (Tumour U-Net)"]
    viewer.layers.selection = set(layers)
    get_app_model().commands.execute_command("napari-tumor-unet.score").result()
    with qtbot.waitSignal(made.scoring.ended, timeout=PATIENCE):
        pass
    assert list(viewer.window.dock_widgets.values()) == [made]


def test_panels_stand_in_tabs_and_not_below_each_other(viewer: napari.Viewer, qtbot: Any) -> None:
    for panel in ("segment_panel", "fine_tune_panel", "score_panel"):
        get_app_model().commands.execute_command(f"napari-tumor-unet.{panel}").result()
    docks = [dock.native.parent() for dock in viewer.window.dock_widgets.values()]
    window = viewer.window._qt_window
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(docks[0])) == 2, timeout=PATIENCE)
    qtbot.waitUntil(lambda: not docks[-1].visibleRegion().isEmpty(), timeout=PATIENCE)
    assert docks[0].visibleRegion().isEmpty()


def test_the_command_is_for_two_masks(viewer: napari.Viewer, layers: tuple[Labels, Labels]) -> None:
    viewer.layers.selection = {layers[0]}
    assert not entries_of(viewer, "Measure")[0].isEnabled()


def test_swapped_masks_swap_precision_and_recall(
    panel: Any, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    set_layers(panel, *layers)
    (before,) = compare()
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        press(panel.swap, qtbot)
    (after,) = panel.numbers.scores
    assert (after.precision, after.recall) == (before.recall, before.precision)
    assert after.dice == before.dice


def test_labels_are_compared_each_by_itself_or_one_alone(
    panel: Any, layers: tuple[Labels, Labels], masks: Masks, compare: Any
) -> None:
    set_layers(panel, *layers)
    panel.which.value = "each by itself"
    assert compare() == [score(*masks, spacing=(5, 1, 0.5), label=label) for label in (1, 2)]
    names = [name for name, _ in panel.numbers.scores[0].as_rows()[2:]]
    assert titles(panel) == ["label", *names, "label", *names]
    assert [panel.numbers.table.item(n, 0).text() for n in (0, len(names) + 1)] == ["1", "2"]
    for found in panel.numbers.scores:
        assert f"{found.dice:.4f}" in panel.numbers.overview.value
    assert panel.which.choices == ("all as one", "each by itself", 1, 2)
    panel.scoring.cancel()
    panel.which.value = 2
    assert compare() == [score(*masks, spacing=(5, 1, 0.5), label=2)]


@pytest.mark.slow
def test_edits_are_counted_at_once_and_measured_after_a_pause(
    panel: Any, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    set_layers(panel, *layers)
    compare()
    prediction, reference = layers

    def paint() -> None:
        prediction.selected_label = 1
        prediction.paint((5, 33, 5), 1)

    def erase() -> None:
        prediction.paint((5, 20, 20), 0)

    def fill() -> None:
        prediction.fill((6, 12, 14), 0)

    for edit in (paint, erase, fill, prediction.undo):
        with qtbot.waitSignals([panel.scoring.counted, panel.scoring.ended], timeout=PATIENCE):
            edit()
        qtbot.waitUntil(lambda: not panel.scoring.running, timeout=PATIENCE)
        expected = score(prediction.data, reference.data, spacing=(5, 1, 0.5))
        assert f"{expected.dice:.4f}" in panel.numbers.overview.value
        assert panel.numbers.scores == [expected]


def test_without_live_edits_change_nothing(
    panel: Any, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    set_layers(panel, *layers)
    before = compare()
    panel.live.value = False
    with qtbot.assertNotEmitted(panel.scoring.counted, wait=300):
        layers[0].paint((5, 20, 20), 0)
    assert panel.numbers.scores == before


def test_layers_in_other_places_are_compared_in_the_world(
    viewer: napari.Viewer, panel: Any, masks: Masks, compare: Any
) -> None:
    moved = viewer.add_labels(masks[0][2:, 5:], name="cut", translate=(10, 5, 0), **MM)
    reference = viewer.add_labels(masks[1], name="whole", **MM)
    set_layers(panel, moved, reference)
    (found,) = compare()
    expected = score(*masks, spacing=(5, 1, 0.5))
    assert (found.dice, found.hausdorff95) == (expected.dice, expected.hausdorff95)
    assert "reference's grid" in panel.message.value
    assert not panel.live.enabled


def test_masks_of_two_scans_that_lie_nowhere_get_no_numbers(
    viewer: napari.Viewer, panel: Any, masks: Masks, tmp_path: Path, qtbot: Any
) -> None:
    paths = [tmp_path / name for name in ("one_mask.tif", "other_mask.tif")]
    for path, mask in zip(paths, (masks[0][2:], masks[1]), strict=True):
        tifffile.imwrite(path, mask)
        viewer.open(path, plugin="napari-tumor-unet")
    one, other = (layer for layer in viewer.layers if isinstance(layer, Labels))
    set_layers(panel, one, other)
    press(panel.start, qtbot)
    qtbot.waitUntil(lambda: "choose masks of one scan" in panel.message.value, timeout=PATIENCE)
    assert not panel.numbers.visible
    assert not panel.collection.visible
    one.translate = (2, 0, 0)  # by hand: now it says where it lies
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        press(panel.start, qtbot)
    assert panel.numbers.scores[0].dice == score(*masks).dice


@pytest.mark.parametrize("wrong", ["elsewhere", "alone"])
def test_what_cannot_be_compared_is_one_sentence(
    viewer: napari.Viewer, panel: Any, masks: Masks, qtbot: Any, wrong: str
) -> None:
    first = viewer.add_labels(masks[0], **MM)
    other = viewer.add_labels(masks[1], translate=(1000, 0, 0), **MM) if wrong == "elsewhere" else first
    panel.prediction.value, panel.reference.value = first, other
    press(panel.start, qtbot)
    qtbot.waitUntil(lambda: panel.message.value.endswith("."), timeout=PATIENCE)
    assert ("no space" if wrong == "elsewhere" else "two labels layers") in panel.message.value
    assert not panel.numbers.visible


def test_a_plane_is_compared_with_the_slice_on_screen(
    viewer: napari.Viewer, panel: Any, masks: Masks, compare: Any
) -> None:
    stack = viewer.add_labels(masks[1])
    plane = viewer.add_labels(masks[0][7])
    viewer.dims.set_point(0, 7)
    set_layers(panel, plane, stack)
    (found,) = compare()
    assert found.dice == score(masks[0][7], masks[1][7]).dice


def test_the_agreement_is_a_layer_in_the_place_of_the_reference(
    viewer: napari.Viewer, panel: Any, masks: Masks, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    layers[1].affine = Affine(scale=(1, 2, 2), translate=(3, 4, 5))
    layers[0].affine = layers[1].affine
    set_layers(panel, *layers)
    compare()
    selected = set(viewer.layers.selection)
    press(panel.slices.agreement, qtbot)
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=PATIENCE)
    layer = viewer.layers[-1]
    p, r = (mask > 0 for mask in masks)
    np.testing.assert_array_equal(layer.data, 1 * (p & r) + 2 * (p & ~r) + 3 * (r & ~p))
    np.testing.assert_allclose(layer.extent.world, layers[1].extent.world)
    assert set(viewer.layers.selection) == selected
    assert panel.slices.legend.visible
    assert layer not in panel.prediction.choices
    layers[0].data_setitem((np.array([1]), np.array([1]), np.array([1])), 1)
    qtbot.waitUntil(lambda: layer.data[1, 1, 1] == 2, timeout=PATIENCE)  # it follows
    press(panel.swap, qtbot)
    qtbot.waitUntil(lambda: layer.data[1, 1, 1] == 3, timeout=PATIENCE)  # so does what each mask alone has
    press(panel.slices.agreement, qtbot)
    qtbot.waitUntil(lambda: not panel.scoring.running, timeout=PATIENCE)
    assert len(viewer.layers) == 3


def test_an_agreement_follows_another_reference_and_hides_with_the_numbers(
    viewer: napari.Viewer, panel: Any, masks: Masks, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    third = viewer.add_labels(masks[0].copy(), **MM)
    elsewhere = viewer.add_labels(masks[1], translate=(1000, 0, 0), **MM)
    set_layers(panel, *layers)
    compare()
    press(panel.slices.agreement, qtbot)
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=PATIENCE)
    agreement = viewer.layers[-1]
    panel.reference.value = third  # the same voxels
    qtbot.waitUntil(lambda: agreement.data.max() == 1, timeout=PATIENCE)
    assert panel.slices.legend.visible
    panel.reference.value = elsewhere
    qtbot.waitUntil(lambda: not agreement.visible, timeout=PATIENCE)
    panel.reference.value = layers[1]
    qtbot.waitUntil(lambda: agreement.visible, timeout=PATIENCE)
    assert agreement.data.max() == 3


def test_the_way_leads_to_the_worst_slices(
    viewer: napari.Viewer, panel: Any, masks: Masks, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    set_layers(panel, *layers)
    compare()
    order = sorted(range(3, 10), key=lambda z: score(masks[0][z], masks[1][z]).dice)
    press(panel.slices.worst, qtbot)
    assert viewer.dims.current_step[0] == order[0]
    press(panel.slices.next, qtbot)
    assert viewer.dims.current_step[0] == order[1]
    plot = panel.slices.curve
    qtbot.waitUntil(plot.isVisible, timeout=PATIENCE)
    at = plot.mapFromScene(plot.getViewBox().mapViewToScene(QPointF(4, 0.5)))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert viewer.dims.current_step[0] == 4
    assert panel.slices.curve.here.value() == 4


def test_numbers_are_copied_saved_and_collected(
    panel: Any,
    layers: tuple[Labels, Labels],
    compare: Any,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_layers(panel, *layers)
    (first,) = compare()
    press(panel.collection.copy, qtbot)
    copied = QApplication.clipboard().text()
    assert f"Dice\t{first.dice:.4f}" in copied
    assert "reference\treference" in copied
    press(panel.collection.add, qtbot)
    layers[0].fill((5, 12, 14), 0)
    (second,) = compare()
    for _ in range(2):  # the second time it is there
        press(panel.collection.add, qtbot)
    table = panel.collection.table
    mean = (first.dice + second.dice) / 2
    assert table.item(0, 0).text().split("\n")[:2] == ["prediction", "reference: reference"]
    assert table.item(2, 0).text().startswith("mean\n")
    assert [table.item(n, 1).text() for n in range(3)] == [
        f"{dice:.4f}" for dice in (first.dice, second.dice, mean)
    ]
    assert f"volume, % more: {second.volume_difference_percent:.1f}\n" in table.item(1, 0).text()
    panel.native.findChild(QCollapsible).expand(animate=False)
    qtbot.waitUntil(lambda: table.rowHeight(4) > 0 and table.height() > table.rowHeight(0), timeout=PATIENCE)
    assert table.horizontalHeader().length() <= table.viewport().width()  # Dice is in sight
    qtbot.waitUntil(lambda: panel.collection.empty.native.height() > 0, timeout=PATIENCE)
    for name in ("scores.csv", "scores.json"):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, n=name: (str(tmp_path / n), ""))
        press(panel.collection.save_all, qtbot)
        qtbot.waitUntil(lambda n=name: (tmp_path / n).exists(), timeout=PATIENCE)
    with (tmp_path / "scores.csv").open() as file:
        assert [float(line["dice"]) for line in csv.DictReader(file)] == [first.dice, second.dice]
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["summary"]["dice"]["mean"] == pytest.approx(mean)
    assert content["pairs"][0]["reference"] == "reference"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no" / "x.csv"), ""))
    press(panel.collection.save, qtbot)
    press(panel.collection.empty, qtbot)
    assert table.rowCount() == 0


def test_empty_masks_are_never_a_silent_one(viewer: napari.Viewer, panel: Any, compare: Any) -> None:
    set_layers(panel, *(viewer.add_labels(np.zeros((3, 8, 8), np.uint8)) for _ in range(2)))
    (found,) = compare()
    assert found.dice == 1
    assert "Both masks are empty" in panel.numbers.overview.value
    assert panel.message.value == ""  # which is said once


def test_labels_that_one_mask_lacks_are_named(
    viewer: napari.Viewer, panel: Any, masks: Masks, compare: Any
) -> None:
    prediction, reference = (viewer.add_labels(mask.copy(), **MM) for mask in masks)
    prediction.data[prediction.data == 2] = 0
    set_layers(panel, prediction, reference)
    panel.which.value = "each by itself"
    compare()
    told = panel.numbers.overview
    assert told.value.endswith("</table>Label 2 is in the reference alone: by rule Dice and IoU count as 0.")
    assert panel.message.value == ""
    assert "share no label" not in told.value
    prediction.data = (masks[0] == 1) * np.uint8(255)
    compare()
    rule, advice = told.value.partition("</table>")[2].split(".", 1)
    assert rule == (
        "Labels 1 and 2 are in the reference alone, label 255 in the prediction alone: by rule Dice and IoU "
        "count as 0"
    )
    assert "share no label; <i>all as one</i>" in advice
    assert panel.message.value == ""


@pytest.mark.parametrize("labels", ["each by itself", 2])
def test_labels_make_the_panel_no_wider(
    panel: Any, layers: tuple[Labels, Labels], compare: Any, qtbot: Any, labels: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(get_settings().appearance, "font_size", 14)
    layers[0].data[0, :3, :3] = 4
    set_layers(panel, *layers)
    compare()
    area = panel.native.findChild(QScrollArea)
    QApplication.sendPostedEvents()
    before = area.minimumSizeHint().width()
    panel.which.value = labels
    compare()
    table = panel.numbers.table

    def fits() -> bool:
        QApplication.sendPostedEvents()
        return table.verticalHeader().width() + table.horizontalHeader().length() <= table.width()

    qtbot.waitUntil(fits, timeout=5000)
    assert area.minimumSizeHint().width() <= before


@pytest.mark.slow
@pytest.mark.own_child
def test_a_killed_child_leaves_dice_and_says_so(
    viewer: napari.Viewer,
    panel: Any,
    layers: tuple[Labels, Labels],
    compare: Any,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_layers(panel, *layers)
    compare()
    worker = ViewerContext.of(viewer).worker

    def die(counted: Any, planes: range | None) -> Any:
        os.kill(worker.pid, signal.SIGKILL)
        return answer_with_box(counted, planes)

    monkeypatch.setattr("napari_tumor_unet.plugin.score.live_score.answer_with_box", die)
    with qtbot.waitSignal(panel.scoring.failed, timeout=PATIENCE):
        press(panel.start, qtbot)
    assert "process was stopped" in panel.message.value
    assert panel.numbers.visible
    press(panel.details, qtbot)
    box = panel.native.findChild(QMessageBox)
    assert "process was stopped" in box.text()
    box.close()


def test_what_nobody_asked_to_compare_is_no_notification(
    viewer: napari.Viewer,
    panel: Any,
    masks: Masks,
    layers: tuple[Labels, Labels],
    compare: Any,
    notified: list[str],
    qtbot: Any,
) -> None:
    set_layers(panel, *layers)
    compare()
    viewer.layers.clear()
    notified.clear()
    viewer.add_labels(masks[0])
    viewer.add_labels(masks[1][2:])  # of another patient: the layers before would have been compared again
    qtbot.waitUntil(lambda: "differ in shape" in panel.message.value, timeout=PATIENCE)
    assert not notified


def test_layers_that_go_take_their_numbers_along(
    viewer: napari.Viewer, panel: Any, layers: tuple[Labels, Labels], compare: Any
) -> None:
    set_layers(panel, *layers)
    compare()
    viewer.layers.remove(layers[1])
    assert not panel.numbers.visible
    assert panel.reference.value is not layers[1]


def test_a_panel_closed_in_a_comparison_leaves_the_viewer_at_work(
    viewer: napari.Viewer, panel: Any, layers: tuple[Labels, Labels], qtbot: Any
) -> None:
    set_layers(panel, *layers)
    press(panel.start, qtbot)
    viewer.window.remove_dock_widget("all")
    layers[0].paint((5, 20, 20), 0)
    viewer.add_labels(np.zeros((3, 8, 8), np.uint8))
    again = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Score")[1]
    set_layers(again, *layers)
    with qtbot.waitSignal(again.scoring.ended, timeout=PATIENCE):
        press(again.start, qtbot)
    assert again.numbers.scores


def test_nothing_is_held_of_a_comparison_whose_panel_was_closed(viewer: napari.Viewer, qtbot: Any) -> None:
    def compared() -> list[weakref.ref[Any]]:
        for name in ("prediction", "reference"):
            viewer.add_labels(np.ones((3, 9, 9), np.uint8), name=name)
        panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Score")[1]
        with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
            press(panel.start, qtbot)
        return [weakref.ref(one) for one in (panel, panel.scoring, panel.scoring.request)]

    held = compared()
    viewer.window.remove_dock_widget("all")
    viewer.layers.clear()

    def freed() -> bool:
        gc.collect()
        return not any(one() for one in held)

    qtbot.waitUntil(freed, timeout=10_000)


def test_scrolling_measures_nothing_anew(
    viewer: napari.Viewer, panel: Any, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    set_layers(panel, *layers)
    compare()
    with qtbot.assertNotEmitted(panel.scoring.counted, wait=300):
        viewer.dims.set_current_step(0, 2)
        viewer.dims.set_current_step(0, 8)
    assert not panel.scoring.running


def test_scrolling_while_it_measures_loses_nothing(
    viewer: napari.Viewer, panel: Any, layers: tuple[Labels, Labels], qtbot: Any
) -> None:
    set_layers(panel, *layers)
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        with qtbot.waitSignal(panel.scoring.counted, timeout=PATIENCE):
            press(panel.start, qtbot)
        viewer.dims.set_current_step(0, 2)
        panel._on_edit()
    assert panel.numbers.scores


def test_names_are_offered_whole(viewer: napari.Viewer, panel: Any) -> None:
    names = [f"TCGA_DU_7304_19930325_of_long_name {end}" for end in ("mask", "tumour")]
    for name in names:
        viewer.add_labels(np.zeros((3, 8, 8), np.uint8), name=name)
    shown = [panel.prediction.native.itemText(i) for i in range(panel.prediction.native.count())]
    assert shown[-2:] == names


def test_dice_and_iou_stand_once(panel: Any, layers: tuple[Labels, Labels], compare: Any) -> None:
    set_layers(panel, *layers)
    compare()
    names = titles(panel)
    assert names[0] == "precision"
    assert panel.numbers.overview.visible
    panel.which.value = "each by itself"
    compare()
    assert "Dice" not in titles(panel)
    assert panel.numbers.overview.value.count("Dice") == 1


def titles(panel: Any) -> list[str]:
    table = panel.numbers.table
    return [" ".join(table.verticalHeaderItem(n).text().split()) for n in range(table.rowCount())]


@pytest.mark.parametrize("size", [9, 14])
@pytest.mark.parametrize("labels", ["all as one", "each by itself"])
def test_names_and_values_are_whole_in_every_font(
    panel: Any,
    layers: tuple[Labels, Labels],
    compare: Any,
    qtbot: Any,
    size: int,
    labels: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_layers(panel, *layers)
    panel.which.value = labels
    compare()
    monkeypatch.setattr(get_settings().appearance, "font_size", size)
    table = panel.numbers.table
    panel.native.parent().resize(300, 900)
    names, metrics = table.verticalHeader(), table.fontMetrics()
    assert table.font().pointSize() == names.font().pointSize() == size

    def is_whole(n: int) -> bool:
        wide = metrics.boundingRect(
            QRect(0, 0, table.columnWidth(0) - 6, 1000), Qt.TextFlag.TextWordWrap, table.item(n, 0).text()
        )
        name = metrics.size(0, table.verticalHeaderItem(n).text())
        return (
            names.width() >= name.width()
            and names.width() + table.columnWidth(0) <= table.width()
            and table.columnWidth(0) >= wide.width()
            and table.rowHeight(n) >= max(wide.height(), name.height())
        )

    def fits() -> bool:
        rows = range(table.rowCount())
        return all(map(is_whole, rows)) and table.height() >= sum(map(table.rowHeight, rows))

    qtbot.waitUntil(fits, timeout=5000)


def test_compare_stands_out_as_soon_as_there_are_two_masks(
    viewer: napari.Viewer, panel: Any, masks: Masks
) -> None:
    assert not panel.start.native.styleSheet()
    for mask in masks:
        viewer.add_labels(mask, **MM)
    assert panel.start.native.styleSheet()
    viewer.layers.pop()
    assert not panel.start.native.styleSheet()


def test_nothing_is_offered_before_there_are_numbers(
    panel: Any, layers: tuple[Labels, Labels], compare: Any
) -> None:
    parts = (panel.collection, panel.collection.list, panel.slices, panel.numbers)
    assert not any(part.visible for part in parts)
    set_layers(panel, *layers)
    compare()
    assert panel.collection.visible


@pytest.mark.slow
@pytest.mark.parametrize("change", ["moved", "other data"])
def test_a_layer_that_is_changed_is_compared_where_and_as_it_is_now(
    panel: Any, layers: tuple[Labels, Labels], masks: Masks, compare: Any, qtbot: Any, change: str
) -> None:
    set_layers(panel, *layers)
    compare()
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        if change == "moved":
            layers[0].translate = (5, 0, 0)
        else:
            layers[0].data = masks[0][1:]
    moved = np.zeros_like(masks[0])
    moved[1 if change == "moved" else 0 : None if change == "moved" else -1] = (
        masks[0][:-1] if change == "moved" else masks[0][1:]
    )
    (found,) = panel.numbers.scores
    assert found.dice == score(moved, masks[1]).dice
    assert "reference's grid" in panel.message.value


def test_a_label_that_is_painted_anew_gets_its_column(
    panel: Any, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    set_layers(panel, *layers)
    panel.which.value = "each by itself"
    compare()
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        layers[0].paint((5, 2, 2), 7)
    assert [found.label for found in panel.numbers.scores] == [1, 2, 7]
    assert 7 in panel.which.choices


def test_a_layer_that_cannot_be_read_is_one_sentence_and_the_next_one_works(
    viewer: napari.Viewer, panel: Any, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    lost = viewer.add_labels(Lost(layers[0].data), name="lost", **MM)
    lost.data.gone = True
    set_layers(panel, lost, layers[1])
    with qtbot.waitSignal(panel.scoring.failed, timeout=PATIENCE):
        press(panel.start, qtbot)
    assert "could not be read" in panel.message.value
    assert panel.details.visible
    set_layers(panel, *layers)
    assert compare()


class Lost:
    """An array on a disk that goes away."""

    def __init__(self, array: np.ndarray) -> None:
        self._array, self.gone = array, False
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index: Any) -> Any:
        if self.gone:
            raise OSError("The disk is gone.")
        return self._array[index]


@pytest.mark.parametrize("way", ["worst", "agreement"])
def test_the_way_to_slices_shows_the_masks_and_hides_another_scan(
    viewer: napari.Viewer, panel: Any, layers: tuple[Labels, Labels], compare: Any, way: str, qtbot: Any
) -> None:
    set_layers(panel, *layers)
    compare()
    other = viewer.add_image(np.ones((9, 90, 90)), metadata={KEY: ImageMetadata(scan="other")}, **MM)
    for mask in layers:
        mask.visible = False
    press(getattr(panel.slices, way), qtbot)
    assert [layer.visible for layer in (*layers, other)] == [True, True, False]


def test_an_agreement_lies_over_no_other_scan(
    viewer: napari.Viewer, panel: Any, masks: Masks, compare: Callable[[], list[Any]], qtbot: Any
) -> None:
    pairs = []
    for name, other in (("mine", 10), ("yours", 11)):
        scan = {KEY: ImageMetadata(scan=name, scan_id=name)}
        image = viewer.add_image(np.ones(masks[0].shape, np.float32), name=name, metadata=scan, **MM)
        one, two = (viewer.add_labels(mask.copy(), name=f"{name} {n}", **MM) for n, mask in enumerate(masks))
        two.data[other] = 1
        pairs.append((image, one, two))
    set_layers(panel, *pairs[1][1:])
    pairs[0][0].visible = False
    compare()
    press(panel.slices.agreement, qtbot)
    qtbot.waitUntil(lambda: is_agreement(viewer.layers[-1]), timeout=PATIENCE)
    agreement = viewer.layers[-1]
    set_layers(panel, *pairs[0][1:])
    qtbot.waitUntil(lambda: agreement.data[10, 1, 1] == 3, timeout=PATIENCE)
    assert not agreement.visible
    press(panel.slices.agreement, qtbot)
    qtbot.waitUntil(lambda: agreement.visible, timeout=PATIENCE)
    assert [image.visible for image, *_ in pairs] == [True, False]
    look_at(viewer, pairs[1][1])
    assert [image.visible for image, *_ in pairs] == [False, True]
    assert not agreement.visible


def test_a_layer_chosen_twice_on_the_way_to_another_is_no_error(
    viewer: napari.Viewer, panel: Any, masks: Masks, layers: tuple[Labels, Labels], compare: Any, qtbot: Any
) -> None:
    third = viewer.add_labels(masks[1].copy(), name="third", **MM)
    set_layers(panel, *layers)
    compare()
    panel.prediction.value = layers[1]
    assert not panel.message.value
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        panel.prediction.value = third
    assert panel.numbers.scores[0].dice == 1


def test_an_agreement_is_no_mask(
    viewer: napari.Viewer, layers: tuple[Labels, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_tumor_unet.plugin.commands.show_error", said.append)
    layers[1].metadata[KEY] = {"agreement": "of another"}
    viewer.layers.selection = set(layers)
    get_app_model().commands.execute_command("napari-tumor-unet.score").result()
    assert said[0].startswith("Select two labels layers")
