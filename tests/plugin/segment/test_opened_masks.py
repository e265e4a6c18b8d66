"""Masks that were opened on their scan are masks like those of a run, as far as that needs no probability."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import SimpleITK as sitk
from napari.layers import Labels
from qtpy.QtCore import QTimer

from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.io.write import sidecar_of, write_result
from napari_tumor_unet.plugin.followup.offers import scan_of_mask
from napari_tumor_unet.plugin.io.open_dialog import open_paths
from napari_tumor_unet.plugin.layers.metadata import is_prediction, mask_metadata
from napari_tumor_unet.plugin.layers.sidecar import sidecar_contents
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.scan.recognise import brightness_of
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE, made_by, press

WARNING = "The model is unsure: check whether there is a tumour at all."
SHAPE = (6, 64, 64)


@pytest.fixture
def panel(viewer: napari.Viewer) -> Any:
    return viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]


def mask() -> np.ndarray:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[2:4, 20:30, 20:30] = 1
    return voxels


def saved(folder: Path, *, told: dict[str, Any] | None = None, labels: np.ndarray | None = None) -> Path:
    """A scan and its mask in files; the mask's, with what a sidecar tells of it."""
    file = sitk.GetImageFromArray(make_phantom(SHAPE)[0].sequences["flair"].astype(np.float32))
    file.SetSpacing((1.0, 1.0, 5.0))
    sitk.WriteImage(file, str(folder / "head.nii.gz"))
    path = folder / "head_mask.nii.gz"
    write_result(path, mask() if labels is None else labels, read_scan(folder / "head.nii.gz"), told or {})
    return path


def made(**more: Any) -> dict[str, Any]:
    """What the sidecar of a mask of a model holds."""
    provenance = made_by("other", "a hash").to_json()
    return {"provenance": provenance, "warnings": [WARNING], "checked_slices": [2, 77], **more}


@pytest.fixture
def opened(viewer: napari.Viewer) -> Callable[..., Labels]:
    """Open a scan, and the mask that is active then, as the user does."""

    def open_both(path: Path) -> Labels:
        viewer.open(path.with_name("head.nii.gz"), plugin="napari-tumor-unet")
        (layer,) = viewer.open(path, plugin="napari-tumor-unet")
        viewer.layers.selection.active = layer
        return layer

    return open_both


def test_the_panel_shows_an_opened_mask_with_what_its_sidecar_tells(
    panel: Any, opened: Callable[..., Labels], tmp_path: Path, qtbot: Any
) -> None:
    layer = opened(saved(tmp_path, told=made(edited=True)))
    assert panel.mask.card.headline.value == "Check: 1.0 ml · 2 slices · 1 region"
    assert (
        panel.mask.card.origin.value == "model 'other' · threshold 0.50 · edited · saved as head_mask.nii.gz"
    )
    assert panel.warned.warnings == (WARNING,)
    assert panel.review.checked.visible
    assert mask_metadata(layer).checked == {2}
    for shown in (panel.mask.card, panel.mask.save, panel._regions, panel._measures):
        assert shown.visible
    for hidden in (panel._changes, panel.review.next, panel.review.where, panel.mask.card.take_in):
        assert not hidden.visible
    assert "probability" in panel.mask.card.origin.tooltip
    qtbot.waitUntil(lambda: "14.1 x 14.1 mm" in panel.mask.measures.sizes.value, timeout=PATIENCE)
    qtbot.waitUntil(lambda: bool(layer.contour), timeout=PATIENCE)
    np.testing.assert_array_equal(layer.data, mask())


def saved_patient(folder: Path, code: str) -> dict[str, Path]:
    """Sequences and mask of a patient, each in a file of its own, as those of BraTS."""
    sequences = make_phantom(SHAPE)[0].sequences
    files = {"flair": sequences["flair"], "t1": sequences["pre"], "t1ce": sequences["post"], "seg": mask()}
    paths = {name: folder / code / f"{code}_{name}.nii.gz" for name in files}
    (folder / code).mkdir()
    for name, voxels in files.items():
        file = sitk.GetImageFromArray(np.asarray(voxels).astype(np.uint8 if name == "seg" else np.float32))
        sitk.WriteImage(file, str(paths[name]))
    return paths


@pytest.mark.usefixtures("quick_model")
def test_a_mask_keeps_its_scan_when_the_t1_are_opened(
    viewer: napari.Viewer, panel: Any, tmp_path: Path, qtbot: Any, click: Callable[..., bool]
) -> None:
    other, paths = (saved_patient(tmp_path, code) for code in ("BraTS2021_00630", "BraTS2021_00006"))
    for path in (other["flair"], paths["flair"], paths["seg"]):
        (layer,) = viewer.open(path, plugin="napari-tumor-unet")
        viewer.layers.selection.active = layer
    qtbot.waitUntil(lambda: panel.sequences.beside.visible, timeout=PATIENCE)
    press(panel.sequences.beside, qtbot)
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=PATIENCE)
    viewer.layers.selection.active = layer
    assert panel.layer.value is viewer.layers["BraTS2021_00006_flair"]
    assert panel.mask.editor.layer is layer
    assert panel.mask.card.visible
    assert panel.mask.save.visible
    cases = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Fine-tune")[1].cases
    press(cases.add_all, qtbot)
    assert [row.layers for row in cases.cases] == [(panel.layer.value, layer)]
    assert click(viewer)
    (run,) = (one for one in viewer.layers if is_prediction(one))
    assert mask_metadata(run).source == str(panel.layer.value.unique_id)


def test_of_a_scan_opened_twice_each_mask_goes_with_the_copy_before_it(
    viewer: napari.Viewer, panel: Any, tmp_path: Path, opened: Callable[..., Labels]
) -> None:
    path = saved(tmp_path)
    for mask_layer, flair in [
        (opened(path), viewer.layers["head"]),
        (opened(path), viewer.layers["head [1]"]),
    ]:
        viewer.layers.selection.active = mask_layer
        assert panel.layer.value is flair
        assert panel.mask.editor.layer is mask_layer
        assert panel.mask.card.visible


def test_a_sidecar_of_another_mask_is_not_believed(
    panel: Any, opened: Callable[..., Labels], tmp_path: Path
) -> None:
    path = saved(tmp_path, told=made())
    told = json.loads(sidecar_of(path).read_text())
    sidecar_of(path).write_text(json.dumps(told | {"mask_sha256": "0" * 64}))
    opened(path)
    assert panel.mask.card.headline.value == "1.0 ml · 2 slices · 1 region"
    assert panel.warned.warnings == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"provenance": 3},
        {"provenance": {"model": "m"}},
        {"warnings": 7},
        {"checked_slices": ["a"]},
        {"provenance": made_by("m").to_json() | {"threshold": "much"}},
    ],
)
def test_a_sidecar_that_nobody_understands_is_passed_over(
    panel: Any, opened: Callable[..., Labels], tmp_path: Path, wrong: dict[str, Any]
) -> None:
    layer = opened(saved(tmp_path, told=made() | wrong))
    assert mask_metadata(layer).provenance is None
    assert panel.mask.card.headline.value == "1.0 ml · 2 slices · 1 region"


def test_what_a_sidecar_told_stands_in_the_next_one(opened: Callable[..., Labels], tmp_path: Path) -> None:
    layer = opened(saved(tmp_path, told=made(edited=True)))
    contents = sidecar_contents(layer)
    assert contents is not None
    assert contents["provenance"]["model"] == "other"
    assert contents["warnings"] == [WARNING]
    assert contents["checked_slices"] == [2]
    assert contents["edited"]


def test_a_name_that_does_not_tell_the_scan_is_said(
    panel: Any, opened: Callable[..., Labels], tmp_path: Path
) -> None:
    path = saved(tmp_path)
    opened(path.rename(tmp_path / "m.nii.gz"))
    assert panel.mask.card.origin.value == "saved as m.nii.gz, a name that does not tell the scan"


@pytest.mark.parametrize("other", [False, True])
def test_a_mask_that_was_made_from_another_scan_is_told_of(
    panel: Any, opened: Callable[..., Labels], tmp_path: Path, qtbot: Any, other: bool
) -> None:
    mean, deviation = brightness_of(make_phantom(SHAPE)[0])
    told = made()
    told["provenance"]["brightness"] = [mean * (1.01 if other else 1), deviation]
    opened(saved(tmp_path, told=told))
    editor = panel.mask.editor
    qtbot.waitUntil(lambda: editor.midline is not None, timeout=PATIENCE)
    card = panel.mask.card.other_scan
    assert card.visible == other
    assert not other or card.value.startswith("Made from another scan than head")


def test_other_labels_stay_and_count(panel: Any, opened: Callable[..., Labels], tmp_path: Path) -> None:
    labels = mask()
    labels[4, 5:9, 5:9] = 4
    layer = opened(saved(tmp_path, labels=labels))
    assert panel.mask.card.headline.value == "1.1 ml · 3 slices · 2 regions"
    assert panel.mask.card.origin.value == "saved as head_mask.nii.gz"
    np.testing.assert_array_equal(layer.data, labels)
    layer.data_setitem((np.array([0]), np.array([1]), np.array([1])), 1)
    panel.mask.measure()
    assert panel.mask.state.edited
    assert not panel.mask.state.saved_as
    assert "edited" in panel.mask.card.origin.value


def test_a_mask_made_by_hand_is_measured_while_it_is_active(viewer: napari.Viewer, panel: Any) -> None:
    scan = viewer.add_image(make_phantom(SHAPE)[0].sequences["flair"], name="head")
    layer = viewer.add_labels(mask().astype(np.int64), name="truth")
    looks = layer.contour, layer.opacity
    assert panel.mask.card.headline.value == "200 voxels · 2 slices · 1 region"
    assert panel.mask.card.origin.value == "no model that is known"
    assert (layer.contour, layer.opacity) == looks
    viewer.layers.remove(layer)
    assert not panel.mask.card.visible
    viewer.add_labels(mask(), name="truth")
    viewer.layers.selection.active = scan
    assert panel.mask.card.visible  # it was looked at


def test_a_mask_without_a_model_waits_until_it_is_chosen(viewer: napari.Viewer) -> None:
    scan = viewer.add_image(make_phantom(SHAPE)[0].sequences["flair"], name="head")
    truth = viewer.add_labels(mask(), name="truth")
    viewer.layers.selection.active = scan
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    assert panel.mask.editor is None
    viewer.layers.selection.active = truth
    assert panel.mask.editor.layer is truth


@pytest.mark.usefixtures("quick_model")
def test_the_click_leaves_opened_masks_alone(
    viewer: napari.Viewer,
    panel: Any,
    opened: Callable[..., Labels],
    tmp_path: Path,
    click: Callable[..., bool],
) -> None:
    layer = opened(saved(tmp_path, told=made()))
    assert click(viewer)
    (run,) = (one for one in viewer.layers if is_prediction(one))
    assert run is not layer
    np.testing.assert_array_equal(layer.data, mask())
    for one, by in ((layer, "model 'other'"), (run, "model 'tiny'")):
        viewer.layers.selection.active = one
        assert by in panel.mask.card.origin.value


@pytest.mark.usefixtures("quick_model")
def test_a_mask_of_a_model_that_was_kept_is_hidden_by_the_next_run(
    viewer: napari.Viewer, opened: Callable[..., Labels], tmp_path: Path, click: Callable[..., bool]
) -> None:
    layer = opened(saved(tmp_path, told=made()))
    mask_metadata(layer).source = "an image of the session before"
    viewer.layers.selection.active = viewer.layers["head"]
    assert click(viewer)
    assert not layer.visible


@pytest.mark.usefixtures("panel")
def test_masks_of_two_scans_in_one_place_are_a_follow_up(
    viewer: napari.Viewer, opened: Callable[..., Labels], tmp_path: Path
) -> None:
    path = opened(saved(tmp_path)).source.path
    later = Path(path).with_name("later_mask.nii.gz")
    later.write_bytes(Path(path).read_bytes())
    viewer.open(later, plugin="napari-tumor-unet")
    masks = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    first, second = (scan_of_mask(one, viewer.layers) for one in masks)
    assert first != second


@pytest.mark.parametrize("of_model", [False, True])
def test_an_opened_mask_is_the_reference_of_a_score_unless_a_model_made_it(
    viewer: napari.Viewer, panel: Any, opened: Callable[..., Labels], tmp_path: Path, of_model: bool
) -> None:
    layer = opened(saved(tmp_path, told=made() if of_model else None))
    assert panel.mask.editor.layer is layer
    other = viewer.add_labels(mask(), name="other")
    score = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Score")[1]
    score.set_masks([layer, other])
    assert (score.prediction if of_model else score.reference).value is layer
    assert not is_prediction(layer)


def test_a_report_of_an_opened_mask_names_no_model_that_is_not_known(
    viewer: napari.Viewer, panel: Any, opened: Callable[..., Labels], tmp_path: Path
) -> None:
    from napari_tumor_unet.plugin.segment.measure_section import _scan_of, _write

    layer = opened(saved(tmp_path))
    _write(tmp_path / "page.html", _scan_of(panel.mask.editor, viewer), layer, moved=False)
    page = (tmp_path / "page.html").read_text()
    assert "tells of no model" in page
    assert "doubtful" not in page


def test_a_second_run_shows_its_mask_and_not_the_experts_that_was_active(
    viewer: napari.Viewer, panel: Any, opened: Callable[..., Labels], tmp_path: Path, qtbot: Any
) -> None:
    expert = opened(saved(tmp_path))
    for _ in range(2):
        viewer.layers.selection.active = expert
        qtbot.waitUntil(lambda: panel.mask.editor.layer is expert, timeout=PATIENCE)
        with qtbot.waitSignal(SegmentationController.of(viewer).ended, timeout=PATIENCE):
            press(panel.run.start, qtbot)
        assert is_prediction(panel.mask.editor.layer)
        assert "model 'default'" in panel.mask.card.origin.value


@pytest.mark.parametrize("by", ["the dialog", "a drop"])
def test_a_scan_that_comes_with_an_experts_mask_shows_the_models_that_was_there(
    viewer: napari.Viewer, panel: Any, tmp_path: Path, qtbot: Any, by: str
) -> None:
    path = saved(tmp_path, told=made())
    write_result(expert := tmp_path / "head_seg.nii.gz", mask(), read_scan(tmp_path / "head.nii.gz"), {})
    (own,) = viewer.open(path, plugin="napari-tumor-unet")
    files = [tmp_path / "head.nii.gz", expert]
    if by == "a drop":
        opening = partial(
            viewer.window._qt_viewer._qt_open, [*map(str, files)], False, plugin="napari-tumor-unet"
        )
    else:
        opening = partial(open_paths, viewer, files)
    QTimer.singleShot(0, opening)
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=PATIENCE)
    qtbot.waitUntil(lambda: viewer.layers.selection.active is viewer.layers["head"], timeout=PATIENCE)
    qtbot.waitUntil(lambda: panel.mask.editor and panel.mask.editor.layer is own, timeout=PATIENCE)
    assert "model 'other'" in panel.mask.card.origin.value
