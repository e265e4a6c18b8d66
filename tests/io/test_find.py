"""Which files are one scan, in trees as data sets and hospitals have them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_tumor_unet.io.find import ScanFiles, find_all_files, find_scan_files, t1_beside
from napari_tumor_unet.scan import ScanError
from tests.conftest import Refused, is_one_sentence

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make empty files of these names below a folder."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "tree"

    return make


def told(found: list[ScanFiles]) -> dict[str, dict[str, str]]:
    """File names by sequence, by the name of the FLAIR."""
    return {f.path.name: {s: path.name for s, path in f.others.items()} for f in found if not f.problem}


BRATS = [f"P{i}/P{i}_{s}.nii.gz" for i in (1, 2) for s in ("flair", "t1", "t1ce", "t2", "seg")]


@pytest.mark.parametrize("pattern", ["", "*_flair.nii.gz", "*/*_flair.nii.gz", "**/*flair*"])
def test_a_folder_for_each_patient_is_a_scan_for_each(tree: Tree, pattern: str) -> None:
    found = find_scan_files(tree(*BRATS), pattern)
    assert told(found) == {
        f"P{i}_flair.nii.gz": {"pre": f"P{i}_t1.nii.gz", "post": f"P{i}_t1ce.nii.gz"} for i in (1, 2)
    }


def test_each_folder_is_listed_once_and_no_file_is_looked_at(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = tree(*BRATS), list[str]()

    def counted(name: str) -> Callable[..., Any]:
        ask = getattr(os, name)

        def count(path: Any = ".", *args: Any, **options: Any) -> Any:
            asked.append(f"{name} {Path(path).name}")
            return ask(path, *args, **options)

        return count

    for name in ("scandir", "listdir", "stat"):
        monkeypatch.setattr(os, name, counted(name))
    assert len(find_scan_files(folder)) == 2
    assert sorted(asked) == ["scandir P1", "scandir P2", "scandir tree"]


def test_patients_in_one_folder_are_kept_apart(tree: Tree) -> None:
    found = find_scan_files(tree(*(name.split("/")[1] for name in BRATS[:-3]), "P3_flair.nii.gz"))
    assert told(found) == {
        "P1_flair.nii.gz": {"pre": "P1_t1.nii.gz", "post": "P1_t1ce.nii.gz"},
        "P2_flair.nii.gz": {"pre": "P2_t1.nii.gz"},
        "P3_flair.nii.gz": {},
    }


def test_numbered_patients_in_one_folder_are_kept_apart(tree: Tree) -> None:
    found = find_scan_files(tree("001_flair.nii", "001_t1.nii", "002_flair.nii"))
    assert told(found) == {"001_flair.nii": {"pre": "001_t1.nii"}, "002_flair.nii": {}}


def test_series_of_a_hospital_are_one_scan(tree: Tree) -> None:
    found = find_scan_files(
        tree("2_Ax T2 FLAIR.nii", "3_SAG T1 SE.nii", "4_AX DWI.nii", "9_AX T1 POST GD.nii")
    )
    assert told(found) == {"2_Ax T2 FLAIR.nii": {"pre": "3_SAG T1 SE.nii", "post": "9_AX T1 POST GD.nii"}}


def test_a_pattern_for_one_patient_takes_no_other_ones_t1(tree: Tree) -> None:
    folder = tree("001_flair.nii", "002_flair.nii", "002_t1.nii")
    assert told(find_scan_files(folder, "001*")) == {"001_flair.nii": {}}


def test_a_pattern_chooses_between_two_flairs(tree: Tree) -> None:
    folder = tree("Ax FLAIR.nii", "Sag FLAIR.nii", "MPRAGE.nii")
    assert told(find_scan_files(folder, "Ax*")) == {"Ax FLAIR.nii": {"pre": "MPRAGE.nii"}}


def test_another_patients_t1_is_never_taken(tree: Tree) -> None:
    one, other = find_scan_files(tree("P1_flair.nii", "P2_t1.nii"))
    assert (one.path.name, dict(one.others)) == ("P1_flair.nii", {})
    assert other.problem == "P2_t1.nii has no FLAIR beside it; the model needs one."


def test_flair_alone_can_be_asked_for(tree: Tree) -> None:
    found = find_scan_files(tree(*BRATS, "P1/P1_t1_2.nii.gz"), flair_alone=True)
    assert told(found) == {"P1_flair.nii.gz": {}, "P2_flair.nii.gz": {}}


def test_flair_alone_holds_for_files_with_all_sequences(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 3, 8, 9), np.uint8), imagej=True)
    for alone in (True, False):
        (files,) = find_scan_files(tmp_path, flair_alone=alone)
        assert (list(files.read().sequences) == ["flair"]) == alone


def test_files_that_name_no_sequence_are_a_scan_each(tree: Tree) -> None:
    found = find_scan_files(tree("a.nii.gz", "b.tif", "b_mask.tif", "in/c.nii"))
    assert told(found) == {"a.nii.gz": {}, "b.tif": {}, "c.nii": {}}


def test_of_two_endings_that_of_the_flair_counts(tree: Tree) -> None:
    found = find_scan_files(tree("x_flair.nii.gz", "x_t1.nii", "x_t1.nii.gz", "x_t1.tif"))
    assert told(found) == {"x_flair.nii.gz": {"pre": "x_t1.nii.gz"}}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["FLAIR.nii", "T1 a.nii", "T1 b.nii"], "T1 before contrast may be T1 a or T1 b"),
        (["Ax FLAIR.nii", "Sag FLAIR.nii", "MPRAGE.nii"], "which T1 belongs to"),
    ],
)
def test_what_is_unclear_is_said_and_not_guessed(tree: Tree, names: list[str], words: str) -> None:
    for files in find_scan_files(tree(*names)):
        assert words in files.problem
        assert is_one_sentence(files.problem)
        with pytest.raises(ScanError, match="T1"):
            files.read()


def test_a_pattern_that_nothing_matches_is_refused(tree: Tree, refused: Refused) -> None:
    with refused(ScanError, "tree holds no scan that matches"):
        find_scan_files(tree(*BRATS), "*.mha")


def test_labels_are_no_scan(tmp_path: Path, refused: Refused) -> None:
    labels = np.eye(9, dtype=np.uint8)[None].repeat(5, 0)
    tifffile.imwrite(tmp_path / "regions.tif", labels, photometric="minisblack")
    with refused(ScanError, "regions.tif", "labels"):
        ScanFiles(tmp_path / "regions.tif").read()


def test_a_named_file_beside_folders_of_slices_leaves_none_of_them_out(tree: Tree) -> None:
    folder = tree("T1.nii.gz", "other.nii.gz", "sub/x.nii.gz")
    for patient in ("TCGA_1", "TCGA_2"):
        (folder / patient).mkdir()
        for n in (1, 2):
            tifffile.imwrite(folder / patient / f"{patient}_{n}.tif", np.zeros((8, 8), np.uint8))
    scans, left_out = find_all_files(folder)
    assert sorted(told(scans)) == ["TCGA_1", "TCGA_2", "x.nii.gz"]
    assert [one.path.name for one in scans if one.problem] == ["T1.nii.gz"]
    assert [one.path.name for one in left_out] == ["other.nii.gz"]
    assert is_one_sentence(left_out[0].problem)


def test_the_t1_beside_a_flair_are_its_patients(tree: Tree) -> None:
    folder = tree("a_flair.nii", "a_t1.nii", "a_t1ce.nii", "b_t1.nii", "b_flair.nii", "a_seg.nii")
    found = {sequence: path.name for sequence, path in t1_beside(folder / "a_flair.nii").items()}
    assert found == {"pre": "a_t1.nii", "post": "a_t1ce.nii"}


def test_a_file_with_all_sequences_needs_no_name(tree: Tree) -> None:
    folder = tree("a_1_flair.nii.gz", "flair.nii", "P2 t2.nii")
    tifffile.imwrite(folder / "x.tif", np.zeros((4, 3, 8, 9), np.uint8), imagej=True)
    tifffile.imwrite(folder / "y.tif", np.zeros((4, 8, 9, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(folder / "z.tif", np.zeros((3, 8, 9), np.uint8), photometric="minisblack")
    scans, left_out = find_all_files(folder)
    assert {"x.tif", "y.tif", "a_1_flair.nii.gz", "flair.nii"} == {one.path.name for one in scans}
    assert {"z.tif", "P2 t2.nii"} == {one.path.name for one in left_out}
    assert list(scans[0].read().sequences) == ["pre", "flair", "post"]


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["ms_104252_x_flair.nii.gz", "TCGA_CS_4941.tif", "TCGA_CS_4942.tif"], []),
        (["P1_flair.nii", "P2_flair.nii", "P3.nii"], []),
        (["001_flair.nii", "002_flair.nii", "003.nii"], []),
        (["001_flair.nii", "002.nii"], ["002.nii"]),  # a series of 001, or a patient
        (["P1_flair.nii", "P1_t1.nii", "P1_run2.nii"], ["P1_run2.nii"]),
        (["P1_flair.nii", "P2_t2.nii", "P3_dwi.nii"], ["P2_t2.nii", "P3_dwi.nii"]),
        (["Smith_flair.nii", "Smith_t1.nii", "localizer_1.nii"], ["localizer_1.nii"]),
        (["P1/flair.nii", "P1/t1.nii", "P1/x.nii", "P2/y.nii"], []),  # and x is P1's
    ],
)
def test_beside_a_named_file_other_patients_are_scans_and_what_may_be_its_is_not(
    tree: Tree, names: list[str], left: list[str]
) -> None:
    scans, left_out = find_all_files(tree(*names))
    assert [one.path.name for one in left_out] == left
    taken = {"P1_t1.nii", "Smith_t1.nii", "t1.nii", "x.nii", *left}
    assert {one.path.name for one in scans} == {Path(name).name for name in names} - taken
    assert not any(one.problem for one in scans)
