"""A scan that is segmented while another patient's is in view, in a real window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_tumor_unet.plugin.layers.in_view import is_in_view
from napari_tumor_unet.plugin.layers.metadata import KEY, ImageMetadata, title_of
from napari_tumor_unet.plugin.layers.planes import camera_of, is_at_centre
from napari_tumor_unet.plugin.segment.batch import Batch
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from tests.conftest import make_phantom
from tests.dicom_files import images, saved
from tests.plugin.conftest import PATIENCE, start_segmentation
from tests.plugin.io.test_readers import drop

pytestmark = pytest.mark.usefixtures("quick_model")
X, Y = "AX FLAIR", "AX FLAIR [1]"


@pytest.fixture
def scans(viewer: napari.Viewer, tmp_path: Path, qtbot: Any, notified: list[str]) -> napari.Viewer:
    """Series of one name, of two studies on unlike grids; the second one is in view."""
    for i, (shape, origin) in enumerate((((6, 40, 40), (0, 0, 0)), ((8, 32, 48), (60, -40, 9))), start=1):
        flair = make_phantom(shape)[0].sequences["flair"]
        uids = {"StudyInstanceUID": f"1.2.{i}", "SeriesInstanceUID": f"1.2.{i}.1"}
        stack = images(np.asarray(flair).astype(np.uint16), origin=origin, SeriesDescription=X, **uids)
        drop(viewer, [saved(stack, tmp_path / f"study{i}")])
        qtbot.waitUntil(lambda i=i: len(viewer.layers) == i, timeout=PATIENCE)
        qtbot.wait(1)  # napari's own reading ends before the layers are put in order
    assert shown_in(viewer) == [Y]
    notified.clear()
    return viewer


def shown_in(viewer: napari.Viewer) -> list[str]:
    return sorted(layer.name for layer in viewer.layers if layer.visible)


def switch(viewer: napari.Viewer, to: str) -> None:
    """Show one scan, and what is of it, by the eyes."""
    for layer in viewer.layers:
        layer.visible = layer.name.removesuffix(" tumour") == to
    viewer.layers.selection.active = viewer.layers[to]


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Ends of runs, held back until they are called."""
    held: list[Callable[[], None]] = []
    finish = SegmentationController._on_finished

    def hold(controller: SegmentationController, *result: Any) -> None:
        held.append(lambda: finish(controller, *result))

    monkeypatch.setattr(SegmentationController, "_on_finished", hold)
    return held


def test_the_one_click_brings_a_hidden_scan_into_view_with_its_mask_alone(
    scans: napari.Viewer, click: Callable[..., bool], notified: list[str]
) -> None:
    assert click(scans)
    assert shown_in(scans) == [Y, f"{Y} tumour"]
    assert not [text for text in notified if "another scan" in text]
    scans.layers.selection.active = scans.layers[X]
    assert click(scans)
    assert shown_in(scans) == [X, f"{X} tumour"]
    told = [text for text in notified if "another scan" in text]
    assert told == [f"{Y} is hidden, as {X} is another scan; the eyes in the layer list show all again."]
    low, high = scans.layers[X].extent.world
    assert low[0] <= scans.dims.point[0] <= high[0]
    scans.layers.selection.active = scans.layers[f"{Y} tumour"]  # hidden, and made again
    assert click(scans)
    assert shown_in(scans) == [Y, f"{Y} tumour"]


def test_the_panel_brings_a_hidden_scan_into_view(scans: napari.Viewer, qtbot: Any) -> None:
    panel = scans.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    panel.layer.value = scans.layers[X]
    with qtbot.waitSignal(SegmentationController.of(scans).ended, timeout=PATIENCE):
        panel._start()
    assert shown_in(scans) == [X, f"{X} tumour"]


def test_a_scan_that_is_laid_over_another_on_purpose_stays(
    scans: napari.Viewer, click: Callable[..., bool], notified: list[str]
) -> None:
    scans.layers[X].visible = True
    assert click(scans)
    assert shown_in(scans) == [X, Y, f"{Y} tumour"]
    assert not [text for text in notified if "another scan" in text]


@pytest.mark.parametrize("apart", ["on the canvas", "in slices"])
def test_of_two_scans_that_lie_apart_the_one_that_is_drawn_is_in_view(
    scans: napari.Viewer, apart: str
) -> None:
    x, y = (layer for layer in scans.layers if isinstance(layer, Image))
    x.visible = True
    if apart == "in slices":
        y.translate = (1000, *x.translate[1:])
    else:
        y.translate = (x.translate[0], 1000, 1000)
    for seen, other in ((x, y), (y, x)):
        middle = seen.extent.world.mean(axis=0)
        scans.dims.set_point(0, middle[0])
        camera_of(scans).center = tuple(middle)
        assert is_in_view(scans, seen)
        assert not is_in_view(scans, other)
    camera_of(scans).center = (0, -5000, -5000)
    scans.dims.set_point(0, 500)
    assert is_in_view(scans, y)  # the upper one, where none is drawn


def test_a_plane_among_volumes_is_in_view_along_the_axes_that_it_has(scans: napari.Viewer) -> None:
    plane = scans.add_image(np.zeros((32, 48)), name="plane")
    scans.dims.order = (1, 0, 2)
    camera_of(scans).center = (0, 5000, 20)
    assert is_at_centre(scans, plane)
    camera_of(scans).center = (0, 0, 5000)
    assert not is_at_centre(scans, plane)


def test_the_card_warns_where_its_numbers_stand_beside_another_scan(
    scans: napari.Viewer, click: Callable[..., bool], qtbot: Any
) -> None:
    panel: Any = scans.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    assert click(scans)
    card = panel.mask.card
    assert card.visible
    qtbot.waitUntil(lambda: not card.out_of_view.visible, timeout=PATIENCE)
    switch(scans, X)
    scans.layers.selection.active = scans.layers[f"{Y} tumour"]
    qtbot.waitUntil(lambda: card.visible and card.out_of_view.visible, timeout=PATIENCE)
    switch(scans, Y)
    qtbot.waitUntil(lambda: not card.out_of_view.visible, timeout=PATIENCE)
    scans.layers[f"{Y} tumour"].visible = False  # as with the key H
    qtbot.wait(1)
    assert not card.out_of_view.visible


def test_who_has_moved_on_to_another_scan_keeps_view_and_brush(
    scans: napari.Viewer, notified: list[str], qtbot: Any, ends: list[Callable[[], None]]
) -> None:
    scans.dims.set_point(0, 9)  # where there is no tumour
    start_segmentation()
    switch(scans, X)
    point = tuple(scans.dims.point)
    qtbot.waitUntil(lambda: bool(ends), timeout=PATIENCE)
    ends.pop()()
    assert shown_in(scans) == [X]
    assert scans.layers.selection.active is scans.layers[X]
    assert tuple(scans.dims.point) == point
    assert "The mask is hidden, as its scan is" in notified[-1]


def test_of_several_scans_the_masks_of_those_hidden_are_hidden_and_told_of(
    scans: napari.Viewer, notified: list[str], qtbot: Any
) -> None:
    batch = Batch.of(SegmentationController.of(scans))
    with qtbot.waitSignal(batch.ended, timeout=PATIENCE):
        batch.segment_layers([scans.layers[Y], scans.layers[X]], model="tiny")
    masks = {layer.name for layer in scans.layers if isinstance(layer, Labels)}
    assert masks == {f"{X} tumour", f"{Y} tumour"}
    assert shown_in(scans) == [Y, f"{Y} tumour"]
    assert scans.layers.selection.active is scans.layers[f"{Y} tumour"]  # for whoever paints there
    assert [outcome.name for outcome in batch.outcomes] == [Y, X]
    assert "The masks of hidden scans are hidden, too" in notified[-1]


def test_of_several_scans_the_first_comes_into_view_if_none_is(
    scans: napari.Viewer, notified: list[str], qtbot: Any
) -> None:
    batch = Batch.of(SegmentationController.of(scans))
    with qtbot.waitSignal(batch.ended, timeout=PATIENCE):
        batch.segment_layers([scans.layers[X]], model="tiny")
    assert shown_in(scans) == [X, f"{X} tumour"]
    assert "hidden, too" not in notified[-1]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        (X, X),
        (Y, Y),
        (f"{X} FLAIR", X),
        (f"{X} T1 post [2]", f"{X} [2]"),
        ("before surgery", "before surgery"),
    ],
)
def test_a_scan_is_called_as_its_layer_is(name: str, title: str) -> None:
    assert title_of(Image(np.zeros((2, 2)), name=name, metadata={KEY: ImageMetadata(scan=X)})) == title
