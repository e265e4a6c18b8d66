"""Files and folders in a real viewer."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
from qtpy.QtWidgets import QFileDialog

from napari_tumor_unet.plugin.io.readers import get_reader
from napari_tumor_unet.plugin.layers.layer_scan import data_to_world
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
    path = tmp_path / "brain one.nii.gz"
    voxels = np.random.default_rng(0).random((20, 24, 6), np.float32)
    affine = np.array([[-0.9, 0, 0, 80], [0, 0.9, 0, -100], [0, 0, 5, -40], [0, 0, 0, 1]])
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


@pytest.mark.parametrize("ending", ["", ".txt", ".nii"])
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
    assert 0 < looked_at < 1000


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
