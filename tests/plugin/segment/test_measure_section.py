"""Diameters in the list of regions, as lines, and in a report, in a real window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
import nibabel as nib
import numpy as np
import pytest
from napari.layers import Shapes
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QFileDialog
from superqt import QCollapsible

from napari_tumor_unet.inference.result import Slices
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.segment.mask_writer import MaskWriter
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE, made_by, press

BY = np.array((0, 8, 8))


@pytest.fixture
def run(viewer: napari.Viewer, tmp_path: Path) -> Callable[[], None]:
    """Segment a scan of 5 x 1 x 1 mm: two regions, of which the larger one has the smaller product."""
    volume = make_phantom((6, 64, 64))[0].sequences["flair"]
    nib.save(nib.Nifti1Image(volume.transpose(2, 1, 0), np.diag([-1.0, -1, 5, 1])), tmp_path / "head.nii.gz")
    viewer.open(tmp_path / "head.nii.gz", plugin="napari-tumor-unet")
    probability = np.zeros(volume.shape, np.uint8)
    probability[1:6, 30:42, 40:50] = 255
    probability[2:4, 10:30, 12:26] = 255

    def write() -> None:
        writer = MaskWriter(viewer, scan_of(viewer.layers[0], viewer.layers, viewer.dims.point))
        writer.add_layer()
        writer.write(Slices(tuple(range(6)), probability, probability // 255, 6, 6))
        writer.finish(None, made_by("default"), ())

    return write


@pytest.fixture
def panel(viewer: napari.Viewer, run: Callable[[], None], qtbot: Any) -> Any:
    run()
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    for fold in panel.native.findChildren(QCollapsible):
        fold.expand(animate=False)
    qtbot.waitUntil(lambda: len([row for row in rows(panel) if " mm " in row]) == 2, timeout=PATIENCE)
    return panel


def test_nothing_is_said_of_the_mask_before_while_another_is_measured(
    viewer: napari.Viewer, panel: Any, run: Callable[[], None], qtbot: Any
) -> None:
    measures = panel.mask.measures
    qtbot.waitUntil(lambda: measures.sizes.value.startswith("Diameters"), timeout=PATIENCE)
    viewer.layers[-1].data[1, 35, 44] = 0  # an edited mask stays, and the next run has one of its own
    run()
    viewer.layers.selection.active = viewer.layers[-1]
    panel.show_mask()
    assert panel.mask.editor.layer is viewer.layers[-1]
    assert not measures.sizes.value
    assert not measures.report.enabled
    qtbot.waitUntil(lambda: measures.report.enabled, timeout=PATIENCE)


def rows(panel: Any) -> list[str]:
    regions = panel.mask.regions.list
    return [regions.item(i).text() for i in range(regions.count())]


def lines_in(viewer: napari.Viewer) -> list[Shapes]:
    return [layer for layer in viewer.layers if isinstance(layer, Shapes)]


def shown(viewer: napari.Viewer, panel: Any, qtbot: Any) -> Shapes:
    press(panel.mask.measures.lines, qtbot)
    qtbot.waitUntil(lambda: bool(lines_in(viewer)), timeout=PATIENCE)
    return lines_in(viewer)[-1]


def drag(viewer: napari.Viewer, layer: Shapes, start: np.ndarray, end: np.ndarray, qtbot: Any) -> list[str]:
    """Drag from one place in the data to another by the mouse; return the first line's labels meanwhile."""
    canvas = viewer.window._qt_viewer.canvas
    labels = []

    def send(kind: QEvent.Type, place: np.ndarray, button: Qt.MouseButton, held: Qt.MouseButton) -> None:
        world = layer.data_to_world(place)[-2:]
        x, y = canvas.view.scene.transform.map([world[1], world[0]])[:2]
        where = QPointF(x, y)
        event = QMouseEvent(
            kind, where, canvas.native.mapToGlobal(where), button, held, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(canvas.native, event)
        there = partial(np.allclose, world, atol=0.5)  # napari passes moves on after a while
        qtbot.waitUntil(lambda: there(viewer.cursor.position[-2:]), timeout=PATIENCE)
        labels.append(layer.features["label"][0])

    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    send(QEvent.Type.MouseMove, start, none, none)
    send(QEvent.Type.MouseButtonPress, start, left, left)
    for share in (0.3, 0.6, 1.0):
        send(QEvent.Type.MouseMove, start + share * (end - start), none, left)
    send(QEvent.Type.MouseButtonRelease, end, left, none)
    return labels


def test_the_list_of_regions_tells_their_diameters(panel: Any, qtbot: Any) -> None:
    wanted = ["1 · 3.0 ml · left\n16 x 13 mm · slices 1-5", "2 · 2.8 ml · right\n24 x 17 mm · slices 2-3"]
    qtbot.waitUntil(lambda: rows(panel) == wanted, timeout=PATIENCE)
    panel.mask.regions.list.setCurrentRow(1)
    panel.mask.regions.order.value = "by product"
    assert rows(panel) == wanted[::-1]
    assert [region.voxels for region in panel.mask.regions.chosen] == [560]
    assert "Diameters 15.6 x 13.0 mm in slice 1; sum of products" in panel.mask.measures.sizes.value


def test_diameters_follow_what_is_painted(viewer: napari.Viewer, panel: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: "16 x 13 mm" in rows(panel)[0], timeout=PATIENCE)
    viewer.layers[-1].data_setitem(tuple(np.mgrid[1:6, 42:52, 40:50].reshape(3, -1)), 1)
    qtbot.waitUntil(lambda: "\n24 x" in rows(panel)[0], timeout=PATIENCE)


def test_a_line_dragged_by_the_mouse_has_numbers_that_follow_and_undo_takes_it_back(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    layer = shown(viewer, panel, qtbot)
    qtbot.waitUntil(lambda: viewer.dims.current_step[0] == 1, timeout=PATIENCE)
    QApplication.processEvents()
    before = [np.array(line) for line in layer.data]
    end = before[0][1]
    labels = drag(viewer, layer, end, end + BY, qtbot)
    assert len(set(labels)) >= 3, labels  # while the button is held, too
    assert layer.features["label"][0].endswith("mm, by hand")
    assert list(layer.features["moved"]) == [True, False, False, False]
    np.testing.assert_allclose(layer.data[0][1], end + BY, atol=0.5)
    np.testing.assert_allclose(layer.data[0][0], before[0][0])
    viewer.layers.selection.active = layer
    viewer.window._qt_viewer.canvas.native.setFocus()
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not any(layer.features["moved"])
    np.testing.assert_allclose(layer.data[0], before[0])


def test_a_new_run_leaves_lines_that_were_moved_alone(
    viewer: napari.Viewer, panel: Any, run: Callable[[], None], qtbot: Any
) -> None:
    layer = shown(viewer, panel, qtbot)
    layer.data = [line + (i == 1) * BY for i, line in enumerate(layer.data)]
    moved = [np.array(line) for line in layer.data]
    run()
    press(panel.mask.measures.lines, qtbot)
    qtbot.waitUntil(lambda: len(lines_in(viewer)) == 2, timeout=PATIENCE)
    assert all(map(np.array_equal, layer.data, moved))
    assert list(layer.features["moved"]) == [False, True, False, False]


@pytest.mark.parametrize(("name", "kind"), [("head", "PDF (*.pdf)"), ("head.html", "Page (*.html)")])
def test_a_report_is_written_where_the_user_says(
    panel: Any,
    viewer: napari.Viewer,
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kind: str,
) -> None:
    asked = []

    def ask(_parent: Any, _title: str, proposed: str, _kinds: str) -> tuple[str, str]:
        asked.append(Path(proposed))
        return str(tmp_path / name), kind

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    viewer.layers[-1].data_setitem((np.array([0]), np.array([1]), np.array([2])), 1)
    press(panel.mask.measures.report, qtbot)
    written = tmp_path / ("head.pdf" if "pdf" in kind else "head.html")
    qtbot.waitUntil(written.exists, timeout=PATIENCE)
    assert asked == [tmp_path / "head_mask.html"]
    if written.suffix == ".html":
        text = written.read_text()
        assert "The mask was edited by hand; no slice marked as checked." in text
        assert "does not say which side" not in text
        assert '<td data-title="longest">24.4 mm</td>' in text


def test_a_report_of_a_mask_whose_scan_is_gone_is_declined(
    panel: Any, viewer: napari.Viewer, qtbot: Any, notified: list[str]
) -> None:
    section = panel.mask.measures
    qtbot.waitUntil(lambda: "16 x 13 mm" in rows(panel)[0], timeout=PATIENCE)
    viewer.layers.remove(viewer.layers[0])
    section._report()
    assert "is not open; open it for a report." in notified[-1]
