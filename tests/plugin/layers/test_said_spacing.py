"""A spacing that the user says: all layers of the scan get it, the view stays, and it can be taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer, Shapes

from napari_tumor_unet.inference.result import Slices
from napari_tumor_unet.io.file_names import MASK_ENDINGS
from napari_tumor_unet.io.read import read_labels
from napari_tumor_unet.plugin.io.layer_data import scan_layers
from napari_tumor_unet.plugin.io.mask_export import mask_file
from napari_tumor_unet.plugin.io.readers import read_layers
from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.mask_volume import measures_of
from napari_tumor_unet.plugin.layers.metadata import KEY, mask_metadata, said_spacing
from napari_tumor_unet.plugin.layers.planes import camera_of
from napari_tumor_unet.plugin.layers.said_spacing import lacks_spacing, say_spacing, share_spacing
from napari_tumor_unet.plugin.layers.sidecar import sidecar_contents
from napari_tumor_unet.plugin.score.mask_pair import masks_to_compare
from napari_tumor_unet.plugin.segment.diameters import diameters_of
from napari_tumor_unet.plugin.segment.mask_writer import MaskWriter
from napari_tumor_unet.plugin.segment.probability_layer import add_probability
from napari_tumor_unet.scan import Geometry, Scan
from tests.plugin.conftest import made_by

SPACING = (5.0, 0.9, 0.8)


def head(shape: tuple[int, ...] = (6, 20, 24), **options: Any) -> Scan:
    return Scan("head", {"flair": np.random.default_rng(0).random(shape).astype(np.float32)}, **options)


def add(viewer: ViewerModel, scan: Scan) -> Layer:
    ((data, arguments, _),) = scan_layers(scan)
    return viewer.add_image(data, **arguments)


def segment(viewer: ViewerModel, image: Layer) -> Layer:
    source = scan_of(image, viewer.layers, viewer.dims.point)
    writer, probability = MaskWriter(viewer, source), np.zeros(source.scan.shape, np.uint8)
    probability[1:4, 4:10, 5:15] = 255
    writer.add_layer()
    writer.write(Slices(tuple(range(len(probability))), probability, probability // 255, 6, 6))
    writer.finish(None, made_by("default"), ())
    return writer.layer


def place(layer: Layer) -> list[Any]:
    return [*map(str, layer.units), *layer.scale, *layer.translate]


def is_drawn(viewer_model: ViewerModel, lines: Shapes) -> bool:
    """Whether the first line is there where it belongs."""
    viewer_model.dims.point = middle = lines.data_to_world(lines.data[0].mean(axis=0))
    return lines.get_value(middle, world=True)[0] is not None


def test_all_layers_of_the_scan_get_it_and_lose_it_again(viewer_model: ViewerModel) -> None:
    image = add(viewer_model, head())
    mask = segment(viewer_model, image)
    add_probability(viewer_model, mask)
    diameters = diameters_of(viewer_model, mask)
    viewer_model.add_points([(1, 2, 3)], ndim=3)
    before = [place(layer) for layer in viewer_model.layers]
    assert lacks_spacing(image)
    assert is_drawn(viewer_model, diameters.shapes)
    say_spacing(viewer_model, image, SPACING)
    for layer in viewer_model.layers:
        np.testing.assert_allclose(layer.scale, SPACING, err_msg=layer.name)
        assert {str(unit) for unit in layer.units} == {"millimeter"}
    assert diameters.shapes.features["label"][0].endswith("mm")
    assert diameters.lengths[0] == pytest.approx(np.hypot(6 * 0.9, 10 * 0.8))
    assert is_drawn(viewer_model, diameters.shapes)
    say_spacing(viewer_model, image, None)
    assert [place(layer) for layer in viewer_model.layers] == before
    assert diameters.shapes.features["label"][0].endswith("voxels")
    assert is_drawn(viewer_model, diameters.shapes)
    assert said_spacing(image) is None


@pytest.mark.parametrize("hidden", [False, True])
def test_the_spacing_of_a_scan_that_is_not_in_view_moves_nothing(
    viewer_model: ViewerModel, hidden: bool
) -> None:
    covered, shown = add(viewer_model, head()), add(viewer_model, head((8, 30, 28)))
    covered.metadata[KEY].scan_id, covered.metadata[KEY].scan = "other", "other"
    covered.visible = not hidden
    viewer_model.dims.set_current_step(0, 4)
    camera_of(viewer_model).center = (0, 11, 12)
    before = viewer_model.dims.point, tuple(camera_of(viewer_model).center), camera_of(viewer_model).zoom
    say_spacing(viewer_model, covered, SPACING)
    np.testing.assert_allclose(covered.scale, SPACING)
    np.testing.assert_allclose(shown.scale, 1)
    now = viewer_model.dims.point, tuple(camera_of(viewer_model).center), camera_of(viewer_model).zoom
    for one, other in zip(now, before, strict=True):
        np.testing.assert_allclose(one, other)


def test_sizes_files_and_the_sidecar_follow(viewer_model: ViewerModel) -> None:
    image = add(viewer_model, head())
    mask = segment(viewer_model, image)
    assert mask_metadata(mask).findings.volume_ml is None
    data = mask.data.copy()
    say_spacing(viewer_model, image, SPACING)
    np.testing.assert_array_equal(mask.data, data)
    ml = 180 * np.prod(SPACING) / 1000
    assert mask_metadata(mask).findings.volume_ml == pytest.approx(ml)
    assert measures_of(mask)[1].volume_ml == pytest.approx(ml)
    file = mask_file(mask)
    assert (file.scan.spacing, file.scan.in_mm) == (SPACING, True)
    assert sidecar_contents(mask)["spacing"] == {"mm": [*SPACING], "said_by": "user"}
    scan = scan_of(image, viewer_model.layers).scan
    assert (scan.spacing, scan.in_mm, scan.spacing_said) == (SPACING, True, True)
    say_spacing(viewer_model, image, None)
    assert "spacing" not in sidecar_contents(mask)
    assert mask_metadata(mask).findings.volume_ml is None


@pytest.mark.parametrize("ending", MASK_ENDINGS)
def test_a_mask_from_a_file_has_no_spacing_before_it_is_said(
    viewer_model: ViewerModel, tmp_path: Path, ending: str
) -> None:
    mask = segment(viewer_model, add(viewer_model, head()))
    mask_file(mask).write(tmp_path / f"z{ending}")
    viewer_model.layers.clear()
    ((data, arguments, _),) = read_layers(tmp_path / f"z{ending}")
    again = viewer_model.add_labels(data, **arguments)
    assert lacks_spacing(again)
    assert measures_of(again)[1].unit == "voxel"
    assert image_for(again, [again, add(viewer_model, head())]) is viewer_model.layers[-1]
    mask_file(again).write(tmp_path / f"y{ending}")
    assert not read_labels(tmp_path / f"y{ending}").in_mm
    say_spacing(viewer_model, again, SPACING)
    mask_file(again).write(tmp_path / f"x{ending}")
    said = read_labels(tmp_path / f"x{ending}")
    assert (said.in_mm, said.spacing) == (True, pytest.approx(SPACING))


def test_two_masks_of_the_scan_are_compared_in_mm(viewer_model: ViewerModel) -> None:
    image = add(viewer_model, head())
    mask, reference = segment(viewer_model, image), viewer_model.add_labels(np.zeros((6, 20, 24), np.uint8))
    say_spacing(viewer_model, image, SPACING)
    for one in masks_to_compare(mask, reference, viewer_model.dims.point):
        assert (one.grid.spacing, one.grid.in_mm) == (SPACING, True)


def test_a_file_that_tells_its_place_keeps_it(viewer_model: ViewerModel) -> None:
    geometry = Geometry((1.0, 1.0, 1.0), (10.0, 20.0, 30.0))
    image = add(viewer_model, head(geometry=geometry))
    say_spacing(viewer_model, image, SPACING)
    mask = segment(viewer_model, image)
    np.testing.assert_allclose(image.translate, (30, 20, 10))
    file = mask_file(mask)
    assert (file.scan.geometry.spacing, file.scan.geometry.origin) == (SPACING, (10, 20, 30))
    say_spacing(viewer_model, image, None)  # of the mask that was made since, too
    np.testing.assert_allclose([image.scale, mask.scale], 1)
    assert lacks_spacing(mask)


def test_another_scan_and_what_has_a_spacing_stay_as_they_are(viewer_model: ViewerModel) -> None:
    image, other = add(viewer_model, head()), add(viewer_model, head((7, 20, 24)))
    known = viewer_model.add_image(np.zeros((3, 20, 24)), scale=(4, 1, 1), units="mm")
    labels = viewer_model.add_labels(np.zeros((7, 20, 24), np.uint8))
    points = viewer_model.add_points([(1, 2, 3)], ndim=3)
    before = [place(layer) for layer in (other, known, labels, points)]
    say_spacing(viewer_model, image, SPACING)
    assert [place(layer) for layer in (other, known, labels, points)] == before


def test_what_is_on_screen_stays_there(viewer_model: ViewerModel) -> None:
    image = add(viewer_model, head())
    camera = camera_of(viewer_model)
    viewer_model.dims.point = (3, 0, 0)
    camera.center, camera.zoom = (0, 7, 11), 6
    for spacing in (SPACING, (2.5, 0.5, 0.5), None):
        say_spacing(viewer_model, image, spacing)
        shown = image.world_to_data((viewer_model.dims.point[0], *camera.center[-2:]))
        np.testing.assert_allclose(shown, (3, 7, 11), atol=1e-6)
        assert camera.zoom * np.sqrt(np.prod(image.scale[1:])) == pytest.approx(6)


def test_layers_that_come_later_get_it_as_well(viewer_model: ViewerModel) -> None:
    image = add(viewer_model, Scan("a_flair", head().sequences))
    say_spacing(viewer_model, image, SPACING)
    late = add(viewer_model, Scan("a_t1", head().sequences))
    share_spacing(viewer_model, image)
    np.testing.assert_allclose(late.scale, SPACING)
    viewer_model.layers.selection.active = image
    viewer_model._new_labels()
    say_spacing(viewer_model, image, None)
    np.testing.assert_allclose([layer.scale for layer in viewer_model.layers], 1)


@pytest.mark.parametrize("channel", [0, 1])
def test_channels_and_time_points_have_no_spacing(viewer_model: ViewerModel, channel: int) -> None:
    shape = [6, 20, 24]
    shape.insert(channel, 3)
    image = viewer_model.add_image(np.zeros((2, *shape), np.float32), axis_labels=labels(channel), rgb=False)
    mask = viewer_model.add_labels(np.zeros((2, 6, 20, 24), np.uint8))
    say_spacing(viewer_model, image, SPACING)
    scale = [*SPACING]
    scale.insert(channel, 1)
    np.testing.assert_allclose(image.scale, (1, *scale))
    np.testing.assert_allclose(mask.scale, (1, *SPACING))
    assert str(image.units[0]) == "pixel"


def labels(channel: int) -> list[str]:
    names = ["z", "y", "x"]
    names.insert(channel, "c")
    return ["t", *names]


def test_slices_along_another_axis_have_the_first_distance(viewer_model: ViewerModel) -> None:
    image = viewer_model.add_image(np.zeros((20, 24, 6), np.float32), rgb=False)
    say_spacing(viewer_model, image, SPACING, across=2)
    np.testing.assert_allclose(image.scale, (0.9, 0.8, 5))
