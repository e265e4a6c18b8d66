"""Separate layers that are the sequences of one patient."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
import SimpleITK as sitk
from napari.components import LayerList, ViewerModel
from napari.layers import Image, Labels
from scipy.spatial.transform import Rotation

from napari_tumor_unet import segment
from napari_tumor_unet.plugin.io.readers import read_layers
from napari_tumor_unet.plugin.layers.descriptions import (
    Descriptions,
    change_descriptions,
    described_sequence,
    description_in,
    load_descriptions,
    read_descriptions,
)
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.layers.metadata import KEY
from napari_tumor_unet.plugin.layers.sequences import (
    Channel,
    SequenceAssignment,
    candidate_channels,
    guess_sequences,
)
from napari_tumor_unet.plugin.layers.viewer_sequences import ViewerSequences, learn_descriptions
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.segment.panel import SegmentPanel
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.combine import Resampled
from tests.conftest import make_phantom

Click = Callable[[napari.Viewer], bool]


def layer(name: str, shape: tuple[int, ...] = (3, 4, 5), **known: Any) -> Image:
    return Image(np.zeros(shape), name=name, metadata={KEY: known} if known else {})


def guessed(active: str, *names: str) -> dict[str, str]:
    """Which of some layers of one shape are taken for which sequence."""
    images = [layer(name) for name in names]
    image = next(i for i in images if i.name == active)
    return {sequence: part.image.name for sequence, part in guess_sequences(image, images).channels.items()}


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
        ("p1_t2", ["p1_t2", "p2_flair"]),
    ],
)
def test_what_is_not_clear_is_not_guessed(active: str, names: list[str]) -> None:
    assert guessed(active, *names) == {"flair": active}


def test_what_may_be_either_is_said() -> None:
    images = [layer(name) for name in ("p1_flair", "p1_t1_a", "p1_t1_b")]
    assert "may be p1_t1_a or p1_t1_b" in guess_sequences(images[0], images).unclear


def test_what_a_file_says_counts_more_than_the_name() -> None:
    flair, post = layer("3 BRAVO", sequence="post", study=1), layer("5 T2", sequence="flair", study=1)
    others = [layer("2 BRAVO", sequence="pre", study=2), layer("9 BRAVO", sequence="flair", study=2)]
    images = [flair, post, *others]
    found = guess_sequences(flair, images).channels
    assert {s: part.image.name for s, part in found.items()} == {"flair": "5 T2", "post": "3 BRAVO"}


def test_layers_elsewhere_or_of_unknown_place_are_not_offered() -> None:
    flair = Image(np.zeros((3, 4, 5)), name="p_flair", scale=(2, 1, 1), units="mm")
    near = Image(np.zeros((6, 8, 9)), name="p_t1ce", scale=(1, 0.5, 0.5), units="mm")
    far = Image(np.zeros((6, 8, 9)), name="p_t1", translate=(99, 0, 0), units="mm")
    unknown = Image(np.zeros((6, 8, 9)), name="p_t1n")
    images = [flair, near, far, unknown]
    assert list(candidate_channels(flair, images)) == ["p_flair", "p_t1ce"]
    assert list(guess_sequences(flair, images).channels) == ["flair", "post"]
    far.data = np.zeros((3, 4, 5))
    far.scale = flair.scale
    with pytest.raises(ScanError, match="lie in different places"):
        scan_of(flair, images)


def test_what_is_resampled_is_told_of_series_read_together_too() -> None:
    grids = {
        "flair": ((3, 4, 5), (2, 1, 1)),
        "pre": ((3, 4, 5), (2, 1, 1)),
        "post": ((6, 8, 9), (1, 0.5, 0.5)),
    }
    flair, pre, post = (
        Image(
            np.zeros(shape),
            name=sequence,
            scale=scale,
            units="mm",
            metadata={KEY: {"scan_id": "study", "sequence": sequence}},
        )
        for sequence, (shape, scale) in grids.items()
    )
    assert scan_of(flair, [flair, pre]).combined == ""
    assert scan_of(flair, [flair, pre, post]).combined == "FLAIR + T1 pre + T1 post (resampled)"


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
    choice = SequenceAssignment(guess_sequences(flair, [flair, post]).channels, across=2, turn=1)
    scan = scan_of(flair, [flair, post], assignment=choice).scan
    assert isinstance(scan.sequences["post"], Resampled)
    assert not read
    expected = np.broadcast_to([[[0]], [[1]], [[2]]], (3, 4, 5))
    expected = np.rot90(np.moveaxis(expected, 2, 0), 1, axes=(1, 2))
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
            turned = tilt @ Rotation.from_euler("z", 20, degrees=True).as_matrix()
            finer.SetDirection(turned.ravel().tolist())
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


@pytest.mark.slow
def test_layers_opened_one_by_one_give_the_mask_of_their_files(
    viewer: napari.Viewer, click: Click, brats: dict[str, Path]
) -> None:
    layers = open_all(viewer, brats)
    viewer.layers.selection.active = layers["post"]
    assert click(viewer)
    mask = result(viewer)
    assert mask.data.shape == layers["flair"].data.shape
    assert mask.metadata[KEY]["provenance"]["sequences"] == ("pre", "flair", "post")
    assert "From FLAIR + T1 pre + T1 post (resampled)." in SegmentationController.of(viewer).message.text
    expected = segment(brats)
    assert expected.mask.any()
    np.testing.assert_array_equal(mask.data, expected.mask)
    # What the user moved lies where they see it.
    layers["post"].translate += (shift := np.array([0, 30, 0]))
    moved = scan_of(mask, viewer.layers).scan.slice("post", 6)
    layers["post"].translate -= shift
    assert not np.array_equal(moved, scan_of(mask, viewer.layers).scan.slice("post", 6))


@pytest.fixture
def open_panel(viewer: napari.Viewer) -> Callable[[], SegmentPanel]:
    """Open the panel, the one before closed."""

    def opened() -> SegmentPanel:
        for dock in list(viewer.window._wrapped_dock_widgets.values()):
            viewer.window.remove_dock_widget(dock)
        panel = SegmentPanel(viewer)
        viewer.window.add_dock_widget(panel, name="Segment tumour")
        return panel

    return opened


def filled(panel: SegmentPanel) -> dict[str, str]:
    return {s: box.value for s, box in panel.sequences.boxes.items() if box.value != "none"}


def test_a_correction_is_remembered_for_its_layers_and_for_the_description(
    viewer: napari.Viewer, open_panel: Callable[[], SegmentPanel], click: Click
) -> None:
    voxels = make_phantom((4, 40, 40))[0].sequences
    t1, special, other = (
        viewer.add_image(voxels[s], name=name)
        for s, name in (("pre", "smith_7 T1"), ("flair", "smith_7 T2FSFL"), ("pre", "other"))
    )
    panel = open_panel()
    viewer.layers.selection.active = t1
    assert filled(panel) == {"flair": "smith_7 T1"}
    panel.sequences.boxes["flair"].value = "smith_7 T2FSFL"
    panel.sequences.boxes["pre"].value = "smith_7 T1"
    viewer.layers.selection.active = other
    assert filled(panel) == {"flair": "other"}
    panel = open_panel()
    viewer.layers.selection.active = t1
    assert filled(panel) == {"flair": "smith_7 T2FSFL", "pre": "smith_7 T1"}
    viewer.layers.selection.active = special
    assert click(viewer)
    assert result(viewer).name == "smith_7 T2FSFL tumour"
    assert result(viewer).metadata[KEY]["provenance"]["sequences"] == ("pre", "flair")
    # The next patient, in another session.
    assert read_descriptions() == {"t2fsfl": "flair"}
    assert guessed("jones T1", "jones T1", "jones T2FSFL") == {"flair": "jones T2FSFL", "pre": "jones T1"}
    viewer.layers.selection.active = t1
    panel.sequences.forget.native.click()  # it is folded
    assert filled(panel) == {"flair": "smith_7 T1"}
    assert panel.sequences.forget.native.isHidden()
    assert read_descriptions() == {}


def test_remembered_descriptions_are_read_once_and_again_when_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    change_descriptions({}, {"t2fsfl": "flair"}).result()
    names = ("jones T1", "jones T1", "jones T2FSFL")
    expected = {"flair": "jones T2FSFL", "pre": "jones T1"}
    assert guessed(*names) == expected
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda *_, **__: pytest.fail("a file is read in a click"))
        assert guessed(*names) == expected
    (tmp_path / "sequences.json").write_text('{"t2fsfl": "post"}')  # as another napari does
    load_descriptions()
    assert guessed(*names) != expected


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Any]:
    """Change the descriptions, and return what the file holds then."""

    def change(before: Descriptions, after: Descriptions) -> Any:
        change_descriptions(before, after).result()
        return json.loads((tmp_path / "sequences.json").read_text())

    return change


def test_what_another_version_remembers_is_kept(tmp_path: Path, written: Callable[..., Any]) -> None:
    (tmp_path / "sequences.json").write_text('{"dwi": "adc", "t2fsfl": "flair", "old": "pre"}')
    load_descriptions()
    before = read_descriptions()
    assert written(before, {"t2fsfl": "flair", "new": "post"}) == {
        "dwi": "adc",
        "t2fsfl": "flair",
        "new": "post",
    }


def test_what_could_not_be_read_in_time_is_kept(tmp_path: Path, written: Callable[..., Any]) -> None:
    (tmp_path / "sequences.json").write_text('{"t2fsfl": "flair"}')
    assert written({}, {"new": "post"}) == {"t2fsfl": "flair", "new": "post"}


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[1]", b"{" * 5000, b"[" * 5000, b'{"a": %s}' % (b"9" * 5000)]
)
def test_a_file_of_descriptions_that_cannot_be_read_is_kept_under_another_name(
    tmp_path: Path, written: Callable[..., Any], content: bytes
) -> None:
    for _ in range(2):
        (tmp_path / "sequences.json").write_bytes(content)
        load_descriptions()
        assert read_descriptions() == {}
        assert written({}, {"new": "post"}) == {"new": "post"}
    aside = [path.read_bytes() for path in tmp_path.glob("sequences-unreadable-*.json")]
    assert aside == [content, content]


@pytest.mark.parametrize(
    ("name", "beside", "description"),
    [
        ("smith_001_T2FSFL", ["smith_001_t1"], "t2fsfl"),
        ("smith_001_T2FSFL_bias", ["smith_001_t1_bias"], "t2fsfl"),
        ("T2FSFL smith", ["t1c smith"], "t2fsfl"),
        ("smith_T2FSFL", ["t1"], ""),  # where the patient ends cannot be told
        ("smith_s3", ["smith_s5"], ""),
        ("smith_2020_a", ["smith_2021_b"], ""),
        ("smith", [], ""),
    ],
)
def test_a_description_is_what_tells_a_name_from_others_without_the_patient(
    name: str, beside: list[str], description: str
) -> None:
    assert description_in(name, beside) == description


def test_of_a_dicom_series_the_whole_description_is_kept() -> None:
    special, t1 = layer("AX T2 FS FL [1]", modality="MR"), layer("AX T1", modality="MR")
    learn_descriptions(
        SequenceAssignment({"flair": Channel(t1)}),
        SequenceAssignment({"flair": Channel(special), "pre": Channel(t1)}),
    )
    assert read_descriptions() == {"ax_t2_fs_fl": "flair"}


def test_series_read_together_that_are_more_than_one_of_a_kind_are_told_apart_by_name() -> None:
    kinds = (("AX FLAIR", "flair"), ("AX T1 POST", "post"), ("SAG T1 POST", "post"), ("LOC", None))
    images = [layer(name, scan_id="study", sequence=sequence) for name, sequence in kinds]
    found = guess_sequences(images[0], images).channels
    assert {s: part.image.name for s, part in found.items()} == {"flair": "AX FLAIR", "post": "AX T1 POST"}


def test_a_description_counts_where_the_rest_of_the_name_says_nothing() -> None:
    said = {"ax": "flair", "t1_flair": "flair"}
    assert described_sequence("p2_ax", said) == "flair"
    assert described_sequence("p2_AX_T1_post", said) is None
    assert described_sequence("p2 T1 FLAIR tra", said) == "flair"


def test_sequences_are_worked_out_once_and_anew_when_layers_change(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, guesses = ViewerModel(), []

    def counted(image: Image, images: list[Image]) -> SequenceAssignment:
        guesses.append(image.name)
        return guess_sequences(image, images)

    monkeypatch.setattr("napari_tumor_unet.plugin.layers.viewer_sequences.guess_sequences", counted)

    def sequences() -> set[str]:
        for _ in range(3):
            found = set(scan_of(flair, viewer.layers).scan.sequences)
            assert ViewerSequences.of(viewer.layers).flair(flair) is flair
        n = len(guesses)
        guesses.clear()
        assert n == 1
        return found

    flair = viewer.add_layer(layer("p_flair"))
    assert sequences() == {"flair"}
    other = viewer.add_layer(layer("p_x"))
    assert sequences() == {"flair"}
    other.name = "p_t1"
    assert sequences() == {"flair", "pre"}
    other.translate = (90, 0, 0)
    other.scale = (1, 0.5, 0.5)
    assert sequences() == {"flair", "pre"}
    other.data = np.zeros((6, 8, 9))
    assert sequences() == {"flair"}
    viewer.layers.remove(other)
    assert sequences() == {"flair"}


def test_a_removed_layer_is_not_kept() -> None:
    viewer = ViewerModel()
    images = [viewer.add_layer(layer(name)) for name in ("p_flair", "p_t1")]
    sequences = ViewerSequences.of(viewer.layers)
    sequences.correct(images[0], sequences[images[0]])
    assert sequences[images[0]].corrected
    held = [weakref.ref(image) for image in images]
    viewer.add_layer(layer("last"))  # napari itself keeps the last one that was active
    del images
    viewer.layers.clear()
    gc.collect()
    assert [image() for image in held] == [None, None]


@pytest.mark.parametrize("names", [("flair", "t1", "t1ce", "t2"), ("t2f", "t1n", "t1c", "t2w")])
def test_a_t2_leads_to_the_flair_of_its_name_and_is_one_where_there_is_none(names: tuple[str, ...]) -> None:
    layers = LayerList([Image(np.zeros((4, 8, 8)), name=f"BraTS_1_{name}") for name in names])
    layers.append(Image(np.zeros((4, 8, 8)), name=f"BraTS_2_{names[3]}"))
    flair, pre, post, t2, alone = layers
    sequences = ViewerSequences.of(layers)
    assert [sequences.flair(image) for image in layers] == [flair, flair, flair, flair, alone]
    assert [channel.image for channel in sequences[t2].channels.values()] == [flair, pre, post]
