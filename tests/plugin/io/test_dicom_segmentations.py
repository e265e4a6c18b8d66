"""DICOM Segmentations in a real viewer: opened on their scan, and saved with the user's word alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pydicom
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtWidgets import QCheckBox, QFileDialog, QMessageBox

from napari_tumor_unet.io.read import read_labels, read_mask, read_scan
from napari_tumor_unet.io.write import write_mask
from napari_tumor_unet.plugin.io.mask_export import mask_file
from napari_tumor_unet.plugin.io.writers import write_labels
from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.metadata import KEY
from napari_tumor_unet.plugin.segment import mask_saving
from napari_tumor_unet.scan import ScanError
from tests.conftest import Refused, make_phantom
from tests.dicom_files import PATIENT, images, saved, turned
from tests.io.dicom.test_segmentation import STUDY, foreign, two_parts
from tests.plugin.conftest import PATIENCE, press
from tests.plugin.io.test_dicom_folders import checked, choose, chooser_of, entry

HEAD = make_phantom((6, 40, 36))[0].sequences["flair"].clip(0).astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An oblique FLAIR, and in a folder beside it a segmentation with two segments."""
    scan = read_scan(saved(images(HEAD, turned(20), **STUDY), tmp_path / "study" / "flair"))
    (tmp_path / "study" / "masks").mkdir()
    foreign(scan, two_parts(scan), SeriesDescription="Parts").save_as(tmp_path / "study" / "masks" / "a.dcm")
    return tmp_path / "study"


def answer_question(monkeypatch: pytest.MonkeyPatch, agreed: bool, remember: bool = False) -> list[str]:
    """Answer what is asked; the list fills with the questions."""
    asked: list[str] = []

    def answered(box: QMessageBox) -> QMessageBox.StandardButton:
        asked.append(f"{box.text()} {box.informativeText()}")
        check = box.checkBox()
        assert isinstance(check, QCheckBox)
        check.setChecked(remember)
        return QMessageBox.StandardButton.Save if agreed else QMessageBox.StandardButton.Cancel

    monkeypatch.setattr(QMessageBox, "exec", answered)
    return asked


def test_a_folder_opens_with_its_masks_on_their_scan(viewer_model: ViewerModel, folder: Path) -> None:
    viewer_model.open(folder, plugin="napari-tumor-unet")
    image, mask = viewer_model.layers
    assert isinstance(image, Image)
    assert isinstance(mask, Labels)
    assert mask.name == "Parts"
    assert image_for(mask, viewer_model.layers) is image
    np.testing.assert_allclose(mask.data_to_world((1, 2, 3)), image.data_to_world((1, 2, 3)))
    assert set(np.unique(mask.data)) == {0, 1, 2}
    (said,) = mask._get_properties((2, 3, 2), world=False)
    assert said == "segment: <\u200bb>Part<\u200b/b> 2"  # no markup, and no patient


def test_a_segmentation_alone_brings_its_scan_unless_this_is_open(
    viewer: napari.Viewer, folder: Path
) -> None:
    viewer.open(folder / "masks" / "a.dcm", plugin="napari-tumor-unet")
    assert [type(layer) for layer in viewer.layers] == [Image, Labels]
    viewer.open(folder / "masks" / "a.dcm", plugin="napari-tumor-unet")
    assert [type(layer) for layer in viewer.layers] == [Image, Labels, Labels]
    assert image_for(viewer.layers[2], viewer.layers) is viewer.layers[0]


def test_a_segmentation_whose_scan_is_gone_lies_where_it_says(
    viewer_model: ViewerModel, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    alone = (folder / "masks" / "a.dcm").rename(tmp_path / "elsewhere" / "a.dcm")
    (folder / "flair").rename(tmp_path.parent / f"{tmp_path.name} gone")
    viewer_model.open(alone, plugin="napari-tumor-unet")
    (mask,) = viewer_model.layers
    np.testing.assert_allclose(mask.scale, (4, 1.5, 0.75))


def test_masks_are_offered_among_the_series(
    viewer: napari.Viewer, qtbot: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(next((folder / "flair").iterdir()), monkeypatch)
    chooser = chooser_of(viewer, qtbot)
    assert checked(chooser) == ["T2 FLAIR", "Parts (a.dcm)"]
    row = entry(chooser, "Parts (a.dcm)")
    assert [row.text(i) for i in range(1, 5)] == ["SEG", "", "", "segmentation"]
    chooser.accept()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=PATIENCE)
    assert image_for(viewer.layers[1], viewer.layers) is viewer.layers[0]


def test_of_several_readers_masks_the_one_that_was_chosen_opens_with_its_scan(
    viewer: napari.Viewer, qtbot: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = read_scan(folder / "flair")
    foreign(scan, two_parts(scan)[:1], SeriesDescription="Parts").save_as(folder / "masks" / "b.dcm")
    choose(folder / "masks" / "a.dcm", monkeypatch)
    qtbot.waitUntil(lambda: len(viewer.layers) > 1, timeout=PATIENCE)
    image, mask = viewer.layers
    assert image_for(mask, viewer.layers) is image
    assert set(np.unique(mask.data)) == {0, 1, 2}  # the other has one part


def test_napari_saves_what_names_the_patient_on_the_users_word_alone(
    viewer: napari.Viewer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer.open(folder, plugin="napari-tumor-unet")
    scan, mask = read_scan(folder / "flair"), viewer.layers[1]
    data, attributes, _ = mask.as_layer_data_tuple()
    asked = answer_question(monkeypatch, agreed=False)
    with pytest.raises(OSError, match="Nothing was saved"):
        write_labels(str(tmp_path / "mask.dcm"), data, attributes)
    assert not list(tmp_path.glob("mask*"))
    assert "patient's identity" in asked[0]
    asked = answer_question(monkeypatch, agreed=True, remember=True)
    for _ in range(2):
        assert write_labels(str(tmp_path / "mask.dcm"), data, attributes) == [str(tmp_path / "mask.dcm")]
    assert len(asked) == 1
    read = read_labels(tmp_path / "mask.dcm")
    np.testing.assert_array_equal(read.grid.resample(read.sequences["flair"], scan.grid), mask.data)
    assert pydicom.dcmread(tmp_path / "mask.dcm").PatientID == PATIENT["PatientID"]


@pytest.mark.usefixtures("quick_model")
@pytest.mark.parametrize("ending", [".gz", ".dcm"])  # Qt's own dialog, and that of the desktop
def test_the_panel_saves_a_segmentation_and_its_report(
    viewer: napari.Viewer,
    click: Callable[..., bool],
    folder: Path,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notified: list[str],
    ending: str,
) -> None:
    viewer.open(folder / "flair", plugin="napari-tumor-unet")
    panel: Any = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    assert click(viewer)
    asked = answer_question(monkeypatch, agreed=True)

    def choose_report(_: Any, __: str, proposed: str, offered: str) -> tuple[str, str]:
        assert Path(proposed).suffixes == [".nii", ".gz"]
        return str(tmp_path / Path(proposed).with_suffix(ending).name), offered.split(";;")[-1]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose_report)
    press(panel.mask.save, qtbot)
    qtbot.waitUntil(lambda: any("its measures in" in text for text in notified), timeout=PATIENCE)
    assert len(asked) == 1
    files = sorted(path.name for path in tmp_path.glob("T2*"))
    assert files == ["T2 FLAIR_mask.dcm", "T2 FLAIR_mask.json", "T2 FLAIR_mask_report.dcm"]
    said = (tmp_path / files[1]).read_text() + repr(notified) + repr([one.metadata for one in viewer.layers])
    assert not [word for word in (*PATIENT.values(), "Mustermann") if word in said]


def test_a_painted_mask_of_a_scan_that_lost_a_slice_is_told(
    viewer: napari.Viewer, folder: Path, tmp_path: Path, refused: Refused
) -> None:
    viewer.open(folder / "flair", plugin="napari-tumor-unet")
    image = viewer.layers[0]
    labels = viewer.add_labels(
        np.zeros(image.data.shape, np.uint8), scale=image.scale, translate=image.translate, units=image.units
    )
    labels.data[2, 3:5, 3:5] = 1
    file = mask_file(labels, viewer)
    file.write(tmp_path / "mask.dcm")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.dcm"), labels.data)
    image.metadata[KEY].source_images[0].file.unlink()
    with refused(ScanError, "moved, removed or changed"):
        file.write(tmp_path / "other.dcm")
    assert not (tmp_path / "other.dcm").exists()


def test_the_panel_offers_dicom_of_no_other_scan_and_refuses_it_at_once(
    viewer: napari.Viewer,
    click: Callable[..., bool],
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notified: list[str],
) -> None:
    viewer.add_image(make_phantom((4, 32, 32))[0].sequences["flair"], name="scan")
    panel: Any = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    assert click(viewer)
    offered: list[str] = []

    def choose(*asked: Any) -> tuple[str, str]:
        offered.append(asked[-1])
        return str(tmp_path / "mask.dcm"), offered[0]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    monkeypatch.setattr(mask_saving, "in_thread", lambda *_: pytest.fail("nothing is to be written"))
    notified.clear()
    press(panel.mask.save, qtbot)
    assert "dcm" not in offered[0]
    assert len(notified) == 1
    assert "not read from DICOM" in notified[0]


def test_a_layer_of_no_dicom_scan_is_told_before_any_question(
    viewer: napari.Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer_question(monkeypatch, agreed=True)
    labels = viewer.add_labels(np.ones((4, 5, 6), np.uint8))
    data, attributes, _ = labels.as_layer_data_tuple()
    with pytest.raises(OSError, match="not read from DICOM"):
        write_labels(str(tmp_path / "mask.dcm"), data, attributes)
    assert not asked


def test_a_script_is_told_that_the_file_names_the_patient(
    viewer_model: ViewerModel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_tumor_unet.plugin.io.writers.show_warning", said.append)
    monkeypatch.setattr("napari_tumor_unet.plugin.io.writers.napari.current_viewer", lambda: None)
    viewer_model.open(folder, plugin="napari-tumor-unet")
    data, attributes, _ = viewer_model.layers[1].as_layer_data_tuple()
    write_labels(str(tmp_path / "mask.dcm"), data, attributes)
    assert any("patient's identity" in text for text in said)


def test_a_mask_written_beside_its_series_opens_with_it(viewer_model: ViewerModel, folder: Path) -> None:
    scan = read_scan(folder / "flair")
    mask = np.zeros(scan.shape, np.uint8)
    mask[1:4, 4:9, 5:9] = 1
    write_mask(folder / "flair" / "mask.dcm", mask, scan)
    viewer_model.open(folder / "flair", plugin="napari-tumor-unet")
    np.testing.assert_array_equal(viewer_model.layers[1].data, mask)
