from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.io.write import write_result
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.patient_names import patient_of
from tests.conftest import Refused

VOXELS = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.where(VOXELS > 40, 4, 0).astype(np.uint8)


def write_pair(folder: Path, name: str, mask: np.ndarray = LABELS) -> None:
    tifffile.imwrite(folder / f"{name}.tif", VOXELS, photometric="minisblack")
    tifffile.imwrite(folder / f"{name}_mask.tif", mask, photometric="minisblack")


def test_pairs_are_found_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_pair(tmp_path, name)
    assert [pair.name for pair in find_pairs(tmp_path).pairs] == ["a", "b", "c"]


def test_tiff_and_nifti_may_lie_side_by_side(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    for name, voxels in (("b", VOXELS), ("b_mask", LABELS)):
        nib.save(nib.Nifti1Image(voxels.T, np.diag([-1, -1, 1, 1])), tmp_path / f"{name}.nii.gz")
    for pair in find_pairs(tmp_path).pairs:
        scan, mask = pair.read()
        np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)
        np.testing.assert_array_equal(mask, LABELS > 0)


def test_files_without_a_partner_are_left_out_with_the_reason(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    write_pair(tmp_path, "b")
    (tmp_path / "b.tif").unlink()
    (tmp_path / "a_mask.json").touch()
    (tmp_path / "c.tif").touch()
    dataset = find_pairs(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["a"]
    assert dataset.left_out == {"b_mask.tif": "no scan b beside it", "c.tif": "no mask c_mask beside it"}


def write_brats(folder: Path, stem: str, sequences: tuple[str, ...], mask: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in (*sequences, mask):
        (folder / f"{stem}{name}.nii.gz").touch()


@pytest.mark.parametrize(
    ("stem", "sequences", "mask", "name"),
    [
        ("BraTS2021_00006_", ("flair", "t1", "t1ce", "t2"), "seg", "BraTS2021_00006"),
        ("BraTS-GLI-00005-100-", ("t2f", "t1n", "t1c", "t2w"), "seg", "BraTS-GLI-00005-100"),
        ("sub-08_", ("FLAIR", "T1w", "ce-gd_T1w", "T2w"), "label-tumor_mask", "sub-08"),
        ("sub-01_ses-2_", ("FLAIR", "T1w", "ce-gd_T1w"), "space-orig_label-tumor_mask", "sub-01_ses-2"),
        ("", ("flair", "t1", "t1ce", "t2"), "seg", "p1"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_masks_go_with_the_flair_whose_name_is_theirs_but_for_the_sequence(
    tmp_path: Path, stem: str, sequences: tuple[str, ...], mask: str, name: str, inside: bool
) -> None:
    write_brats(tmp_path / "p1", stem, sequences, mask)
    if inside:
        write_brats(tmp_path / "p2", stem.replace("0", "3"), sequences, mask)
    dataset = find_pairs(tmp_path if inside else tmp_path / "p1")
    pair = dataset.pairs[0]
    assert (len(dataset.pairs), pair.name) == (1 + inside, name)
    assert (pair.scan.name, pair.mask.name) == (f"{stem}{sequences[0]}.nii.gz", f"{stem}{mask}.nii.gz")
    others = {sequence: path.name for sequence, path in pair.others.items()}
    assert others == {"pre": f"{stem}{sequences[1]}.nii.gz", "post": f"{stem}{sequences[2]}.nii.gz"}
    assert not dataset.left_out


def test_of_two_flairs_with_one_mask_none_is_guessed(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    write_brats(tmp_path, "p_", ("flair", "flair_post"), "seg")
    dataset = find_pairs(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["a"]
    assert dataset.left_out["p_seg.nii.gz"] == "FLAIR may be p_flair or p_flair_post; say which it is"


def test_pairs_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_pair(tmp_path / folder, "a")
    pairs = find_pairs(tmp_path).pairs
    assert [(pair.name, pair.patient) for pair in pairs] == [("one_a", "a"), ("two_a", "a")]


def test_a_mask_may_have_another_ending_than_its_scan(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    (tmp_path / "a_mask.tif").rename(tmp_path / "a_mask.tiff")
    write_pair(tmp_path, "b")
    (tmp_path / "b.nii.gz").touch()
    dataset = find_pairs(tmp_path)
    assert [(p.scan.name, p.mask.name) for p in dataset.pairs] == [
        ("a.tif", "a_mask.tiff"),
        ("b.tif", "b_mask.tif"),
    ]
    assert list(dataset.left_out) == ["b.nii.gz"]


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


@pytest.mark.parametrize(
    ("files", "left_out"),
    [
        (
            ("x_flair.nii", "x_t2_flair.nii", "x_seg.nii"),
            {"x_seg.nii": "FLAIR may be x_flair or x_t2_flair; say which it is"},
        ),
        (("x_flair.nii", "x_flair_mask.nii", "x_seg.nii"), {"x_seg.nii": "x_flair.nii has another mask"}),
        (
            ("x_flair.nii", "x_mask.nii", "x_seg.nii"),
            {"x_seg.nii": "the mask of x_flair.nii may be x_mask.nii or x_seg.nii"},
        ),
        (("x_flair.nii", "x_t1_seg.nii", "x_brainmask.nii"), {"x_t1_seg.nii": "no scan x_t1 beside it"}),
        (("x_FLAIR.nii", "x_label-GM_mask.nii"), {"x_label-GM_mask.nii": "no scan x_label-GM beside it"}),
        (
            ("x_FLAIR.nii", "x_label-tumor_mask.nii", "x_mask.nii"),
            {"x_label-tumor_mask.nii": "x_FLAIR.nii has another mask"},
        ),
        (("x.nii", "x_flair.nii", "x_seg.nii"), {"x_flair.nii": "no mask x_flair_mask beside it"}),
    ],
)
def test_a_mask_that_may_belong_to_another_flair_is_left_out_with_the_reason(
    tmp_path: Path, files: tuple[str, ...], left_out: dict[str, str]
) -> None:
    write_pair(tmp_path, "a")
    touch(tmp_path, *files)
    assert left_out.items() <= find_pairs(tmp_path).left_out.items()


def test_pairs_in_folders_are_found_at_any_depth_where_there_is_none_at_the_top(tmp_path: Path) -> None:
    for patient, visit in (("p1", "v1"), ("p1", "v2"), ("p2", "v1")):
        touch(tmp_path / patient / visit, "scan.nii", "scan_mask.nii")
    pairs = find_pairs(tmp_path).pairs
    assert [p.name for p in pairs] == ["p1_v1_scan", "p1_v2_scan", "p2_v1_scan"]
    write_pair(tmp_path, "top")
    dataset = find_pairs(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["top"]
    assert list(dataset.left_out) == ["p1", "p2"]


def test_files_named_after_their_sequence_alone_bear_the_names_of_their_folders(tmp_path: Path) -> None:
    for patient, visit in (("p1", "v1"), ("p1", "v2"), ("p2", "v1")):
        touch(tmp_path / patient / visit, "FLAIR.nii.gz", "T1.nii.gz", "seg.nii.gz", "brainmask.nii.gz")
    pairs = find_pairs(tmp_path).pairs
    assert [(p.name, p.patient) for p in pairs] == [("p1_v1", "p1"), ("p1_v2", "p1"), ("p2_v1", "p2")]
    assert {p.mask.name for p in pairs} == {"seg.nii.gz"}


def test_macos_own_files_are_no_scans(tmp_path: Path) -> None:
    for hidden in ("", "._"):
        touch(tmp_path, f"{hidden}x_flair.nii.gz", f"{hidden}x_seg.nii.gz")
    assert [(p.scan.name, p.mask.name) for p in find_pairs(tmp_path).pairs] == [
        ("x_flair.nii.gz", "x_seg.nii.gz")
    ]


def test_folders_of_slices_are_found_as_in_the_lgg_data(tmp_path: Path) -> None:
    for patient, masks in (("TCGA_CS_4941_19960909", True), ("TCGA_CS_4942_19970222", False)):
        folder = tmp_path / patient
        folder.mkdir()
        for i, (pixels, labels) in enumerate(zip(VOXELS, LABELS, strict=True)):
            tifffile.imwrite(folder / f"{patient}_{i + 1}.tif", pixels)
            if masks:
                tifffile.imwrite(folder / f"{patient}_{i + 1}_mask.tif", labels)
    (tmp_path / "notes").mkdir()
    dataset = find_pairs(tmp_path)
    (pair,) = dataset.pairs
    assert (pair.name, pair.patient) == ("TCGA_CS_4941_19960909", "TCGA_CS_4941")
    scan, mask = pair.read()
    np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)
    np.testing.assert_array_equal(mask, LABELS > 0)
    assert list(dataset.left_out) == ["TCGA_CS_4942_19970222", "notes"]
    assert "_mask" in dataset.left_out["TCGA_CS_4942_19970222"]


def write_nnunet(folder: Path, channels: dict[str, str] | None, cases: dict[str, int]) -> None:
    """Cases with so many channels, each brighter than the one before."""
    for sub in ("imagesTr", "labelsTr"):
        (folder / sub).mkdir()
    if channels is not None:
        (folder / "dataset.json").write_text(json.dumps({"channel_names": channels}))
    affine = np.diag([-1, -1, 1, 1])
    for case, n in cases.items():
        for i in range(n):
            image = nib.Nifti1Image((VOXELS + 10 * i).T, affine)
            nib.save(image, folder / "imagesTr" / f"{case}_{i:04}.nii.gz")
        nib.save(nib.Nifti1Image(LABELS.T, affine), folder / "labelsTr" / f"{case}.nii.gz")


def test_nnunets_channels_are_the_sequences_that_dataset_json_names(tmp_path: Path) -> None:
    write_nnunet(tmp_path, {"0": "T1", "1": "T1ce", "2": "T2", "3": "FLAIR"}, {"x": 4, "y": 4})
    (tmp_path / "labelsTr" / "y.nii.gz").rename(tmp_path / "labelsTr" / "z.nii.gz")
    dataset = find_pairs(tmp_path)
    (pair,) = dataset.pairs
    scan, mask = pair.read()
    for sequence, i in (("pre", 0), ("post", 1), ("flair", 3)):
        np.testing.assert_array_equal(scan.sequences[sequence], VOXELS + 10 * i)
    np.testing.assert_array_equal(mask, LABELS > 0)
    assert dataset.left_out == {"y": "no label of that name", "z.nii.gz": "no image of that name"}


def test_nnunets_channels_of_one_kind_are_refused(tmp_path: Path, refused: Refused) -> None:
    write_nnunet(tmp_path, {"0": "T1", "1": "T1w", "2": "FLAIR"}, {"x": 3})
    with refused(ScanError, "no scan with a mask"):
        find_pairs(tmp_path)


def test_nnunets_only_channel_is_flair(tmp_path: Path) -> None:
    write_nnunet(tmp_path, None, {"x": 1})
    scan, _ = find_pairs(tmp_path).pairs[0].read()
    np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)


@pytest.mark.parametrize("channels", [None, {"0": "T1", "1": "CT"}])
def test_nnunets_cases_without_flair_are_refused(
    tmp_path: Path, channels: dict[str, str] | None, refused: Refused
) -> None:
    write_nnunet(tmp_path, channels, {"x": 2})
    with refused(ScanError, "no scan with a mask"):
        find_pairs(tmp_path)


def test_a_mask_that_lies_elsewhere_than_its_scan_is_refused(tmp_path: Path, refused: Refused) -> None:
    write_nnunet(tmp_path, {"0": "FLAIR"}, {"x": 1})
    nib.save(nib.Nifti1Image(LABELS.T, np.eye(4)), tmp_path / "labelsTr" / "x.nii.gz")
    with refused(ScanError, "x lies elsewhere"):
        find_pairs(tmp_path).pairs[0].read()


@pytest.mark.parametrize("there", [True, False])
def test_a_sequence_on_another_grid_is_brought_to_flairs(
    tmp_path: Path, refused: Refused, there: bool
) -> None:
    write_nnunet(tmp_path, {"0": "FLAIR", "1": "T1"}, {"x": 2})
    affine = np.diag([-1, -1, 2, 1])
    affine[:3, 3] = 0 if there else 500
    nib.save(nib.Nifti1Image(VOXELS[::2].T, affine), tmp_path / "imagesTr" / "x_0001.nii.gz")
    (pair,) = find_pairs(tmp_path).pairs
    if not there:
        with refused(ScanError, "different places"):
            pair.read()
        return
    scan, _ = pair.read()
    assert scan.sequences["pre"].shape == VOXELS.shape
    np.testing.assert_array_equal(scan.sequences["pre"][2], VOXELS[2])


def test_a_folder_of_slices_is_one_scan_and_is_not_split_by_slice(tmp_path: Path) -> None:
    folder = tmp_path / "head"
    folder.mkdir()
    for i, (pixels, labels) in enumerate(zip(VOXELS, LABELS, strict=True)):
        tifffile.imwrite(folder / f"p_{i + 1}.tif", pixels)
        tifffile.imwrite(folder / f"p_{i + 1}_mask.tif", labels)
    (pair,) = find_pairs(folder).pairs
    assert pair.name == "head"
    assert pair.read()[0].shape == VOXELS.shape


def test_stacks_may_be_named_like_slices(tmp_path: Path) -> None:
    write_pair(tmp_path, "p_1")
    write_pair(tmp_path, "p_2")
    assert [pair.name for pair in find_pairs(tmp_path).pairs] == ["p_1", "p_2"]


def test_stacks_named_like_slices_may_lie_in_a_folder_for_each_patient(tmp_path: Path) -> None:
    for name in ("TCGA_CS_4941_19960909", "TCGA_CS_4942_19970222"):
        folder = tmp_path / name.rpartition("_")[0]
        folder.mkdir()
        tifffile.imwrite(folder / f"{name}.tif", np.ones((4, 3, 20, 20), np.uint8), photometric="minisblack")
        tifffile.imwrite(
            folder / f"{name}_mask.tif", np.ones((4, 20, 20), np.uint8), photometric="minisblack"
        )
    pairs = find_pairs(tmp_path).pairs
    assert [pair.name for pair in pairs] == ["TCGA_CS_4941_19960909", "TCGA_CS_4942_19970222"]
    assert [pair.read()[0].shape for pair in pairs] == [(4, 20, 20)] * 2


def test_a_second_mask_is_left_out(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    (tmp_path / "a_mask.tif").rename(tmp_path / "a_seg.tif")
    write_pair(tmp_path, "a")
    assert find_pairs(tmp_path).left_out == {"a_seg.tif": "a_mask.tif is taken"}


@pytest.mark.parametrize("edited", [False, True])
def test_a_mask_that_a_model_made_and_nobody_edited_gives_way_to_the_experts(
    tmp_path: Path, edited: bool
) -> None:
    for name in ("x_flair", "x_t1", "x_seg"):
        nib.save(nib.Nifti1Image(LABELS.T, np.diag([-1, -1, 1, 1])), tmp_path / f"{name}.nii.gz")
    saved = tmp_path / "x_flair_mask.nii.gz"
    told = {"provenance": {"model_hash": "one"}, "edited": edited}
    write_result(saved, (LABELS > 0).astype(np.uint8), read_scan(tmp_path / "x_flair.nii.gz"), told)
    dataset = find_pairs(tmp_path)
    (pair,) = dataset.pairs
    assert pair.mask.name == ("x_flair_mask.nii.gz" if edited else "x_seg.nii.gz")
    if not edited:
        assert pair.others == {"pre": tmp_path / "x_t1.nii.gz"}
        assert dataset.left_out[saved.name].startswith("a model made it")
        (tmp_path / "x_seg.nii.gz").unlink()
        assert [one.mask for one in find_pairs(tmp_path).pairs] == [saved]


def test_a_damaged_dataset_json_is_refused(tmp_path: Path, refused: Refused) -> None:
    write_nnunet(tmp_path, None, {"x": 1})
    (tmp_path / "dataset.json").write_text("[")
    with refused(ScanError, "dataset.json"):
        find_pairs(tmp_path)


def test_a_folder_without_pairs_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused(ScanError, tmp_path.name, "no scan with a mask", "x_mask.nii.gz or x_seg.nii.gz", "BraTS"):
        find_pairs(tmp_path)
    touch(tmp_path / "below", "y_seg.nii")
    with refused(ScanError, tmp_path.name, "no scan with a mask (y_seg.nii: no scan y beside it)"):
        find_pairs(tmp_path)


def test_a_pair_reads_as_scan_and_true_or_false(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    scan, mask = find_pairs(tmp_path).pairs[0].read()
    assert scan.name == "a"
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, LABELS > 0)


def test_a_mask_of_another_shape_is_refused(tmp_path: Path, refused: Refused) -> None:
    write_pair(tmp_path, "a", LABELS[:2])
    with refused(ScanError, "mask of a", "(2, 4, 5)", "(3, 4, 5)"):
        find_pairs(tmp_path).pairs[0].read()


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("TCGA_CS_4941_19960909", "TCGA_CS_4941"),
        ("TCGA_CS_4941_20010101", "TCGA_CS_4941"),
        ("TCGA_DU_A5TW_19980228", "TCGA_DU_A5TW"),
        ("TCGA-CS-4941_T1", "TCGA_CS_4941"),
        ("sub-01_ses-1", "sub_01"),
        ("sub-01_ses-2", "sub_01"),
        ("BraTS2021_00630", "BraTS2021_00630"),
        ("BraTS-GLI-00005-100", "BraTS_GLI_00005"),
        ("BraTS-GLI-00005-101", "BraTS_GLI_00005"),
        ("patient_1", "patient_1"),
    ],
)
def test_scans_of_one_patient_are_known(name: str, patient: str) -> None:
    assert patient_of(name) == patient


def test_a_part_of_a_split_says_what_it_leaves_out(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write_pair(tmp_path, name)
    part = find_pairs(tmp_path).part({"a": "train", "b": "val", "c": "test"}, "train", "val")
    assert [pair.name for pair in part.pairs] == ["a", "b"]
    assert part.left_out == {"c": "in the part test", "d": "its patient is not in the split"}
