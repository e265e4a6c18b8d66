"""Datasets for nnU-Net, by the rules of its check of integrity."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet.io.datasets import nnunet
from napari_tumor_unet.io.datasets.nnunet import export_nnunet
from napari_tumor_unet.io.datasets.pairs import Case, find_pairs
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.scan import ScanError
from tests.conftest import Refused, make_phantom

NAME = "Dataset501_Tumour"


def check_integrity(folder: Path) -> dict[str, Any]:
    """What ``nnUNetv2_plan_and_preprocess --verify_dataset_integrity`` looks at."""
    content = json.loads((folder / "dataset.json").read_text())
    assert {"labels", "channel_names", "numTraining", "file_ending"} <= content.keys()
    ending, n = content["file_ending"], len(content["channel_names"])
    assert list(content["channel_names"]) == [str(i) for i in range(n)]
    images = {path.name for path in (folder / "imagesTr").iterdir()}
    cases = {name[: -len(ending) - 5] for name in images}
    assert len(cases) == content["numTraining"]
    assert images == {f"{case}_{i:04d}{ending}" for case in cases for i in range(n)}
    assert {path.name for path in (folder / "labelsTr").iterdir()} == {f"{case}{ending}" for case in cases}
    labels = sorted(content["labels"].values())
    assert labels == list(range(len(labels)))
    for case in cases:
        label = sitk.ReadImage(str(folder / "labelsTr" / f"{case}{ending}"))
        assert set(np.unique(sitk.GetArrayFromImage(label))) <= set(labels)
        for i in range(n):
            image = sitk.ReadImage(str(folder / "imagesTr" / f"{case}_{i:04d}{ending}"))
            assert np.isfinite(sitk.GetArrayFromImage(image)).all()
            for part in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
                np.testing.assert_allclose(getattr(image, part)(), getattr(label, part)())
    return content


def test_pairs_of_a_folder_come_back_as_they_were(data: Path, tmp_path: Path) -> None:
    exported = export_nnunet(find_pairs(data).pairs, tmp_path / "raw" / NAME)
    assert (exported.scans, exported.left_out) == (3, {})
    content = check_integrity(tmp_path / "raw" / NAME)
    assert content["channel_names"] == {"0": "FLAIR", "1": "T1 pre", "2": "T1 post"}
    again = find_pairs(tmp_path / "raw" / NAME).pairs
    for one, two in zip(find_pairs(data).pairs, again, strict=True):
        (scan, mask), (other, its) = one.read(), two.read()
        np.testing.assert_array_equal(mask, its)
        for sequence, voxels in scan.sequences.items():
            np.testing.assert_array_equal(voxels, other.sequences[sequence])
    assert [path.name for path in (tmp_path / "raw").iterdir()] == [NAME]


class Memory:
    """A pair that is on no disk."""

    def __init__(self, name: str, slices: tuple[int, ...] | None = None, **options: Any) -> None:
        self.name, self.slices = name, slices
        self._content = make_phantom((4, 20, 18), **options)

    def read(self) -> Any:
        return self._content


def test_channels_are_those_that_all_scans_have(tmp_path: Path) -> None:
    pairs = [Memory("a"), Memory("b", sequences=("flair", "post"), spacing=(5.0, 1.0, 0.5))]
    exported = export_nnunet(pairs, tmp_path / NAME)
    assert exported.channels == ("FLAIR", "T1 post")
    assert exported.told("it") == (
        "2 scans with FLAIR, T1 post in it. T1 pre is no channel: not there for b. "
        "1 x 1 x 1 mm stands for the unknown spacing of a."
    )
    assert check_integrity(tmp_path / NAME)["numTraining"] == 2


def test_a_scan_without_a_spacing_has_none_in_the_dataset(tmp_path: Path) -> None:
    pairs = [Memory("a", sequences=("flair",)), Memory("b", sequences=("flair",), spacing=(5.0, 1.0, 0.5))]
    export_nnunet(pairs, tmp_path / NAME)
    check_integrity(tmp_path / NAME)
    folder = tmp_path / NAME / "imagesTr"
    assert [read_scan(folder / f"{name}_0000.nii.gz").in_mm for name in "ab"] == [False, True]


def test_slices_that_do_not_count_are_ignored(tmp_path: Path, refused: Refused) -> None:
    export_nnunet([Memory("a", (1, 2))], tmp_path / NAME)
    assert check_integrity(tmp_path / NAME)["labels"]["ignore"] == 2
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / NAME / "labelsTr" / "a.nii.gz")))
    assert (label[[0, 3]] == 2).all()
    assert set(np.unique(label[1:3])) == {0, 1}
    with refused(ScanError, "ignored"):  # else they would count as tumour
        find_pairs(tmp_path / NAME)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_any_names_make_a_sound_dataset(tmp_path_factory: Any, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("names") / NAME
    export_nnunet([Memory(name, sequences=("flair",)) for name in names], folder)
    assert check_integrity(folder)["numTraining"] == len(names)


def test_a_bad_scan_is_left_out_with_its_reason(data: Path, tmp_path: Path, refused: Refused) -> None:
    (data / "c_mask.tif").write_bytes(b"nothing")
    exported = export_nnunet(find_pairs(data).pairs, tmp_path / NAME)
    assert exported.scans == 2
    assert "damaged" in exported.left_out["c"]
    check_integrity(tmp_path / NAME)
    lost = [replace(pair, mask=data / "gone.tif") for pair in find_pairs(data).pairs]
    with refused(ScanError, "No scan could be exported"):
        export_nnunet(lost, tmp_path / "Dataset502_None")
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "data"]


@pytest.mark.parametrize(("name", "words"), [(NAME, "there already"), ("Tumour", "Dataset501_Tumour")])
def test_a_folder_that_is_there_or_has_no_number_is_refused(
    data: Path, tmp_path: Path, refused: Refused, name: str, words: str
) -> None:
    (tmp_path / name).mkdir()
    with refused(ScanError, words):
        export_nnunet(find_pairs(data).pairs, tmp_path / name)
    assert not list((tmp_path / name).iterdir())


def test_nothing_half_written_is_left(
    data: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = nnunet._save, []

    def full(*arguments: Any) -> None:
        if len(saved) == 3:
            raise OSError(28, "No space left on device")
        saved.append(arguments)
        save(*arguments)

    monkeypatch.setattr(nnunet, "_save", full)
    with refused(ScanError, "No space left"):
        export_nnunet(find_pairs(data).pairs, tmp_path / NAME)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_case_is_a_pair() -> None:
    assert {"name", "slices", "read"} <= set(dir(Case("a", "a", Path("a"), Path("b"))))
