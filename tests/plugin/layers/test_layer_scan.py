"""Layers to scans, without a window: the geometry is whole, whatever it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import LayerList
from napari.layers import Image, Labels, Points

from napari_tumor_unet.io.datasets.sample import sample_scan
from napari_tumor_unet.plugin.io.readers import read_layers
from napari_tumor_unet.plugin.layers.layer_scan import data_to_world, scan_of
from napari_tumor_unet.plugin.layers.lazy_volume import AxisRoles, SliceOrientation, axes_of
from napari_tumor_unet.plugin.layers.metadata import KEY
from napari_tumor_unet.plugin.layers.sequences import Channel, SequenceAssignment, candidate_channels
from napari_tumor_unet.scan import ScanError

NUMBER = st.floats(-50, 50).map(lambda x: round(x, 3))
POSITIVE = st.floats(0.1, 10).map(lambda x: round(x, 3))


@st.composite
def images(draw: st.DrawFn) -> tuple[Image, tuple[int, ...]]:
    """An image layer somewhere in the world, and the axes that its mask has."""
    kind = draw(st.sampled_from(["2D", "3D", "RGB 2D", "RGB 3D", "channels", "channels first", "time"]))
    z, y, x = (draw(st.integers(4, 9)) for _ in range(3))
    shape, spatial = {
        "2D": ((y, x), (0, 1)),
        "3D": ((z, y, x), (0, 1, 2)),
        "RGB 2D": ((y, x, 3), (0, 1)),
        "RGB 3D": ((z, y, x, 3), (0, 1, 2)),
        "channels": ((z, 3, y, x), (0, 2, 3)),
        "channels first": ((3, z, y, x), (1, 2, 3)),
        "time": ((2, z, y, x), (0, 1, 2, 3)),
    }[kind]
    rgb = kind.startswith("RGB")
    n = len(shape) - rgb

    def each(strategy: Any, count: int) -> list[float]:
        return draw(st.lists(strategy, min_size=count, max_size=count))

    affine = np.eye(n + 1)
    affine[:n, :n] += 0.1 * np.reshape(each(st.floats(-1, 1), n * n), (n, n))
    affine[:n, n] = each(NUMBER, n)
    arguments: dict[str, Any] = {
        "scale": each(POSITIVE, n),
        "translate": each(NUMBER, n),
        "shear": each(st.floats(-0.3, 0.3), n * (n - 1) // 2),
        "affine": affine,
        "axis_labels": [f"axis {i}" for i in range(n)],
        "units": draw(st.sampled_from(["mm", "pixel", "um"])),
    }
    if n < 4:
        arguments["rotate"] = draw(st.floats(-90, 90)) if n == 2 else each(st.floats(-90, 90), 3)
    return Image(np.zeros(shape, np.uint8), rgb=rgb, **arguments), spatial


@settings(max_examples=60, deadline=None)
@given(images())
def test_a_mask_lies_where_its_image_does(case: tuple[Image, tuple[int, ...]]) -> None:
    image, spatial = case
    source = scan_of(image, [image])
    mask = Labels(np.zeros(source.mask_shape(), np.uint8), **source.geometry())
    matrix, offset = data_to_world(image)
    exact = len(spatial) == image.ndim
    tolerance: dict[str, float] = {"rtol": 0, "atol": 0 if exact else 1e-9}
    np.testing.assert_allclose(data_to_world(mask)[0], matrix[np.ix_(spatial, spatial)], **tolerance)
    np.testing.assert_allclose(data_to_world(mask)[1], offset[list(spatial)], **tolerance)
    assert list(mask.axis_labels) == [image.axis_labels[i] for i in spatial]
    assert list(mask.units) == [image.units[i] for i in spatial]


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("cm", 10), ("um", 1e-3)])
def test_the_spacing_is_in_mm_whatever_the_length(unit: str, factor: float) -> None:
    image = Image(np.zeros((3, 4, 5)), scale=(5, 2, 1), units=unit)
    scan = scan_of(image, [image]).scan
    assert scan.in_mm
    np.testing.assert_allclose(scan.spacing, np.multiply((5, 2, 1), factor))


def test_pixels_are_no_mm() -> None:
    image = Image(np.zeros((3, 4, 5)), scale=(5, 2, 1))
    scan = scan_of(image, [image]).scan
    assert not scan.in_mm
    assert scan.spacing == (5, 2, 1)


def test_a_slice_alone_has_no_volume() -> None:
    image = Image(np.zeros((4, 5)), units="mm")
    assert not scan_of(image, [image]).scan.in_mm


def test_sequences_that_were_read_together_are_one_scan_whichever_is_active() -> None:
    layers = LayerList(
        [Labels(d, **kw) if kind == "labels" else Image(d, **kw) for d, kw, kind in sample_layers()]
    )
    for image in layers:
        scan = scan_of(image, layers).scan
        assert list(scan.sequences) == ["pre", "post", "flair"]
        assert scan.name == "sample_brain"


def test_sequences_that_the_user_removed_are_done_without() -> None:
    layers = [Image(data, **arguments) for data, arguments, _ in sample_layers()]
    assert list(scan_of(layers[-1], layers[1:]).scan.sequences) == ["post", "flair"]


def test_two_openings_of_one_scan_are_not_mixed() -> None:
    layers = [Image(data, **arguments) for data, arguments, _ in (*sample_layers(), *sample_layers())]
    scan = scan_of(layers[0], layers).scan
    np.testing.assert_array_equal(scan.slice("flair", 0), layers[2].data[0])
    assert set(scan.sequences) == {"pre", "flair", "post"}


def test_a_mask_leads_to_the_image_that_it_was_made_from() -> None:
    first, second = Image(np.zeros((3, 4, 5))), Image(np.zeros((3, 4, 5)))
    mask = Labels(np.zeros((3, 4, 5), int), metadata={KEY: {"source": str(first.unique_id)}})
    assert scan_of(mask, [first, second, mask]).image is first


def test_without_an_active_layer_the_only_scan_is_meant() -> None:
    image = Image(np.zeros((3, 4, 5)))
    assert scan_of(None, [image, Points(np.zeros((1, 3)))]).image is image


def test_between_two_scans_the_user_is_asked_to_choose() -> None:
    images = [Image(np.zeros((3, 4, 5))), Image(np.zeros((3, 4, 5)))]
    with pytest.raises(ScanError, match="Select the image layer"):
        scan_of(None, images)


def test_what_is_no_scan_is_declined_in_one_sentence() -> None:
    four = Image(np.zeros((6, 4, 8, 9)), axis_labels=("z", "c", "y", "x"))
    with pytest.raises(ScanError, match="has 4 channels; say in the panel"):
        scan_of(four, [four])
    with pytest.raises(ScanError, match="no image"):
        scan_of(None, [])


def sample_layers() -> list[Any]:
    return read_layers(sample_scan())


@pytest.mark.parametrize(
    ("shape", "labels", "channel", "spatial", "leading"),
    [
        ((6, 3, 8, 9), None, 1, (0, 2, 3), ()),
        ((3, 6, 8, 9), None, 0, (1, 2, 3), ()),
        ((3, 6, 8, 9), "tzyx", None, (1, 2, 3), (0,)),
        ((3, 8, 9), "cyx", 0, (1, 2), ()),
        ((3, 8, 9), None, None, (0, 1, 2), ()),
        ((2, 6, 3, 8, 9), None, 2, (1, 3, 4), (0,)),
        ((2, 3, 6, 8, 9), None, 1, (2, 3, 4), (0,)),
        ((6, 1, 8, 9), "zcyx", 1, (0, 2, 3), ()),
    ],
)
def test_axes_are_told_by_their_labels_or_their_lengths(
    shape: Any, labels: str | None, channel: int | None, spatial: Any, leading: Any
) -> None:
    image = Image(np.zeros(shape), axis_labels=labels and tuple(labels))
    assert axes_of(image) == AxisRoles(channel, spatial, leading)


def test_of_a_scan_with_time_points_the_one_on_screen_is_meant() -> None:
    image = Image(np.arange(2 * 4 * 5 * 6).reshape(2, 4, 5, 6), scale=(10, 5, 1, 1))
    source = scan_of(image, [image], (10.0, 0.0, 0.0, 0.0))
    assert source.place.at == (1,)
    np.testing.assert_array_equal(source.scan.slice("flair", 2), image.data[1, 2])
    mask = np.zeros(source.mask_shape())
    source.place.volume(mask)[...] = 1
    assert mask[1].all()
    assert not mask[0].any()


class Reads:
    """An array that notes what was read of it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim
        self.most = 0

    def __getitem__(self, index: Any) -> np.ndarray:
        part = self.array[index]
        self.most = max(self.most, part.size)
        return part


@pytest.mark.parametrize(
    ("shape", "labels"), [((7, 8, 9), "zyx"), ((7, 3, 8, 9), "zcyx"), ((2, 7, 8, 9), "tzyx")]
)
def test_a_lazy_scan_is_read_slice_by_slice(shape: Any, labels: str) -> None:
    image = Image(Reads(np.zeros(shape)), contrast_limits=(0, 1), axis_labels=tuple(labels))
    image.data.most = 0
    scan = scan_of(image, [image]).scan
    assert scan.shape == (7, 8, 9)
    scan.slice("flair", 3)
    assert image.data.most == 8 * 9


@given(st.data())
def test_voxels_of_a_turned_scan_are_found_in_the_layer(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    across = data.draw(st.integers(0, 2)) if len(shape) > 2 else 0
    place = SliceOrientation((shape[0] - 1,) if len(shape) == 4 else (), across, data.draw(st.integers(0, 3)))
    layer = np.arange(np.prod(shape)).reshape(shape)
    volume = place.volume(layer)
    voxels = tuple(index.ravel() for index in np.indices(volume.shape))
    np.testing.assert_array_equal(layer[place.indices(shape, voxels)], volume[voxels])


@pytest.mark.parametrize("across", [0, 1, 2])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_scan_and_its_mask_agree_however_the_slices_lie(across: int, turn: int) -> None:
    voxels = np.random.default_rng(0).random((4, 5, 6))
    image = Image(voxels, scale=(1, 2, 3), units="mm")
    source = scan_of(image, [image], assignment=SequenceAssignment(across=across, turn=turn))
    flair = np.stack([source.scan.slice("flair", z) for z in range(source.scan.shape[0])])
    np.testing.assert_array_equal(source.place.volume(voxels).astype(np.float32), flair)
    assert source.scan.spacing[0] == image.scale[across]
    rows_and_columns = np.delete(image.scale, across)
    np.testing.assert_allclose(source.scan.spacing[1:], rows_and_columns[:: -1 if turn % 2 else 1])
    assert source.slice_on_screen(image.data_to_world((3, 3, 3))) == 3


def test_the_user_says_which_channel_or_layer_is_which_sequence() -> None:
    image = Image(np.random.default_rng(0).random((2, 4, 5, 6)), axis_labels=("c", "z", "y", "x"), name="two")
    post = Image(np.ones((4, 5, 6)), name="post")
    parts = candidate_channels(image, [image, post, Image(np.ones((3, 5, 6)), name="other")])
    assert list(parts) == ["channel 1", "channel 2", "post"]
    with pytest.raises(ScanError, match="say in the panel"):
        scan_of(image, [image, post])
    choice = SequenceAssignment({"flair": parts["channel 2"], "post": parts["post"]})
    scan = scan_of(image, [image, post], assignment=choice).scan
    np.testing.assert_array_equal(scan.slice("flair", 3), image.data[1, 3].astype(np.float32))
    assert (scan.slice("post", 3) == 1).all()


def test_a_plain_layer_may_lend_a_sequence_to_one_with_time() -> None:
    image, post = Image(np.zeros((2, 4, 5, 6))), Image(np.random.default_rng(0).random((2, 4, 5, 6)))
    choice = SequenceAssignment({"flair": Channel(image), "post": Channel(post)})
    scan = scan_of(image, [image, post], (1.0, 0, 0, 0), choice).scan
    np.testing.assert_array_equal(scan.slice("post", 2), post.data[1, 2].astype(np.float32))
