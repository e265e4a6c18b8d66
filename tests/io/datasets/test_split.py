from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.io.datasets.split import hold_out, read_split
from napari_tumor_unet.scan import ScanError
from tests.conftest import Refused


def test_a_split_is_read_by_patient(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("patient,age,split\nTCGA_CS_4941_19960909,50,train\nb,60,val\n")
    assert read_split(tmp_path / "split.csv") == {"TCGA_CS_4941": "train", "b": "val"}


def test_a_fold_is_held_out(tmp_path: Path) -> None:
    rows = "a,train,1\nb,val,0\nc,test,1\nd,train,1.0\ne,train\n"  # as spreadsheets write them
    (tmp_path / "split.csv").write_text("patient,split,fold\n" + rows, encoding="utf-8-sig")
    parts = read_split(tmp_path / "split.csv", fold=1)
    assert parts == {"a": "val", "b": "train", "c": "test", "d": "val", "e": "train"}


@pytest.mark.parametrize(
    ("text", "fold", "words"),
    [
        ("patient,part\na,train\n", None, ["no column split"]),
        ("patient,split\na,train\n", 0, ["no column fold"]),
        ("patient,split,fold\na,train,1\n", 9, ["no patient in fold 9"]),
        ("", None, ["no column patient or split"]),
    ],
)
def test_a_split_without_its_columns_is_refused(
    tmp_path: Path, text: str, fold: int | None, words: list[str], refused: Refused
) -> None:
    (tmp_path / "split.csv").write_text(text)
    with refused(ScanError, "split.csv", *words):
        read_split(tmp_path / "split.csv", fold)


def test_a_split_that_is_not_there_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused(ScanError, "split.csv", "cannot be read"):
        read_split(tmp_path / "split.csv")


@given(n=st.integers(1, 40), scans=st.integers(1, 3), share=st.floats(0.05, 0.5))
def test_patients_are_held_out_whole(n: int, scans: int, share: float) -> None:
    pairs = [
        Case(f"TCGA_AA_{i:04}_{k}", f"TCGA_AA_{i:04}", Path(), Path()) for i in range(n) for k in range(scans)
    ]
    parts = hold_out(pairs, share)
    held_out = [patient for patient, part in parts.items() if part == "val"]
    assert parts.keys() == {pair.patient for pair in pairs}
    assert len(held_out) == (max(1, round(share * n)) if n > 1 else 0)
    assert parts == hold_out(pairs[::-1], share)


def test_a_split_through_a_patient_is_refused(tmp_path: Path, refused: Refused) -> None:
    table = "patient,split\nTCGA_CS_4941_19960909,train\nTCGA_CS_4941_20010101,val\n"
    (tmp_path / "split.csv").write_text(table)
    with refused(ScanError, "TCGA_CS_4941", "two parts"):
        read_split(tmp_path / "split.csv")
