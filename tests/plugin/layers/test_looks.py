"""How masks that were read are painted, in a real viewer."""

from __future__ import annotations

from pathlib import Path

import napari
import numpy as np
import pytest
import tifffile
from napari.utils.colormaps.standardize_color import transform_color

from napari_tumor_unet.plugin.layers.layer_scan import COLOURS, label_colours
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


@pytest.mark.parametrize("late", [False, True])
def test_masks_read_for_one_scan_have_colours_of_their_own_and_the_users_stay(
    viewer: napari.Viewer, tmp_path: Path, late: bool
) -> None:
    for name, label, slices in (("a", 255, 4), ("b", 1, 4), ("c", 255, 4), ("other", 1, 5)):
        mask = np.resize(np.array((0, label), np.uint8), (slices, 12, 12))
        tifffile.imwrite(tmp_path / f"{name}_mask.tif", mask)
    if not late:
        ViewerContext.of(viewer)
    for name in ("a", "b", "c", "other"):
        viewer.open(tmp_path / f"{name}_mask.tif", plugin="napari-tumor-unet")
    ViewerContext.of(viewer)
    a, b, c, other = (layer.get_color(layer.data.max()).tolist() for layer in viewer.layers)
    assert a == other == pytest.approx(transform_color(COLOURS["blue"])[0])
    assert len({tuple(colour) for colour in (a, b, c)}) == 3
    viewer.layers[0].colormap = label_colours("pink", 255)
    viewer.open(tmp_path / "a_mask.tif", plugin="napari-tumor-unet")
    assert viewer.layers[0].get_color(255) == pytest.approx(transform_color(COLOURS["pink"])[0])
    assert viewer.layers[-1].get_color(255).tolist() == a
