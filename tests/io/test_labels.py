"""Which files hold labels, by their names and by their voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_tumor_unet.evaluation.score import score
from napari_tumor_unet.inference.measures import measure
from napari_tumor_unet.inference.segment import segment
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.file_names import is_mask_name, name_of_masked
from napari_tumor_unet.io.find import find_scans
from napari_tumor_unet.io.find_masks import find_masks
from napari_tumor_unet.io.labels import as_labels, is_labels
from napari_tumor_unet.io.read import read_labels
from napari_tumor_unet.io.write import write_mask
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import Scan, ScanError, scan_from_volume
from tests.conftest import Refused

RANDOM = np.random.default_rng(4)
LABELS = RANDOM.integers(0, 4, (4, 6, 5))


@pytest.mark.parametrize(
    "name",
    [
        *("a_mask.nii.gz", "BraTS_001_seg.nii.gz", "a-seg.nrrd", "a.seg.nrrd", "segmentation.nrrd"),
        *("Segmentation_1.mha", "a-label.nrrd", "a_label-map_v2.mha", "labels.tif", "brainmask.nii"),
        *(
            "sub-01_dseg.nii.gz",
            "sub-01_label-tumor_mask.nii.gz",
            "mask 2.tif",
            "a_LabelMap.mha",
            "seg01.nii",
        ),
    ],
)
def test_a_word_of_a_name_says_that_it_is_a_mask(name: str) -> None:
    assert is_mask_name(Path(name))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "T1_unmasked_flair.nii",
            "flair_masked.nrrd",
            "brain_segmented.mha",
            "T1_unmask.nii",
            "no_mask.nii",
        ),
        *("flair_mask_applied.nii", "flair_without_mask.nii", "unlabeled.tif", "masking.nii", "Segovia.nii"),
        *("T1_no-label.nrrd", "flair.nii.gz", "OTMultiClass.mha"),
    ],
)
def test_other_words_are_those_of_scans(name: str) -> None:
    assert not is_mask_name(Path(name))


@pytest.mark.parametrize(
    ("mask", "scan"),
    [
        *(("a_mask.nii.gz", "a"), ("a-seg.nrrd", "a"), ("a.seg.nrrd", "a"), ("a_b_label.mha", "a_b")),
        *(("a.nii", "a"), ("a_masked.nii", "a_masked"), ("mask.nii", "mask")),
    ],
)
def test_the_name_of_a_mask_says_whose_it_is(mask: str, scan: str) -> None:
    assert name_of_masked(Path(mask)) == scan


def scan_of(voxels: np.ndarray) -> Scan:
    return scan_from_volume(voxels, name="a")


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int64", "float32", "float64"])
def test_whole_numbers_of_few_values_are_labels(dtype: str) -> None:
    assert is_labels(Path("a.nii"), scan_of(LABELS.astype(dtype)))


@pytest.mark.parametrize(
    "voxels",
    [
        RANDOM.integers(0, 256, (4, 6, 5), np.uint8),
        np.zeros((4, 6, 5), np.uint8),
        np.full((4, 6, 5), 7, np.int16),
        LABELS - 1,
        LABELS + 1,
        LABELS * 100_000,
        np.where(LABELS > 2, 1.5, 0.0),
        np.where(LABELS > 2, np.inf, 0.0),
        np.where(LABELS > 2, np.nan, 1.0),
    ],
    ids=["8 bits", "empty", "constant", "negative", "without 0", "high", "half", "infinite", "nothing"],
)
def test_other_voxels_are_a_scan(voxels: np.ndarray) -> None:
    assert not is_labels(Path("a.nii"), scan_of(voxels))


@pytest.mark.parametrize("voxels", [LABELS.astype(np.float64), np.zeros((2, 3, 4)), 40 * LABELS])
def test_whole_numbers_are_labels_if_the_name_says_so(voxels: np.ndarray) -> None:
    assert is_labels(Path("a_seg.nii"), scan_of(voxels))


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 1e20])
def test_a_name_does_not_make_labels_of_broken_numbers(value: float, refused: Refused) -> None:
    scan = scan_of(np.where(LABELS > 2, value, 0.0))
    assert not is_labels(Path("a_seg.nii"), scan)
    with refused(ScanError, "a_seg.nii holds no labels"):
        as_labels(scan, "a_seg.nii")


def test_a_scan_of_several_sequences_holds_no_labels() -> None:
    assert not is_labels(Path("a_mask.tif"), scan_of(np.stack([LABELS] * 3, axis=1)))


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_scans_and_their_masks_are_found_in_all_formats(tmp_path: Path, ending: str) -> None:
    scan = scan_of(RANDOM.integers(0, 200, (4, 6, 5), np.uint8))
    mask = (LABELS > 2).astype(np.uint8)
    for name in ("a", "b"):
        write_mask(tmp_path / f"{name}{ending}", np.asarray(scan.sequences["flair"]), scan)
        write_mask(tmp_path / f"{name}-seg{ending}", mask, scan)
    (tmp_path / "a.raw").touch()
    assert [p.name for p in find_scans(tmp_path)] == [f"a{ending}", f"b{ending}"]
    assert [p.name for p in find_masks(tmp_path)] == [f"a-seg{ending}", f"b-seg{ending}"]
    pairs = find_pairs(tmp_path).pairs
    assert [(p.name, p.scan.name, p.mask.name) for p in pairs] == [
        (name, f"{name}{ending}", f"{name}-seg{ending}") for name in ("a", "b")
    ]
    np.testing.assert_array_equal(pairs[0].read()[1], mask)


def test_an_image_named_after_its_sequence_is_no_mask(tmp_path: Path) -> None:
    voxels = np.arange(240, dtype=np.int16).reshape(4, 6, 10)
    for name, values in (("p1_flair", voxels), ("p1_t1_prediction", voxels % 3), ("p1_flair_mask", voxels)):
        sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / f"{name}.nii.gz"))
    with pytest.raises(ScanError, match="is named after a sequence and holds an image"):
        read_labels(tmp_path / "p1_flair.nii.gz")
    for name in ("p1_t1_prediction", "p1_flair_mask"):
        assert read_labels(tmp_path / f"{name}.nii.gz").shape == voxels.shape


GREY = RANDOM.integers(0, 256, (9, 20, 20), np.uint8)
BOX = np.zeros((9, 20, 20), np.uint8)
BOX[3:6, 5:15, 5:15] = 1


def saved(path: Path, voxels: np.ndarray) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path))
    return path


@pytest.mark.parametrize(
    "voxels",
    [GREY, GREY - np.int16(200), GREY.astype(np.float32), np.full_like(GREY, 7, np.int32) * GREY],
    ids=["8 bits", "negative", "whole floats", "high"],
)
def test_an_image_whose_name_says_nothing_is_no_mask(
    tmp_path: Path, voxels: np.ndarray, refused: Refused
) -> None:
    with refused(ScanError, "p1.nii.gz has more values than", "holds an image; give its mask"):
        read_labels(saved(tmp_path / "p1.nii.gz", voxels))
    with refused(ScanError, "p2.nii.gz has more values than"):
        score(saved(tmp_path / "p1_mask.nii.gz", BOX), saved(tmp_path / "p2.nii.gz", voxels))


@pytest.mark.parametrize(
    ("name", "voxels"),
    [
        *(("p1", BOX), ("p1", 255 * BOX), ("p1", GREY % 60), ("p1", BOX * np.int16(-3))),
        *(("p1_mask", GREY), ("p1_seg", GREY), ("labels", GREY)),
    ],
)
def test_numbered_regions_and_what_is_named_a_mask_are_masks(
    tmp_path: Path, name: str, voxels: np.ndarray
) -> None:
    read = read_labels(saved(tmp_path / f"{name}.nii.gz", voxels))
    assert np.count_nonzero(read.sequences["flair"]) == np.count_nonzero(voxels)


def test_a_file_of_several_sequences_is_no_mask(tmp_path: Path, refused: Refused) -> None:
    for name, colours in (("p1", [BOX] * 3), ("p1_mask", [BOX, GREY, GREY]), ("p2_mask", [BOX] * 3)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.stack(colours, axis=-1), photometric="rgb")
    with refused(ScanError, "p1.tif holds an image of several sequences; give its mask"):
        measure(tmp_path / "p1.tif")
    with refused(ScanError, "p1_mask.tif has colours"):
        measure(tmp_path / "p1_mask.tif")
    assert measure(tmp_path / "p2_mask.tif").voxels == 300


def test_labels_are_no_scan_to_segment(tmp_path: Path, refused: Refused, tiny_model: Model) -> None:
    for name, part in (("scan_mask.nii.gz", GREY), ("labels_of_it.nrrd", BOX), ("p1.nii.gz", BOX)):
        with refused(ScanError, f"{name} holds labels; give the scan"):
            segment(saved(tmp_path / name, part), model=tiny_model)
