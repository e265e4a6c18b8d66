"""DICOM folders as scans: which series are meant, and what is made of whole exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_tumor_unet.inference.batch import Outcome, output_names, segment_files
from napari_tumor_unet.io.find import ScanFiles, find_scan_files, find_scans
from napari_tumor_unet.io.read import read_mask, read_scan
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import ScanError
from tests.conftest import Refused
from tests.dicom_files import AXES, PATIENT, images, saved

STACK = np.random.default_rng(1).integers(0, 4000, (6, 10, 8), dtype=np.uint16)


def series(folder: Path, description: str, number: int, voxels: np.ndarray = STACK, **fields: Any) -> Path:
    uid = {"SeriesInstanceUID": f"1.2.{number}", "SeriesNumber": number, "SeriesDescription": description}
    return saved(images(voxels, **(uid | fields)), folder, prefix=f"S{number}_")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """FLAIR, T1 of which one is sagittal, T2 and a localiser."""
    folder = tmp_path / "Mustermann_Erika" / "DICOM"
    series(folder / "1", "T1 LOCALIZER", 1, STACK[:3])
    series(folder / "2", "AX T2 FLAIR", 2)
    series(folder / "3", "AX T1", 3, STACK + 1)
    series(folder / "4", "SAG T1 post", 4, STACK + 2, axes=AXES["sagittal"])
    series(folder / "5", "AX T1 post", 5, STACK + 3)
    series(folder / "6", "AX T2", 6)
    return folder


def test_flair_is_read_with_the_t1_of_its_plane(study: Path) -> None:
    scan = read_scan(study)
    assert scan.name == "AX T2 FLAIR"
    for sequence, more in (("flair", 0), ("pre", 1), ("post", 3)):
        np.testing.assert_array_equal(scan.sequences[sequence], STACK + more)


def test_t1_on_another_grid_is_brought_to_flairs(tmp_path: Path) -> None:
    series(tmp_path, "FLAIR", 1)
    series(tmp_path, "T1", 2, np.full((30, 20, 16), 7, np.uint16), spacing=(1.0, 1.0, 1.0))
    scan = read_scan(tmp_path)
    assert scan.shape == STACK.shape
    assert scan.slice("pre", 3).shape == STACK.shape[1:]


def test_t1_of_another_study_is_left_out(tmp_path: Path) -> None:
    series(tmp_path, "FLAIR", 1)
    series(tmp_path, "T1", 2, StudyInstanceUID="1.9")
    assert list(read_scan(tmp_path).sequences) == ["flair"]


def test_the_only_series_is_the_scan_whatever_it_is(tmp_path: Path) -> None:
    series(tmp_path, "", 1)
    series(tmp_path, "AX LOCALIZER", 2)
    assert read_scan(tmp_path).name == "series 1"


@pytest.mark.parametrize("names", [("AX FLAIR", "COR FLAIR"), ("AX T2", "COR T2")])
def test_series_that_cannot_be_told_apart_are_listed_and_can_be_chosen(
    tmp_path: Path, names: tuple[str, str], refused: Refused
) -> None:
    series(tmp_path, names[0], 1)
    series(tmp_path, names[1], 2, STACK + 1)
    with refused(ScanError, f"1 ({names[0]}), 2 ({names[1]})", "by number or name"):
        read_scan(tmp_path)
    with refused(ScanError, "no series T3"):
        read_scan(tmp_path, series="T3")
    for chosen in (names[1].lower(), 2):
        np.testing.assert_array_equal(read_scan(tmp_path, series=chosen).sequences["flair"], STACK + 1)


def test_a_flair_that_cannot_be_read_is_not_replaced_by_another_series(
    tmp_path: Path, refused: Refused
) -> None:
    series(tmp_path, "FLAIR", 1)
    series(tmp_path, "T1", 2)
    next(tmp_path.glob("S1_*")).unlink()
    with refused(ScanError, "FLAIR"):
        read_scan(tmp_path)


def test_a_file_stands_for_its_series(study: Path) -> None:
    scan = read_scan(next((study / "3").iterdir()))
    assert (scan.name, list(scan.sequences)) == ("AX T1", ["flair"])
    np.testing.assert_array_equal(scan.sequences["flair"], STACK + 1)


def test_a_damaged_dicom_file_is_one_sentence(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a.dcm").write_bytes(b"nothing")
    with refused(ScanError, "damaged"):
        read_scan(tmp_path / "a.dcm")


def test_a_folder_of_neither_slices_nor_dicom_is_refused(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "notes").write_text("none")
    with refused(ScanError, "no DICOM images"):
        read_scan(tmp_path)


def test_the_scans_in_a_folder_are_its_studies(study: Path, tmp_path: Path) -> None:
    series(tmp_path / "other", "FLAIR", 1, StudyInstanceUID="1.9")
    assert find_scans(tmp_path) == [study, tmp_path / "other"]


def test_flair_alone_holds_for_dicom_too(study: Path) -> None:
    (files,) = find_scan_files(study, flair_alone=True)
    assert list(files.read().sequences) == ["flair"]


def test_masks_of_dicom_are_not_named_after_the_patient(study: Path, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("MUSTERMANN", "sub-001", "KH-471100 MR")]
    for i, folder in enumerate(folders):
        series(folder, "FLAIR", 1, StudyInstanceUID=f"1.9.{i}")
    first, second, third = output_names([ScanFiles(folder) for folder in folders])
    assert second == "sub-001"
    assert first.startswith("study_")
    assert len({first, third}) == 2
    series(tmp_path / "anonymous", "FLAIR", 1, PatientID="anonymous", PatientIdentityRemoved="YES")
    assert output_names([ScanFiles(study), ScanFiles(tmp_path / "anonymous")]) == ["DICOM", "anonymous"]


@pytest.mark.parametrize("name", ["ACC90210", "MR of B-77"])
def test_nor_after_any_other_number_of_the_patient(tmp_path: Path, name: str) -> None:
    series(tmp_path / name, "FLAIR", 1, OtherPatientIDs=["A-12", "B-77"])
    assert output_names([ScanFiles(tmp_path / name)])[0].startswith("study_")


def test_dicom_studies_alike_in_name_get_masks_of_their_own(tmp_path: Path) -> None:
    for i in range(2):
        series(tmp_path / f"Mustermann {i}" / "DICOM", "FLAIR", 1, StudyInstanceUID=f"1.9.{i}")
    names = output_names([ScanFiles(tmp_path / f"Mustermann {i}" / "DICOM") for i in (0, 1)])
    assert len(set(names)) == 2
    assert not [name for name in names if "muster" in name.lower()]


def test_a_batch_of_dicom_writes_nifti_masks_and_tells_no_patient(
    study: Path, tmp_path: Path, tiny_model: Model
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (outcome,) = (
        event
        for event in segment_files(find_scan_files(study), out, tiny_model, device="cpu")
        if isinstance(event, Outcome)
    )
    assert outcome.error == ""
    assert outcome.provenance is not None
    assert outcome.provenance.sequences == ("pre", "flair", "post")
    assert sorted(path.name for path in out.iterdir()) == ["DICOM_mask.json", "DICOM_mask.nii.gz"]
    assert read_mask(out / "DICOM_mask.nii.gz").shape == STACK.shape
    said = (out / "DICOM_mask.json").read_text() + repr(outcome)
    secrets = [*PATIENT["PatientName"].split("^"), *PATIENT.values(), str(tmp_path)]
    assert not [word for word in secrets if word.lower() in said.lower()]
