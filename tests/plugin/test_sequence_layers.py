"""Separate layers that are the sequences of one patient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import SimpleITK as sitk
from napari.layers import Image, Labels
from scipy.spatial.transform import Rotation

from napari_tumor_unet import segment
from napari_tumor_unet.descriptions import description_in, read_said, sequence_said
from napari_tumor_unet.plugin.layers import scan_of
from napari_tumor_unet.plugin.parts import KEY, guess_parts, parts_of
from napari_tumor_unet.plugin.readers import read_layers
from napari_tumor_unet.plugin.segment_panel import SegmentPanel
from napari_tumor_unet.plugin.session import Session
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.sequences import Resampled
from tests.conftest import make_phantom

Click = Callable[[napari.Viewer], bool]


def layer(name: str, shape: tuple[int, ...] = (3, 4, 5), **known: Any) -> Image:
    return Image(np.zeros(shape), name=name, metadata={KEY: known} if known else {})


def guessed(active: str, *names: str) -> dict[str, str]:
    """Which of some layers of one shape are taken for which sequence."""
    images = [layer(name) for name in names]
    image = next(i for i in images if i.name == active)
    return {sequence: part.image.name for sequence, part in guess_parts(image, images).parts.items()}


@pytest.mark.parametrize(
    ("flair", "pre", "post"),
    [
        ("BraTS_001_flair", "BraTS_001_t1", "BraTS_001_t1ce"),
        ("AX FLAIR", "AX T1 PRE", "AX T1 POST"),
        ("3 T2 FLAIR tra", "2 T1 tra", "7 T1 tra KM"),
    ],
)
def test_sequences_are_found_by_name_whichever_is_active(flair: str, pre: str, post: str) -> None:
    other = ["BraTS_002_t1", "unknown"] if "BraTS" in flair else ["AX T2", "ADC"]
    for active in (flair, pre, post):
        assert guessed(active, pre, post, *other, flair) == {"flair": flair, "pre": pre, "post": post}


@pytest.mark.parametrize(
    ("active", "names"),
    [
        ("scan", ["scan", "scan t1"]),  # says nothing of itself
        ("p1_flair", ["p1_flair", "p2_t1", "p2_flair"]),
        ("p1_flair", ["p1_flair", "p1_t1_a", "p1_t1_b"]),
        ("p1_t1", ["p1_t1", "p1_flair_a", "p1_flair_b"]),
        ("p1_t1", ["p1_t1", "p2_flair"]),
        ("p1_t2", ["p1_t2", "p1_flair"]),
    ],
)
def test_what_is_not_clear_is_not_guessed(active: str, names: list[str]) -> None:
    assert guessed(active, *names) == {"flair": active}


def test_what_may_be_either_is_said() -> None:
    images = [layer(name) for name in ("p1_flair", "p1_t1_a", "p1_t1_b")]
    assert "may be p1_t1_a or p1_t1_b" in guess_parts(images[0], images).unclear


def test_what_a_file_says_counts_more_than_the_name() -> None:
    flair, post = layer("3 BRAVO", sequence="post", study=1), layer("5 T2", sequence="flair", study=1)
    others = [layer("2 BRAVO", sequence="pre", study=2), layer("9 BRAVO", sequence="flair", study=2)]
    images = [flair, post, *others]
    found = guess_parts(flair, images).parts
    assert {s: part.image.name for s, part in found.items()} == {"flair": "5 T2", "post": "3 BRAVO"}


def test_layers_elsewhere_or_of_unknown_place_are_not_offered() -> None:
    flair = Image(np.zeros((3, 4, 5)), name="p_flair", scale=(2, 1, 1), units="mm")
    near = Image(np.zeros((6, 8, 9)), name="p_t1ce", scale=(1, 0.5, 0.5), units="mm")
    far = Image(np.zeros((6, 8, 9)), name="p_t1", translate=(99, 0, 0), units="mm")
    unknown = Image(np.zeros((6, 8, 9)), name="p_t1n")
    images = [flair, near, far, unknown]
    assert list(parts_of(flair, images)) == ["p_flair", "p_t1ce"]
    assert list(guess_parts(flair, images).parts) == ["flair", "post"]
    far.data = np.zeros((3, 4, 5))
    far.scale = flair.scale
    with pytest.raises(ScanError, match="lie in different places"):
        scan_of(flair, images)


def test_voxels_of_another_grid_are_read_with_the_first_slice() -> None:
    import dask.array as da

    read = []

    def block(block_id: Any = None) -> np.ndarray:
        read.append(block_id)
        return np.full((2, 8, 10), block_id[0], np.int16)

    lazy = da.map_blocks(block, chunks=((2, 2, 2), (8,), (10,)), dtype=np.int16, meta=np.empty(0, np.int16))
    flair = Image(np.zeros((3, 4, 5)), name="flair", scale=(2, 2, 2), units="mm")
    post = Image(lazy, name="t1ce", units="mm", contrast_limits=(0, 1))
    read.clear()
    for turn, across in ((0, 0), (1, 2)):
        choice = guess_parts(flair, [flair, post]).parts
        from napari_tumor_unet.plugin.parts import Choice

        scan = scan_of(flair, [flair, post], choice=Choice(choice, across, turn)).scan
        assert isinstance(scan.sequences["post"], Resampled)
        assert not read
    expected = np.rot90(np.moveaxis(np.broadcast_to([[[0]], [[1]], [[2]]], (3, 4, 5)), 2, 0), 1, axes=(1, 2))
    np.testing.assert_allclose(np.asarray(scan.sequences["post"]), expected)


@pytest.fixture
def brats(tmp_path: Path) -> dict[str, Path]:
    """A FLAIR, oblique, and T1 of the same head: finer, turned another way, and on the same grid."""
    scan, _ = make_phantom((12, 64, 64))
    tilt = Rotation.from_euler("xyz", (12, -7, 5), degrees=True).as_matrix()
    paths = {}
    for sequence, word in (("flair", "flair"), ("pre", "t1"), ("post", "t1ce")):
        image = sitk.GetImageFromArray(scan.sequences[sequence])
        image.SetSpacing((3.0, 3.0, 12.0))
        image.SetDirection(tilt.ravel().tolist())
        image.SetOrigin((-80.0, -90.0, -60.0))
        if sequence == "post":
            finer = sitk.Image(80, 80, 20, image.GetPixelID())
            finer.SetSpacing((2.7, 2.7, 9.0))
            finer.SetDirection((tilt @ Rotation.from_euler("z", 20, degrees=True).as_matrix()).ravel().tolist())
            finer.SetOrigin((-60.0, -130.0, -75.0))
            image = sitk.Resample(image, finer, sitk.Transform(), sitk.sitkLinear, 10.0)
        paths[sequence] = tmp_path / f"BraTS_001_{word}.nii.gz"
        sitk.WriteImage(image, str(paths[sequence]))
    return paths


def result(viewer: napari.Viewer) -> Labels:
    return next(layer for layer in reversed(viewer.layers) if "written" in layer.metadata.get(KEY, {}))


def open_all(viewer: napari.Viewer, paths: dict[str, Path]) -> dict[str, Image]:
    """Each file as a scan of its own."""
    opened = {}
    for sequence, path in paths.items():
        for data, arguments, _ in read_layers(path):
            opened[sequence] = viewer.add_image(data, **arguments)
    return opened


def test_layers_opened_one_by_one_give_the_mask_of_their_files(
    viewer: napari.Viewer, click: Click, brats: dict[str, Path]
) -> None:
    layers = open_all(viewer, brats)
    viewer.layers.selection.active = layers["post"]
    assert click(viewer)
    mask = result(viewer)
    assert mask.data.shape == layers["flair"].data.shape
    assert mask.metadata[KEY]["provenance"]["sequences"] == ("pre", "flair", "post")
    assert Session.of(viewer).said.endswith("From FLAIR + T1 pre + T1 post (resampled).")
    expected = segment(brats)
    assert expected.mask.any()
    np.testing.assert_array_equal(mask.data, expected.mask)
    # What the user moved lies where they see it.
    layers["post"].translate = layers["post"].translate + (0, 30, 0)
    assert not np.array_equal(scan_of(mask, viewer.layers).scan.slice("post", 6), moved_back(layers, viewer))


def moved_back(layers: dict[str, Image], viewer: napari.Viewer) -> np.ndarray:
    layers["post"].translate = layers["post"].translate - (0, 30, 0)
    return scan_of(layers["flair"], viewer.layers).scan.slice("post", 6)


@pytest.fixture
def sections(viewer: napari.Viewer, qtbot: Any) -> Callable[[], SegmentPanel]:
    """Open the panel, the one before closed."""

    def open_panel() -> SegmentPanel:
        panel = SegmentPanel(viewer)
        dock = viewer.window.add_dock_widget(panel, name=f"panel {len(viewer.window.dock_widgets)}")
        panel.take_down = lambda: viewer.window.remove_dock_widget(dock)
        return panel

    return open_panel
