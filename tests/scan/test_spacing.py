"""A spacing as people write it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.spacing import parse_spacing, spacing_in_words


@pytest.mark.parametrize(
    "text",
    ["5 x 0.94 x 0.94", "5x.94x.94", "5,0.94,0.94", "5, 0.94, 0.94", "5 0.94 0.94 mm", "5 X 0,94 X 0,94mm"],
)
def test_people_write_it_in_many_ways(text: str) -> None:
    assert parse_spacing(text) == (5, 0.94, 0.94)


@pytest.mark.parametrize(
    "text",
    ["5", "5 x 0.94", "5 x 0 x 1", "5 x -1 x 1", "940 x 940 x 5000", "a x b x c", "nan 1 1", "5,0,94,1"],
)
def test_what_is_none_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(ScanError, match="is no spacing: write the distances"):
        parse_spacing(text)


@given(st.text(alphabet="0123456789 .,x;-emn", max_size=20))
def test_nothing_else_is_raised(text: str) -> None:
    with suppress(ScanError):
        assert len(parse_spacing(text)) == 3


@given(st.tuples(*[st.floats(0.05, 50)] * 3))
def test_what_is_shown_is_read_again(spacing: tuple[float, float, float]) -> None:
    assert parse_spacing(spacing_in_words(spacing)) == pytest.approx(spacing, abs=6e-4, rel=1e-4)
