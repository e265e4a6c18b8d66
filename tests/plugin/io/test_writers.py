"""Labels layers to files that lie exactly as their scan's, by the writer and in real viewers."""

from __future__ import annotations

import gzip
import json
from itertools import permutations, product
from pathlib import Path
from typing import Any

import napari
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from qtpy.QtWidgets import QFileDialog
from scipy.spatial.transform import Rotation

from napari_tumor_unet.inference.result import Provenance, Slices
from napari_tumor_unet.io.read import read_labels, read_mask
from napari_tumor_unet.plugin.io import mask_export
from napari_tumor_unet.plugin.io.layer_data import mask_layer
from napari_tumor_unet.plugin.io.readers import read_layers
from napari_tumor_unet.plugin.io.writers import write_labels
from napari_tumor_unet.plugin.layers.layer_scan import LayerScan, scan_of
from napari_tumor_unet.plugin.layers.sequences import SequenceAssignment
from napari_tumor_unet.plugin.recovery.store import autosave_folder
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.segment.mask_writer import MaskWriter
from tests.conftest import is_one_sentence
from tests.plugin.conftest import PATIENCE

ORIENTATIONS = ["".join(ends) for axes in permutations(("RL", "AP", "SI")) for ends in product(*axes)]
TOLD = Provenance("tiny", "0" * 64, "0", 0.5, 0.1, ("flair",), "cpu", "float32", "2026-01-01", 1.0)
ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")


def written_scan(
    path: Path,
    orientation: str = "LPS",
    angles: tuple[float, float, float] = (0, 0, 0),
    spacing: tuple[float, float, float] = (0.7, 1.5, 4.0),
    origin: tuple[float, float, float] = (-12.5, 30.25, 7.75),
    shape: tuple[int, int, int] = (4, 6, 5),
) -> sitk.Image:
    """A scan as SimpleITK writes it, its axes towards an orientation and turned from there."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    image = sitk.DICOMOrient(image, orientation)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    image.SetDirection((turn @ np.reshape(image.GetDirection(), (3, 3))).ravel())
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))
    return sitk.ReadImage(str(path))


def write(layer: Labels, path: Path) -> list[str]:
    """As npe2 has it written."""
    data, attributes, _ = layer.as_layer_data_tuple()
    return write_labels(str(path), data, attributes)


def assert_same_grid(mask: Path, scan: Path) -> None:
    one, other = sitk.ReadImage(str(mask)), sitk.ReadImage(str(scan))
    assert one.GetSize() == other.GetSize()
    for what in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(one, what)(), getattr(other, what)(), rtol=1e-6, atol=1e-6)
    if ".nii" in mask.name and ".nii" in scan.name:
        one, other = nib.load(mask), nib.load(scan)
        assert one.shape == other.shape
        np.testing.assert_allclose(one.affine, other.affine, rtol=1e-6, atol=1e-6)
        for code in ("qform_code", "sform_code"):
            assert bool(one.header[code]) == bool(other.header[code])


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is warned of."""
    said: list[str] = []
    monkeypatch.setattr("napari_tumor_unet.plugin.io.writers.show_warning", said.append)
    return said


@pytest.mark.slow
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    angles=st.tuples(*[st.sampled_from([0.0, -3.0, 11.0, 30.0])] * 3),
    spacing=st.tuples(*[st.sampled_from([0.3, 0.9375, 1.0, 5.5])] * 3),
    origin=st.tuples(*[st.floats(-300, 300, width=32)] * 3),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    of_scan=st.sampled_from(ENDINGS),
    of_mask=st.sampled_from(ENDINGS),
    data=st.data(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_mask_lies_exactly_as_the_file_of_its_scan(
    tmp_path: Path,
    warned: list[str],
    orientation: str,
    angles: tuple[float, float, float],
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
    shape: tuple[int, int, int],
    of_scan: str,
    of_mask: str,
    data: Any,
) -> None:
    # ITK takes the voxels of a.nii.gz from a.nii, where there is one.
    scan, mask = (tmp_path / f"{name}{len(end)}{end}" for name, end in (("scan", of_scan), ("mask", of_mask)))
    written_scan(scan, orientation, angles, spacing, origin, shape)
    image = read_layers(scan)[-1]
    labels = data.draw(hnp.arrays(np.int32, image[0].shape, elements=st.integers(0, 70_000)))
    assert write(Layer.create(*mask_layer(labels, image, "painted")), mask) == [str(mask)]
    assert_same_grid(mask, scan)
    np.testing.assert_array_equal(read_mask(mask), labels)
    assert not warned


SHOWN = {"scale": (4, 1.5, 0.7), "translate": (7, -30, 12), "units": "mm"}


def painted(shape: tuple[int, ...] = (4, 6, 5), **place: Any) -> Labels:
    """A layer that no reader of ours made."""
    return Labels(np.random.default_rng(1).integers(0, 3, shape), name="painted", **place)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_layer_of_no_known_scan_lies_where_napari_shows_it_as_lps(
    tmp_path: Path, warned: list[str], ending: str
) -> None:
    layer = painted(**SHOWN, rotate=(20, 5, -10))
    layer.affine = np.diag([1, 1, -1, 1])  # a mirror is no shear
    write(layer, path := tmp_path / f"m{ending}")
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), layer.data)
    for index in ((0, 0, 0), (3, 5, 4), (1, 0, 2)):
        there = image.TransformIndexToPhysicalPoint(index[::-1])
        np.testing.assert_allclose(there[::-1], layer.data_to_world(index), rtol=1e-6, atol=1e-5)
    assert warned == [mask_export._AS_SHOWN]


@pytest.mark.parametrize(
    ("place", "name", "told"),
    [
        (SHOWN, "m.tif", mask_export._SPACING_ALONE),
        (SHOWN | {"units": "um"}, "m.nrrd", mask_export._AS_SHOWN),
        ({"scale": (4, 1.5, 0.7), "units": "mm"}, "m.tif", None),
        ({"scale": (4, 1.5, 0.7), "units": "mm"}, "m.nii.gz", None),
        ({"scale": (4, 1.5, 0.7)}, "m.nii.gz", mask_export._NO_UNIT),
        ({"scale": (4, 1.5, 0.7)}, "m.tif", None),
        ({"shape": (6, 5), "scale": (1.5, 0.7), "units": "mm"}, "m.tif", mask_export._NO_SPACING),
        ({"shape": (6, 5), "scale": (1.5, 0.7), "units": "mm"}, "m.mha", None),
        ({"shape": (6, 5), "scale": (1.5, 0.7)}, "m.nii.gz", mask_export._NO_UNIT),
        ({"shape": (1, 4, 6, 5)}, "m.tif", None),
    ],
)
def test_what_a_file_loses_is_told_in_a_sentence(
    tmp_path: Path, warned: list[str], place: dict[str, Any], name: str, told: str | None
) -> None:
    layer = painted(**place)
    write(layer, tmp_path / name)
    assert warned == [told] * (told is not None)
    assert all(map(is_one_sentence, warned))
    np.testing.assert_array_equal(read_mask(tmp_path / name), layer.data.reshape((-1, 6, 5)))
    known = layer.units[-1] != "pixel" and told != mask_export._NO_SPACING
    assert read_labels(tmp_path / name).in_mm == known
    if known:
        factor = 1e-3 if place["units"] == "um" else 1
        spacing = read_labels(tmp_path / name).spacing
        assert spacing[-2:] == pytest.approx(factor * layer.scale[-2:], rel=1e-5)


@pytest.mark.parametrize(
    ("place", "name", "words"),
    [
        ({"shape": (2, 4, 6, 5)}, "m.nii.gz", ("painted", "4 axes")),
        (SHOWN | {"shear": (0, 0, 0.3)}, "m.nii.gz", ("painted", "sheared")),
        ({}, "m.png", ("m.png", ".nii.gz")),
        ({}, "gone/m.tif", ("m.tif", "cannot be written")),
        ({}, "there", ("there.nii.gz", "exists already")),
    ],
)
def test_what_cannot_be_written_is_one_sentence_and_leaves_no_file(
    tmp_path: Path, refused: Any, place: dict[str, Any], name: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "there.nii.gz").touch()
    with refused(OSError, *words):
        write(painted(**place), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there.nii.gz"]
    assert not (tmp_path / "there.nii.gz").stat().st_size


def test_a_layer_that_was_cut_lies_where_napari_shows_it(tmp_path: Path, warned: list[str]) -> None:
    written_scan(tmp_path / "scan.nii.gz", "RAS")
    image = read_layers(tmp_path / "scan.nii.gz")[-1]
    layer = Layer.create(*mask_layer(np.ones(image[0].shape, np.uint8), image, "cut"))
    layer.data = layer.data[1:]
    layer.translate = layer.data_to_world((1, 0, 0))
    write(layer, tmp_path / "m.nrrd")
    cut, scan = (sitk.ReadImage(str(tmp_path / name)) for name in ("m.nrrd", "scan.nii.gz"))
    scan = sitk.DICOMOrient(scan, "LPS")
    np.testing.assert_allclose(cut.GetOrigin(), scan.TransformIndexToPhysicalPoint((0, 0, 1)), rtol=1e-6)
    assert warned == [mask_export._AS_SHOWN]


def test_what_made_another_mask_does_not_stay_beside_one_unnoticed(tmp_path: Path, warned: list[str]) -> None:
    (tmp_path / "m.json").write_text("{}")
    write(painted(), tmp_path / "m.tif")
    assert warned == ["m.json tells of the mask that was there before; delete it."]
    assert (tmp_path / "m.json").read_text() == "{}"


@pytest.mark.parametrize("ending", [*ENDINGS, ".tif"])
def test_nothing_of_the_layer_but_its_mask_is_in_the_file(tmp_path: Path, ending: str) -> None:
    layer = painted(**SHOWN, metadata={"patient": "Jane Doe"}, features={"Jane Doe": [0, 1]})
    layer.name = "Jane Doe"
    write(layer, path := tmp_path / f"m{ending}")
    content = gzip.decompress(path.read_bytes()) if ending == ".nii.gz" else path.read_bytes()
    assert not any(word in content for word in (b"Jane", b"Doe", tmp_path.name.encode(), b"painted"))


# Through napari


def segmented(viewer: ViewerModel, source: LayerScan) -> Labels:
    """A finished result, as a run leaves it."""
    result = MaskWriter(viewer, source)
    result.add_layer()
    mask = np.random.default_rng(2).integers(0, 2, source.scan.shape, np.uint8)
    indices = tuple(range(len(mask)))
    result.write(Slices(indices, 200 * mask, mask, len(indices), len(indices)))
    result.finish(None, TOLD)
    return result.layer


@pytest.mark.parametrize(("across", "turn"), [(0, 0), (1, 1)], ids=["as it is", "turned"])
def test_a_result_saved_by_napari_lies_as_its_scans_file_with_what_made_it_beside(
    viewer_model: ViewerModel, tmp_path: Path, warned: list[str], across: int, turn: int
) -> None:
    written_scan(scan := tmp_path / "Jane.nii.gz", "SAR", (11, -3, 30))
    (image,) = viewer_model.open(scan, plugin="napari-tumor-unet")
    layer = segmented(
        viewer_model,
        scan_of(
            image, viewer_model.layers, viewer_model.dims.point, SequenceAssignment(across=across, turn=turn)
        ),
    )
    layer.scale = (9, 9, 9)  # whatever napari shows
    viewer_model.layers.selection = {layer}
    (path, sidecar) = viewer_model.layers.save(str(tmp_path / "m.mha"), selected=True)
    assert_same_grid(Path(path), scan)
    np.testing.assert_array_equal(read_mask(path), layer.data)
    assert json.loads(Path(sidecar).read_text())["provenance"]["model"] == "tiny"
    assert not warned


def test_what_a_user_paints_on_a_scan_lies_as_its_file(
    viewer: napari.Viewer, tmp_path: Path, warned: list[str]
) -> None:
    for name, angles in (("one", (0, 11, 0)), ("two", (30, 0, 0))):  # one place in napari, two in the patient
        written_scan(tmp_path / f"{name}.nii.gz", "PIR", angles, origin=(0, 0, 0))
        viewer.open(tmp_path / f"{name}.nii.gz", plugin="napari-tumor-unet")
        viewer._new_labels()
        viewer.layers[-1].paint((1, 2, 3), 2)
    for name in ("one", "two"):
        viewer.layers[f"{name} - Labels"].save(str(tmp_path / f"{name}_mask.nii"))
        assert_same_grid(tmp_path / f"{name}_mask.nii", tmp_path / f"{name}.nii.gz")
    assert not warned


def test_a_mask_that_was_opened_is_saved_as_it_lay(
    viewer_model: ViewerModel, tmp_path: Path, warned: list[str]
) -> None:
    grid = written_scan(tmp_path / "scan.nii.gz", "ILP", (11, 0, 0))
    voxels = sitk.GetImageFromArray(np.arange(120, dtype=np.uint16).reshape(grid.GetSize()[::-1]) * 500)
    voxels.CopyInformation(grid)
    sitk.WriteImage(voxels, str(tmp_path / "a_mask.nii.gz"))
    (layer,) = viewer_model.open(tmp_path / "a_mask.nii.gz", plugin="napari-tumor-unet")
    assert isinstance(layer, Labels)
    (image,) = viewer_model.open(tmp_path / "scan.nii.gz", plugin="napari-tumor-unet")
    np.testing.assert_allclose(layer.extent.world, image.extent.world)
    layer.save(str(tmp_path / "b_mask.nii.gz"))
    one, other = (sitk.ReadImage(str(tmp_path / f"{name}_mask.nii.gz")) for name in "ab")
    assert_same_grid(tmp_path / "b_mask.nii.gz", tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(other), strict=True)
    assert not warned


def test_the_time_point_that_was_segmented_is_saved_and_the_others_are_told_of(
    viewer_model: ViewerModel, tmp_path: Path, warned: list[str]
) -> None:
    image = viewer_model.add_image(np.zeros((3, 4, 6, 5)), axis_labels=("t", "z", "y", "x"), name="film")
    viewer_model.dims.set_current_step(0, 2)
    layer = segmented(viewer_model, scan_of(image, viewer_model.layers, viewer_model.dims.point))
    layer.save(str(tmp_path / "m.tif"), plugin="napari-tumor-unet")
    assert not warned
    layer.data[0] = 1
    layer.save(str(tmp_path / "m.tif"), plugin="napari-tumor-unet")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.tif"), layer.data[2])
    assert warned == [mask_export._ONE_TIME]


def test_napari_offers_our_formats_when_it_saves(
    viewer: napari.Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer.add_layer(painted(**SHOWN))

    def choose(*_: Any, filter: str = "", **__: Any) -> tuple[str, str]:
        (ours,) = (entry for entry in filter.split(";;") if ".nrrd" in entry)
        assert ours == "Tumour U-Net masks (*.nii.gz *.nii *.nrrd *.mha *.tif *.tiff *.dcm)"
        return str(tmp_path / "by hand"), ours

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    viewer.window._qt_viewer._save_layers_dialog(selected=True)
    assert [path.name for path in tmp_path.glob("by*")] == ["by hand.nii.gz"]


def test_what_napari_saves_is_kept_no_longer(viewer: napari.Viewer, qtbot: Any, tmp_path: Path) -> None:
    SegmentationController.of(viewer)
    image = viewer.add_image(np.zeros((4, 6, 5)), name="head")
    layer = segmented(viewer, scan_of(image, viewer.layers, viewer.dims.point))
    layer.paint((1, 2, 3), 2)
    Autosaving.of(viewer).keep_now()
    qtbot.waitUntil(lambda: bool(list(autosave_folder().glob("*/[!.]*.npz"))), timeout=PATIENCE)
    layer.save(str(tmp_path / "m.nii.gz"))
    qtbot.waitUntil(lambda: not list(autosave_folder().glob("*/[!.]*.npz")), timeout=PATIENCE)
