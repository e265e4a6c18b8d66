"""The field for a spacing that the file does not tell, in a real window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import tifffile
from superqt import QCollapsible

from napari_tumor_unet.inference.result import Slices
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.plugin.io.mask_export import mask_file
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.recovery import codec
from napari_tumor_unet.plugin.segment.mask_writer import MaskWriter
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE, made_by


def write_mask(viewer: napari.Viewer) -> None:
    probability = np.zeros((6, 64, 64), np.uint8)
    probability[1:4, 10:30, 12:26] = 255
    writer = MaskWriter(viewer, scan_of(viewer.layers[0], viewer.layers, viewer.dims.point))
    writer.add_layer()
    writer.write(Slices(tuple(range(6)), probability, probability // 255, 6, 6))
    writer.finish(None, made_by("default"), ())


@pytest.fixture
def panel(viewer: napari.Viewer, tmp_path: Path, qtbot: Any) -> Any:
    tifffile.imwrite(tmp_path / "head.tif", make_phantom((6, 64, 64))[0].sequences["flair"])
    viewer.open(tmp_path / "head.tif", plugin="napari-tumor-unet")
    write_mask(viewer)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    for fold in panel.native.findChildren(QCollapsible):
        fold.expand(animate=False)
    qtbot.waitUntil(lambda: panel.mask.state is not None, timeout=PATIENCE)
    return panel


def say(panel: Any, text: str) -> None:
    line = panel.sequences.spacing.line
    assert line.native.isVisible()
    line.value = text
    line.native.editingFinished.emit()


def test_sizes_are_in_ml_and_mm_once_it_is_said_and_in_voxels_when_it_is_emptied(
    panel: Any, viewer: napari.Viewer, qtbot: Any, tmp_path: Path
) -> None:
    mask = viewer.layers[-1]
    before = mask.data.copy()
    card = panel.mask.card
    assert "840 voxels" in card.headline.value
    assert card.spacing.value == "No ml without a spacing: say it under Sequences and slices."
    assert card.spacing.visible
    say(panel, "5 x 0.9 x 0.9")
    qtbot.waitUntil(lambda: "3.4 ml" in card.headline.value, timeout=PATIENCE)
    assert not card.spacing.visible
    qtbot.waitUntil(lambda: "22 x" in panel.mask.regions.list.item(0).text(), timeout=PATIENCE)
    assert "mm in slice 1; sum of products" in panel.mask.measures.sizes.value
    assert panel.mask.unit.value == "mm³"
    assert panel.planes._in_mm  # the scale bar
    assert (mask.data == before).all()
    mask_file(mask, viewer).write(tmp_path / "mask.tif")
    assert read_scan(tmp_path / "mask.tif").spacing == pytest.approx((5, 0.9, 0.9))
    assert '"said_by": "user"' in (tmp_path / "mask.json").read_text()
    say(panel, "")
    qtbot.waitUntil(lambda: "840 voxels" in panel.mask.card.headline.value, timeout=PATIENCE)
    assert panel.sequences.spacing.line.value == ""


def test_what_is_no_spacing_is_told_and_changes_nothing(panel: Any, viewer: napari.Viewer) -> None:
    say(panel, "940 x 940 x 5000")
    assert "is no spacing" in panel.sequences.spacing.problem.value
    np.testing.assert_array_equal(viewer.layers[0].scale, 1)
    say(panel, "")
    assert not panel.sequences.spacing.problem.visible


def test_a_scan_whose_file_tells_it_has_no_field(panel: Any, viewer: napari.Viewer, qtbot: Any) -> None:
    other = viewer.add_image(np.zeros((6, 20, 20)), scale=(5, 1, 1), units="mm", rgb=False)
    qtbot.waitUntil(lambda: panel.layer.value is other, timeout=PATIENCE)
    assert not panel.sequences.spacing.line.visible


def test_a_recovered_mask_brings_it_to_its_scan(panel: Any, viewer: napari.Viewer, qtbot: Any) -> None:
    say(panel, "5 x 0.9 x 0.9")
    qtbot.waitUntil(lambda: "ml" in panel.mask.card.headline.value, timeout=PATIENCE)
    autosave = codec.snapshot(viewer.layers[-1])
    say(panel, "")
    viewer.layers.remove(viewer.layers[-1])
    codec.add_layer(viewer, autosave)
    np.testing.assert_allclose([layer.scale for layer in viewer.layers], [(5, 0.9, 0.9)] * 2)
    qtbot.waitUntil(lambda: panel.sequences.spacing.line.value == "5 x 0.9 x 0.9", timeout=PATIENCE)
