"""Which image a mask belongs to; layers alone, without a viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.layers._source import layer_source

from napari_tumor_unet.plugin.layers.image_of_mask import LayerPair, image_for
from napari_tumor_unet.plugin.layers.lazy_volume import SliceOrientation
from napari_tumor_unet.plugin.layers.metadata import KEY, MASK_OF
from napari_tumor_unet.plugin.layers.sequences import Channel, SequenceAssignment
from napari_tumor_unet.plugin.layers.viewer_sequences import correct_layer
from napari_tumor_unet.scan import ScanError
from tests.conftest import Refused

MM = {"scale": (5, 1, 1), "units": "mm"}


def pair(image: Image, labels: Labels, point: tuple[float, ...] = ()) -> tuple[Any, Any]:
    """The scan's and the mask's voxels as they are learned from."""
    made = LayerPair(image, labels, point)
    source = made.source([image, labels])
    flair = source.scan.sequences["flair"]
    return np.stack([flair[z] for z in range(flair.shape[0])]), made.mask(source)


def test_a_mask_of_turned_slices_is_learned_from_as_it_was_segmented() -> None:
    voxels = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    place = SliceOrientation(across=2, turn=1)
    volumes = {"written": place.volume(voxels), "probability": np.zeros(place.volume(voxels).shape, np.uint8)}
    labels = Labels(voxels.copy(), metadata={KEY: {"place": place, **volumes}})
    image = Image(voxels)
    scan, mask = pair(image, labels)
    assert scan.shape[0] == 6
    np.testing.assert_array_equal(scan, mask)
    made = LayerPair(image, labels, ())
    np.testing.assert_array_equal(made.written(made.source([image])), mask)


@pytest.mark.parametrize("known", [{}, {KEY: {"place": SliceOrientation(at=(2,))}}])
def test_of_a_series_one_point_in_time_is_learned_from(known: dict) -> None:
    voxels = np.arange(5 * 4 * 5 * 6).reshape(5, 4, 5, 6)
    scan, mask = pair(Image(voxels), Labels(voxels.copy(), metadata=known), (1, 0, 0, 0))
    at = 2 if known else 1
    np.testing.assert_array_equal(scan, voxels[at])
    np.testing.assert_array_equal(mask, voxels[at])


def test_a_scan_is_learned_from_with_the_sequences_that_the_user_said() -> None:
    voxels = np.arange(4 * 5 * 6 * 7).reshape(4, 5, 6, 7)
    image = Image(voxels, axis_labels=("c", "z", "y", "x"))
    correct_layer(image, SequenceAssignment({"flair": Channel(image, 2)}))
    scan, _ = pair(image, Labels(np.zeros((5, 6, 7), int)))
    np.testing.assert_array_equal(scan, voxels[2])


def test_channels_are_no_part_of_the_mask() -> None:
    image = Image(np.zeros((4, 3, 6, 7)), scale=(5, 1, 0.5, 1))
    mask = Labels(np.zeros((4, 6, 7), int), scale=(5, 0.5, 1))
    assert image_for(mask, [image]) is image
    assert image_for(Labels(mask.data, scale=(5, 1, 1)), [image]) is None


@pytest.mark.parametrize(
    ("place", "same"),
    [
        ({"scale": (5, 1, 1), "units": "mm"}, True),
        ({"scale": (5000, 1000, 1000), "units": "um"}, True),
        ({"scale": (5, 1, 1)}, True),  # a unit that is not told is none that differs
        ({"scale": (5, 1, 1), "units": "um"}, False),
        ({"scale": (5, 1, 1), "units": "mm", "translate": (0, 0, 1e-5)}, True),
        ({"scale": (5, 1, 1), "units": "mm", "translate": (0, 0, 1)}, False),
        ({"scale": (5, 1, 1), "units": "mm", "rotate": (0, 0, 3)}, False),
    ],
)
def test_a_mask_lies_where_its_scan_does(place: dict, same: bool, refused: Refused) -> None:
    image, mask = Image(np.zeros((4, 6, 7)), **MM), Labels(np.zeros((4, 6, 7), int), **place)
    assert (image_for(mask, [image]) is image) == same
    if same:
        LayerPair(image, mask, ()).source([image])
    else:
        with refused(ScanError, "elsewhere"):
            LayerPair(image, mask, ()).source([image])


@pytest.mark.parametrize(
    ("images", "mask", "found"),
    [
        (("case1", "case12"), "case1 mask", "case1"),
        (("case1", "case12"), "case12_mask", "case12"),
        (("case1", "case1 probability"), "case1 mask", "case1"),
        (("left_flair", "right_flair"), "right_seg", "right_flair"),
        (("a1", "a2"), "a3", None),
        (("a", "b"), "Labels", None),
        (("a",), "Labels", "a"),
        (("BraTS_1_t1", "BraTS_1_flair", "BraTS_1_t1ce"), "BraTS_1_seg", "BraTS_1_flair"),
        (("BraTS_1_t1", "BraTS_1_flair", "BraTS_2_t1", "BraTS_2_flair"), "BraTS_2_seg", "BraTS_2_flair"),
        (("BraTS_1_t1", "BraTS_1_flair", "BraTS_2_flair"), "BraTS_3_seg", None),
        (("BraTS_1_flair", "BraTS_2_t1"), "BraTS_3_seg", None),
    ],
)
def test_of_several_images_the_one_called_alike_is_taken(
    images: tuple[str, ...], mask: str, found: str | None
) -> None:
    layers = [Image(np.zeros((4, 6, 7)), name=name) for name in images]
    taken = image_for(Labels(np.zeros((4, 6, 7), int), name=mask), layers)
    assert (taken and taken.name) == found


@pytest.mark.parametrize(
    ("mask", "found"),
    [
        ("BraTS2021_00006_seg", False),
        ("BraTS2021_00630_seg", True),
        ("BraTS2021-00630-seg", True),
        ("seg", True),
    ],
)
def test_a_mask_that_is_named_after_another_patient_belongs_to_no_scan(mask: str, found: bool) -> None:
    images = [Image(np.zeros((4, 5, 6)), name=f"BraTS2021_00630_{of}") for of in ("t1", "flair")]
    labels = Labels(np.zeros((4, 5, 6), int), name=mask)
    assert image_for(labels, images) is (images[1] if found else None)


@pytest.mark.parametrize(("name", "found"), [("OTMultiClass", 0), ("bert FLAIR_mask", 1)])
def test_of_several_images_that_in_the_masks_folder_is_taken_unless_a_name_says_else(
    name: str, found: int
) -> None:
    layers: list[Any] = []
    for kind, patient, title in (
        (Image, "anna", "anna FLAIR"),
        (Image, "bert", "bert FLAIR"),
        (Labels, "anna", name),
    ):
        with layer_source(path=f"/scans/{patient}/{title}.nii.gz"):
            layers.append(kind(np.zeros((4, 5, 6), np.uint8), name=title))
    assert image_for(layers[2], layers) is layers[found]


def test_a_probability_is_no_scan() -> None:
    image = Image(np.zeros((4, 6, 7)), name="case1_flair")
    mask = Labels(np.zeros((4, 6, 7), int), name="case1_seg")
    shown = Image(image.data, name="case1_flair mask: probability", metadata={MASK_OF: "another mask"})
    assert image_for(mask, [image, shown]) is image
    assert image_for(mask, [shown]) is None


def test_a_mask_on_the_grid_of_its_t1_alone_belongs_to_that() -> None:
    flair = Image(np.zeros((4, 6, 7)), name="case1_flair", **MM)
    t1 = Image(np.zeros((20, 6, 7)), name="case1_t1", scale=(1, 1, 1), units="mm")
    mask = Labels(np.zeros((20, 6, 7), int), name="case1_seg", scale=(1, 1, 1), units="mm")
    assert image_for(mask, [flair, t1]) is t1


def test_what_a_mask_was_made_from_or_read_with_comes_before_names() -> None:
    first, second, flair = (Image(np.zeros((4, 6, 7)), name=name) for name in ("x", "mask of x", "y"))
    second.metadata[KEY] = {"scan_id": "1", "sequence": "pre"}
    flair.metadata[KEY] = {"scan_id": "1", "sequence": "flair"}
    mask = Labels(np.zeros((4, 6, 7), int), name="mask of x")
    assert image_for(mask, [first, second, flair]) is flair
    mask.metadata[KEY] = {"source": str(first.unique_id), "scan_id": "1"}
    assert image_for(mask, [first, second, flair]) is first
