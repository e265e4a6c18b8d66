"""The panel "Follow-up" in a real viewer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import napari
import nibabel as nib
import numpy as np
import pytest
import tifffile
from napari.settings import get_settings
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog, QLineEdit

from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata
from tests.dicom_files import images, saved
from tests.plugin.conftest import PATIENCE, press


def box(side: int) -> np.ndarray:
    mask = np.zeros((6, 60, 60), np.uint8)
    mask[1:4, 5 : 5 + side, 5 : 5 + side] = 1
    return mask


@pytest.fixture
def panel(viewer: napari.Viewer) -> Any:
    for name, side in (("p_ses-2", 20), ("p_ses-1", 40)):
        viewer.add_labels(box(side), name=name, scale=(5, 1, 1), units="mm")
    return viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]


def compare(panel: Any, qtbot: Any) -> None:
    press(panel.start, qtbot)
    qtbot.waitUntil(lambda: panel.report.result is not None, timeout=PATIENCE)


def test_layers_are_compared_in_the_order_of_their_sessions(panel: Any, qtbot: Any) -> None:
    compare(panel, qtbot)
    rows = [panel.report.table.item(i, 0) for i in range(2)]
    assert rows[1].text().split("\n") == [
        "p_ses-2",
        "6.00 ml (-75 % since baseline, -75 % since nadir)",
        "products 800 mm² (-75 % since baseline, -75 % since nadir)",
        "regions: 1 · partial",
    ]
    assert [row.toolTip() for row in rows] == [row.text() for row in rows]
    assert "partial by size alone; steroids" in panel.report.remarks.value
    assert "For research" in panel.report.remarks.value


def test_files_and_dates_are_taken_and_a_report_is_saved(
    panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "third_mask.nii.gz"
    nib.Nifti1Image(box(30).T, np.diag([-1.0, -1, 5, 1])).to_filename(file)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(file)], ""))
    press(panel.add, qtbot)
    for name, when in (("p_ses-2", "2024-01-01"), ("p_ses-1", "2023-01-01"), ("third", "2025-01-01")):
        write_date(panel, name, when, qtbot)
    compare(panel, qtbot)
    assert [point.name for point in panel.report.result.time_points] == ["p_ses-1", "p_ses-2", "third_mask"]
    assert "not matched" in panel.report.remarks.value
    report = tmp_path / "report"
    starts: list[str] = []

    def choose(_: object, __: str, start: str, *___: str) -> tuple[str, str]:
        starts.append(start)
        return str(report), "PDF (*.pdf)"

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    press(panel.report.save, qtbot)
    assert starts == [str(tmp_path / "follow_up.html")]  # beside the file that was chosen last
    qtbot.waitUntil(lambda: report.with_name("report.pdf").exists(), timeout=PATIENCE)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(report), "")
    )  # some systems tell none
    press(panel.report.save, qtbot)
    qtbot.waitUntil(lambda: report.with_name("report.html").exists(), timeout=PATIENCE)


def test_a_file_is_taken_off_the_list_and_stays_on_disk(
    panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not panel.take_off.visible  # layers go from the layer list
    files = [tmp_path / f"{name}_mask.nii.gz" for name in ("third", "fourth")]
    for file in files:
        nib.Nifti1Image(box(30).T, np.diag([-1.0, -1, 5, 1])).to_filename(file)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([*map(str, files)], ""))
    press(panel.add, qtbot)
    click_box(panel, "p_ses-1", qtbot)
    assert not panel.take_off.enabled
    click_box(panel, "third", qtbot)
    assert panel.masks.current == files[0]
    write_date(panel, "p_ses-1", "2019-01-01", qtbot)  # which moves the rows
    click_box(panel, "third", qtbot)
    press(panel.take_off, qtbot)
    assert files[0].exists()
    assert panel.files == files[1:]
    names = [panel.masks.item(row, 0).text() for row in range(panel.masks.rowCount())]
    assert len(names) == 3
    assert not any("third" in name for name in names)
    assert not panel.take_off.enabled


def test_what_cannot_be_compared_is_one_sentence(panel: Any, viewer: napari.Viewer, qtbot: Any) -> None:
    viewer.add_labels(box(10), name="no unit")
    click_box(panel, "no unit", qtbot)
    press(panel.start, qtbot)
    qtbot.waitUntil(lambda: "no unit has no spacing" in panel.message.value, timeout=PATIENCE)
    write_date(panel, "no unit", "last spring", qtbot)
    assert panel.problem.value == "'last spring' is no date; write dates as 2024-03-31."
    assert is_refused(panel) == panel.problem.value
    write_date(panel, "no unit", "", qtbot)
    assert not panel.problem.visible
    assert not is_refused(panel)


def test_a_spacing_that_is_said_holds_for_layers_and_files(
    panel: Any, viewer: napari.Viewer, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer.layers.clear()
    layer = viewer.add_labels(box(20), name="first")
    file = tmp_path / "second_mask.tif"
    tifffile.imwrite(file, box(10), photometric="minisblack")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(file)], ""))
    press(panel.add, qtbot)
    click_box(panel, "first", qtbot)
    compare(panel, qtbot)
    assert "changes are in percent of voxels" in panel.report.remarks.value
    assert "1,200 voxels" in panel.report.table.item(0, 0).text()
    line = panel.spacing.line
    assert line.native.isVisible()
    line.value = "5 x 1 x 1"
    line.native.editingFinished.emit()
    qtbot.waitUntil(
        lambda: panel.report.result is not None and panel.report.result.unit == "ml", timeout=PATIENCE
    )
    np.testing.assert_array_equal(layer.scale, (5, 1, 1))
    assert "The spacing of 2 masks was given" in panel.report.remarks.value
    line.value = ""
    line.native.editingFinished.emit()
    qtbot.waitUntil(
        lambda: panel.report.result is not None and panel.report.result.unit == "voxels", timeout=PATIENCE
    )
    np.testing.assert_array_equal(layer.scale, (1, 1, 1))


def test_masks_that_tell_their_spacing_have_no_field_for_it(panel: Any) -> None:
    assert len(panel.masks.chosen) == 2
    assert not panel.spacing.line.visible


@pytest.mark.parametrize("size", [10, 14])
def test_the_panel_is_as_narrow_as_others_and_cuts_nothing(
    panel: Any, viewer: napari.Viewer, qtbot: Any, size: int
) -> None:
    get_settings().appearance.font_size = size
    viewer.layers[0].name = "sub-0123456789_ses-20240131_space-T1w_desc-default_dseg"
    panel.masks.choose(list(viewer.layers))
    compare(panel, qtbot)
    dock = panel.native.parentWidget()
    assert panel.native.minimumSizeHint().width() <= 320
    viewer.window._qt_window.resizeDocks([dock], [300], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: panel.report.table.width() <= 320, timeout=PATIENCE)
    assert panel.report.table.columnWidth(0) <= panel.report.table.viewport().width()
    masks = panel.masks
    assert masks.horizontalHeader().length() <= masks.viewport().width()
    assert masks.verticalHeader().length() <= masks.viewport().height()
    assert {masks.item(i, 0).text() for i in range(2)} == {layer.name for layer in viewer.layers}


def test_masks_are_in_the_order_of_the_dates_in_their_names(viewer: napari.Viewer, qtbot: Any) -> None:
    for name in ("TCGA_CS_4941_20010203_mask", "TCGA_HT_1234_19990101_mask", "TCGA_CS_4941_19960909_mask"):
        viewer.add_labels(box(20), name=name, scale=(5, 1, 1), units="mm")
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]
    assert shown(panel) == [
        ("TCGA_CS_4941_19960909_mask", "1996-09-09", True),
        ("TCGA_HT_1234_19990101_mask", "1999-01-01", False),
        ("TCGA_CS_4941_20010203_mask", "2001-02-03", True),
    ]
    compare(panel, qtbot)
    assert [point.days for point in panel.report.result.time_points] == [0, 1608]


@pytest.mark.parametrize("numbered", [True, False])
def test_masks_without_dates_have_a_class_only_where_their_names_tell_the_order(
    viewer: napari.Viewer, qtbot: Any, numbered: bool
) -> None:
    names = ("p01_study2_flair", "p01_study1_flair") if numbered else ("after", "before")
    for name, side in zip(names, (20, 40), strict=True):
        viewer.add_labels(box(side), name=name, scale=(5, 1, 1), units="mm")
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]
    panel.masks.choose(list(viewer.layers))
    compare(panel, qtbot)
    assert [name for name, *_ in shown(panel)] == (["p01_study1_flair", *names[:1]] if numbered else [*names])
    assert ("partial by size alone" in panel.report.remarks.value) == numbered
    assert ("the order is that of the list" in panel.report.remarks.value) != numbered
    assert ("no class" in panel.report.table.item(1, 0).text()) != numbered
    assert panel.report.plot.getAxis("left").range[0] <= 0


def test_a_mask_of_another_patient_turns_no_order_round_and_takes_no_result_away(
    viewer: napari.Viewer, qtbot: Any
) -> None:
    for name in ("p01_study2_flair", "p01_study1_flair"):
        viewer.add_labels(box(20), name=name, scale=(5, 1, 1), units="mm")
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]
    mine = [("p01_study1_flair", "", True), ("p01_study2_flair", "", True)]
    assert shown(panel) == mine
    compare(panel, qtbot)
    result = panel.report.result
    viewer.add_labels(box(30), name="BraTS2021_00739_seg", scale=(5, 1, 1), units="mm")
    assert shown(panel) == [*mine, ("BraTS2021_00739_seg", "", False)]
    assert panel.report.result is result is not None


def test_the_date_of_a_dicom_series_is_that_of_its_header(
    viewer: napari.Viewer, qtbot: Any, tmp_path: Path
) -> None:
    for name, when in (("b", "20240331"), ("a", "20240930")):
        folder = saved(images(np.ones((3, 20, 20), np.uint16), AcquisitionDate=when), tmp_path / name)
        (scan,) = viewer.open(folder, plugin="napari-tumor-unet")
        viewer.add_labels(
            np.ones((3, 20, 20), np.uint8),
            name=f"mask {name}",
            metadata={KEY: MaskMetadata(source=str(scan.unique_id))},
            scale=scan.scale,
            translate=scan.translate,
            units=scan.units,
        )
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]
    expected = [("mask b", "2024-03-31", False), ("mask a", "2024-09-30", False)]
    qtbot.waitUntil(lambda: shown(panel) == expected, timeout=PATIENCE)


def test_what_the_user_said_stays_when_layers_come_and_go(
    panel: Any, viewer: napari.Viewer, qtbot: Any
) -> None:
    click_box(panel, "p_ses-1", qtbot)
    write_date(panel, "p_ses-2", "2020-01-01", qtbot)
    viewer.add_labels(box(20), name="p_ses-3", scale=(5, 1, 1), units="mm")
    viewer.layers["p_ses-1"].name = "<b>first</b>"
    assert sorted(shown(panel)) == sorted(
        [("<\u200bb>first<\u200b/b>", "", False), ("p_ses-2", "2020-01-01", True), ("p_ses-3", "", True)]
    )
    viewer.layers.clear()
    assert shown(panel) == []


def test_a_date_changes_no_check_box(viewer: napari.Viewer, qtbot: Any) -> None:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]
    for session in ("pre", "post"):
        scan = f"sub-01_{session}_flair"
        for name in (f"{scan} tumour", f"{scan}_mask"):
            made = MaskMetadata(scan=scan, scan_id=scan)
            viewer.add_labels(box(20), name=name, scale=(5, 1, 1), units="mm", metadata={KEY: made})
        if session == "pre":
            write_date(panel, f"{scan}_mask", "2020-01-02", qtbot)  # of one that waits for another
    checked = {"sub-01_pre_flair_mask", "sub-01_post_flair_mask"}
    assert {name for name, _, ticked in shown(panel) if ticked} == checked
    for name in sorted(checked):
        write_date(panel, name, "2020-01-03" if "pre" in name else "2020-08-01", qtbot)
        assert {name for name, _, ticked in shown(panel) if ticked} == checked
    click_box(panel, "sub-01_post_flair tumour", qtbot)  # both masks of a scan
    assert {name for name, _, ticked in shown(panel) if ticked} == checked | {"sub-01_post_flair tumour"}


def test_masks_are_checked_with_the_keyboard_and_compared_when_there_are_two(
    viewer: napari.Viewer, qtbot: Any
) -> None:
    for name in ("before", "after"):
        viewer.add_labels(box(20), name=name, scale=(5, 1, 1), units="mm")
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]
    assert is_refused(panel) == "Check two masks or more of one patient."
    boxes = [panel.masks.cellWidget(i, 0) for i in range(2)]
    qtbot.keyClick(boxes[0], Qt.Key.Key_Space)
    assert is_refused(panel)
    assert boxes[1].focusPolicy() & Qt.FocusPolicy.TabFocus
    qtbot.keyClick(boxes[1], Qt.Key.Key_Space)
    assert not is_refused(panel)
    compare(panel, qtbot)
    qtbot.keyClick(boxes[1], Qt.Key.Key_Space)
    assert is_refused(panel)
    assert not panel.report.table.isVisible()  # as it was of both


def test_two_masks_of_one_scan_are_matched_and_said_to_be_of_one(viewer: napari.Viewer, qtbot: Any) -> None:
    viewer.add_image(np.ones((6, 60, 60)), name="sub-1_ses-1_flair", scale=(5, 1, 1), units="mm")
    for name, side in (("mine", 20), ("yours", 30)):
        viewer.add_labels(box(side), name=name, scale=(5, 1, 1), units="mm")
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]
    panel.masks.choose(list(viewer.layers[1:]))
    compare(panel, qtbot)
    assert "Masks of one scan are among these" in panel.report.remarks.value
    assert "not matched" not in panel.report.remarks.value
    assert panel.report.result.matched


@pytest.mark.parametrize("named_after", [True, False])
def test_a_mask_from_a_file_is_of_the_scan_that_it_is_named_after(
    viewer: napari.Viewer, qtbot: Any, tmp_path: Path, named_after: bool
) -> None:
    for name in ("BraTS2021_00630_flair", f"BraTS2021_00{630 if named_after else 631}_seg"):
        file = tmp_path / f"{name}.nii.gz"
        voxels = np.random.default_rng(0).random(box(20).shape) if "flair" in name else box(20)
        nib.Nifti1Image(voxels.T, np.diag([-1.0, -1, 5, 1])).to_filename(file)
        viewer.open(file, plugin="napari-tumor-unet")
    scan, opened = viewer.layers
    metadata = {KEY: MaskMetadata(source=str(scan.unique_id))}
    place = {"scale": opened.scale, "translate": opened.translate, "units": opened.units}
    run = viewer.add_labels(box(30), name="of a run", metadata=metadata, **place)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]
    panel.masks.choose([opened, run])
    compare(panel, qtbot)
    assert ("Masks of one scan are among these" in panel.report.remarks.value) == named_after


def test_a_mask_that_is_not_to_be_trusted_is_so_in_the_table_and_the_report(
    panel: Any, viewer: napari.Viewer, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt = "The model is unsure of the mask: its mean probability is 0.6; check it."
    viewer.layers["p_ses-2"].metadata[KEY] = MaskMetadata(warnings=("p.nii is flat.", doubt))
    compare(panel, qtbot)
    lines = panel.report.table.item(1, 0).text().split("\n")
    assert lines[-1] == "not to be trusted: the model is unsure of the mask, and 1 more"
    assert "trusted" not in panel.report.table.item(0, 0).text()
    assert "p_ses-2 is not to be trusted: the model is unsure" in panel.report.remarks.value
    report = tmp_path / "report.html"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(report), ""))
    press(panel.report.save, qtbot)
    qtbot.waitUntil(report.exists, timeout=PATIENCE)
    page = report.read_text()
    assert "Scan 2 is not to be trusted: the model is unsure of the mask." in page
    assert "no class, not to be trusted" in page
    assert "p.nii" not in page


def test_masks_of_different_patients_are_said_to_be(viewer: napari.Viewer, qtbot: Any) -> None:
    for name in ("TCGA_CS_4941_19960909_mask", "TCGA_HT_1234_19990101_mask", "labels"):
        viewer.add_labels(box(20), name=name, scale=(5, 1, 1), units="mm")
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Follow-up")[1]
    panel.masks.choose([viewer.layers[0], viewer.layers[2]])
    compare(panel, qtbot)
    assert "patients" not in panel.report.remarks.value
    panel.masks.choose(list(viewer.layers))
    compare(panel, qtbot)
    assert "These are masks of different patients: TCGA_CS_4941, TCGA_HT_1234; " in panel.report.remarks.value
    assert "by size alone" not in panel.report.remarks.value


def change(viewer: napari.Viewer, how: str) -> None:
    layer = viewer.layers["p_ses-2"]
    match how:
        case "paint":
            layer.paint((2, 40, 50), 1)
        case "fill":
            layer.fill((0, 0, 0), 1)
        case "data":
            layer.data = box(30)
        case "spacing":
            layer.scale = (4, 1, 1)
        case "undo":
            layer.undo()


@pytest.mark.parametrize("how", ["paint", "fill", "data", "spacing", "undo"])
def test_a_result_goes_when_a_mask_that_was_compared_changes(
    panel: Any, viewer: napari.Viewer, qtbot: Any, how: str
) -> None:
    viewer.layers["p_ses-2"].paint((2, 50, 50), 1)
    compare(panel, qtbot)
    assert panel.report.save.native.styleSheet()  # it comes next
    change(viewer, how)
    qtbot.waitUntil(lambda: panel.report.result is None, timeout=PATIENCE)
    assert panel.message.value == "The masks have changed; compare again."
    assert not panel.report.table.isVisible()
    assert not panel.report.save.native.isVisible()
    assert panel.start.native.styleSheet()
    compare(panel, qtbot)
    assert not panel.message.visible


def test_a_scan_that_is_added_as_a_mask_is_refused(
    panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "third.nii.gz"
    grey = np.arange(box(30).size).reshape(box(30).shape).astype(np.uint8)
    nib.Nifti1Image(grey.T, np.diag([-1.0, -1, 5, 1])).to_filename(file)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(file)], ""))
    press(panel.add, qtbot)
    press(panel.start, qtbot)
    qtbot.waitUntil(lambda: "holds an image; give its mask" in panel.message.value, timeout=PATIENCE)
    assert panel.report.result is None


@pytest.mark.parametrize("how", ["save", "show"])
def test_a_result_goes_when_a_file_that_was_compared_changes(
    panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    file, report = tmp_path / "third_mask.nii.gz", tmp_path / "report.json"
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(file)], ""))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(report), ""))
    nib.Nifti1Image(box(30).T, np.diag([-1.0, -1, 5, 1])).to_filename(file)
    press(panel.add, qtbot)
    compare(panel, qtbot)
    press(panel.report.save, qtbot)
    qtbot.waitUntil(report.exists, timeout=PATIENCE)
    assert len(json.loads(report.read_text())["time_points"]) == 3
    report.unlink()
    nib.Nifti1Image(box(9).T, np.diag([-1.0, -1, 5, 1])).to_filename(file)
    if how == "save":
        press(panel.report.save, qtbot)
    else:
        panel.native.hide()
        panel.native.show()
    qtbot.waitUntil(lambda: panel.report.result is None, timeout=PATIENCE)
    assert panel.message.value == "The masks have changed; compare again."
    assert not report.exists()


def test_a_result_stays_while_its_masks_are_looked_at(
    panel: Any, viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(panel, qtbot)
    looked: list[bool] = []
    look = panel._watch._on_looked
    monkeypatch.setattr(panel._watch, "_on_looked", lambda *args: (looked.append(args[1]), look(*args)))
    viewer.dims.set_current_step(0, 3)
    viewer.layers[0].refresh()
    qtbot.waitUntil(lambda: looked == [False], timeout=PATIENCE)
    assert panel.report.result is not None


@pytest.mark.parametrize("how", ["remove", "clear", "rename", "add"])
def test_a_result_goes_with_the_masks_that_it_names(
    panel: Any, viewer: napari.Viewer, qtbot: Any, how: str
) -> None:
    compare(panel, qtbot)
    match how:
        case "remove":
            viewer.layers.remove("p_ses-1")
        case "clear":
            viewer.layers.clear()
        case "rename":
            viewer.layers["p_ses-1"].name = "q_ses-1"
        case "add":  # a third that is checked
            viewer.add_labels(box(10), name="p_ses-3", scale=(5, 1, 1), units="mm")
    assert panel.report.result is None
    assert panel.message.value == "The masks have changed; compare again."
    assert not panel.report.table.isVisible()
    assert not panel.report.save.native.isVisible()


def test_masks_that_change_while_they_are_compared_have_no_result(
    panel: Any, viewer: napari.Viewer, qtbot: Any
) -> None:
    press(panel.start, qtbot)
    viewer.layers.remove("p_ses-1")
    viewer.layers["p_ses-2"].name = "q"
    assert panel.message.value == "The masks have changed; compare again."
    other = [
        viewer.add_labels(box(side), name=f"r_ses-{side}", scale=(5, 1, 1), units="mm") for side in (9, 8)
    ]
    panel.masks.choose(other)
    compare(panel, qtbot)
    assert [point.name for point in panel.report.result.time_points] == ["r_ses-8", "r_ses-9"]


def shown(panel: Any) -> list[tuple[str, str, bool]]:
    """Each row's name, date, and whether it is checked."""
    masks = panel.masks
    return [
        (masks.item(i, 0).text(), masks.item(i, 1).text(), masks.cellWidget(i, 0).isChecked())
        for i in range(masks.rowCount())
    ]


def row_of(panel: Any, name: str) -> int:
    return next(i for i, (text, *_) in enumerate(shown(panel)) if name in text)


def click_box(panel: Any, name: str, qtbot: Any) -> None:
    """Click a name, which checks its box."""
    masks = panel.masks
    qtbot.waitUntil(lambda: masks.viewport().height() >= masks.verticalHeader().length(), timeout=PATIENCE)
    place = masks.visualItemRect(masks.item(row_of(panel, name), 0))
    qtbot.mouseClick(
        masks.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place.left() + 60, place.center().y())
    )


def write_date(panel: Any, name: str, text: str, qtbot: Any) -> None:
    """Click a date, and write another."""
    masks = panel.masks
    qtbot.waitUntil(lambda: masks.viewport().height() >= masks.verticalHeader().length(), timeout=PATIENCE)
    place = masks.visualItemRect(masks.item(row_of(panel, name), 1))
    qtbot.mouseClick(masks.viewport(), Qt.MouseButton.LeftButton, pos=place.center())
    line = masks.findChild(QLineEdit)
    line.selectAll()
    qtbot.keyClicks(line, text) if text else qtbot.keyClick(line, Qt.Key.Key_Delete)
    qtbot.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: masks.findChild(QLineEdit) is None, timeout=PATIENCE)


def is_refused(panel: Any) -> str:
    """Why there is nothing to compare, as the button says; empty where there is something."""
    return "" if panel.start.native.isEnabled() else str(panel.start.native.toolTip())
