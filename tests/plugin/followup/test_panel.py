"""The panel "Follow-up" in a real viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
import nibabel as nib
import numpy as np
import pytest
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
    cells = [[panel.table.item(r, c).text() for c in range(panel.table.columnCount())] for r in range(2)]
    assert [row[0] for row in cells] == ["p_ses-1", "p_ses-2"]
    assert cells[1][3] == "-75 %"
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
