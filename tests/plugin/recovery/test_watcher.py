"""Corrections are kept while the user paints, and offered again after a crash, in real viewers."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import napari
import numpy as np
import pytest
import tifffile
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.layers import Labels
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel, QMessageBox, QPushButton
from superqt import QCollapsible

from napari_tumor_unet.inference.result import Provenance, Slices
from napari_tumor_unet.plugin.layers.image_of_mask import image_for, scan_image
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.metadata import (
    KEY,
    ImageMetadata,
    MaskMetadata,
    has_result,
    is_prediction,
)
from napari_tumor_unet.plugin.layers.said_spacing import say_spacing
from napari_tumor_unet.plugin.recovery import store, watcher
from napari_tumor_unet.plugin.recovery.store import Autosave, OrphanedAutosave, autosave_folder
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.segment.mask_editor import MaskEditor
from napari_tumor_unet.plugin.segment.mask_writer import MaskWriter
from napari_tumor_unet.scan import Geometry
from tests.plugin.conftest import PATIENCE, press
from tests.plugin.recovery.test_store import make

TOLD = Provenance("tiny", "0" * 64, "0", 0.5, 0.1, ("flair",), "cpu", "float32", "2026-01-01", 1.0)
PLACE = {"scale": (5, 1, 2), "translate": (1, 2, 3), "units": "mm", "axis_labels": ("z", "y", "x")}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_DELAY", 50)
    monkeypatch.setattr(watcher, "_PANEL", 0)
    monkeypatch.setattr(watcher, "_announced", False)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is told."""
    said: list[str] = []
    for kind in ("show_info", "show_error"):
        monkeypatch.setattr(watcher, kind, said.append)
        monkeypatch.setattr(f"napari_tumor_unet.plugin.segment.mask_saving.{kind}", said.append)
    return said


def first_line(panel: Any, qtbot: Any) -> Any:
    """Open the fold of corrections, and return the first of its lines."""
    qtbot.waitUntil(lambda: len(panel.recovery.lines) > 1, timeout=PATIENCE)
    panel.recovery.native.findChild(QCollapsible).expand()
    return panel.recovery.lines[0]


def segmented(
    viewer: napari.Viewer, shape: tuple[int, ...] = (6, 30, 20), **geometry: Any
) -> napari.layers.Labels:
    """A finished result on an image, as a run leaves it."""
    image = viewer.add_image(np.zeros(shape, np.float32), name="head", **(PLACE | geometry))
    return segmented_image(viewer, image)


def segmented_image(viewer: napari.Viewer, image: napari.layers.Image) -> napari.layers.Labels:
    SegmentationController.of(viewer)
    source = scan_of(image, viewer.layers, viewer.dims.point)
    result = MaskWriter(viewer, source)
    result.add_layer()
    probability = np.zeros(source.scan.shape, np.uint8)
    probability[2:4, 5:15, 5:15] = 200
    indices = tuple(range(len(probability)))
    result.write(
        Slices(indices, probability, (probability > 127).astype(np.uint8), len(indices), len(indices))
    )
    result.finish(None, TOLD)
    return result.layer


def kept() -> list[Path]:
    """The autosaves that there are."""
    return list(autosave_folder().glob("*/[!.]*.npz"))


def looked(viewer: napari.Viewer, qtbot: Any) -> None:
    """Wait until all edits so far were looked at."""
    keeper = Autosaving.of(viewer)
    qtbot.waitUntil(lambda: keeper.settled, timeout=PATIENCE)


def wait_for_autosaves(n: int, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: len(kept()) == n, timeout=PATIENCE)


@pytest.fixture
def crashed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let what this process kept be another's, one that has ended."""

    def crash() -> None:
        (lock,) = store._LOCKS
        lock.release()
        store._LOCKS.clear()
        store._own_folder.cache_clear()

    monkeypatch.setattr(store, "_LOCKS", [])
    store._own_folder.cache_clear()
    return crash


def has_its_place(button: Any) -> bool:
    """Whether a new button can be pressed: Qt lays it out some time after it is visible."""
    return button.native.isVisible() and 0 < button.native.height() < 100


def stroke(layer: napari.layers.Labels) -> None:
    layer.paint((2, 8, 8), 2)


@pytest.mark.parametrize(
    "edit",
    [
        stroke,
        lambda layer: layer.fill((2, 8, 8), 2),
        lambda layer: layer.paint((2, 8, 8), 0),
        lambda layer: layer.data_setitem((np.array([2]), np.array([8]), np.array([8])), 3),
        lambda layer: setattr(layer, "data", np.ones_like(layer.data)),
        lambda layer: (layer.paint((2, 8, 8), 2), layer.undo(), layer.redo()),
    ],
    ids=["paint", "fill", "erase", "setitem", "data", "redo"],
)
def test_every_kind_of_edit_is_kept(viewer: napari.Viewer, qtbot: Any, edit: Any) -> None:
    layer = segmented(viewer)
    looked(viewer, qtbot)
    edit(layer)
    wait_for_autosaves(1, qtbot)
    looked(viewer, qtbot)
    np.testing.assert_array_equal(store.load(kept()[0]).mask, layer.data)


def test_a_result_without_edits_is_never_kept(viewer: napari.Viewer, qtbot: Any) -> None:
    layer = segmented(viewer)
    viewer.dims.set_current_step(0, 1)
    MaskEditor(viewer, layer).change(0.9, 0)
    looked(viewer, qtbot)
    assert not autosave_folder().exists()


def panel_of(viewer: napari.Viewer, layer: napari.layers.Labels) -> Any:
    """The panel Segment tumour, with a slice of this mask on screen that holds some of it."""
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    viewer.layers.selection.active = layer
    viewer.dims.set_point(0, layer.data_to_world((2, 0, 0))[0])
    return panel


def test_a_tick_alone_is_kept_at_once_until_it_is_taken_back_and_comes_back(
    viewer: napari.Viewer, qtbot: Any
) -> None:
    layer = segmented(viewer)
    tick = panel_of(viewer, layer).review.checked
    looked(viewer, qtbot)
    assert not kept()
    for n in (1, 0, 1):  # nothing is moved nor painted after the click
        tick.native.click()
        wait_for_autosaves(n, qtbot)
    keeper = Autosaving.of(viewer)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: bool(keeper.orphans), timeout=PATIENCE)
    assert (keeper.orphans[0].edited, keeper.orphans[0].checked) == (0, 1)
    keeper.restore(keeper.orphans[0])
    qtbot.waitUntil(lambda: not keeper.orphans, timeout=PATIENCE)
    looked(viewer, qtbot)
    assert viewer.layers[-1].metadata[KEY].checked == {2}
    assert len(kept()) == 1


def test_a_tick_that_is_in_a_file_is_not_kept(viewer: napari.Viewer, qtbot: Any) -> None:
    keeper = Autosaving.of(viewer)
    layer = segmented(viewer)
    tick = panel_of(viewer, layer).review.checked
    tick.native.click()
    wait_for_autosaves(1, qtbot)
    keeper.saved_marker(layer)()
    wait_for_autosaves(0, qtbot)
    layer.metadata[KEY].visited.add(3)  # as the walk does
    layer.refresh()
    looked(viewer, qtbot)
    assert not kept()
    metadata = MaskMetadata(scan="head", checked={2}, written=layer.data.copy(), shape=layer.data.shape)
    viewer.add_labels(layer.data.copy(), name="of a file", metadata={KEY: metadata}, **PLACE)
    keeper.note_marks()
    looked(viewer, qtbot)
    assert not kept()


def test_what_is_undone_is_not_kept_any_more(viewer: napari.Viewer, qtbot: Any) -> None:
    layer = segmented(viewer)
    stroke(layer)
    wait_for_autosaves(1, qtbot)
    layer.undo()
    wait_for_autosaves(0, qtbot)


def test_a_stroke_is_kept_before_it_ends(viewer: napari.Viewer, qtbot: Any) -> None:
    layer = segmented(viewer)
    looked(viewer, qtbot)
    with layer.block_history():  # as the brush does while the button is down
        stroke(layer)
        wait_for_autosaves(1, qtbot)


def test_copies_wait_for_the_one_that_is_being_written(
    viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = segmented(viewer)
    looked(viewer, qtbot)
    writing, go_on, save, saved = Event(), Event(), store.save, []

    def slow(autosave: Autosave, path: Path) -> None:
        writing.set()
        go_on.wait()
        saved.append(autosave.mask[2, 8, 8])
        save(autosave, path)

    monkeypatch.setattr(store, "save", slow)
    layer.paint((2, 8, 8), 2)
    qtbot.waitUntil(writing.is_set, timeout=PATIENCE)
    for label in range(3, 9):
        layer.paint((2, 8, 8), label)
        qtbot.wait(60)  # longer than an edit waits
    go_on.set()
    looked(viewer, qtbot)
    assert saved == [2, 8]


def test_corrections_come_back_as_they_were_and_belong_to_the_open_image(
    make_napari_viewer: Any, qtbot: Any, crashed: Any
) -> None:
    layer = segmented(first := make_napari_viewer(show=True))
    layer.metadata[KEY].postprocessing = ("fill_holes",)
    stroke(layer)
    looked(first, qtbot)
    crashed()

    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(np.zeros((6, 30, 20)), name="head", **PLACE)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    said, (restore, _) = first_line(panel, qtbot)
    qtbot.waitUntil(lambda: has_its_place(restore), timeout=PATIENCE)
    name, extent = (label.text() for label in said.native.findChildren(QLabel))
    assert name == "head"
    assert extent.endswith(", 1 slice edited")
    press(restore, qtbot)
    qtbot.waitUntil(lambda: not panel.recovery.native.isVisible(), timeout=PATIENCE)

    restored = viewer.layers["head tumour"]
    np.testing.assert_array_equal(restored.data, layer.data, strict=True)
    np.testing.assert_array_equal(restored.extent.world, layer.extent.world)
    assert (restored.units, restored.axis_labels) == (layer.units, layer.axis_labels)
    now, before = dict(restored.metadata[KEY]), dict(layer.metadata[KEY])
    for volume in ("written", "probability"):
        np.testing.assert_array_equal(now.pop(volume), before.pop(volume), strict=True)
    assert now.pop("source") == str(image.unique_id) != before.pop("source")
    assert now == before
    assert has_result(restored)
    MaskEditor(viewer, restored).change(0.9, 0)
    assert set(np.unique(restored.data)) == {0, 2}
    looked(viewer, qtbot)
    assert len(kept()) == 1
    assert not store.orphaned_autosaves()


def test_of_four_axes_the_time_point_comes_back(viewer: napari.Viewer, qtbot: Any) -> None:
    image = viewer.add_image(np.zeros((3, 6, 30, 20)), name="head", axis_labels=("t", "z", "y", "x"))
    viewer.dims.set_current_step(0, 2)
    result = MaskWriter(viewer, source := scan_of(image, viewer.layers, viewer.dims.point))
    SegmentationController.of(viewer)
    result.add_layer()
    result.layer.paint((0, 2, 8, 8), 2)
    result.layer.paint((2, 3, 8, 8), 2)
    wait_for_autosaves(1, qtbot)
    looked(viewer, qtbot)
    loaded = store.load(path := kept()[0])
    assert loaded.edited == 2
    Autosaving.of(viewer).restore(OrphanedAutosave(path, "head", 2, None))
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=PATIENCE)
    np.testing.assert_array_equal(viewer.layers[-1].data, result.layer.data)
    assert viewer.layers[-1].metadata[KEY]["place"] == source.place


def test_what_our_writer_saved_is_not_kept_until_it_is_edited_again(
    viewer: napari.Viewer, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    layer = segmented(viewer)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    viewer.layers.selection.active = layer
    stroke(layer)
    wait_for_autosaves(1, qtbot)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "a.tif"), ""))
    press(panel.mask.save, qtbot)
    wait_for_autosaves(0, qtbot)
    assert told[0].startswith("The mask is in a.tif")
    viewer.dims.set_current_step(0, 1)
    looked(viewer, qtbot)
    assert not kept()
    layer.paint((1, 8, 8), 2)
    wait_for_autosaves(1, qtbot)


def test_edits_after_the_save_began_stay_kept(viewer: napari.Viewer, qtbot: Any) -> None:
    layer = segmented(viewer)
    stroke(layer)
    wait_for_autosaves(1, qtbot)
    saved = Autosaving.of(viewer).saved_marker(layer)
    layer.paint((1, 8, 8), 2)
    saved()
    looked(viewer, qtbot)
    assert store.load(kept()[0]).edited == 2


@pytest.mark.parametrize("way", ["remove", "close"])
def test_a_layer_that_goes_leaves_its_last_edits(
    viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    layer = segmented(viewer)
    looked(viewer, qtbot)
    monkeypatch.setattr(watcher, "_DELAY", 1_000_000)
    stroke(layer)
    if way == "remove":
        viewer.layers.remove(layer)
    else:
        QApplication.sendEvent(viewer.window._qt_window, QEvent(QEvent.Type.Close))
    wait_for_autosaves(1, qtbot)


def test_a_deletion_is_asked_for_once(
    viewer: napari.Viewer, qtbot: Any, crashed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = segmented(viewer)
    stroke(layer)
    wait_for_autosaves(1, qtbot)
    crashed()
    keeper = Autosaving.of(viewer)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    keeper.offer(store.orphaned_autosaves())
    answers = [QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop())
    _, (_, delete) = first_line(panel, qtbot)
    qtbot.waitUntil(lambda: has_its_place(delete), timeout=PATIENCE)
    press(delete, qtbot)
    assert len(keeper.orphans) == 1
    press(delete, qtbot)
    wait_for_autosaves(0, qtbot)
    qtbot.waitUntil(lambda: not panel.recovery.visible, timeout=PATIENCE)


def test_a_mask_that_was_removed_with_edits_is_offered_at_once(
    viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(notification_manager, "dispatch", shown.append)
    layer = segmented(viewer)
    stroke(layer)
    painted = layer.data.copy()
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: bool(shown), timeout=PATIENCE)
    assert shown[0].message == "The mask of head was removed, with corrections that are not saved."
    notification = NapariQtNotification.from_notification(shown[0], viewer.window._qt_window)
    (restore,) = [found for found in notification.findChildren(QPushButton) if found.text() == "Restore"]
    restore.click()
    restore.click()
    qtbot.waitUntil(lambda: "head tumour" in viewer.layers, timeout=PATIENCE)
    np.testing.assert_array_equal(viewer.layers["head tumour"].data, painted)
    qtbot.waitUntil(lambda: not Autosaving.of(viewer).orphans, timeout=PATIENCE)
    wait_for_autosaves(1, qtbot)
    assert len(viewer.layers) == 2


def test_a_removed_mask_without_edits_is_not_spoken_of(
    viewer: napari.Viewer, qtbot: Any, notified: list[str]
) -> None:
    viewer.layers.remove(segmented(viewer))
    looked(viewer, qtbot)
    assert not notified


@pytest.mark.parametrize("beside", [None, "another patient", "read"])
def test_a_mask_without_its_scan_comes_into_view_alone_and_names_the_scan(
    viewer: napari.Viewer, qtbot: Any, told: list[str], beside: str | None
) -> None:
    layer = segmented(viewer)
    stroke(layer)
    viewer.layers.clear()
    keeper = Autosaving.of(viewer)
    qtbot.waitUntil(lambda: bool(keeper.orphans), timeout=PATIENCE)
    if beside is not None:
        known = {"metadata": {KEY: ImageMetadata(scan=beside)}} if beside == "read" else {}
        other = viewer.add_image(np.zeros((6, 30, 20)), name=beside, **PLACE, **known)
        viewer.dims.set_point(0, 1)
    keeper.restore(keeper.orphans[0])
    qtbot.waitUntil(lambda: not keeper.orphans, timeout=PATIENCE)
    mask = viewer.layers[-1]
    assert mask.visible
    assert (tuple(mask.scale), tuple(mask.translate)) == (PLACE["scale"], PLACE["translate"])
    assert mask.data[viewer.dims.current_step[0]].any()
    assert told[0].startswith("The mask of head is back, but head is not open: open that scan, too")
    if beside is not None:
        assert not other.visible
        assert image_for(mask, viewer.layers) is None
    head = viewer.add_image(np.zeros((6, 30, 20)), name="head", **PLACE)
    assert image_for(mask, viewer.layers) is head


def test_the_panel_shows_nothing_of_another_scan_while_a_mask_without_its_own_is_active(
    viewer: napari.Viewer, qtbot: Any
) -> None:
    layer = segmented(viewer)
    stroke(layer)
    viewer.layers.clear()
    other = segmented(viewer, (9, 40, 30))
    panel = panel_of(viewer, other)
    keeper = Autosaving.of(viewer)
    qtbot.waitUntil(lambda: bool(keeper.orphans), timeout=PATIENCE)
    viewer.layers.selection.active = other
    assert panel.mask.editor.layer is other
    viewer.layers["head"].name = "another"
    keeper.restore(keeper.orphans[0])
    qtbot.waitUntil(lambda: not keeper.orphans, timeout=PATIENCE)
    assert viewer.layers.selection.active is not other
    assert panel.mask.editor is None
    assert not panel.mask.save.visible
    assert panel.empty.said.value == "Open head, too: its mask is there without it."
    assert panel.empty.visible
    viewer.layers.selection.active = other
    assert panel.mask.editor.layer is other
    assert not panel.empty.visible


def test_a_mask_comes_back_to_its_scan_that_was_hidden_and_shows_the_edit(
    viewer: napari.Viewer, qtbot: Any
) -> None:
    layer = segmented(viewer)
    layer.paint((5, 8, 8), 2)  # not in the slice with most of the mask
    viewer.layers.remove(layer)
    viewer.layers["head"].visible = False
    other = viewer.add_image(np.zeros((50, 90, 90)), metadata={KEY: ImageMetadata(scan="another")}, **PLACE)
    keeper = Autosaving.of(viewer)
    qtbot.waitUntil(lambda: bool(keeper.orphans), timeout=PATIENCE)
    keeper.restore(keeper.orphans[0])
    qtbot.waitUntil(lambda: not keeper.orphans, timeout=PATIENCE)
    assert viewer.layers["head"].visible
    assert not other.visible
    assert viewer.dims.point[0] == pytest.approx(viewer.layers[-1].data_to_world((5, 0, 0))[0])


def read_as_head(x: float) -> dict[str, Any]:
    """What tells a scan of the name "head" that lies at some place."""
    geometry = Geometry((5, 1, 2), (x, 2, 1))
    metadata = ImageMetadata(scan="head", geometry=geometry, shape=(6, 30, 20))
    return {"metadata": {KEY: metadata}, "translate": (1, 2, x)}


def back(viewer: napari.Viewer, qtbot: Any) -> Labels:
    keeper = Autosaving.of(viewer)
    qtbot.waitUntil(lambda: bool(keeper.orphans), timeout=PATIENCE)
    keeper.restore(keeper.orphans[0])
    qtbot.waitUntil(lambda: not keeper.orphans, timeout=PATIENCE)
    mask = viewer.layers[-1]
    assert isinstance(mask, Labels)
    return mask


@pytest.mark.parametrize("x", [3, 40])
@pytest.mark.parametrize("which", [0, 1])
def test_of_two_scans_of_one_name_a_mask_comes_back_to_its_own(
    viewer: napari.Viewer, qtbot: Any, which: int, x: float
) -> None:
    masks = [segmented(viewer, **read_as_head(at)) for at in (3, x)]
    image = scan_image(masks[which], viewer.layers)
    stroke(masks[which])
    viewer.layers.remove(masks[which])
    assert scan_image(back(viewer, qtbot), viewer.layers) is image


def test_a_mask_comes_back_to_no_scan_of_its_name_that_lies_elsewhere(
    viewer: napari.Viewer, qtbot: Any
) -> None:
    stroke(segmented(viewer, **read_as_head(3)))
    viewer.layers.clear()
    viewer.add_image(np.zeros((6, 30, 20)), name="head", **(PLACE | read_as_head(40)))
    assert scan_image(back(viewer, qtbot), viewer.layers) is None


def test_of_each_scan_the_newest_corrections_are_shown_and_all_can_be_deleted(
    viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    keeper = Autosaving.of(viewer)
    days = [datetime(2026, 1, day).astimezone() for day in range(1, 14)]
    orphans = [
        OrphanedAutosave(tmp_path / f"{n}", f"scan {n}", 1, day, f"{n}", 2) for n, day in enumerate(days)
    ]
    orphans.append(OrphanedAutosave(tmp_path / "old", "scan 12", 2, days[0], "12"))
    keeper.offer(orphans)
    fold = panel.recovery.native.findChild(QCollapsible)
    assert fold.text() == "14 unsaved corrections"
    assert not fold.isExpanded()
    first_line(panel, qtbot)
    *lines, (everything, show_all) = panel.recovery.lines
    name, extent = (label.text() for label in lines[0][0].native.findChildren(QLabel))
    assert (name, extent) == ("scan 12", "13 Jan 00:00, 1 slice edited, 2 slices checked, 1 older")
    assert len(lines) == 8
    press(show_all, qtbot)
    assert len(panel.recovery.lines) == 13 + 1
    asked: list[str] = []

    def agree(*arguments: Any) -> QMessageBox.StandardButton:
        asked.append(arguments[2])
        return QMessageBox.StandardButton.Yes

    monkeypatch.setattr(QMessageBox, "question", agree)
    everything = panel.recovery.lines[-1][0]
    press(everything, qtbot)
    qtbot.waitUntil(lambda: not keeper.orphans, timeout=PATIENCE)
    assert asked == ["Delete 14 unsaved corrections, of all scans? They cannot be brought back."]


def test_when_corrections_were_made_is_whole_with_a_large_font(
    viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(get_settings().appearance, "font_size", 14)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    made = datetime(2025, 11, 29, 2, 3).astimezone()
    Autosaving.of(viewer).offer(
        [OrphanedAutosave(tmp_path / name, "head", 12, made, of="one") for name in "ab"]
    )
    first_line(panel, qtbot)
    qtbot.waitUntil(lambda: has_its_place(panel.recovery.lines[0][1][1]), timeout=PATIENCE)
    scan, extent = panel.recovery.lines[0][0].native.findChildren(QLabel)
    assert extent.text() == "29 Nov 02:03, 12 slices edited, 1 older"
    qtbot.waitUntil(lambda: extent.height() >= extent.heightForWidth(extent.width()), timeout=PATIENCE)
    room = extent.fontMetrics().boundingRect(extent.rect(), Qt.TextFlag.TextWordWrap, extent.text())
    assert extent.rect().contains(room)
    assert scan.mapToGlobal(scan.rect().bottomLeft()).y() <= extent.mapToGlobal(extent.rect().topLeft()).y()


def test_a_long_name_has_both_ends_and_delete_lies_far_from_restore(
    viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    name = "sub-0123_ses-20240131T1200_acq-sag3DspaceIRdarkfluid_rec-normNDdis3D_run-01_FLAIR"
    Autosaving.of(viewer).offer(
        [OrphanedAutosave(tmp_path / "a", name, 1, datetime(2026, 1, 1).astimezone())]
    )
    first_line(panel, qtbot)
    qtbot.waitUntil(lambda: has_its_place(panel.recovery.lines[0][1][1]), timeout=PATIENCE)
    said, (restore, delete) = panel.recovery.lines[0]  # shown anew once the disk was looked at
    label = said.native.findChildren(QLabel)[0]
    assert label.elideMode() == Qt.TextElideMode.ElideMiddle
    assert label.toolTip().startswith(name)
    assert label.width() > 230  # all that a panel of 300 has
    assert panel.native.minimumSizeHint().width() <= 300
    apart = delete.native.geometry().left() - restore.native.geometry().right()
    assert apart > restore.native.width()
    defaults: list[Any] = []
    monkeypatch.setattr(QMessageBox, "question", lambda *given: defaults.append(given[-1]))
    press(delete, qtbot)
    assert defaults == [QMessageBox.StandardButton.No]


def test_without_the_panel_leftovers_are_told_once(
    make_napari_viewer: Any, qtbot: Any, crashed: Any, told: list[str]
) -> None:
    viewer = make_napari_viewer(show=True)
    stroke(segmented(viewer))
    wait_for_autosaves(1, qtbot)
    crashed()
    for _ in range(2):
        keeper = Autosaving.of(make_napari_viewer(show=True))
        qtbot.waitUntil(lambda k=keeper: bool(k.orphans and told), timeout=PATIENCE)
    QApplication.processEvents()
    assert told == ["An earlier session left unsaved corrections; the panel Segment tumour offers them."]


def test_a_damaged_one_is_told_and_can_be_deleted(viewer: napari.Viewer, qtbot: Any, told: list[str]) -> None:
    path = autosave_folder() / ("0" * 32) / "a.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK")
    keeper = Autosaving.of(viewer)
    looked(viewer, qtbot)
    QApplication.processEvents()
    keeper.offered = True
    keeper.offer([orphan := OrphanedAutosave(path, "head", 1, None)])
    keeper.restore(orphan)
    qtbot.waitUntil(lambda: bool(told), timeout=PATIENCE)
    assert told == ["The file with these corrections is damaged; delete it."]
    assert keeper.orphans == [orphan]
    keeper.delete(orphan)
    qtbot.waitUntil(lambda: not keeper.orphans, timeout=PATIENCE)


def test_one_of_another_version_is_told_and_stays(viewer: napari.Viewer, qtbot: Any, told: list[str]) -> None:
    path = autosave_folder() / ("0" * 32) / "a.npz"
    store.save(make(), path)
    keeper = Autosaving.of(viewer)
    keeper.offered = True
    keeper.restore(OrphanedAutosave(path, "head", 1, None))
    qtbot.waitUntil(lambda: bool(told), timeout=PATIENCE)
    assert told == ["This autosave was written by another version; it can only be deleted."]
    assert path.exists()
    assert not viewer.layers


def test_a_full_disk_is_told_once(
    viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    layer = segmented(viewer)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", full)
        for label in (2, 3):
            layer.paint((2, 8, 8), label)
            looked(viewer, qtbot)
        qtbot.waitUntil(lambda: bool(told), timeout=PATIENCE)
    sentence = "Autosave of head failed (No space left on device); save the mask yourself."
    assert told == [sentence]
    layer.paint((2, 8, 8), 4)
    wait_for_autosaves(1, qtbot)


def opened(viewer: napari.Viewer, *, scan: bool = True) -> napari.layers.Labels:
    """A mask that no run made, with other labels than 1, on its scan."""
    if scan:
        viewer.add_image(np.zeros((6, 30, 20), np.float32), name="head", **PLACE)
    data = np.zeros((6, 30, 20), np.int32)
    data[2:4, 5:15, 5:15], data[3, 8, 8] = 1, 4
    return viewer.add_labels(data, name="head_mask", **PLACE)


@pytest.mark.parametrize("first", ["panel", "mask"])
def test_strokes_on_an_opened_mask_are_kept_and_come_back(
    viewer: napari.Viewer, qtbot: Any, first: str
) -> None:
    layer = opened(viewer) if first == "mask" else None
    autosaving = Autosaving.of(viewer)
    layer = layer or opened(viewer)
    before = layer.data.copy()
    qtbot.waitUntil(lambda: autosaving.settled, timeout=PATIENCE)
    assert not kept()
    np.testing.assert_array_equal(layer.data, before)
    layer.data_setitem((np.array([1]), np.array([2]), np.array([3])), 1)
    qtbot.waitUntil(lambda: len(kept()) == 1 and autosaving.settled, timeout=PATIENCE)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: len(autosaving.orphans) == 1, timeout=PATIENCE)
    (orphan,) = autosaving.orphans
    assert (orphan.scan, orphan.edited) == ("head", 1)
    autosaving.restore(orphan)
    qtbot.waitUntil(lambda: "head_mask" in viewer.layers, timeout=PATIENCE)
    before[1, 2, 3] = 1
    np.testing.assert_array_equal(viewer.layers["head_mask"].data, before)
    assert not is_prediction(viewer.layers["head_mask"])


def test_two_masks_of_one_scan_have_a_line_each_that_names_them(viewer: napari.Viewer, qtbot: Any) -> None:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    masks = [opened(viewer), viewer.add_labels(np.ones((6, 30, 20), np.uint8), name="head_seg", **PLACE)]
    for mask in masks:
        stroke(mask)
    qtbot.waitUntil(lambda: len(kept()) == 2 and Autosaving.of(viewer).settled, timeout=PATIENCE)
    for mask in masks:
        viewer.layers.remove(mask)
    qtbot.waitUntil(lambda: len(panel.recovery.lines) == 3, timeout=PATIENCE)
    lines = [line[0].native.findChildren(QLabel) for line in list(panel.recovery.lines)[:2]]
    assert {scan.text() for scan, _ in lines} == {"head"}
    assert sorted(extent.text().split(", ", 1)[1] for _, extent in lines) == [
        "head_mask, 1 slice edited",
        "head_seg, 1 slice edited",
    ]
    assert all(extent.toolTip().startswith("head\nhead_") for _, extent in lines)


def test_an_opened_mask_that_is_back_lies_on_no_other_scan_of_its_grid_and_stays_its_own(
    viewer: napari.Viewer, qtbot: Any, told: list[str]
) -> None:
    autosaving = Autosaving.of(viewer)
    stroke(layer := opened(viewer))
    qtbot.waitUntil(lambda: len(kept()) == 1 and autosaving.settled, timeout=PATIENCE)
    viewer.layers.clear()
    viewer.add_image(np.zeros(layer.data.shape, np.float32), name="another's flair", **PLACE)
    mask = back(viewer, qtbot)
    assert image_for(mask, viewer.layers) is None
    assert told[-1].startswith("The mask of head is back, but head is not open: open that scan, too")
    stroke(mask)
    qtbot.waitUntil(lambda: autosaving.settled, timeout=PATIENCE)
    viewer.layers.remove(mask)
    qtbot.waitUntil(lambda: [orphan.scan for orphan in autosaving.orphans] == ["head"], timeout=PATIENCE)
    image = viewer.add_image(np.zeros(layer.data.shape, np.float32), name="head", **PLACE)
    assert image_for(back(viewer, qtbot), viewer.layers) is image


def test_a_mask_that_was_opened_before_its_scan_is_kept_too(viewer: napari.Viewer, qtbot: Any) -> None:
    autosaving = Autosaving.of(viewer)
    layer = opened(viewer, scan=False)
    assert KEY not in layer.metadata
    viewer.add_image(np.zeros((6, 30, 20), np.float32), name="head", **PLACE)
    layer.data_setitem((np.array([1]), np.array([2]), np.array([3])), 1)
    qtbot.waitUntil(lambda: len(kept()) == 1 and autosaving.settled, timeout=PATIENCE)


@pytest.mark.parametrize("by_run", [True, False], ids=["of a run", "opened"])
def test_a_mask_that_is_back_gives_its_scan_the_spacing_again_that_was_said(
    viewer: napari.Viewer, qtbot: Any, tmp_path: Path, by_run: bool
) -> None:
    file = tmp_path / "TCGA_FG_5962.tif"
    tifffile.imwrite(file, np.zeros((6, 30, 20), np.uint8), photometric="minisblack")
    (image,) = viewer.open(file, plugin="napari-tumor-unet")
    if by_run:
        layer = segmented_image(viewer, image)
    else:
        layer = viewer.add_labels(np.ones((6, 30, 20), np.uint8), name="TCGA_FG_5962_mask")
        Autosaving.of(viewer)
    say_spacing(viewer, image, (5, 0.94, 0.94))
    stroke(layer)
    autosaving = Autosaving.of(viewer)
    qtbot.waitUntil(lambda: len(kept()) == 1 and autosaving.settled, timeout=PATIENCE)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: len(autosaving.orphans) == 1, timeout=PATIENCE)
    autosaving.restore(autosaving.orphans[0])
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=PATIENCE)
    (mask,) = viewer.layers
    viewer.open(file, plugin="napari-tumor-unet")
    qtbot.waitUntil(lambda: image_for(mask, viewer.layers) is not None, timeout=PATIENCE)
    (image,) = (one for one in viewer.layers if one is not mask)
    np.testing.assert_allclose(image.scale, (5, 0.94, 0.94))
    qtbot.waitUntil(lambda: viewer.layers.index(image) < viewer.layers.index(mask), timeout=PATIENCE)
    say_spacing(viewer, image, (4, 1, 1))
    np.testing.assert_allclose([image.scale, mask.scale], [(4, 1, 1)] * 2)
