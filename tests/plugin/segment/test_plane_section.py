"""Axial, coronal and sagittal slices in a real viewer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from magicgui.widgets import Container
from qtpy.QtWidgets import QApplication

from napari_tumor_unet.plugin.layers.planes import PLANES, camera_of
from napari_tumor_unet.plugin.segment.plane_section import PlaneSection
from tests.plugin.conftest import PATIENCE


@pytest.fixture
def section(viewer: napari.Viewer) -> Iterator[PlaneSection]:
    made = PlaneSection(viewer)
    viewer.window.add_dock_widget(Container(widgets=[made]), name="planes")  # whose show shows all
    yield made
    made.connections.close()


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A file that says where everything is."""
    image = sitk.GetImageFromArray(np.ones((10, 12, 14), np.float32))
    image.SetSpacing((1.0, 1.5, 4.0))
    sitk.WriteImage(image, tmp_path / "head.nii.gz")
    return tmp_path / "head.nii.gz"


def letters(viewer: napari.Viewer) -> dict[str, str]:
    if not hasattr(viewer, "canvas"):
        pytest.skip("napari before 0.9 has no place for them")
    edges = ("left", "right", "top", "bottom")
    overlays = viewer.canvas.overlays
    shown = {edge: overlays.get(f"_tumour_unet_{edge}") for edge in edges}
    return {edge: overlay.text for edge, overlay in shown.items() if overlay is not None and overlay.visible}


def brighter_end(viewer: napari.Viewer, horizontal: bool) -> str:
    """On which side of the canvas the picture is brighter."""
    QApplication.processEvents()
    shown = viewer.screenshot(canvas_only=True, flash=False)[..., :3].sum(axis=2, dtype=float)
    profile = shown.sum(axis=0 if horizontal else 1)
    half = len(profile) // 2
    first = profile[:half].sum() > profile[half:].sum()
    return ("left" if first else "right") if horizontal else ("top" if first else "bottom")


@pytest.mark.parametrize(
    ("plane", "left", "right", "top", "bottom"),
    [("Axial", "R", "L", "A", "P"), ("Coronal", "R", "L", "S", "I"), ("Sagittal", "A", "P", "S", "I")],
)
def test_each_plane_has_the_head_up_and_letters_at_its_edges(
    viewer: napari.Viewer,
    section: PlaneSection,
    head: Path,
    plane: str,
    left: str,
    right: str,
    top: str,
    bottom: str,
) -> None:
    (image,) = viewer.open(head, plugin="napari-tumor-unet")
    section.planes[plane].native.click()
    assert letters(viewer) == {"left": left, "right": right, "top": top, "bottom": bottom}
    assert section.planes[plane].native.isChecked()
    # By the picture itself: each axis alone is brighter towards S, P and L.
    across, vertical, horizontal = viewer.dims.order
    image.contrast_limits = (0, 1)
    image.data = np.indices(image.data.shape, np.float32)[horizontal] / image.data.shape[horizontal]
    assert {"left": left, "right": right}[brighter_end(viewer, horizontal=True)] in "PL"
    image.data = np.indices(image.data.shape, np.float32)[vertical] / image.data.shape[vertical]
    assert {"top": top, "bottom": bottom}[brighter_end(viewer, horizontal=False)] in "SP"
    assert {"S": 0, "P": 1, "L": 2}[PLANES[plane][0]] == across


def test_a_plane_changes_no_layer_and_goes_with_the_panel(
    viewer: napari.Viewer, section: PlaneSection, head: Path
) -> None:
    (image,) = viewer.open(head, plugin="napari-tumor-unet")
    before = viewer.dims.order, camera_of(viewer).orientation, image.as_layer_data_tuple()[1]["affine"]
    for plane in ("Sagittal", "Coronal"):
        section.planes[plane].native.click()
    assert list(viewer.layers) == [image]
    assert viewer.canvas.overlays["scale_bar"].visible
    section.connections.close()
    after = viewer.dims.order, camera_of(viewer).orientation, image.as_layer_data_tuple()[1]["affine"]
    assert after[:2] == before[:2]
    np.testing.assert_array_equal(after[2], before[2])
    assert not letters(viewer)
    assert not viewer.canvas.overlays["scale_bar"].visible


def test_where_the_file_does_not_say_which_side_is_left_there_are_no_letters(
    viewer: napari.Viewer, section: PlaneSection
) -> None:
    viewer.add_image(np.zeros((6, 20, 30)))
    section.planes["Coronal"].native.click()
    assert not letters(viewer)
    assert section.message.value == "The file does not say which side is left."
    assert str(camera_of(viewer).orientation[1]) == "up"


@pytest.mark.parametrize("active", ["told", "untold", None])
def test_letters_are_those_of_the_scan_on_screen_whatever_is_active(
    viewer: napari.Viewer, section: PlaneSection, head: Path, tmp_path: Path, qtbot: Any, active: str | None
) -> None:
    (told,) = viewer.open(head, plugin="napari-tumor-unet")
    tifffile.imwrite(tmp_path / "TCGA_CS_1.tif", np.ones((10, 20, 30), np.uint8), photometric="minisblack")
    (untold,) = viewer.open(tmp_path / "TCGA_CS_1.tif", plugin="napari-tumor-unet")
    qtbot.waitUntil(lambda: not told.visible, timeout=PATIENCE)  # as another scan was opened
    viewer.layers.selection.active = {"told": told, "untold": untold, None: None}[active]
    sentence = "The file does not say which side is left."
    for _ in range(2):
        told.visible, untold.visible = True, False
        qtbot.waitUntil(lambda: letters(viewer).get("left") == "R", timeout=PATIENCE)
        assert section.message.value != sentence
        told.visible, untold.visible = False, True
        qtbot.waitUntil(lambda: not letters(viewer), timeout=PATIENCE)
        assert section.message.value == sentence
    camera_of(viewer).center = tuple(told.extent.world.mean(axis=0))  # where both lie
    told.visible = True  # under the other one
    QApplication.processEvents()
    assert not letters(viewer)
    viewer.layers.move(viewer.layers.index(told), 2)
    qtbot.waitUntil(lambda: letters(viewer).get("left") == "R", timeout=PATIENCE)


def test_slices_that_lie_otherwise_are_turned_as_the_panel_was_told(viewer: napari.Viewer) -> None:
    from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation
    from napari_tumor_unet.plugin.layers.planes import anatomy_of
    from napari_tumor_unet.plugin.layers.sequences import SequenceAssignment

    z, y, x = np.mgrid[0:4, 0:5, 0:6]
    for across in range(3):
        for turn in range(4):
            image = viewer.add_image(np.zeros((4, 5, 6)))
            anatomy = anatomy_of(image, SequenceAssignment(across=across, turn=turn))
            assert anatomy is not None
            for direction, axis_of_scan in zip("SPL", range(3), strict=True):
                axis, rises = anatomy.axes[direction]
                index = (z, y, x)[axis]
                along = SliceOrientation((), across, turn).volume(index)
                steps = np.diff(along, axis=axis_of_scan)
                assert (steps == (1 if rises else -1)).all()


def test_the_section_is_hidden_without_a_volume(viewer: napari.Viewer, section: Any) -> None:
    assert not section.visible
    viewer.add_image(np.zeros((20, 30)))
    assert not section.visible
    assert set(section.planes) == set(PLANES)


def leave_open(head: str) -> None:
    """End with a window in which the panel is open, as a script does that forgets to close it."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.open(head, plugin="napari-tumor-unet")
    viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")
    QApplication.processEvents()


@pytest.mark.slow
def test_python_ends_quietly_with_the_panel_open(head: Path) -> None:
    code = f"from tests.plugin.segment.test_plane_section import leave_open; leave_open({str(head)!r})"
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "Error" not in ended.stderr
    assert ended.returncode == 0
