"""A scan that is opened beside another patient's, in a real window."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import napari
import nibabel
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Layer
from qtpy.QtWidgets import QApplication

from napari_tumor_unet.plugin.io import opened_together
from napari_tumor_unet.plugin.io.readers import read_layers
from napari_tumor_unet.plugin.layers.metadata import KEY, MASK_OF, MaskMetadata
from napari_tumor_unet.plugin.layers.planes import camera_of
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from tests.plugin.conftest import PATIENCE
from tests.plugin.io.test_readers import drop, open_mri_scan, saved_volume


def saved_stack(path: Path) -> Path:
    """Without a spacing, as those of the LGG data set; not in the place of a volume of ``saved_volume``."""
    tifffile.imwrite(path, np.random.default_rng(1).integers(0, 255, (10, 64, 64, 3), np.uint8))
    return path


@pytest.fixture
def scans(tmp_path: Path) -> dict[str, Path]:
    """Two patients on unlike grids, and the second one's T1."""
    return {
        "TCGA_CS_1": saved_stack(tmp_path / "TCGA_CS_1.tif"),
        "BraTS_2_FLAIR": saved_volume(tmp_path / "BraTS_2_FLAIR.nii", (60, 50, 30)),
        "BraTS_2_T1": saved_volume(tmp_path / "BraTS_2_T1.nii", (60, 50, 30)),
    }


class Window:
    """The viewer, with a way to open scans."""

    def __init__(self, viewer: napari.Viewer, qtbot: Any, patch: pytest.MonkeyPatch, door: str) -> None:
        self.viewer, self._qtbot, self._patch, self._door = viewer, qtbot, patch, door
        patch.setattr(opened_together, "_PAUSE", 0.0)  # a mask whose scan is unclear is told of at once

    def open(self, *paths: Path) -> Image:
        """Open files, and return the layer that is looked at."""
        n = len(self.viewer.layers)
        drop(self.viewer, [*paths]) if self._door == "drop" else open_mri_scan([*paths], self._patch)

        def is_shown() -> bool:
            active = self.viewer.layers.selection.active
            return len(self.viewer.layers) > n and active is not None and paths[-1].stem in active.name

        self._qtbot.waitUntil(is_shown, timeout=PATIENCE)
        self._qtbot.wait(1)  # napari's own reading ends before the layers are put in order
        return self.viewer.layers.selection.active

    @property
    def view(self) -> tuple[Any, ...]:
        camera = camera_of(self.viewer)
        return tuple(camera.center), camera.zoom, tuple(self.viewer.dims.point)

    def is_in_view(self, layer: Layer) -> bool:
        """Whether a layer's middle slice is on screen, in the middle of the canvas, and fills it."""
        low, high = layer.extent.world
        (z, *centre), size = (low + high) / 2, (high - low)[1:]
        canvas = self.viewer.window._qt_viewer.canvas.size
        camera = camera_of(self.viewer)
        fills = 0.8 < camera.zoom * max(size / np.array(canvas)) < 1
        at = abs(self.viewer.dims.point[0] - z) <= self.viewer.dims.range[0].step
        return bool(np.allclose(camera.center[-2:], centre, atol=1) and fills and at)

    def is_slice_of(self, layer: Layer) -> bool:
        low, high = layer.extent.world
        return bool(low[0] <= self.viewer.dims.point[0] <= high[0])

    def work_on(self, scan: Image) -> list[Layer]:
        """Leave a mask, its diameters and its doubt, as the panel makes them, and a point of the user's."""
        place = {"scale": scan.scale, "translate": scan.translate, "units": scan.units}
        mask = self.viewer.add_labels(np.ones(scan.data.shape, np.uint8), name=f"{scan.name} mask", **place)
        line = np.array([[2, 2, 2], [2, 9, 9]])
        lines = self.viewer.add_shapes(
            [line], shape_type="line", metadata={MASK_OF: str(mask.unique_id)}, **place
        )
        doubt = self.viewer.add_labels(
            np.ones(scan.data.shape, np.uint8),
            name=f"{scan.name} in doubt",
            metadata={KEY: MaskMetadata(agreement="doubt")},
            **place,
        )
        return [scan, mask, lines, doubt]


@pytest.fixture
def window(viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch, request: Any) -> Window:
    return Window(viewer, qtbot, monkeypatch, getattr(request, "param", "dialog"))


through_both_doors = pytest.mark.parametrize("window", ["drop", "dialog"], indirect=True)


def told_of(notified: list[str]) -> list[str]:
    """What the plugin says; napari speaks of units."""
    return [text for text in notified if not text.startswith("Inconsistent units")]


def test_a_mask_without_its_scan_keeps_no_scan_in_its_place_out_of_view(
    window: Window, scans: dict[str, Path], tmp_path: Path
) -> None:
    mask = tmp_path / "BraTS2021_00001_seg.nii"
    nibabel.Nifti1Image(
        np.ones((60, 50, 30), np.uint8), nibabel.load(scans["BraTS_2_FLAIR"]).affine
    ).to_filename(mask)
    window.open(mask)
    window.open(scans["TCGA_CS_1"])
    scan = window.open(scans["BraTS_2_FLAIR"].rename(tmp_path / "BraTS2021_00002_FLAIR.nii"))
    assert window.is_in_view(scan)


@through_both_doors
@pytest.mark.parametrize("order", [("TCGA_CS_1", "BraTS_2_FLAIR"), ("BraTS_2_FLAIR", "TCGA_CS_1")])
def test_another_patient_comes_into_view_and_nothing_of_the_first_lies_over_it(
    window: Window, scans: dict[str, Path], notified: list[str], order: tuple[str, str]
) -> None:
    first, second = order
    of_first = window.work_on(window.open(scans[first]))
    window.viewer.dims.set_point(0, 0)
    points = window.viewer.add_points([[1, 1, 1]], name="the user's")
    scan = window.open(scans[second])
    assert window.is_in_view(scan)
    assert scan.visible
    assert not any(layer.visible for layer in of_first)
    assert points.visible
    (text,) = told_of(notified)
    assert text.startswith(f"{first} is hidden, as {second} is another scan; ")
    window.viewer.dims.set_point(0, 25)  # where the stack of ten slices has none
    for layer in of_first:
        layer.visible = True  # the eye
    assert window.is_slice_of(of_first[0])
    assert all(layer in window.viewer.layers for layer in of_first)


@through_both_doors
def test_a_t1_of_the_same_patient_changes_nothing_else(
    window: Window, scans: dict[str, Path], notified: list[str]
) -> None:
    of_flair = window.work_on(window.open(scans["BraTS_2_FLAIR"]))
    camera_of(window.viewer).zoom = 7.5
    window.viewer.dims.set_point(0, 8)
    before = window.view
    window.open(scans["BraTS_2_T1"])
    assert window.view == before
    assert all(layer.visible for layer in of_flair)
    assert not told_of(notified)


def test_on_the_very_same_grid_the_view_stays_and_the_other_patient_is_hidden(
    window: Window, tmp_path: Path, scans: dict[str, Path]
) -> None:
    first = window.work_on(window.open(scans["BraTS_2_FLAIR"]))
    camera_of(window.viewer).zoom = 7.5
    before = window.view
    window.open(saved_volume(tmp_path / "BraTS_3_FLAIR.nii", (60, 50, 30)))
    assert window.view == before
    assert not any(layer.visible for layer in first)


def test_all_sequences_go_under_a_mask_of_theirs_that_was_there_before(
    window: Window, scans: dict[str, Path]
) -> None:
    Autosaving.of(window.viewer)  # looks for the scan of a mask whenever a layer comes
    mask = window.viewer.add_labels(np.ones((10, 64, 64), np.uint8), name="TCGA_CS_1 mask")
    flair = window.open(scans["TCGA_CS_1"])
    assert window.viewer.layers[-2:] == [flair, mask]


def test_what_is_no_scan_stays_shown(window: Window, scans: dict[str, Path], notified: list[str]) -> None:
    atlas = window.viewer.add_image(np.zeros((30, 90, 90)), name="atlas")
    drawn = window.viewer.add_labels(np.zeros((30, 90, 90), np.uint8), name="drawn")
    scan = window.open(scans["BraTS_2_FLAIR"])
    assert window.is_in_view(scan)
    assert atlas.visible
    assert drawn.visible
    assert not told_of(notified)


def test_in_a_grid_of_layers_all_stay_shown(window: Window, scans: dict[str, Path]) -> None:
    first = window.open(scans["TCGA_CS_1"])
    window.viewer.canvas.grid.enabled = True
    try:
        window.open(scans["BraTS_2_FLAIR"])
        assert first.visible
    finally:
        window.viewer.canvas.grid.enabled = False


@through_both_doors
def test_of_two_patients_opened_together_the_last_is_in_view_without_a_word(
    window: Window, scans: dict[str, Path], notified: list[str]
) -> None:
    scan = window.open(scans["TCGA_CS_1"], scans["BraTS_2_FLAIR"])
    assert window.is_in_view(scan)
    assert [layer.name for layer in window.viewer.layers if layer.visible] == [scan.name]
    assert not [text for text in notified if "hidden" in text]


def test_events_that_napari_serves_between_two_files_do_not_part_a_drop(
    viewer: napari.Viewer, scans: dict[str, Path], qtbot: Any, notified: list[str]
) -> None:
    def serve_events() -> None:
        QApplication.processEvents()

    viewer.layers.events.inserted.connect(serve_events)
    drop(viewer, [scans["TCGA_CS_1"], scans["BraTS_2_FLAIR"]])
    qtbot.waitUntil(lambda: shown_in(viewer) == ["BraTS_2_FLAIR"], timeout=PATIENCE)
    viewer.layers.events.inserted.disconnect(serve_events)
    assert not [text for text in notified if "hidden" in text]


def test_a_drop_while_another_one_is_read_leaves_one_scan_in_view(
    viewer: napari.Viewer, scans: dict[str, Path], qtbot: Any
) -> None:
    def drop_another() -> None:
        viewer.layers.events.inserted.disconnect(drop_another)
        drop(viewer, [scans["TCGA_CS_1"]])  # in the events that napari serves before it reads the next file

    viewer.layers.events.inserted.connect(drop_another)
    drop(viewer, [scans["BraTS_2_FLAIR"], scans["BraTS_2_T1"]])
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=PATIENCE)
    qtbot.waitUntil(lambda: shown_in(viewer) == ["BraTS_2_FLAIR"], timeout=PATIENCE)
    assert viewer.layers.selection.active.name == "BraTS_2_FLAIR"


def test_what_a_script_opens_in_two_windows_is_put_in_order_in_both(
    make_napari_viewer: Any, scans: dict[str, Path], qtbot: Any
) -> None:
    first = make_napari_viewer(show=True)
    first.open([scans["BraTS_2_FLAIR"], scans["BraTS_2_T1"]], plugin="napari-tumor-unet")
    second = make_napari_viewer(show=True)
    second.open(scans["TCGA_CS_1"], plugin="napari-tumor-unet")
    qtbot.waitUntil(lambda: len(shown_in(second)) == 1, timeout=PATIENCE)
    qtbot.waitUntil(lambda: shown_in(first) == ["BraTS_2_FLAIR"], timeout=PATIENCE)
    assert first.layers.selection.active.name == "BraTS_2_FLAIR"


def test_what_another_thread_reads_does_not_touch_the_window(
    window: Window, scans: dict[str, Path], qtlog: Any
) -> None:
    thread = threading.Thread(target=read_layers, args=(scans["TCGA_CS_1"],))
    thread.start()
    thread.join()
    scan = window.open(scans["BraTS_2_T1"], scans["BraTS_2_FLAIR"])
    assert shown_in(window.viewer) == [scan.name] == ["BraTS_2_FLAIR"]
    assert not [record.message for record in qtlog.records if "thread" in record.message]


def test_the_panel_takes_the_scan_that_was_opened(window: Window, scans: dict[str, Path], qtbot: Any) -> None:
    window.open(scans["TCGA_CS_1"])
    dock, panel = window.viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")
    for name, shown in (("BraTS_2_FLAIR", True), ("TCGA_CS_1", False)):
        dock.setVisible(shown)
        scan = window.open(scans[name])
        qtbot.waitUntil(lambda scan=scan: panel.layer.value is scan, timeout=PATIENCE)


@pytest.fixture
def patients(tmp_path: Path) -> dict[str, Path]:
    """FLAIR and masks of three patients on one grid, as those of BraTS."""
    codes = ("00006", "00630", "00739")
    names = [f"BraTS2021_{code}_{what}" for code in codes for what in ("flair", "seg")]
    paths = {name.removeprefix("BraTS2021_"): tmp_path / f"{name}.nii" for name in names}
    for name, path in paths.items():
        saved_mask(path) if name.endswith("seg") else saved_volume(path)
    return paths


def saved_mask(path: Path) -> None:
    voxels = np.zeros((20, 24, 6), np.uint8)
    voxels[5:9, 5:9, 2:4] = 1
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1, -1, 4, 1])), path)


def shown_in(viewer: napari.Viewer) -> list[str]:
    return [layer.name.removeprefix("BraTS2021_") for layer in viewer.layers if layer.visible]


@through_both_doors
def test_a_mask_brings_its_own_scan_into_view_in_place_of_another_patient(
    window: Window, patients: dict[str, Path], notified: list[str]
) -> None:
    window.open(patients["00006_flair"])
    window.open(patients["00630_flair"])
    notified.clear()
    window.open(patients["00006_seg"])
    assert shown_in(window.viewer) == ["00006_flair", "00006_seg"]
    (text,) = told_of(notified)
    assert text.startswith(
        "BraTS2021_00630_flair is hidden, as BraTS2021_00006_seg is a mask of BraTS2021_00006_flair; "
    )
    notified.clear()
    window.open(patients["00006_seg"], patients["00630_seg"])
    assert shown_in(window.viewer) == ["00630_flair", "00630_seg"]
    assert len(told_of(notified)) == 1


@through_both_doors
def test_a_mask_of_what_is_in_view_changes_nothing(
    window: Window, patients: dict[str, Path], notified: list[str]
) -> None:
    first = window.open(patients["00006_flair"])
    window.open(patients["00630_flair"])
    first.visible = True
    window.viewer.dims.set_point(0, 4)
    notified.clear()
    before = window.view
    window.open(patients["00630_seg"])
    assert window.view == before
    assert shown_in(window.viewer) == ["00006_flair", "00630_flair", "00630_seg"]
    assert not told_of(notified)


@through_both_doors
def test_a_mask_that_may_be_of_several_scans_hides_nothing_and_is_told_of(
    window: Window, patients: dict[str, Path], notified: list[str], qtbot: Any
) -> None:
    window.open(patients["00739_seg"])  # before any scan
    window.open(patients["00006_flair"])
    window.open(patients["00630_flair"])
    notified.clear()
    before = shown_in(window.viewer)
    window.open(patients["00739_seg"])
    assert shown_in(window.viewer)[: len(before)] == before
    qtbot.waitUntil(lambda: bool(told_of(notified)), timeout=PATIENCE)
    (text,) = told_of(notified)
    assert "unclear which of the open scans BraTS2021_00739_seg" in text


@through_both_doors
def test_a_mask_whose_scan_comes_after_it_is_not_told_of_and_lies_above(
    window: Window,
    patients: dict[str, Path],
    notified: list[str],
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window.open(patients["00006_flair"])
    window.open(patients["00630_flair"])
    notified.clear()
    monkeypatch.setattr(opened_together, "_PAUSE", 0.5)
    window.open(patients["00739_seg"], patients["00739_flair"])
    qtbot.waitUntil(lambda: not opened_together._unclear, timeout=PATIENCE)
    assert shown_in(window.viewer) == ["00739_flair", "00739_seg"]
    assert not [text for text in told_of(notified) if "unclear" in text]
