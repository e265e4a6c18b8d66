"""Texts from elsewhere are data: to a terminal, in a table for a spreadsheet, and in the log."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_tumor_unet as ntu
from napari_tumor_unet import _error_log
from napari_tumor_unet._common import TumourUnetError, write_whole
from napari_tumor_unet._error_log import note_error
from napari_tumor_unet._text import as_csv, visible
from napari_tumor_unet.evaluation.tables import ScoreRow
from napari_tumor_unet.evaluation.tables import as_csv as scores_as_csv
from napari_tumor_unet.inference.batch import Outcome
from napari_tumor_unet.inference.batch import as_csv as outcomes_as_csv
from tests.evaluation.test_tables import AGREED
from tests.hostile import HOSTILE


@given(st.text(max_size=20))
def test_a_visible_text_can_be_encoded_and_controls_no_terminal(text: str) -> None:
    visible(text).encode()
    assert not set(visible(text)) & {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), "\u202e"}


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_a_table_is_a_formula(text: str) -> None:
    tables = (outcomes_as_csv([Outcome(text, error=text)]), scores_as_csv([ScoreRow(text, "r", AGREED)]))
    for table, name in zip(tables, ("scan", "prediction"), strict=True):
        cell = next(csv.DictReader(io.StringIO(table, newline="")))[name]
        assert cell.removeprefix("'") == visible(text, lines=True)
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_stay_numbers_in_a_table(number: float) -> None:
    for value in (number, str(number)):
        assert as_csv(["x"], [{"x": value}]) == f"x\n{number}\n"


def test_a_table_with_a_name_that_is_no_text_is_written(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_whole(path, outcomes_as_csv([Outcome("half \udc80")]))
    assert "\nhalf \\udc80," in path.read_text()


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_forges_an_entry_of_the_log(text: str) -> None:
    note_error(f"Unexpected error in {text}\n2026-01-01 all is well", f"{text}\n{text}")
    entry, *rest = _error_log.log_file().read_text().splitlines()
    assert rest
    assert all(line.startswith("  ") for line in rest)
    assert all(character.isprintable() for line in (entry, *rest) for character in line)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_private_name_is_not_in_the_log_however_it_is_spelled(text: str) -> None:
    note_error(f"{text} is bad", f"ValueError: {text!r} {visible(text)}", [text])
    log = _error_log.log_file().read_text()
    assert not any(spelled in log for spelled in (text, visible(text), repr(text)))


@pytest.mark.parametrize("path", ["x" * 300, "nul\x00", "half \udc80", "loop"])
def test_no_path_is_more_than_an_error_of_ours(path: str, tmp_path: Path) -> None:
    try:
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
    except OSError:
        pytest.skip("links need leave")
    for look in (ntu.read_scan, ntu.read_mask, ntu.load_model, ntu.evaluate):
        with pytest.raises(TumourUnetError):
            look(str(tmp_path / path))
