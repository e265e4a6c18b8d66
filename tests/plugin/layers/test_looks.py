"""How masks that were read are painted, in a real viewer."""

from __future__ import annotations

from pathlib import Path

import napari
import numpy as np
import pytest
import tifffile

from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext


@pytest.mark.parametrize(
    ("labels", "brush"), [((0, 255), 255), ((0, 1), 1), ((0, 1, 255), 1), ((0, 2, 4), 1), ((0,), 1)]
)
def test_the_brush_paints_the_only_label_of_a_mask(
    viewer: napari.Viewer, tmp_path: Path, labels: tuple[int, ...], brush: int
) -> None:
    ViewerContext.of(viewer)
    mask = np.resize(np.array(labels, np.uint8), (4, 12, 12))
    tifffile.imwrite(tmp_path / "a_mask.tif", mask)
    viewer.open(tmp_path / "a_mask.tif", plugin="napari-tumor-unet")
    layer = viewer.layers[-1]
    assert isinstance(layer, napari.layers.Labels)
    assert layer.selected_label == brush


def test_the_brush_for_a_mask_that_was_there_before_is_set_too(viewer: napari.Viewer, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a_mask.tif", np.resize(np.array((0, 255), np.uint8), (4, 12, 12)))
    viewer.open(tmp_path / "a_mask.tif", plugin="napari-tumor-unet")
    ViewerContext.of(viewer)
    assert viewer.layers[-1].selected_label == 255
