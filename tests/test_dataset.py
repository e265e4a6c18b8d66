from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from napari_tumor_unet.dataset import find_pairs, patient_of, read_split
from napari_tumor_unet.scan import ScanError

from .conftest import Refused

VOXELS = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.where(VOXELS > 40, 4, 0).astype(np.uint8)


def write_pair(folder: Path, name: str, mask: np.ndarray = LABELS) -> None:
    tifffile.imwrite(folder / f"{name}.tif", VOXELS, photometric="minisblack")
    tifffile.imwrite(folder / f"{name}_mask.tif", mask, photometric="minisblack")


def test_pairs_are_found_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_pair(tmp_path, name)
    assert [pair.name for pair in find_pairs(tmp_path)] == ["a", "b", "c"]


def test_tiff_and_nifti_may_lie_side_by_side(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    for name, voxels in (("b", VOXELS), ("b_mask", LABELS)):
        nib.save(nib.Nifti1Image(voxels.T, np.diag([-1, -1, 1, 1])), tmp_path / f"{name}.nii.gz")
    for pair in find_pairs(tmp_path):
        scan, mask = pair.read()
        np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)
        np.testing.assert_array_equal(mask, LABELS > 0)


def test_files_without_a_partner_are_no_pairs(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    write_pair(tmp_path, "b")
    (tmp_path / "b.tif").unlink()
    (tmp_path / "a_mask.json").touch()
    (tmp_path / "c.tif").touch()
    assert [pair.name for pair in find_pairs(tmp_path)] == ["a"]


def test_a_folder_without_pairs_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused(ScanError, tmp_path.name, "no pairs"):
        find_pairs(tmp_path)


def test_a_pair_reads_as_scan_and_true_or_false(tmp_path: Path) -> None:
    write_pair(tmp_path, "a")
    scan, mask = find_pairs(tmp_path)[0].read()
    assert scan.name == "a"
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, LABELS > 0)


def test_a_mask_of_another_shape_is_refused(tmp_path: Path, refused: Refused) -> None:
    write_pair(tmp_path, "a", LABELS[:2])
    with refused(ScanError, "mask of a", "(2, 4, 5)", "(3, 4, 5)"):
        find_pairs(tmp_path)[0].read()


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("TCGA_CS_4941_19960909", "TCGA_CS_4941"),
        ("TCGA_CS_4941_20010101", "TCGA_CS_4941"),
        ("TCGA_DU_A5TW_19980228", "TCGA_DU_A5TW"),
        ("patient_1", "patient_1"),
    ],
)
def test_scans_of_one_patient_are_known(name: str, patient: str) -> None:
    assert patient_of(name) == patient


def test_a_split_is_read_by_patient(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("patient,age,split\nTCGA_CS_4941_19960909,50,train\nb,60,val\n")
    assert read_split(tmp_path / "split.csv") == {"TCGA_CS_4941": "train", "b": "val"}


def test_a_split_through_a_patient_is_refused(tmp_path: Path, refused: Refused) -> None:
    table = "patient,split\nTCGA_CS_4941_19960909,train\nTCGA_CS_4941_20010101,val\n"
    (tmp_path / "split.csv").write_text(table)
    with refused(ScanError, "TCGA_CS_4941", "two parts"):
        read_split(tmp_path / "split.csv")
