"""Files and folders in a real viewer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from napari._app_model import get_app_model
from napari.components import ViewerModel
from napari.utils.colormaps.standardize_color import transform_color
from napari.utils.notifications import ErrorNotification, notification_manager
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog

from napari_tumor_unet.plugin.io.readers import get_reader
from napari_tumor_unet.plugin.layers.in_view import is_in_view
from napari_tumor_unet.plugin.layers.layer_scan import COLOURS, data_to_world
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences
from napari_tumor_unet.scan import ScanError
from tests.conftest import is_one_sentence
from tests.plugin.conftest import PATIENCE


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """A folder of twelve slices as in the LGG data set; slice n holds the value n."""
    folder = tmp_path / "patient_7"
    folder.mkdir()
    for n in range(1, 13):
        tifffile.imwrite(folder / f"patient_7_{n}.tif", np.full((16, 20, 3), n, np.uint8), photometric="rgb")
        tifffile.imwrite(folder / f"patient_7_{n}_mask.tif", np.full((16, 20), 255 * (n == 5), np.uint8))
    return folder


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    return write_volume(tmp_path / "brain one.nii.gz")


def write_volume(path: Path, at: float = -100) -> Path:
    voxels = np.random.default_rng(0).random((20, 24, 6), np.float32)
    affine = np.array([[-0.9, 0, 0, 80], [0, 0.9, 0, at], [0, 0, 5, -40], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


def test_a_folder_of_slices_opens_in_numeric_order_with_its_mask(
    viewer_model: ViewerModel, patient: Path
) -> None:
    viewer_model.open(patient, plugin="napari-tumor-unet")
    assert [layer.name for layer in viewer_model.layers] == [
        "patient_7 T1 pre",
        "patient_7 T1 post",
        "patient_7 FLAIR",
        "patient_7 mask",
    ]
    assert [layer.visible for layer in viewer_model.layers] == [False, False, True, True]
    np.testing.assert_array_equal(viewer_model.layers["patient_7 FLAIR"].data[:, 0, 0], np.arange(1, 13))
    assert np.flatnonzero(viewer_model.layers["patient_7 mask"].data.any(axis=(1, 2))) == [4]


def test_a_nifti_file_opens_in_its_place_in_mm(viewer_model: ViewerModel, nifti: Path) -> None:
    (layer,) = viewer_model.open(nifti, plugin="napari-tumor-unet")
    assert layer.name == "brain one"
    assert layer.data.shape == (6, 24, 20)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    matrix, offset = data_to_world(layer)
    np.testing.assert_allclose(matrix, np.diag([5, 0.9, 0.9]), rtol=1e-6)
    # RAS to LPS turns the signs of x and y; rows then run towards the back.
    np.testing.assert_allclose(offset, [-40, 100 - 23 * 0.9, -80], rtol=1e-5)


def test_a_file_named_mask_opens_as_labels(viewer_model: ViewerModel, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "scan_mask.tif", np.ones((3, 8, 8), np.uint8), photometric="minisblack")
    (layer,) = viewer_model.open(tmp_path / "scan_mask.tif", plugin="napari-tumor-unet")
    assert isinstance(layer, napari.layers.Labels)


@pytest.mark.parametrize("white", [1, 255])
def test_a_mask_of_one_label_is_blue_and_keeps_its_label(
    viewer_model: ViewerModel, tmp_path: Path, white: int
) -> None:
    mask = np.zeros((3, 20, 20), np.uint8)
    mask[1, 5:9, 5:9] = white
    tifffile.imwrite(tmp_path / "brain_mask.tif", mask, photometric="minisblack")
    (layer,) = viewer_model.open(tmp_path / "brain_mask.tif", plugin="napari-tumor-unet")
    assert layer.data.max() == white
    np.testing.assert_allclose(layer.get_color(white), transform_color(COLOURS["blue"])[0], atol=1e-2)


@pytest.mark.parametrize("ending", ["", ".txt", "_mask.nii"])
def test_other_folders_are_declined_after_a_look_at_few_entries(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3000):
        (tmp_path / f"file {n}{ending}").touch()
    looked_at = 0
    real = os.scandir

    @contextmanager
    def counted(path: Any) -> Iterator[Iterator[os.DirEntry[str]]]:
        def count(entries: Any) -> Iterator[os.DirEntry[str]]:
            nonlocal looked_at
            for entry in entries:
                looked_at += 1
                yield entry

        with real(path) as entries:
            yield count(entries)

    monkeypatch.setattr(os, "scandir", counted)
    assert get_reader(str(tmp_path)) is None
    assert 0 < looked_at < 1500


def test_a_folder_of_one_patients_files_opens_like_these(
    viewer: napari.Viewer, nifti: Path, tmp_path: Path, qtbot: Any
) -> None:
    viewer.open(write_volume(tmp_path / "another.nii.gz", at=500), plugin="napari-tumor-unet")
    (folder := tmp_path / "BraTS-GLI-00005-100").mkdir()
    for sequence in ("t1c", "t1n", "t2f", "t2w"):
        shutil.copy(nifti, folder / f"{folder.name}-{sequence}.nii.gz")
    seg = nibabel.Nifti1Image(np.ones((20, 24, 6), np.uint8), nibabel.load(nifti).affine)
    nibabel.save(seg, folder / f"{folder.name}-seg.nii.gz")
    drop(viewer, [folder])
    qtbot.waitUntil(lambda: len(viewer.layers) == 6, timeout=PATIENCE)
    flair = viewer.layers[f"{folder.name}-t2f"]
    qtbot.waitUntil(lambda: viewer.layers.selection.active is flair, timeout=PATIENCE)
    assert flair.source.path == str(folder / f"{folder.name}-t2f.nii.gz")
    assert is_in_view(viewer, flair)
    assert [layer.name for layer in viewer.layers if layer.visible] == [flair.name, f"{folder.name}-seg"]


@pytest.mark.parametrize("names", [["sub-1_FLAIR", "sub-2_FLAIR"], [f"scan {n}" for n in range(30)]])
def test_a_folder_of_several_patients_files_is_not_opened_but_told_of(
    viewer: napari.Viewer, nifti: Path, tmp_path: Path, qtbot: Any, notified: list[str], names: list[str]
) -> None:
    (folder := tmp_path / "all").mkdir()
    for name in names:
        shutil.copy(nifti, folder / f"{name}.nii.gz")
    drop(viewer, [folder])
    qtbot.waitUntil(lambda: bool(notified), timeout=PATIENCE)
    assert f"all holds {len(names)} files, of several patients it seems" in notified[-1]
    assert not viewer.layers


def test_a_list_of_paths_is_left_to_other_readers(patient: Path) -> None:
    assert get_reader([str(patient)]) is None


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_open_mri_scan_opens_without_a_choice_of_readers_and_leaves_the_scan_active(
    viewer: napari.Viewer, qtbot: Any, patient: Path, nifti: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = patient / "patient_7_10.tif" if kind == "folder" else nifti
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([str(chosen)], ""))
    get_app_model().commands.execute_command("napari-tumor-unet.open_scan").result()
    expected = "patient_7 FLAIR" if kind == "folder" else "brain one"
    qtbot.waitUntil(lambda: getattr(viewer.layers.selection.active, "name", "") == expected, timeout=PATIENCE)
    assert len(viewer.layers) == (4 if kind == "folder" else 1)


def broken() -> dict[str, bytes]:
    """Files that are none, by their names."""
    header = bytearray(nifti_bytes())
    header[42:44] = (30000).to_bytes(2, "little")
    return {
        "empty.nii": b"",
        "wrong magic.nii.gz": b"no scan",
        "truncated.nii": nifti_bytes()[:-100],
        "huge size.nii": bytes(header),
        "腦.nrrd": b"NRRD0004\nencoding: raw\n",
        "afar.mhd": b"NDims = 3\nDimSize = 4 4 4\nElementType = MET_UCHAR\nElementDataFile = /etc/hosts\n",
        "a.tif": b"II*\0",
        "a.dcm": b"\0" * 128 + b"DICM",
    }


def nifti_bytes() -> bytes:
    image = nibabel.Nifti1Image(np.ones((6, 5, 4), np.float32), np.eye(4))
    image.header.set_qform(np.eye(4), 1)
    return image.to_bytes()


def test_each_bad_file_is_one_sentence_and_leaves_no_layer(
    viewer: napari.Viewer, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_tumor_unet.plugin.io.open_dialog.show_error", said.append)
    paths = [tmp_path / name for name in broken()]
    for path, content in zip(paths, broken().values(), strict=True):
        path.write_bytes(content)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([*map(str, paths)], ""))
    get_app_model().commands.execute_command("napari-tumor-unet.open_scan").result()
    qtbot.waitUntil(lambda: len(said) == len(paths), timeout=PATIENCE)
    for path, sentence in zip(paths, said, strict=True):
        assert is_one_sentence(sentence), sentence
        with pytest.raises(ScanError) as caught:
            viewer.open(path, plugin="napari-tumor-unet")
        assert is_one_sentence(str(caught.value))
    assert not viewer.layers


@pytest.mark.parametrize(("name", "values"), [("a.nrrd", 4), ("brain_seg.mha", 300)])
def test_labels_open_as_labels_in_their_own_place(
    viewer_model: ViewerModel, tmp_path: Path, name: str, values: int
) -> None:
    voxels = np.arange(20 * 16 * 5).reshape(5, 16, 20) % values
    image = sitk.GetImageFromArray(voxels.astype(np.uint16))
    image.SetSpacing((0.5, 0.6, 4.0))
    image.SetOrigin((-10, 20, 30))
    sitk.WriteImage(image, tmp_path / name)
    (layer,) = viewer_model.open(tmp_path / name, plugin="napari-tumor-unet")
    assert isinstance(layer, napari.layers.Labels)
    np.testing.assert_array_equal(layer.data, voxels)
    np.testing.assert_allclose(layer.scale, (4, 0.6, 0.5))
    np.testing.assert_allclose(layer.translate, (30, 20, -10))


def drop(viewer: napari.Viewer, paths: list[Path]) -> None:
    """Open as a drop of files does once the reader is chosen, in the window's own event loop."""
    QTimer.singleShot(
        0, lambda: viewer.window._qt_viewer._qt_open([*map(str, paths)], False, plugin="napari-tumor-unet")
    )


def open_mri_scan(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose files in the dialog of File > IO Utilities > Open MRI scan."""
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([*map(str, paths)], ""))
    get_app_model().commands.execute_command("napari-tumor-unet.open_scan").result()


def saved_volume(path: Path, shape: tuple[int, int, int] = (20, 24, 6)) -> Path:
    path.parent.mkdir(exist_ok=True)
    voxels = np.random.default_rng(0).random(shape, np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1, -1, 4, 1])), path)
    return path


@pytest.mark.parametrize("columns", [3, 4])
@pytest.mark.parametrize("door", ["drop", "dialog"])
def test_three_or_four_columns_are_no_colours_and_a_bad_file_does_not_stop_the_others(
    viewer: napari.Viewer,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
    door: str,
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(notification_manager, "dispatch", shown.append)
    narrow = saved_volume(tmp_path / "narrow.nii", (columns, 40, 40))
    (bad := tmp_path / "bad.nii").write_bytes(b"")
    paths = [bad, narrow, saved_volume(tmp_path / "whole.nii")]
    if door == "drop":
        drop(viewer, paths)
    else:
        open_mri_scan(paths, monkeypatch)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=PATIENCE)
    assert viewer.layers["narrow"].data.shape == (40, 40, columns)
    assert not viewer.layers["narrow"].rgb
    assert [is_one_sentence(one.message) for one in shown] == [True]
    assert not any(isinstance(one, ErrorNotification) for one in shown)  # with a traceback


def test_a_script_that_opens_a_scan_and_shows_nothing_ends_well(
    tmp_path: Path, in_fresh_python: Callable[..., str]
) -> None:
    code = "import sys, napari; napari.Viewer(show=False).open(sys.argv[1], plugin='napari-tumor-unet')"
    in_fresh_python(code, saved_volume(tmp_path / "scan.nii"))


@pytest.mark.parametrize("order", [("FLAIR", "T1"), ("T1", "FLAIR")])
@pytest.mark.parametrize("door", ["drop", "dialog"])
def test_of_files_opened_together_flair_is_on_top_and_active_and_t1_hidden(
    viewer: napari.Viewer,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    order: tuple[str, str],
    door: str,
) -> None:
    paths = [saved_volume(tmp_path / f"p1_{name}.nii") for name in order]
    if door == "drop":
        drop(viewer, paths)
    else:
        open_mri_scan(paths, monkeypatch)
    expected = ("p1_T1", False), ("p1_FLAIR", True)
    qtbot.waitUntil(
        lambda: tuple((layer.name, layer.visible) for layer in viewer.layers) == expected, timeout=PATIENCE
    )
    assert viewer.layers.selection.active.name == "p1_FLAIR"


@pytest.mark.parametrize("door", ["drop", "dialog"])
def test_another_scan_comes_on_screen_where_the_slice_misses_it(
    viewer: napari.Viewer, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    viewer.add_image(np.zeros((90, 8, 8)))
    viewer.dims.set_point(0, 80)
    paths = [saved_volume(tmp_path / "p1_FLAIR.nii")]
    drop(viewer, paths) if door == "drop" else open_mri_scan(paths, monkeypatch)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2 and viewer.dims.point[0] != 80, timeout=PATIENCE)
    low, high = viewer.layers["p1_FLAIR"].extent.world
    assert low[0] <= viewer.dims.point[0] <= high[0]


def test_a_dropped_folder_leaves_its_flair_active_and_not_its_mask(
    viewer: napari.Viewer, qtbot: Any, patient: Path
) -> None:
    drop(viewer, [patient])
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=PATIENCE)
    qtbot.waitUntil(lambda: viewer.layers.selection.active.name == "patient_7 FLAIR", timeout=PATIENCE)


@pytest.mark.parametrize("folder", [False, True])
def test_layers_of_the_dialog_know_their_file(
    viewer: napari.Viewer,
    qtbot: Any,
    patient: Path,
    nifti: Path,
    folder: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_mri_scan([patient / "patient_7_1.tif" if folder else nifti], monkeypatch)
    qtbot.waitUntil(lambda: bool(viewer.layers), timeout=PATIENCE)
    assert {layer.source.path for layer in viewer.layers} == {str(patient if folder else nifti)}


def test_a_file_named_after_its_sequence_alone_bears_its_folders_name(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    for patient in ("BraTS_1", "T1_of_2"):
        for name in ("FLAIR", "T1"):
            viewer_model.open(saved_volume(tmp_path / patient / f"{name}.nii"), plugin="napari-tumor-unet")
    flair = viewer_model.layers["T1_of_2 FLAIR"]
    assert [layer.name for layer in viewer_model.layers][:2] == ["BraTS_1 FLAIR", "BraTS_1 T1"]
    sequences = ViewerSequences.of(viewer_model.layers)
    assert sequences[flair].channels["flair"].image is flair
    assert sequences.flair(viewer_model.layers["BraTS_1 T1"]) is viewer_model.layers["BraTS_1 FLAIR"]


@pytest.mark.parametrize("folder", ["", "anat"])
@pytest.mark.parametrize("door", ["drop", "dialog"])
def test_of_two_patients_whose_files_have_one_name_one_is_shown(
    viewer: napari.Viewer, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str, folder: str
) -> None:
    for n, patient in enumerate(("anna", "bert"), start=1):
        (tmp_path / patient).mkdir()
        file = saved_volume(tmp_path / patient / folder / "FLAIR_x.nii.gz")
        drop(viewer, [file]) if door == "drop" else open_mri_scan([file], monkeypatch)
        qtbot.waitUntil(lambda n=n: len(viewer.layers) == n, timeout=PATIENCE)
    one, other = viewer.layers
    names = ("anat FLAIR_x", "anat FLAIR_x [1]") if folder else ("anna FLAIR_x", "bert FLAIR_x")
    assert (one.name, other.name) == names
    qtbot.waitUntil(lambda: not one.visible and other.visible, timeout=PATIENCE)
    assert is_in_view(viewer, other)
    assert not is_in_view(viewer, one)


def test_a_t1_without_flair_is_not_silently_called_flair(viewer_model: ViewerModel, tmp_path: Path) -> None:
    (t1,) = viewer_model.open(saved_volume(tmp_path / "p_T1w.nii"), plugin="napari-tumor-unet")
    unclear = ViewerSequences.of(viewer_model.layers)[t1].unclear
    assert unclear == "p_T1w is T1 before contrast; open its FLAIR as well."
    viewer_model.open(saved_volume(tmp_path / "p_FLAIR.nii"), plugin="napari-tumor-unet")
    assert not ViewerSequences.of(viewer_model.layers)[t1].unclear


def test_the_t1_beside_an_opened_flair_is_offered_in_the_panel(
    viewer: napari.Viewer, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_volume(tmp_path / "p_T1.nii")
    _, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")
    open_mri_scan([saved_volume(tmp_path / "p_FLAIR.nii")], monkeypatch)
    qtbot.waitUntil(lambda: panel.sequences.beside.visible, timeout=PATIENCE)
    assert panel.sequences.beside.text == "Open T1 pre"
    panel.sequences.beside.changed.emit(True)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=PATIENCE)
    qtbot.waitUntil(lambda: panel.sequences.summary.value == "FLAIR + T1 pre", timeout=PATIENCE)
    assert viewer.layers.selection.active.name == "p_FLAIR"
    qtbot.waitUntil(lambda: viewer.status == "Ready", timeout=PATIENCE)  # nothing is being read any more
