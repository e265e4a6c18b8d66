"""DICOM folders in a real viewer."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QTreeWidgetItem

from napari_tumor_unet import _error_log
from napari_tumor_unet.plugin.io.series_chooser import SeriesChooser
from napari_tumor_unet.plugin.layers.metadata import KEY
from tests.conftest import is_one_sentence
from tests.dicom_files import AXES, PATIENT, images, saved
from tests.plugin.conftest import PATIENCE

STACK = np.random.default_rng(1).integers(0, 4000, (6, 10, 8), dtype=np.uint16)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A localiser, FLAIR, T1 before and after contrast, the last sagittal and with a gap, and T2."""
    folder = tmp_path / "Mustermann_Erika"
    described = ["LOCALIZER", "AX T2 FLAIR Mustermann", "AX T1", "SAG T1 post", "AX T2"]
    for i, description in enumerate(described, start=1):
        fields: dict[str, Any] = {"SeriesInstanceUID": f"1.2.{i}", "SeriesNumber": i}
        axes = AXES["sagittal"] if i == 4 else AXES["axial"]
        stack = images(STACK + i, axes, SeriesDescription=description, **fields)
        saved(stack[:2] + stack[3:] if i == 4 else stack, folder / f"S{i}", ending="")
    return folder


def choose(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a file in the dialog of File > IO Utilities > Open MRI scan."""
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([str(path)], ""))
    get_app_model().commands.execute_command("napari-tumor-unet.open_scan").result()


def chooser_of(viewer: napari.Viewer, qtbot: Any) -> SeriesChooser:
    def find() -> list[SeriesChooser]:
        return viewer.window._qt_window.findChildren(SeriesChooser)

    qtbot.waitUntil(lambda: bool(find()) and find()[0].isVisible(), timeout=PATIENCE)
    return find()[0]


def entry(chooser: SeriesChooser, name: str) -> QTreeWidgetItem:
    (found,) = chooser.list.findItems(name, Qt.MatchFlag.MatchExactly)
    return found


def checked(chooser: SeriesChooser) -> list[str]:
    items = [chooser.list.topLevelItem(i) for i in range(chooser.list.topLevelItemCount())]
    return [item.text(0) for item in items if item.checkState(0) == Qt.CheckState.Checked]


def test_each_series_opens_as_a_layer_with_flair_on_top(
    viewer_model: ViewerModel, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_tumor_unet.plugin.io.readers.show_warning", said.append)
    viewer_model.open(study, plugin="napari-tumor-unet")
    assert [layer.name for layer in viewer_model.layers] == ["AX T1", "AX T2", "AX T2 FLAIR"]
    assert [layer.visible for layer in viewer_model.layers] == [False, False, True]
    known = [layer.metadata[KEY] for layer in viewer_model.layers]
    assert [one.get("sequence") for one in known] == ["pre", None, "flair"]
    assert {one["modality"] for one in known} == {"MR"}
    assert len({one["scan_id"] for one in known}) == 1
    flair = viewer_model.layers["AX T2 FLAIR"]
    np.testing.assert_array_equal(flair.data, STACK + 2)
    np.testing.assert_allclose(flair.scale, (4, 1.5, 0.75))
    np.testing.assert_allclose(flair.translate, (7.75, 30.25, -12.5))
    (sentence,) = said
    assert is_one_sentence(sentence)
    assert "localiser" in sentence
    assert "misses 1 slice" in sentence


def test_no_patient_and_no_path_is_in_layers_or_log(viewer: napari.Viewer, study: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        viewer.open(study, plugin="napari-tumor-unet")
    told = [n.message for n in notification_manager.records[-3:]] + [str(one.message) for one in caught]
    log = _error_log.log_file().read_text() if _error_log.log_file().exists() else ""
    said = repr([(layer.name, layer.metadata) for layer in viewer.layers]) + repr(told) + log
    secrets = [*PATIENT["PatientName"].split("^"), *PATIENT.values(), str(study.parent)]
    assert not [word for word in secrets if word.lower() in said.lower()]


def test_series_are_chosen_with_the_mouse(
    viewer: napari.Viewer, qtbot: Any, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(next((study / "S2").iterdir()), monkeypatch)
    chooser = chooser_of(viewer, qtbot)
    assert checked(chooser) == ["AX T2 FLAIR", "AX T1"]
    bad = entry(chooser, "SAG T1 post")
    assert not bad.flags() & Qt.ItemFlag.ItemIsEnabled
    assert "misses 1 slice" in bad.toolTip(0)
    box = chooser.list.visualItemRect(entry(chooser, "AX T1"))
    at = QPoint(box.left() + 10, box.center().y())
    qtbot.mouseClick(chooser.list.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert checked(chooser) == ["AX T2 FLAIR"]
    qtbot.mouseClick(chooser.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=PATIENCE)
    assert viewer.layers.selection.active.name == "AX T2 FLAIR"


def test_enter_opens_what_is_checked_and_escape_nothing(
    viewer: napari.Viewer, qtbot: Any, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = next((study / "S3").iterdir())
    choose(file, monkeypatch)
    chooser = chooser_of(viewer, qtbot)
    with qtbot.waitSignal(chooser.destroyed, timeout=PATIENCE):
        qtbot.keyClick(chooser.list, Qt.Key.Key_Escape)
    assert not viewer.layers
    choose(file, monkeypatch)
    qtbot.keyClick(chooser_of(viewer, qtbot).list, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=PATIENCE)
    assert [layer.name for layer in viewer.layers] == ["AX T1", "AX T2 FLAIR"]


def test_a_single_series_opens_without_a_question(
    viewer: napari.Viewer, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(images(STACK), tmp_path / "a" / "b", ending="")
    choose(next(folder.iterdir()), monkeypatch)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=PATIENCE)
    assert not QApplication.activeModalWidget()


@pytest.mark.slow
def test_opened_series_are_segmented_together(
    viewer: napari.Viewer, click: Any, study: Path, tiny_model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_tumor_unet.plugin.segment.run.find_model", lambda *_: tiny_model_file)
    viewer.open(study, plugin="napari-tumor-unet")
    assert click(viewer)
    mask = viewer.layers.selection.active or viewer.layers[-1]
    np.testing.assert_allclose(mask.scale, viewer.layers["AX T2 FLAIR"].scale)
