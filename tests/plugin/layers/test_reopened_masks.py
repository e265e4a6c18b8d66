"""Masks that lie on their scan again, though the file of one of the two tells less of its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from napari.layers import Image, Labels

from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.io.write import sidecar_of, unedited_model, write_result
from napari_tumor_unet.plugin.io.mask_export import mask_file
from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.metadata import mask_metadata
from napari_tumor_unet.plugin.layers.said_spacing import lacks_spacing, said_spacing, say_spacing
from napari_tumor_unet.plugin.layers.sidecar import sidecar_contents
from napari_tumor_unet.plugin.segment.mask_editor import MaskEditor
from napari_tumor_unet.scan import ScanError
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE, made_by

SHAPE = (6, 40, 36)
SAID = {"spacing": {"mm": [5.0, 0.94, 0.94], "said_by": "user"}}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr("napari_tumor_unet.plugin.io.opened_together.show_info", said.append)
    return said


def scan_file(path: Path, spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> Path:
    file = sitk.GetImageFromArray(make_phantom(SHAPE)[0].sequences["flair"].astype(np.float32))
    file.SetSpacing(spacing)
    file.SetOrigin(origin)
    sitk.WriteImage(file, str(path))
    return path


def save_mask(path: Path, scan: Path, **told: Any) -> Path:
    """Write a mask of a model, with its sidecar, on the grid of a scan's file."""
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[2:4, 10:20, 10:20] = 1
    sidecar = {"provenance": made_by("tiny", "x").to_json(), "warnings": [], **told}
    write_result(path, voxels, read_scan(scan), sidecar)
    return path


def without_spacing(folder: Path, scan: str = "p1", mask: str = "p1_mask", **told: Any) -> tuple[Path, Path]:
    """A scan in a TIFF, and its mask in NIfTI with a spacing."""
    path = folder / f"{scan}.tif"
    tifffile.imwrite(path, make_phantom(SHAPE)[0].sequences["flair"].astype(np.uint16))
    in_mm = scan_file(folder / "in_mm.nii.gz", (0.94, 0.94, 5.0), (0, 0, 0))
    return path, save_mask(folder / f"{mask}.nii.gz", in_mm, **told)


def elsewhere(folder: Path) -> tuple[Path, Path]:
    """A scan in NIfTI that lies elsewhere than at 0, and its mask in TIFF."""
    scan = scan_file(folder / "p1.nii.gz", (1.0, 1.0, 5.0), (-20.0, 30.0, 7.0))
    return scan, save_mask(folder / "p1_mask.tif", scan)


def anybodys(folder: Path) -> tuple[Path, Path]:
    scan, mask = elsewhere(folder)
    return scan, mask.rename(folder / "p1_other.tif")  # without its sidecar


def open_all(viewer: napari.Viewer, files: tuple[Path, ...]) -> tuple[Image, Labels]:
    for file in files:
        viewer.open(file, plugin="napari-tumor-unet")
    (image,) = (layer for layer in viewer.layers if isinstance(layer, Image))
    (mask,) = (layer for layer in viewer.layers if isinstance(layer, Labels))
    return image, mask


@pytest.mark.parametrize("mask_first", [False, True])
def test_a_scan_gets_the_spacing_again_that_was_said_of_it_for_a_mask(
    viewer: napari.Viewer, tmp_path: Path, told: list[str], mask_first: bool, qtbot: Any
) -> None:
    files = without_spacing(tmp_path, **SAID)
    files = files[::-1] if mask_first else files
    viewer.open(files[0], plugin="napari-tumor-unet")
    viewer.dims.set_current_step(0, 3)
    image, mask = open_all(viewer, files[1:])
    qtbot.waitUntil(lambda: image_for(mask, viewer.layers) is image, timeout=PATIENCE)
    np.testing.assert_allclose(image.scale, (5, 0.94, 0.94))
    assert viewer.dims.point[0] == pytest.approx(15)  # the slice that was on screen
    assert not lacks_spacing(image)
    assert said_spacing(image) is not None
    assert told == ["p1 has the spacing again that was said of it for p1_mask: 5 x 0.94 x 0.94 mm."]
    assert (sidecar_contents(mask) or {})["spacing"] == SAID["spacing"]
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    viewer.layers.selection.active = mask
    for spacing, scale in (((3.0, 1.0, 1.0), (3, 1, 1)), (None, (1, 1, 1)), ((4.0, 2.0, 2.0), (4, 2, 2))):
        say_spacing(viewer, image, spacing)
        np.testing.assert_allclose([image.scale, mask.scale], [scale, scale])
        assert image_for(mask, viewer.layers) is image
    assert not panel.empty.visible


@pytest.mark.parametrize("mask_first", [False, True])
def test_a_mask_without_a_place_lies_on_the_scan_that_has_its_voxels(
    viewer: napari.Viewer, tmp_path: Path, told: list[str], mask_first: bool, qtbot: Any
) -> None:
    files = elsewhere(tmp_path)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    image, mask = open_all(viewer, files[::-1] if mask_first else files)
    qtbot.waitUntil(lambda: image_for(mask, viewer.layers) is image, timeout=PATIENCE)
    np.testing.assert_allclose(mask.extent.world, image.extent.world)
    assert told == ["The file of p1_mask tells no place: it lies on p1, which has its voxels."]
    viewer.layers.selection.active = mask
    qtbot.waitUntil(lambda: not panel.empty.visible and panel.mask.editor is not None, timeout=PATIENCE)


@pytest.mark.parametrize("make", ["without_spacing", "elsewhere"])
def test_a_mask_of_another_name_is_laid_on_nothing_and_a_sentence_says_what_to_do(
    viewer: napari.Viewer, tmp_path: Path, told: list[str], make: str, qtbot: Any
) -> None:
    if make == "without_spacing":
        files = without_spacing(tmp_path, "p1", "du_mask", **SAID)
        wanted = "du_mask lies beside p1; if it is its mask, say 5 x 0.94 x 0.94 mm in Sequences and slices."
    else:
        scan = scan_file(tmp_path / "p1.nii.gz", (1.0, 1.0, 5.0), (-20.0, 30.0, 7.0))
        files = scan, save_mask(tmp_path / "tumour.tif", scan)
        wanted = "The file of tumour tells no place; if it is a mask of p1, let its name begin so."
    _, mask = open_all(viewer, files)
    qtbot.waitUntil(lambda: told == [wanted], timeout=PATIENCE)
    assert image_for(mask, viewer.layers) is None
    viewer.open_sample("napari-tumor-unet", "brain")
    assert told.count(wanted) == 1


@pytest.mark.parametrize("name", ["TCGA_CS_4941_mask", "reader2", "TCGA_DU_7013_mask"])
def test_a_mask_that_is_opened_later_gets_the_spacing_that_was_said_of_its_scan(
    viewer: napari.Viewer, tmp_path: Path, name: str, qtbot: Any
) -> None:
    scan, _ = without_spacing(tmp_path, scan="TCGA_CS_4941")
    (image,) = viewer.open(scan, plugin="napari-tumor-unet")
    say_spacing(viewer, image, (5, 0.94, 0.94))
    viewer.dims.set_current_step(0, 3)
    camera = (*viewer.camera.center, viewer.camera.zoom)
    tifffile.imwrite(tmp_path / f"{name}.tif", np.ones(SHAPE, np.uint8), photometric="minisblack")
    (mask,) = viewer.open(tmp_path / f"{name}.tif", plugin="napari-tumor-unet", layer_type="labels")
    qtbot.waitUntil(lambda: mask.contour != 0, timeout=PATIENCE)  # shown, as an outline
    if "7013" in name:
        assert image_for(mask, viewer.layers) is None
        mask.name = "TCGA_CS_4941 by another reader"  # as the user is told to
    else:
        np.testing.assert_allclose(viewer.dims.point[0], 15)  # the slice stays, as does the rest of the view
        np.testing.assert_allclose((*viewer.camera.center, viewer.camera.zoom), camera)
    assert image_for(mask, viewer.layers) is image
    say_spacing(viewer, image, (4, 1, 1))
    np.testing.assert_allclose([image.scale, mask.scale], [(4, 1, 1)] * 2)


@pytest.mark.parametrize("name", ["p1_mask", "other_mask"])
def test_a_mask_that_was_saved_with_another_spacing_than_is_said_now(
    viewer: napari.Viewer, tmp_path: Path, told: list[str], name: str, qtbot: Any
) -> None:
    scan, path = without_spacing(tmp_path, mask=name, **SAID)
    (image,) = viewer.open(scan, plugin="napari-tumor-unet")
    say_spacing(viewer, image, (4.0, 1.0, 1.0))
    (mask,) = viewer.open(path, plugin="napari-tumor-unet")
    qtbot.waitUntil(lambda: len(told) == 1, timeout=PATIENCE)
    if name == "p1_mask":
        now = "it lies on p1 with what was said of that now, 4 x 1 x 1 mm."
        assert told[0] == f"p1_mask was saved with 5 x 0.94 x 0.94 mm; {now}"
        assert image_for(mask, viewer.layers) is image
        assert (sidecar_contents(mask) or {})["spacing"]["mm"] == [4.0, 1.0, 1.0]
        assert (sidecar_contents(mask) or {})["findings"]["volume_ml"] == pytest.approx(0.8)
        say_spacing(viewer, image, None)
    else:
        wanted = "lies beside p1; if it is its mask, say 5 x 0.94 x 0.94 mm in Sequences and slices."
        assert told[0] == f"other_mask {wanted}"
        say_spacing(viewer, image, (5, 0.94, 0.94))
    assert image_for(mask, viewer.layers) is image


def test_the_panel_turns_to_the_scan_of_a_mask_that_gets_its_spacing(
    viewer: napari.Viewer, tmp_path: Path, qtbot: Any
) -> None:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    scan, _ = without_spacing(tmp_path, scan="TCGA_CS_4941")
    (image,) = viewer.open(scan, plugin="napari-tumor-unet")
    say_spacing(viewer, image, (5, 0.94, 0.94))
    (other,) = viewer.open(
        scan_file(tmp_path / "other.nii.gz", (1, 1, 5), (0, 0, 0)), plugin="napari-tumor-unet"
    )
    qtbot.waitUntil(lambda: panel.layer.value is other, timeout=PATIENCE)
    qtbot.wait(1)  # what is opened without the event loop between is opened together
    tifffile.imwrite(tmp_path / "TCGA_CS_4941_mask.tif", np.ones(SHAPE, np.uint8), photometric="minisblack")
    (mask,) = viewer.open(tmp_path / "TCGA_CS_4941_mask.tif", plugin="napari-tumor-unet")
    viewer.layers.selection.active = mask
    qtbot.waitUntil(lambda: panel.layer.value is image, timeout=PATIENCE)
    qtbot.waitUntil(
        lambda: panel.mask.editor is not None and panel.mask.editor.layer is mask, timeout=PATIENCE
    )


def test_a_mask_without_a_place_is_laid_on_its_scan_once_it_is_named_after_it(
    viewer: napari.Viewer, tmp_path: Path, told: list[str], qtbot: Any
) -> None:
    scan = scan_file(tmp_path / "p1.nii.gz", (1.0, 1.0, 5.0), (-20.0, 30.0, 7.0))
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    image, mask = open_all(viewer, (scan, save_mask(tmp_path / "m.tif", scan)))
    qtbot.waitUntil(lambda: len(told) == 1, timeout=PATIENCE)
    assert image_for(mask, viewer.layers) is None
    viewer.layers.selection.active = mask
    mask.name = "p1 m"
    assert image_for(mask, viewer.layers) is image
    qtbot.waitUntil(lambda: panel.mask.editor is not None, timeout=PATIENCE)


@pytest.mark.parametrize(
    "files",
    [
        without_spacing,
        lambda folder: without_spacing(folder, "TCGA_CS_4941", "TCGA_HT_1234_mask", **SAID),
        anybodys,
    ],
    ids=["nobody said it", "another patient", "anybody's"],
)
def test_nothing_is_moved_where_it_is_not_known_to_belong_together(
    viewer: napari.Viewer, tmp_path: Path, told: list[str], files: Any, qtbot: Any
) -> None:
    what_to_say = "p1_mask lies beside p1; if it is its mask, say 5 x 0.94 x 0.94 mm in Sequences and slices."
    image, mask = open_all(viewer, files(tmp_path))
    before = [layer.extent.world for layer in (image, mask)]
    qtbot.waitUntil(lambda: mask.contour != 0, timeout=PATIENCE)  # shown, as an outline
    for layer, extent in zip((image, mask), before, strict=True):
        np.testing.assert_array_equal(layer.extent.world, extent)
    assert told == ([what_to_say] if files is without_spacing else [])
    if told:
        say_spacing(viewer, image, (5, 0.94, 0.94))
        assert image_for(mask, viewer.layers) is image


def experts(folder: Path) -> tuple[Path, Path]:
    """A scan in a TIFF, and its mask in another, of which no model is known."""
    scan, _ = without_spacing(folder)
    tifffile.imwrite(path := folder / "p1_truth_mask.tif", np.ones(SHAPE, np.uint8), photometric="minisblack")
    return scan, path


def test_what_was_said_of_a_mask_that_no_model_made_comes_back_with_it(
    viewer: napari.Viewer, tmp_path: Path, qtbot: Any
) -> None:
    scan, path = experts(tmp_path)
    image, mask = open_all(viewer, (scan, path))
    qtbot.waitUntil(lambda: mask.contour != 0, timeout=PATIENCE)
    saved = tmp_path / "p1_own_mask.tif"
    assert mask_file(mask, viewer).write(saved) == [saved]
    mask_metadata(mask).checked.add(3)
    say_spacing(viewer, image, (5, 0.94, 0.94))
    assert mask_file(mask, viewer).write(saved) == [saved, sidecar_of(saved)]
    assert "provenance" not in (sidecar_contents(mask) or {})
    assert not unedited_model(saved)
    viewer.layers.clear()
    image, mask = open_all(viewer, (scan, saved))
    qtbot.waitUntil(lambda: image_for(mask, viewer.layers) is image, timeout=PATIENCE)
    np.testing.assert_allclose(image.scale, (5, 0.94, 0.94))
    assert mask_metadata(mask).checked == {3}
    assert mask_metadata(mask).provenance is None
    assert MaskEditor(viewer, mask).measure().saved_as == "p1_own_mask.tif"
    mask_metadata(mask).checked.clear()
    say_spacing(viewer, image, None)
    assert not MaskEditor(viewer, mask).measure().saved_as  # the file tells a spacing
    assert mask_file(mask, viewer).write(saved) == [saved]
    assert not (tmp_path / "p1_own_mask.json").exists()


def test_what_is_said_of_a_mask_replaces_no_file_of_another_program(
    viewer: napari.Viewer, tmp_path: Path
) -> None:
    scan, path = experts(tmp_path)
    _, mask = open_all(viewer, (scan, path))
    (tmp_path / "p1_truth_mask.json").write_text('{"reader": 2}')
    mask_metadata(mask).checked.add(3)
    with pytest.raises(ScanError, match="belongs to another mask"):
        mask_file(mask, viewer).write(path)
    assert (tmp_path / "p1_truth_mask.json").read_text() == '{"reader": 2}'
