"""What the panel offers beside the one click, in a real viewer."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import napari
import napari.settings
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from napari.layers import Layer
from napari.utils.notifications import Notification, NotificationSeverity, notification_manager
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox
from superqt import QCollapsible

from napari_tumor_unet.evaluation.overlap import dice
from napari_tumor_unet.io.write import made_with
from napari_tumor_unet.model import registry
from napari_tumor_unet.plugin.io.readers import read_layers
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.metadata import KEY, mask_metadata
from napari_tumor_unet.plugin.segment.batch import Batch
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.segment.mask_saving import propose_file
from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from napari_tumor_unet.plugin.ui.viewer_context import BusyError
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE, choose_model, press

REAL_SETTINGS = getattr(napari.settings, "get_plugin_settings", None)


@pytest.fixture
def panel(viewer: napari.Viewer, tiny_model_file: Path, qtbot: Any) -> Any:
    """The panel, with a model that takes no time."""
    registry.import_model(tiny_model_file)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    choose_model(panel, "tiny", qtbot)
    for fold in panel.native.findChildren(QCollapsible):
        fold.expand(animate=False)
    qtbot.waitUntil(panel.batch.layers.native.isVisible, timeout=PATIENCE)
    return panel


@pytest.fixture
def run(viewer: napari.Viewer, panel: Any, qtbot: Any) -> Any:
    """Press the button and wait; the mask's layer."""

    def segment() -> napari.layers.Labels:
        with qtbot.waitSignal(SegmentationController.of(viewer).ended, timeout=PATIENCE) as ended:
            press(panel.run.start, qtbot)
        assert ended.args == [True], panel.message.value
        return next(layer for layer in reversed(viewer.layers) if "written" in layer.metadata.get(KEY, {}))

    return segment


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What sections say in notifications."""
    texts: list[str] = []

    def keep(shown: Notification) -> None:
        # Not of the run before, nor a warning.
        if shown.severity != NotificationSeverity.WARNING and not shown.message.endswith("clinical use."):
            texts.append(shown.message)

    monkeypatch.setattr(notification_manager, "dispatch", keep)
    return texts


def answer(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Choose these in the dialogs for files and folders that come."""
    names = iter(map(str, paths))
    for kind in ("getOpenFileName", "getSaveFileName"):
        monkeypatch.setattr(QFileDialog, kind, lambda *_: (next(names), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: next(names))


def batch_of(viewer: napari.Viewer) -> Batch:
    return Batch.of(SegmentationController.of(viewer))


def flair(shape: tuple[int, int, int] = (6, 40, 40)) -> np.ndarray:
    return make_phantom(shape)[0].sequences["flair"]


def test_the_sequences_are_filled_in_and_can_be_corrected(
    viewer: napari.Viewer, panel: Any, run: Any
) -> None:
    viewer.open_sample("napari-tumor-unet", "brain")
    names = {s: box.value for s, box in panel.sequences.boxes.items()}
    assert names == {
        "flair": "sample_brain FLAIR",
        "pre": "sample_brain T1 pre",
        "post": "sample_brain T1 post",
    }
    panel.sequences.boxes["post"].value = "none"
    assert run().metadata[KEY]["provenance"]["sequences"] == ("pre", "flair")
    assert panel.sequences.boxes["post"].value == "none"
    viewer.layers.selection.active = viewer.add_image(flair(), name="other")
    assert panel.sequences.boxes["flair"].value == "other"
    assert panel.sequences.boxes["pre"].value == "none"


def test_of_channels_that_nobody_knows_the_user_says_which_is_flair(
    viewer: napari.Viewer, panel: Any, run: Any, qtbot: Any
) -> None:
    four = viewer.add_image(
        np.stack([flair()] * 4), axis_labels=("c", "z", "y", "x"), contrast_limits=(0, 200)
    )
    press(panel.run.start, qtbot)
    assert panel.message.value.startswith(f"{four.name} has 4 channels")
    panel.sequences.boxes["flair"].value = "channel 3"
    assert run().data.shape == (6, 40, 40)


def test_this_slice_alone_leaves_the_others(viewer: napari.Viewer, panel: Any, run: Any) -> None:
    viewer.add_image(flair())
    viewer.dims.set_current_step(0, 4)
    panel.run.extent.value = True
    mask = run()
    assert mask.data[4].any()
    assert not np.delete(mask.data, 4, axis=0).any()
    viewer.dims.set_current_step(0, 2)
    assert run() is mask
    assert mask.data[4].any()
    assert mask.data[2].any()
    assert f"{np.count_nonzero(mask.data):,} voxels · 2 slices" in panel.mask.card.headline.value


def test_a_mask_of_some_slices_says_that_it_is_not_of_the_whole_scan(
    viewer: napari.Viewer, panel: Any, run: Any, tmp_path: Path
) -> None:
    viewer.add_image(flair(), name="head")
    panel.run.extent.value = True
    for z, said in ((4, "slice 4 of 6 was"), (2, "slices 2, 4 of 6 were")):
        viewer.dims.set_current_step(0, z)
        mask = run()
        assert panel.mask.card.headline.value.startswith("Not the whole scan: ")
        assert panel.warned.text.value.startswith(f"Only {said} segmented")
    mask.save(str(tmp_path / "head_mask.tif"), plugin="napari-tumor-unet")
    told = json.loads((tmp_path / "head_mask.json").read_text())
    assert told["warnings"][0].startswith("Only slices 2, 4 of 6")
    assert told["provenance"]["only_slices"] == [2, 4]
    viewer.layers.remove(mask)
    viewer.open(tmp_path / "head_mask.tif", plugin="napari-tumor-unet")
    assert panel.mask.card.headline.value.startswith("Not the whole scan: ")
    viewer.layers.clear()
    viewer.add_image(flair())
    mask = run()
    panel.run.extent.value = False
    assert run() is mask  # now of all slices
    assert not any("segmented" in warning for warning in panel.warned.warnings)
    assert mask_metadata(mask).provenance.only_slices is None
    panel.run.extent.value = True
    assert run() is mask  # a slice of it anew
    assert mask_metadata(mask).provenance.only_slices is None


def test_a_mask_made_slice_by_slice_was_never_checked_as_a_whole(
    viewer: napari.Viewer, panel: Any, run: Any
) -> None:
    viewer.add_image(flair()[:2])
    panel.run.extent.value = True
    for z in (0, 1):
        viewer.dims.set_current_step(0, z)
        run()
    assert panel.warned.warnings[0].startswith("Each slice was segmented by itself")
    viewer.layers.clear()
    viewer.add_image(flair()[:1])
    mask = run()  # which is the whole scan
    assert mask_metadata(mask).provenance.only_slices is None


@pytest.mark.parametrize("by", ["another model", "another threshold"])
def test_this_slice_gets_a_mask_of_its_own_where_it_is_made_otherwise_than_the_others(
    viewer: napari.Viewer, panel: Any, run: Any, qtbot: Any, by: str
) -> None:
    viewer.add_image(flair())
    whole = run()
    if by == "another model":
        choose_model(panel, "seed", qtbot)
    else:
        panel.mask.threshold.value = 0.9
    before, told = whole.data.copy(), mask_metadata(whole).sidecar_provenance()
    panel.run.extent.value = True
    viewer.dims.set_current_step(0, 4)
    one = run()
    assert one is not whole
    assert not np.delete(one.data, 4, axis=0).any()
    assert mask_metadata(one).sidecar_provenance()["model"] != told["model"] or by == "another threshold"
    np.testing.assert_array_equal(whole.data, before)
    assert mask_metadata(whole).sidecar_provenance() == told
    assert not whole.visible


def test_this_slice_keeps_what_was_said_of_the_others(viewer: napari.Viewer, panel: Any, run: Any) -> None:
    viewer.add_image(flair())
    whole = run()
    mask_metadata(whole).warnings = ("Not to be trusted: it hugs the cortex.",)
    panel.run.extent.value = True
    assert run() is whole
    assert mask_metadata(whole).warnings[0] == "Not to be trusted: it hugs the cortex."


@pytest.mark.parametrize(("axis", "turns", "front"), [(2, 1, "left"), (1, 3, "right"), (0, 2, "down")])
def test_slices_that_lie_otherwise_give_the_same_mask(
    viewer: napari.Viewer, panel: Any, run: Any, qtbot: Any, axis: int, turns: int, front: str
) -> None:
    upright = flair((6, 64, 56))
    image = viewer.add_image(upright)
    expected = run().data.copy()
    viewer.layers.clear()
    stored = np.moveaxis(np.rot90(upright, turns, axes=(1, 2)), 0, axis)
    image = viewer.add_image(stored)
    assert panel.layer.value is image
    panel.sequences.across.value = axis
    panel.sequences.front.value = front
    mask = run()
    assert mask.data.shape == stored.shape
    found = np.rot90(np.moveaxis(mask.data, axis, 0), -turns, axes=(1, 2))
    assert dice(found, expected) > 0.999
    press(panel.mask.regions.largest, qtbot)
    assert viewer.dims.current_step[axis] == expected.sum((1, 2)).argmax()
    panel.mask.regions.list.selectAll()
    press(panel.mask.regions.erase, qtbot)
    assert not mask.data.any()


def test_the_smallest_region_is_given_in_mm3_or_voxels(viewer: napari.Viewer, panel: Any, run: Any) -> None:
    viewer.add_image(flair(), scale=(5, 0.5, 0.5), units="mm")
    mask = run()
    section = panel.mask
    size = np.count_nonzero(mask.data)
    assert section.unit.value == "mm³"
    assert section.fewest.native.text() == "auto"
    section.fewest.value = 1.25 * size
    assert mask.data.any()
    section.fewest.value = 1.25 * (size + 1)
    assert not mask.data.any()
    section.unit.value = "voxels"
    section.fewest.value = size
    assert mask.data.any()
    section.fewest.value = size + 1
    assert not mask.data.any()


def test_without_a_spacing_there_are_voxels_alone(viewer: napari.Viewer, panel: Any, run: Any) -> None:
    viewer.add_image(flair())
    run()
    assert list(panel.mask.unit.choices) == ["voxels"]


def test_the_probability_is_a_layer_in_the_place_of_the_mask(
    viewer: napari.Viewer, panel: Any, run: Any, qtbot: Any
) -> None:
    viewer.add_image(flair(), scale=(5, 1, 1), units="mm", translate=(1, 2, 3))
    mask = run()
    mask.contour = 0
    press(panel.mask.probability, qtbot)
    *_, layer, top = viewer.layers
    assert top is mask  # whose outline is seen
    np.testing.assert_allclose(layer.data * 255, mask.metadata[KEY]["probability"], atol=1e-4)
    np.testing.assert_array_equal(layer.extent.world, mask.extent.world)
    assert viewer.layers.selection.active is mask
    assert panel.layer.value is viewer.layers[0]
    drawn = layer.colormap.map(np.array([0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0]))
    np.testing.assert_array_equal(drawn[:, 3], [0, 0, 1, 1, 1, 1, 0, 0])  # what is sure hides nothing
    assert len(np.unique(drawn[2:6], axis=0)) == 4
    assert mask.contour
    viewer.layers.selection.active = viewer.add_shapes()
    press(panel.mask.probability, qtbot)
    viewer.layers.selection.active = layer
    assert panel.mask.editor.layer is mask  # no scan is made of a probability


def test_a_mask_is_saved_on_the_grid_of_its_scan_with_what_made_it(
    viewer: napari.Viewer,
    panel: Any,
    run: Any,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
) -> None:
    affine = np.array([[0, 0, 5, 3], [-0.9, 0, 0, 4], [0, 0.8, 0, -5], [0, 0, 0, 1.0]])
    stored = nib.Nifti1Image(flair((6, 40, 36)).transpose(2, 1, 0), affine)
    nib.save(stored, tmp_path / "Jane Doe.nii.gz")
    viewer.open(tmp_path / "Jane Doe.nii.gz", plugin="napari-tumor-unet")
    mask = run()
    mask.data_setitem((np.array([0]), np.array([1]), np.array([2])), 3)
    proposed = propose_file(mask, viewer.layers)
    assert proposed == tmp_path / "Jane Doe_mask.nii.gz"
    answer(monkeypatch, proposed)
    press(panel.mask.save, qtbot)
    qtbot.waitUntil(lambda: bool(told), timeout=PATIENCE)
    saved = nib.load(proposed)
    np.testing.assert_allclose(saved.affine, affine, atol=1e-6)
    assert saved.shape == stored.shape
    assert set(np.unique(saved.dataobj)) == set(np.unique(mask.data))
    assert np.count_nonzero(saved.dataobj) == np.count_nonzero(mask.data)
    assert propose_file(mask, viewer.layers) == tmp_path / "Jane Doe_mask_2.nii.gz"  # nothing of the user's
    assert panel.mask.card.origin.value.endswith("edited · saved as Jane Doe_mask.nii.gz")
    sidecar = json.loads((tmp_path / "Jane Doe_mask.json").read_text())
    assert sidecar["edited"] is True
    assert sidecar["provenance"]["model"] == "tiny"
    assert sidecar["findings"]["voxels"] == np.count_nonzero(mask.data)
    assert "Doe" not in json.dumps(sidecar)
    mask.undo()
    qtbot.waitUntil(lambda: "saved" not in panel.mask.card.origin.value, timeout=PATIENCE)


def test_masks_are_saved_in_the_scans_own_format_unless_another_is_chosen(
    viewer: napari.Viewer,
    panel: Any,
    run: Any,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
) -> None:
    scan = sitk.GetImageFromArray(flair((6, 40, 36)))
    scan.SetSpacing((0.5, 0.5, 3))
    scan.SetOrigin((1, 2, 3))
    sitk.WriteImage(scan, str(tmp_path / "head.nrrd"))
    for data in read_layers(tmp_path / "head.nrrd"):
        viewer.add_layer(Layer.create(*data))
    run()
    warned: list[str] = []
    monkeypatch.setattr("napari_tumor_unet.plugin.segment.mask_saving.show_warning", warned.append)

    names = iter(("one", "two.tif"))

    def choose(_: Any, __: str, proposed: str, offered: str) -> tuple[str, str]:
        assert Path(proposed).name == "head_mask.nrrd"
        assert offered == "Masks (*.nrrd *.nii.gz *.nii *.mha *.tif *.tiff)"
        return str(tmp_path / next(names)), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    for _ in range(2):
        told.clear()
        press(panel.mask.save, qtbot)
        qtbot.waitUntil(lambda: bool(told), timeout=PATIENCE)
    assert sitk.ReadImage(str(tmp_path / "one.nrrd")).GetOrigin() == (1, 2, 3)
    assert (tmp_path / "two.tif").exists()
    assert len(warned) == 1
    assert "spacing alone" in warned[0]


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(
    viewer: napari.Viewer,
    panel: Any,
    run: Any,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
) -> None:
    viewer.add_image(flair())
    run()

    def full(path: Path, *_: Any, **__: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    (tmp_path / "out").mkdir()
    answer(monkeypatch, tmp_path / "out" / "a.tif")
    press(panel.mask.save, qtbot)
    qtbot.waitUntil(lambda: bool(told), timeout=PATIENCE)
    assert told == ["a.tif cannot be written: No space left on device."]
    assert not list((tmp_path / "out").iterdir())


def test_a_file_that_says_what_made_another_mask_stays(
    viewer: napari.Viewer,
    panel: Any,
    run: Any,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
) -> None:
    viewer.add_image(flair())
    run()
    (tmp_path / "a.json").write_text("mine")
    answer(monkeypatch, tmp_path / "a.tif")
    press(panel.mask.save, qtbot)
    qtbot.waitUntil(lambda: bool(told), timeout=PATIENCE)
    assert "belongs to another mask" in told[0]
    assert (tmp_path / "a.json").read_text() == "mine"


def test_a_mask_is_saved_in_two_formats_under_one_name(
    viewer: napari.Viewer, run: Any, tmp_path: Path
) -> None:
    viewer.add_image(flair(), scale=(5, 1, 1), units="mm")
    mask = run()
    for name in ("a.nii.gz", "a.nrrd"):
        assert mask.save(str(tmp_path / name), plugin="napari-tumor-unet")
    mask.data_setitem((np.array([0]), np.array([1]), np.array([2])), 3)
    assert mask.save(str(tmp_path / "a.mha"), plugin="napari-tumor-unet")
    assert {path.name for path in tmp_path.glob("*.json")} == {"a.json", "a.nrrd.json", "a.mha.json"}
    assert all(made_with(tmp_path / name) for name in ("a.nii.gz", "a.nrrd", "a.mha"))


def test_models_are_imported_renamed_exported_and_deleted(
    panel: Any,
    qtbot: Any,
    tmp_path: Path,
    tiny_model_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
) -> None:
    actions = {action.text(): action for action in panel.models.menu.actions()}

    def choose(action: str, expected: str) -> None:
        actions[action].trigger()
        qtbot.waitUntil(lambda: panel.model.value == expected, timeout=PATIENCE)

    choose_model(panel, "default", qtbot)
    registry.delete_model("tiny")
    answer(monkeypatch, tiny_model_file, tmp_path / "copy")
    choose("Import...", "tiny")
    assert told.pop() == "The model is imported as 'tiny'."
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("mine", True))
    choose("Rename...", "mine")
    actions["Export..."].trigger()
    qtbot.waitUntil(lambda: told == ["The model is in copy.safetensors."], timeout=PATIENCE)
    assert (tmp_path / "copy.safetensors").read_bytes() == tiny_model_file.read_bytes()
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    actions["Delete..."].trigger()
    qtbot.wait(50)
    assert "mine" in registry.user_models()
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    choose("Delete...", "default")
    assert "mine" not in registry.user_models()
    assert len(told) == 1


def test_a_bundled_model_offers_neither_renaming_nor_deleting(panel: Any, qtbot: Any) -> None:
    actions = {action.text(): action for action in panel.models.menu.actions()}
    for model, own in (("default", False), ("tiny", True)):
        choose_model(panel, model, qtbot)
        press(panel.models.manage, qtbot)
        assert [actions[name].isEnabled() for name in ("Rename...", "Delete...")] == [own, own]
        panel.models.menu.close()


def one_click(panel: Any, qtbot: Any) -> Any:
    """The entry "Use for the one click", as it is when the menu opens."""
    press(panel.models.manage, qtbot)
    panel.models.menu.close()
    return next(a for a in panel.models.menu.actions() if a.text() == "Use for the one click")


def test_a_model_is_the_one_clicks_on_the_users_word_alone_and_the_panel_says_which_is(
    panel: Any, qtbot: Any
) -> None:
    note = panel.models.note
    qtbot.waitUntil(lambda: note.visible, timeout=PATIENCE)  # the panel's is "tiny"
    for used, tried in (("default", "tiny"), ("tiny", "seed"), ("seed", "default")):
        assert segmentation_settings().model == used
        choose_model(panel, tried, qtbot)
        assert segmentation_settings().model == used
        assert (note.value, note.visible) == (f"The one click uses {used!r}.", True)
        assert not one_click(panel, qtbot).isChecked()
        one_click(panel, qtbot).trigger()
        assert segmentation_settings().model == tried
        assert not note.visible
        assert one_click(panel, qtbot).isChecked()


def test_before_the_models_are_listed_the_panel_segments_by_the_one_clicks(
    viewer: napari.Viewer, tiny_model_file: Path, qtbot: Any
) -> None:
    registry.import_model(tiny_model_file)
    segmentation_settings().model = "tiny"
    viewer.open_sample("napari-tumor-unet", "brain")
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    assert panel.model.value == "default"
    with qtbot.waitSignal(SegmentationController.of(viewer).ended, timeout=PATIENCE):
        panel.run.start.native.click()
    assert mask_metadata(viewer.layers.selection.active).provenance.model == "tiny"


def test_a_file_cannot_be_the_one_clicks(
    panel: Any, tiny_model_file: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    answer(monkeypatch, tiny_model_file)
    panel.model.value = panel.model.choices[-1]
    qtbot.waitUntil(lambda: panel.model.value == tiny_model_file, timeout=PATIENCE)
    assert not one_click(panel, qtbot).isEnabled()
    qtbot.waitUntil(lambda: panel.models.note.value == "The one click uses 'default'.", timeout=PATIENCE)


def test_the_one_clicks_model_is_renamed_and_when_deleted_the_default_follows(
    panel: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions = {action.text(): action for action in panel.models.menu.actions()}
    actions["Use for the one click"].trigger()
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("mine", True))
    actions["Rename..."].trigger()
    qtbot.waitUntil(lambda: panel.model.value == "mine", timeout=PATIENCE)
    assert segmentation_settings().model == "mine"
    questions: list[str] = []
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *given: questions.append(given[2]) or yes)
    actions["Delete..."].trigger()
    qtbot.waitUntil(lambda: panel.model.value == "default", timeout=PATIENCE)
    assert questions[0].endswith("The one click then uses 'default'.")
    assert segmentation_settings().model == "default"
    assert not panel.models.note.visible


def test_a_damaged_model_is_neither_chosen_nor_imported_and_one_that_is_there_is_told(
    panel: Any,
    qtbot: Any,
    tmp_path: Path,
    tiny_model_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
) -> None:
    damaged = bytearray(tiny_model_file.read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "bad.safetensors").write_bytes(damaged)
    answer(monkeypatch, *(tmp_path / "bad.safetensors" for _ in range(2)), tiny_model_file)
    imports = next(action for action in panel.models.menu.actions() if action.text() == "Import...")

    def choose_file() -> None:
        panel.model.value = panel.model.choices[-1]

    for take in (choose_file, imports.trigger):
        take()
        qtbot.waitUntil(lambda: bool(told), timeout=PATIENCE)
        assert told.pop().startswith(
            "bad.safetensors is damaged: its weights are not those that its card names"
        )
    imports.trigger()
    qtbot.waitUntil(lambda: told == ["The model is there already, as 'tiny'."], timeout=PATIENCE)


def test_a_name_that_is_taken_is_told_and_nothing_changes(
    panel: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("seed", True))
    next(action for action in panel.models.menu.actions() if action.text() == "Rename...").trigger()
    qtbot.waitUntil(lambda: bool(told), timeout=PATIENCE)
    assert "There is a model 'seed' already" in told[0]
    assert panel.model.value == "tiny"


def test_several_layers_are_segmented_and_a_bad_one_does_not_stop_the_rest(
    viewer: napari.Viewer,
    panel: Any,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: list[str],
) -> None:
    good = [viewer.add_image(flair(), name=name) for name in ("a", "c")]
    bad = viewer.add_image(np.zeros((5, 6, 40, 40)), name="b", axis_labels=("c", "z", "y", "x"))
    viewer.layers.selection = {good[0], bad, good[1]}
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        press(panel.batch.layers, qtbot)
        assert not panel.run.start.enabled
    assert panel.batch.message.value == "2 scans segmented, 1 failed."
    assert panel.run.start.enabled
    masks = [layer for layer in viewer.layers if "written" in layer.metadata.get(KEY, {})]
    assert [mask.name.split(",")[0] for mask in masks] == ["a tumour", "c tumour"]
    table = panel.batch.table
    rows = [[table.item(r, c).text() for c in range(2)] for r in range(table.rowCount())]
    assert [row[0] for row in rows] == ["a", "c", "b"]
    assert "5 channels" in rows[2][1]
    answer(monkeypatch, tmp_path / "table")
    press(panel.batch.save, qtbot)
    qtbot.waitUntil(lambda: "The table is in table.csv." in told, timeout=PATIENCE)
    with (tmp_path / "table.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["scan"] for line in lines] == ["a", "c", "b"]
    assert int(lines[0]["voxels"]) == np.count_nonzero(masks[0].data)


def test_a_folder_is_segmented_into_another(
    viewer: napari.Viewer, panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", flair())
    (tmp_path / "in" / "b.tif").write_text("nothing")
    answer(monkeypatch, tmp_path / "in", tmp_path / "out")
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        press(panel.batch.folder, qtbot)
    assert panel.batch.message.value == "1 scan segmented, 1 failed."
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_mask.json", "a_mask.tif"]


def test_what_a_folder_holds_beside_its_scans_is_a_grey_row_with_the_reason(
    viewer: napari.Viewer, panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("p1_flair", "p2_flair", "other"):
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", flair())
    answer(monkeypatch, tmp_path / "in", tmp_path / "out")
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        press(panel.batch.folder, qtbot)
    assert panel.batch.message.value == "2 scans segmented, 0 failed, 1 left out."
    table = panel.batch.table
    rows = {table.item(row, 0).text(): table.item(row, 1) for row in range(table.rowCount())}
    assert list(rows) == ["other", "p1_flair", "p2_flair"]
    assert "p1_flair.tif" in rows["other"].text()
    grey = panel.batch.table.palette().placeholderText()
    assert [item.foreground() == grey for item in rows.values()] == [True, False, False]


def test_a_folder_goes_on_where_a_run_was_stopped_and_leaves_what_others_wrote(
    viewer: napari.Viewer, panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", flair())

    def run() -> str:
        answer(monkeypatch, tmp_path / "in", tmp_path / "out")
        with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
            press(panel.batch.folder, qtbot)
        return str(panel.batch.message.value)

    run()
    tifffile.imwrite(tmp_path / "in" / "c.tif", flair())
    masks = [tmp_path / "out" / f"{name}_mask.tif" for name in "abc"]
    masks[1].write_bytes(b"corrected")
    before = masks[0].stat().st_mtime_ns
    assert run() == "1 scan segmented, 1 done before, 1 failed."
    table = panel.batch.table
    rows = [table.item(row, 1).text().split(" · ") for row in range(3)]
    assert rows[0][0] == rows[2][0]
    assert rows[0][1] == "Done before."
    changed = "The files of the mask exist already, and the mask was changed since it was written"
    assert rows[1] == [f"{changed}; choose another folder."]
    assert masks[0].stat().st_mtime_ns == before
    assert masks[1].read_bytes() == b"corrected"
    assert masks[2].exists()


def test_a_folder_without_scans_is_one_sentence(
    viewer: napari.Viewer, panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    answer(monkeypatch, tmp_path / "empty", tmp_path / "out")
    with qtbot.waitSignal(batch_of(viewer).ended, timeout=PATIENCE):
        press(panel.batch.folder, qtbot)
    assert panel.batch.message.value.startswith("empty holds no scan")


def test_during_a_run_no_other_can_be_started(viewer: napari.Viewer, panel: Any, qtbot: Any) -> None:
    image = viewer.add_image(flair((60, 64, 64)))
    session = SegmentationController.of(viewer)
    press(panel.run.start, qtbot)
    assert not panel.batch.layers.enabled
    with pytest.raises(BusyError, match="under way"):
        session.segment(scan_of(image, viewer.layers))
    with qtbot.waitSignal(session.ended, timeout=PATIENCE):
        press(panel.run.cancel, qtbot)
    assert panel.batch.layers.enabled


def test_cancel_ends_several_at_once(viewer: napari.Viewer, panel: Any, qtbot: Any) -> None:
    images = [viewer.add_image(flair((60, 64, 64)), name=str(i)) for i in range(5)]
    viewer.layers.selection = set(images)
    several = batch_of(viewer)
    with qtbot.waitSignal(SegmentationController.of(viewer).progressed, timeout=PATIENCE):
        press(panel.batch.layers, qtbot)
    with qtbot.waitSignal(several.ended, timeout=PATIENCE):
        press(panel.run.cancel, qtbot)
    assert len(several.outcomes) == 1
    assert not SegmentationController.of(viewer).context.busy


def test_a_panel_closed_during_a_batch_leaves_the_viewer_ready(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    images = [viewer.add_image(flair((60, 64, 64)), name=str(i)) for i in range(3)]
    viewer.layers.selection = set(images)
    controller = SegmentationController.of(viewer)
    with qtbot.waitSignal(controller.progressed, timeout=PATIENCE):
        press(panel.batch.layers, qtbot)
    viewer.window.remove_dock_widget(panel.native.parent())
    qtbot.waitUntil(lambda: not controller.context.busy, timeout=PATIENCE)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    assert panel.batch.table.rowCount() == 1
    assert panel.run.start.enabled


def test_details_of_an_error_are_one_click_away_and_name_no_patient(
    viewer: napari.Viewer, panel: Any, qtbot: Any, tmp_path: Path
) -> None:
    class Unreadable:
        shape, dtype, ndim = (6, 40, 40), np.dtype("uint8"), 3

        def __getitem__(self, index: Any) -> np.ndarray:
            if isinstance(index, tuple) and isinstance(index[0], int) and index[0] == 5:
                raise OSError(f"No such file: '{tmp_path}/Jane Doe/5.dcm'")
            return flair().astype(np.uint8)[index]

    viewer.add_image(Unreadable(), name="Jane Doe", contrast_limits=(0, 255))
    with qtbot.waitSignal(SegmentationController.of(viewer).ended, timeout=PATIENCE) as ended:
        press(panel.run.start, qtbot)
    assert ended.args == [False]
    assert panel.details.visible
    press(panel.details, qtbot)
    box = panel.native.findChild(QMessageBox)
    assert "__getitem__" in box.detailedText()
    log = (tmp_path / "errors.log").read_text()
    assert "__getitem__" in log
    assert "Doe" not in log
    assert str(tmp_path) not in log
    box.close()


@pytest.mark.skipif(REAL_SETTINGS is None, reason="napari before 0.9 keeps no plugin's settings")
def test_settings_are_remembered(
    viewer: napari.Viewer, tiny_model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    registry.import_model(tiny_model_file)
    monkeypatch.setattr(napari.settings, "get_plugin_settings", REAL_SETTINGS)
    for expected in (("default", False), ("tiny", True)):
        monkeypatch.setattr(napari.settings, "_PLUGIN_SETTINGS", {})
        REAL_SETTINGS(path_dir=tmp_path)
        dock, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")
        qtbot.waitUntil(
            lambda e=expected, p=panel: (p.model.value, p.run.extent.value) == e, timeout=PATIENCE
        )
        choose_model(panel, "tiny", qtbot)
        next(a for a in panel.models.menu.actions() if a.text() == "Use for the one click").trigger()
        panel.run.extent.value = True
        viewer.window.remove_dock_widget(dock)
    assert list(tmp_path.glob("napari-tumor-unet.yaml"))
