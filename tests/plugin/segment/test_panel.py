"""The panel "Segment tumour" in a real viewer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import napari
import napari.settings
import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from superqt import QCollapsible

from napari_tumor_unet.inference.result import Slices
from napari_tumor_unet.io.write import write_mask
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.io.open_dialog import open_paths
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata
from napari_tumor_unet.plugin.layers.sidecar import sidecar_contents
from napari_tumor_unet.plugin.segment import model_section
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.segment.mask_writer import MaskWriter
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE, made_by, press


@pytest.fixture
def panel(viewer: napari.Viewer) -> Any:
    return viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]


@pytest.fixture
def head(viewer: napari.Viewer) -> napari.layers.Image:
    return viewer.add_image(make_phantom((6, 64, 64))[0].sequences["flair"], name="head")


def test_the_scan_follows_the_active_image(viewer: napari.Viewer, panel: Any) -> None:
    first, second = (viewer.add_image(np.zeros((3, 8, 8)), name=name) for name in "ab")
    assert panel.layer.value is second
    viewer.layers.selection.active = first
    assert panel.layer.value is first
    viewer.add_labels(np.zeros((3, 8, 8), int))
    assert panel.layer.value is first


def test_several_masks_chosen_at_once_show_the_flair_of_their_scan(viewer: napari.Viewer, panel: Any) -> None:
    t1, flair = (viewer.add_image(np.zeros((3, 8, 8)), name=f"head {name}") for name in ("T1", "FLAIR"))
    masks = {viewer.add_labels(np.zeros((3, 8, 8), int), name=f"head {n}") for n in range(2)}
    viewer.layers.selection.active = t1
    viewer.layers.selection = masks
    assert panel.layer.value is flair


def test_while_a_scan_is_read_the_panel_waits_for_it(
    viewer: napari.Viewer, panel: Any, head: napari.layers.Image, qtbot: Any, tmp_path: Path
) -> None:
    for name, content in (("new.nii.gz", make_phantom((6, 20, 20))[0]), ("bad.nii.gz", None)):
        if content is None:
            (tmp_path / name).write_bytes(b"no scan")
        else:
            image = nib.Nifti1Image(content.sequences["flair"].T, np.eye(4))
            nib.save(image, tmp_path / name)
        open_paths(viewer, [tmp_path / name])
        assert panel.message.value == f"Opening {name}..."
        assert not panel.run.start.enabled
        qtbot.waitUntil(lambda: panel.run.start.enabled, timeout=PATIENCE)
        assert panel.message.value == ""
        assert panel.layer.value is not head


def test_a_panel_opened_late_takes_the_scan_on_screen(viewer: napari.Viewer, qtbot: Any) -> None:
    _, seen, last = (viewer.add_image(np.zeros((n, 8, 8)), name=f"scan {n}") for n in (3, 4, 5))
    for layer in (seen, viewer.add_labels(np.zeros((5, 8, 8), int), name="scan 5 mask")):
        viewer.layers.selection.active = layer
        panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
        shown = seen if layer is seen else last
        qtbot.waitUntil(lambda panel=panel, shown=shown: panel.layer.value is shown)
        viewer.window.remove_dock_widget(panel.native)


@pytest.mark.slow
@pytest.mark.usefixtures("head")
def test_a_run_shows_its_progress_and_what_it_found(viewer: napari.Viewer, panel: Any, qtbot: Any) -> None:
    session, seen = SegmentationController.of(viewer), []
    session.progressed.connect(lambda *_: seen.append((panel.message.value, panel.run.cancel.enabled)))
    with qtbot.waitSignal(session.ended, timeout=PATIENCE) as ended:
        press(panel.run.start, qtbot)
        assert not panel.run.start.enabled
    assert ended.args == [True]
    assert seen[0][0] == "1 of 6 slices"
    assert re.fullmatch(r"[2-5] of 6 slices, \d+ s left", seen[1][0])
    assert seen[0][1]
    assert panel.message.value == ""
    assert panel.run.start.enabled
    assert not panel.run.cancel.visible
    assert viewer.layers[-1].data.any()


@pytest.mark.slow
def test_an_inverted_scan_is_warned_of_and_no_other(
    viewer: napari.Viewer, panel: Any, click: Any, notified: list[str]
) -> None:
    viewer.open_sample("napari-tumor-unet", "brain")
    scan = viewer.layers.selection.active
    inverted = viewer.add_image(255 - np.asarray(scan.data), name="inverted", scale=scan.scale)
    assert click(viewer)
    assert panel.warned.visible
    assert panel.warned.warnings == viewer.layers[-1].metadata[KEY]["warnings"]
    assert panel.warned.warnings[0].startswith("The image is inverted")
    told = [text for text in notified if text.endswith("clinical use.")]
    assert len(told) == 1
    assert told[0].startswith(" ".join(panel.warned.warnings))
    viewer.layers.selection.active = scan
    assert not panel.warned.visible
    assert not panel.mask.card.visible
    viewer.layers.selection.active = inverted
    assert panel.warned.visible
    assert panel.mask.card.headline.value.startswith("Not to be trusted: ")
    viewer.layers.selection.active = scan
    assert click(viewer)
    assert not panel.warned.visible
    assert notified[-1].startswith("Tumour: ")


@pytest.mark.slow
def test_what_is_as_bright_on_the_other_side_is_warned_of_once_and_stays_with_the_mask(
    viewer: napari.Viewer, panel: Any, click: Any, notified: list[str]
) -> None:
    viewer.open_sample("napari-tumor-unet", "brain")
    scan = viewer.layers.selection.active
    flair = np.asarray(scan.data)
    viewer.add_image(np.maximum(flair, flair[:, :, ::-1]), name="two-sided", scale=scan.scale)
    assert click(viewer)
    (warning,) = panel.warned.warnings
    assert warning.startswith("The mask is hardly brighter in FLAIR")
    assert panel.mask.card.headline.value.startswith("Not to be trusted: ")
    assert viewer.layers[-1].metadata[KEY]["warnings"] == (warning,)
    (shown,) = (text for text in notified if text.endswith("clinical use."))
    assert shown.startswith(warning)


def test_cancel_ends_the_run_and_says_so(viewer: napari.Viewer, panel: Any, head: Any, qtbot: Any) -> None:
    press(panel.run.start, qtbot)
    with qtbot.waitSignal(SegmentationController.of(viewer).ended, timeout=PATIENCE) as ended:
        press(panel.run.cancel, qtbot)
    assert ended.args == [False]
    assert "cancelled" in panel.message.value
    assert list(viewer.layers) == [head]
    assert panel.run.start.enabled


def test_without_a_scan_the_panel_says_what_to_do_and_does_it(
    viewer: napari.Viewer, panel: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_mask(tmp_path / "head.nii.gz", np.zeros((6, 20, 20), np.uint8), make_phantom((6, 20, 20))[0])
    assert panel.empty.visible
    assert "QPushButton" in panel.empty.open.native.styleSheet()
    assert not any(part.visible for part in (panel.layer, panel.mask.card, panel.mask.save, panel.review))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(tmp_path / "head.nii.gz")], ""))
    press(panel.empty.open, qtbot)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=PATIENCE)
    viewer.layers.clear()
    press(panel.empty.sample, qtbot)
    assert panel.layer.value.name == "sample_brain FLAIR"
    assert not panel.empty.visible
    viewer.layers.clear()
    assert panel.empty.visible


def test_of_a_mask_without_its_scan_the_panel_asks_for_the_scan(viewer: napari.Viewer, panel: Any) -> None:
    any_scan = panel.empty.said.value
    metadata = {KEY: MaskMetadata(scan="brain")}
    viewer.add_labels(np.ones((6, 20, 20), np.uint8), name="brain tumour", metadata=metadata)
    assert panel.empty.said.value == "Open brain, too: its mask is there without it."
    viewer.layers.clear()
    assert panel.empty.said.value == any_scan


@pytest.mark.usefixtures("head")
def test_a_model_of_the_users_own_is_used(
    viewer: napari.Viewer,
    panel: Any,
    qtbot: Any,
    tiny_model_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tiny_model_file), ""))
    panel.model.value = panel.model.choices[-1]
    assert panel.model.value == "default"  # until the file is known to be a model
    qtbot.waitUntil(lambda: panel.model.value == tiny_model_file, timeout=PATIENCE)
    with qtbot.waitSignal(SegmentationController.of(viewer).ended, timeout=PATIENCE):
        press(panel.run.start, qtbot)
    assert viewer.layers[-1].metadata["napari-tumor-unet"]["provenance"]["model"] == "tiny"


def test_a_file_that_is_no_model_is_declined_and_the_default_stays(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any, notified: list[str]
) -> None:
    (tmp_path / "no.safetensors").write_text("nothing")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "no.safetensors"), ""))
    panel.model.value = panel.model.choices[-1]
    qtbot.waitUntil(lambda: bool(notified), timeout=PATIENCE)
    assert panel.model.value == "default"
    assert notified == ["no.safetensors is damaged or no model file (.safetensors)."]


def test_the_card_of_the_model_is_one_click_away(panel: Any, qtbot: Any) -> None:
    panel.models.card.trigger()
    qtbot.waitUntil(lambda: panel.model.native.findChild(QMessageBox) is not None, timeout=PATIENCE)
    box = panel.model.native.findChild(QMessageBox)
    assert box.isVisible()
    assert "mean Dice" in box.informativeText()
    assert "not for clinical use" in box.informativeText()
    assert "how it was trained, and what to cite" in box.informativeText()
    assert "Recipe default, 48 epochs" in box.detailedText()
    assert "doi:10.1016/j.compbiomed.2019.05.002" in box.detailedText()
    assert box.height() < 768  # of the smallest screens
    box.close()


def test_the_card_tells_of_weights_without_a_digest(tiny_model_file: Path, tmp_path: Path) -> None:
    with safe_open(tiny_model_file, framework="numpy") as file:
        texts = {key: text for key, text in file.metadata().items() if key != "digest"}
    save_file(load_file(tiny_model_file), path := tmp_path / "earlier.safetensors", texts)
    told = "carries no digest of its weights"
    assert told in model_section.card_as_text(model_section.find_card(str(path)))
    assert told not in model_section.card_as_text(model_section.find_card(str(tiny_model_file)))


def test_the_card_tells_whose_masks_are_not_checked(tiny_model_file: Path) -> None:
    told = "This model's masks are not checked for being no tumour"
    assert told in model_section.card_as_text(model_section.find_card(str(tiny_model_file)))
    assert told not in model_section.card_as_text(model_section.find_card("default"))


def test_a_file_in_place_of_the_folder_of_models_is_told(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any, notified: list[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(registry.FOLDER_VARIABLE, str(tmp_path / "file"))
    next(action for action in panel.models.menu.actions() if action.text() == "Show folder").trigger()
    qtbot.waitUntil(lambda: bool(notified), timeout=PATIENCE)
    assert notified == ["The folder file cannot be made (a file of that name is there); choose another."]


def test_auto_says_what_it_takes_and_why(panel: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: "auto takes" in panel.device.tooltip, timeout=PATIENCE)
    assert {"auto", "cpu"} <= set(panel.device.choices)


def test_a_closed_panel_leaves_the_viewer_at_work(
    viewer: napari.Viewer, panel: Any, head: Any, qtbot: Any, click: Any
) -> None:
    dock = panel.native.parent()
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: dock not in viewer.window._qt_window.children())
    viewer.add_image(np.zeros((3, 8, 8)))
    viewer.layers.selection.active = head
    assert click(viewer)


@pytest.fixture
def done(viewer: napari.Viewer, panel: Any, head: Any, qtbot: Any) -> Any:
    """The panel after a run, and the mask's layer."""
    viewer.layers.selection.active = head
    with qtbot.waitSignal(SegmentationController.of(viewer).ended, timeout=PATIENCE):
        press(panel.run.start, qtbot)
    return panel.mask, viewer.layers[-1]


def test_choices_outlast_layers_that_come_and_go(
    viewer: napari.Viewer, panel: Any, qtbot: Any, tiny_model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tiny_model_file), ""))
    panel.model.value = panel.model.choices[-1]
    qtbot.waitUntil(
        lambda: "cpu" in panel.device.choices and panel.model.value == tiny_model_file, timeout=PATIENCE
    )
    panel.device.value = "cpu"
    viewer.add_image(np.zeros((3, 8, 8)))
    assert panel.device.value == "cpu"
    assert panel.model.value == tiny_model_file


def test_the_threshold_moves_the_mask_without_a_run(panel: Any, done: Any, qtbot: Any) -> None:
    section, layer = done
    unfold(panel)
    known = layer.metadata["napari-tumor-unet"]
    for threshold in (0.2, 0.9):
        section.threshold.value = threshold
        kept = layer.data > 0
        assert (known["probability"][kept] >= round(threshold * 255)).all()
        assert known["provenance"]["threshold"] == threshold
    section.fewest.value = int(kept.sum()) + 1
    assert not layer.data.any()
    assert section.card.headline.value == "The mask is empty."
    section.fewest.value = 0
    press(section.reset, qtbot)
    assert known["provenance"]["threshold"] == section.editor.models_threshold
    assert not section.reset.enabled


def test_the_outline_is_smoothed_and_holes_are_filled_until_that_is_taken_back(
    viewer: napari.Viewer, panel: Any, head: Any, qtbot: Any
) -> None:
    probability = np.zeros(head.data.shape, np.uint8)
    probability[2, 20:40, 20:40] = 255
    probability[2, 28:31, 28:31] = 0  # a hole
    probability[2, 30, 40:50] = 255  # a spike
    layer = finished(viewer, probability)
    before = layer.data.copy()
    layer.data_setitem((np.array([5]), np.array([1]), np.array([1])), 1)  # the user's
    panel.show_mask()
    unfold(panel)
    section = panel.mask
    assert not section.reset.enabled
    section.ticks["fill_holes"].value = True
    assert layer.data[2, 20:40, 20:40].all()
    assert layer.data[2, 30, 40:50].all()
    section.ticks["smooth_outline"].value = True
    assert layer.data[2, 25:35, 25:35].all()
    assert not layer.data[2, 30, 42:50].any()
    assert not layer.data[2, 20, 20]
    assert layer.data[5, 1, 1]
    made = sidecar_contents(layer)["provenance"]
    assert made["postprocessing"] == ["smooth_outline", "fill_holes"]
    panel.show_mask()
    assert all(tick.value for tick in section.ticks.values())
    section.threshold.value = 0.9
    assert layer.data[2, 28:31, 28:31].all()
    press(section.reset, qtbot)
    assert not any(tick.value for tick in section.ticks.values())
    assert section.threshold.value == 0.5
    assert "postprocessing" not in sidecar_contents(layer)["provenance"]
    before[5, 1, 1] = 1
    np.testing.assert_array_equal(layer.data, before)


def test_what_the_user_painted_stays_when_the_threshold_moves(done: Any) -> None:
    section, layer = done
    layer.data_setitem((np.array([0]), np.array([1]), np.array([2])), 3)
    section.threshold.value = 0.9
    assert layer.data[0, 1, 2] == 3


def test_a_click_on_a_region_goes_there_and_it_can_be_removed(
    viewer: napari.Viewer, panel: Any, done: Any, qtbot: Any
) -> None:
    section, layer = done
    unfold(panel)
    regions = section.regions
    before = layer.data.copy()
    assert not regions.erase.enabled
    layer.data_setitem((np.array([5, 5]), np.array([0, 0]), np.array([0, 1])), 1)
    qtbot.waitUntil(lambda: regions.list.count() == 2, timeout=PATIENCE)
    other = viewer.add_image(np.zeros((2, 3, 8, 8)))
    viewer.layers.selection.active = layer
    camera = getattr(viewer, "scene", viewer).camera
    qtbot.waitUntil(lambda: layer.corner_pixels[1].any(), timeout=PATIENCE)
    whole = camera.center
    regions.list.setCurrentRow(1)
    assert regions.chosen[0].voxels == 2
    assert viewer.dims.current_step[1] == 5
    assert camera.center == whole  # it is in sight
    camera.zoom, camera.center = 20 * camera.zoom, (0, 40, 40)
    qtbot.waitUntil(lambda: layer.corner_pixels[0][1] > 5, timeout=PATIENCE)
    regions.list.itemClicked.emit(regions.list.item(1))
    np.testing.assert_allclose(camera.center[-2:], (0, 0.5), atol=0.6)
    viewer.layers.remove(other)
    viewer.layers.selection.active = layer
    regions.list.setCurrentRow(1)
    press(regions.erase, qtbot)
    np.testing.assert_array_equal(layer.data, before)
    assert regions.list.count() == 1
    layer.undo()
    qtbot.waitUntil(lambda: regions.list.count() == 2, timeout=PATIENCE)
    regions.list.setCurrentRow(1)
    press(regions.keep, qtbot)
    assert layer.data.sum() == 2


def unfold(panel: Any) -> None:
    for fold in panel.native.findChildren(QCollapsible):
        fold.expand(animate=False)


def test_the_result_stays_whatever_layer_of_its_scan_is_active(
    viewer: napari.Viewer, done: Any, head: Any
) -> None:
    section, layer = done
    told = section.card.headline.value
    viewer.layers.selection.active = head
    assert section.card.visible
    assert section.card.headline.value == told
    section.threshold.value = 0.9
    assert section.editor.layer is layer
    other = viewer.add_image(np.zeros((3, 8, 8)), name="other")
    assert not section.card.visible
    viewer.layers.remove(other)
    viewer.layers.selection.active = head
    assert section.card.visible
    layer.data = np.zeros((2, 3, 4), np.uint8)
    section.threshold.value = 0.6
    assert section.editor is None
    assert not section.card.visible
    assert layer.data.shape == (2, 3, 4)


@pytest.mark.parametrize("gone", ["mask", "all"])
def test_nothing_of_a_mask_is_told_once_it_or_its_scan_is_gone(
    viewer: napari.Viewer, panel: Any, done: Any, gone: str
) -> None:
    assert done[0].card.visible
    if gone == "all":
        viewer.layers.clear()
    else:
        viewer.layers.remove(done[1])
    assert not panel.mask.card.visible
    assert not panel.review.visible
    assert panel.message.value == ""
    assert panel.mask.state is None


def finished(viewer: napari.Viewer, probability: np.ndarray, warnings: tuple[str, ...] = ()) -> Any:
    """A mask as a run leaves it that gave this probability, and left out what is under 0.87 of it."""
    writer = MaskWriter(viewer, scan_of(viewer.layers[0], viewer.layers, viewer.dims.point))
    writer.add_layer()
    n = len(probability)
    writer.write(Slices(tuple(range(n)), probability, (probability > 220).astype(np.uint8), n, n))
    writer.finish(None, made_by("tuned"), warnings)
    return writer.layer


WARNINGS = ("This looks like T1, not FLAIR: choose FLAIR.", "The model is unsure; look.", "Slices are thick.")
DOUBTED = (*WARNINGS, "The mask is small, 0.2 ml; check it.")


def test_of_many_warnings_the_first_is_told_in_short_where_the_size_is_and_all_on_demand(
    viewer: napari.Viewer, panel: Any, head: Any, qtbot: Any
) -> None:
    layer = finished(viewer, np.zeros(head.data.shape, np.uint8), WARNINGS)
    panel.show_mask()
    warned = panel.warned
    assert warned.text.value == "This looks like T1, not FLAIR, and 2 more"
    assert warned.text.tooltip == "\n".join(WARNINGS)
    bottom = warned.native.mapToGlobal(warned.native.rect().bottomLeft()).y()
    assert 0 < panel.mask.card.native.mapToGlobal(panel.native.rect().topLeft()).y() - bottom < 12
    press(warned.unfold, qtbot)
    assert warned.text.value == "\n".join(WARNINGS)
    layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), 1)
    panel.show_mask()
    assert warned.text.value == "\n".join(WARNINGS)  # no edit folds it
    press(warned.unfold, qtbot)
    assert warned.text.value.endswith("and 2 more")


@pytest.mark.parametrize(
    ("warnings", "caution"), [((), ""), (WARNINGS[2:], "Check: "), (DOUBTED, "Not to be trusted: ")]
)
def test_the_headline_asks_to_check_an_image_and_not_to_trust_a_mask(
    viewer: napari.Viewer, panel: Any, head: Any, warnings: tuple[str, ...], caution: str
) -> None:
    probability = np.zeros(head.data.shape, np.uint8)
    probability[1:3, 30:40, 40:50] = 255
    finished(viewer, probability, warnings)
    panel.show_mask()
    assert panel.mask.card.headline.value == f"{caution}200 voxels · 2 slices · 1 region"


def test_nothing_found_in_a_sound_scan_is_said_plainly(viewer: napari.Viewer, panel: Any, head: Any) -> None:
    layer = finished(viewer, np.zeros(head.data.shape, np.uint8))
    panel.show_mask()
    assert panel.mask.card.headline.value == "No tumour found."
    layer.metadata[KEY].warnings = WARNINGS[2:]
    panel.show_mask()
    assert panel.mask.card.headline.value == "Check: no tumour found."


def test_a_cancelled_rerun_leaves_the_offer_of_what_was_left_out(
    viewer: napari.Viewer, panel: Any, head: Any, qtbot: Any
) -> None:
    probability = np.zeros(head.data.shape, np.uint8)
    probability[1:3, 30:40, 40:50] = 255
    probability[4, 10:14, 12:16] = 200
    layer = finished(viewer, probability)
    panel.show_mask()
    card, told = panel.mask.card, "1 weaker region left out (16 voxels, slice 4)"
    assert card.left_out.value == told
    viewer.layers.selection.active = head
    session = SegmentationController.of(viewer)
    press(panel.run.start, qtbot)
    with qtbot.waitSignal(session.progressed, timeout=PATIENCE):
        pass
    with qtbot.waitSignal(session.ended, timeout=PATIENCE):
        session.cancel()
    assert card.left_out.value == told
    assert card.take_in.visible
    press(card.take_in, qtbot)
    assert layer.data[4].sum() == 16


def test_specks_are_not_offered_to_be_taken_in(viewer: napari.Viewer, panel: Any, head: Any) -> None:
    probability = np.zeros(head.data.shape, np.uint8)
    probability[1:3, 30:40, 40:50] = 255
    probability[4, 10, 12:14] = 200
    layer = finished(viewer, probability)
    panel.show_mask()
    assert panel.mask.state.left_out.regions == 0
    assert not panel.mask.card.take_in.visible
    assert sidecar_contents(layer)["provenance"]["left_out"]["regions"] == 1  # the log is whole


def test_sequences_that_were_opened_after_the_run_are_named(
    viewer: napari.Viewer, panel: Any, head: Any
) -> None:
    finished(viewer, np.full(head.data.shape, 255, np.uint8))
    panel.show_mask()
    assert not panel.mask.card.unused.visible
    later = viewer.add_image(head.data, name="head T1 pre")
    panel.layer.value = head
    panel.sequences.boxes["pre"].value = "head T1 pre"
    assert panel.mask.card.unused.value == "Made from FLAIR alone; Segment again to use T1 pre."
    assert panel.mask.card.unused.visible
    viewer.layers.remove(later)
    assert not panel.mask.card.unused.visible


def test_what_is_above_the_result_stays_in_its_place_when_it_arrives(
    viewer: napari.Viewer, panel: Any, head: Any, qtbot: Any
) -> None:
    fixed = (panel.layer, panel.planes, panel.run.start, panel.model)

    def places() -> list[tuple[int, int]]:
        corners = [part.native.mapToGlobal(part.native.rect().topLeft()) for part in fixed]
        return [(corner.x(), corner.y()) for corner in corners] + [(0, panel.planes.native.width())]

    qtbot.waitUntil(lambda: panel.planes.visible and panel.run.start.visible, timeout=PATIENCE)
    qtbot.wait(50)
    before = places()
    probability = np.zeros(head.data.shape, np.uint8)
    probability[1:3, 30:40, 40:50] = 240
    finished(viewer, probability)
    panel.show_mask()
    qtbot.wait(50)
    assert places() == before
    below = panel.mask.save.native.pos().y()
    qtbot.waitUntil(lambda: panel.review.curve is not None, timeout=PATIENCE)
    qtbot.wait(50)
    assert panel.mask.save.native.pos().y() == below


def test_regions_that_a_run_leaves_out_are_told_and_taken_in(
    viewer: napari.Viewer, panel: Any, qtbot: Any, tmp_path: Path
) -> None:
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])
    volume = make_phantom((6, 64, 64))[0].sequences["flair"]
    nib.save(nib.Nifti1Image(volume.transpose(2, 1, 0), affine), tmp_path / "head.nii.gz")
    viewer.open(tmp_path / "head.nii.gz", plugin="napari-tumor-unet")
    probability = np.zeros(volume.shape, np.uint8)
    probability[1:3, 30:40, 40:50] = 255
    probability[4, 10:14, 12:16] = 200
    layer = finished(viewer, probability)
    mask = layer.data.copy()
    panel.show_mask()
    unfold(panel)
    card, regions = panel.mask.card, panel.mask.regions

    def rows() -> list[str]:
        return [regions.list.item(i).text() for i in range(regions.list.count())]

    assert card.headline.value == "1.0 ml · 2 slices · 1 region"
    assert card.origin.value == "model 'tuned' · threshold 0.50"
    assert card.left_out.value == "1 weaker region left out (0.1 ml, slice 4)"
    qtbot.waitUntil(lambda: rows() == ["1 · 1.0 ml · left\n14 x 14 mm · slices 1-2"], timeout=PATIENCE)
    told = sidecar_contents(layer)["provenance"]["left_out"]
    assert told == {"regions": 1, "voxels": 16, "volume_ml": pytest.approx(0.08)}
    layer.mode, viewer.layers.selection.active = "paint", viewer.layers["head"]
    press(card.take_in, qtbot)
    assert layer.mode == "pan_zoom"
    assert card.headline.value == "1.1 ml · 3 slices · 2 regions"
    qtbot.waitUntil(lambda: rows()[1] == "2 · 0.1 ml · right\n6 x 6 mm · slice 4", timeout=PATIENCE)
    assert not card.left_out.native.isVisible()
    assert card.origin.value == "model 'tuned' · threshold 0.50 · edited"
    assert sidecar_contents(layer)["provenance"]["left_out"]["regions"] == 0
    regions.list.item(1).setSelected(True)
    press(regions.erase, qtbot)
    assert card.left_out.native.isVisible()
    assert sidecar_contents(layer)["provenance"]["left_out"]["regions"] == 1
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    for regions_then in (2, 1):
        qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda n=regions_then: len(rows()) == n, timeout=PATIENCE)
    qtbot.waitUntil(card.left_out.native.isVisible, timeout=PATIENCE)
    np.testing.assert_array_equal(layer.data, mask)


def test_the_headline_follows_the_font(done: Any) -> None:
    settings, card = napari.settings.get_settings().appearance, done[0].card
    before = settings.font_size
    try:
        for size in (14, 9):
            settings.font_size = size
            headline, text = (one.native.fontInfo().pointSizeF() for one in (card.headline, card.origin))
            assert headline == pytest.approx(1.3 * size, abs=0.5)
            assert headline > text
    finally:
        settings.font_size = before


def test_the_panel_stays_narrow_with_a_large_font(viewer: napari.Viewer, panel: Any, done: Any) -> None:
    viewer.add_image(np.zeros((3, 8, 8)), name="sub-0123_ses-20240131T1200_acq-sag3DspaceIR_run-01_FLAIR")
    viewer.layers.selection.active = done[1]
    unfold(panel)
    settings = napari.settings.get_settings().appearance
    before = settings.font_size
    try:
        settings.font_size = 14
        assert panel.native.minimumSizeHint().width() <= 300
    finally:
        settings.font_size = before
