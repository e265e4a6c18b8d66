"""The panel "Follow-up" in a real viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
import nibabel as nib
import numpy as np
import pytest
import tifffile
from napari.settings import get_settings
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import QFileDialog

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
    qtbot.waitUntil(lambda: panel.result is not None, timeout=PATIENCE)


def test_layers_are_compared_in_the_order_of_their_sessions(panel: Any, qtbot: Any) -> None:
    panel.masks.value = panel.masks.choices
    compare(panel, qtbot)
    rows = [panel.table.item(i, 0) for i in range(2)]
    assert rows[1].text().split("\n") == [
        "p_ses-2",
        "6.00 ml (-75 % since baseline, -75 % since nadir)",
        "products 800 mm² (-75 % since baseline, -75 % since nadir)",
        "regions: 1 · partial",
    ]
    assert [row.toolTip() for row in rows] == [row.text() for row in rows]
    assert "partial by size alone; steroids" in panel.remarks.value
    assert "For research" in panel.remarks.value


def test_files_and_dates_are_taken_and_a_report_is_saved(
    panel: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "third_mask.nii.gz"
    nib.Nifti1Image(box(30).T, np.diag([-1.0, -1, 5, 1])).to_filename(file)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(file)], ""))
    press(panel.add, qtbot)
    panel.masks.value = panel.masks.choices
    panel.dates.value = "2024-01-01, 2023-01-01, 2025-01-01"
    compare(panel, qtbot)
    assert [point.name for point in panel.result.time_points] == ["p_ses-1", "p_ses-2", "third_mask"]
    assert "not matched" in panel.remarks.value
    report = tmp_path / "report"
    starts: list[str] = []

    def choose(_: object, __: str, start: str, *___: str) -> tuple[str, str]:
        starts.append(start)
        return str(report), "PDF (*.pdf)"

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    press(panel.save, qtbot)
    assert starts == [str(tmp_path / "follow_up.html")]  # beside the file that was chosen last
    qtbot.waitUntil(lambda: report.with_name("report.pdf").exists(), timeout=PATIENCE)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(report), "")
    )  # some systems tell none
    press(panel.save, qtbot)
    qtbot.waitUntil(lambda: report.with_name("report.html").exists(), timeout=PATIENCE)


def test_what_cannot_be_compared_is_one_sentence(panel: Any, viewer: napari.Viewer, qtbot: Any) -> None:
    viewer.add_labels(box(10), name="no unit")
    panel.masks.value = panel.masks.choices[-2:]
    press(panel.start, qtbot)
    qtbot.waitUntil(lambda: "no unit has no spacing" in panel.message.value, timeout=PATIENCE)
    panel.dates.value = "2024-01-01"
    press(panel.start, qtbot)
    assert "2 masks are chosen, but 1 dates" in panel.message.value


def test_a_spacing_that_is_said_holds_for_layers_and_files(
    panel: Any, viewer: napari.Viewer, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer.layers.clear()
    layer = viewer.add_labels(box(20), name="first")
    file = tmp_path / "second_mask.tif"
    tifffile.imwrite(file, box(10), photometric="minisblack")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(file)], ""))
    press(panel.add, qtbot)
    panel.masks.value = panel.masks.choices
    compare(panel, qtbot)
    assert "changes are in percent of voxels" in panel.remarks.value
    assert "1,200 voxels" in panel.table.item(0, 0).text()
    line = panel.spacing.line
    assert line.native.isVisible()
    line.value = "5 x 1 x 1"
    line.native.editingFinished.emit()
    qtbot.waitUntil(lambda: panel.result is not None and panel.result.unit == "ml", timeout=PATIENCE)
    np.testing.assert_array_equal(layer.scale, (5, 1, 1))
    assert "The spacing of 2 masks was given" in panel.remarks.value
    line.value = ""
    line.native.editingFinished.emit()
    qtbot.waitUntil(lambda: panel.result is not None and panel.result.unit == "voxels", timeout=PATIENCE)
    np.testing.assert_array_equal(layer.scale, (1, 1, 1))


def test_masks_that_tell_their_spacing_have_no_field_for_it(panel: Any) -> None:
    panel.masks.value = panel.masks.choices
    assert not panel.spacing.line.visible


@pytest.mark.parametrize("size", [10, 14])
def test_the_panel_is_as_narrow_as_others_and_cuts_nothing(
    panel: Any, viewer: napari.Viewer, qtbot: Any, size: int
) -> None:
    get_settings().appearance.font_size = size
    viewer.layers[0].name = "sub-0123456789_ses-20240131_space-T1w_desc-default_dseg"
    panel.masks.value = panel.masks.choices
    compare(panel, qtbot)
    dock = panel.native.parentWidget()
    assert panel.native.minimumSizeHint().width() <= 320
    viewer.window._qt_window.resizeDocks([dock], [300], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: panel.table.width() <= 320, timeout=PATIENCE)
    assert panel.table.columnWidth(0) <= panel.table.viewport().width()
    names = [panel.masks.native.item(i).toolTip() for i in range(2)]
    assert names == [layer.name for layer in viewer.layers]


def test_dates_are_those_of_the_list_whatever_was_clicked_first(panel: Any, qtbot: Any) -> None:
    rows = panel.masks.native
    for i in (1, 0):
        rows.setCurrentRow(i, QItemSelectionModel.SelectionFlag.Select)
    panel.dates.value = "2020-01-01, 2022-01-01"
    compare(panel, qtbot)
    assert [(point.name, point.taken.year) for point in panel.result.time_points] == [
        ("p_ses-2", 2020),
        ("p_ses-1", 2022),
    ]
