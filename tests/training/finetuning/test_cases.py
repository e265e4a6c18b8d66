"""What of the user's masks teaches a model, and what is held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_tumor_unet.io.datasets.split import patients_held_out
from napari_tumor_unet.training.finetuning.cases import AnnotationStatus, annotation_of, check, summary
from tests.conftest import is_one_sentence

SHAPES = st.tuples(*[st.integers(1, 6)] * 3)
MASKS = SHAPES.flatmap(lambda shape: arrays.arrays(np.uint8, shape, elements=st.integers(0, 3)))


@given(patients=st.sets(st.text(min_size=1), max_size=40))
def test_a_fifth_is_held_out_and_never_the_only_patient(patients: set[str]) -> None:
    held_out = patients_held_out(patients)
    assert held_out <= patients
    assert len(held_out) == (max(1, round(len(patients) / 5)) if len(patients) > 1 else 0)
    assert held_out == patients_held_out([*sorted(patients), *patients])


@given(mask=MASKS, data=st.data())
def test_slices_that_differ_from_what_the_model_wrote_are_edited(
    mask: np.ndarray, data: st.DataObject
) -> None:
    edited = data.draw(st.sets(st.integers(0, len(mask) - 1)))
    checked = data.draw(st.sets(st.integers(0, len(mask) + 3)))
    written = mask.copy()
    for z in edited:
        written[z, 0, 0] += 1
    annotation = annotation_of(mask, written, checked)
    assert annotation.edited == tuple(sorted(edited))
    assert annotation.edited_or_checked == tuple(sorted(edited | {z for z in checked if z < len(mask)}))
    assert annotation.labelled == tuple(np.flatnonzero(mask.any(axis=(1, 2))))


def test_of_a_mask_without_a_record_slices_with_labels_count() -> None:
    assert annotation_of(np.eye(4, dtype=int)[:, None] * [[0], [1], [1], [0]], checked={3}).edited is None
    assert AnnotationStatus(4, labelled=(1, 2), checked=(3,)).edited_or_checked == (1, 2, 3)


BY_HAND = AnnotationStatus(8, labelled=(2, 3))
UNTOUCHED = AnnotationStatus(8, labelled=(2, 3), edited=(), made_by="x")
CORRECTED = AnnotationStatus(8, labelled=(2, 3), edited=(3,), made_by="x")


@pytest.mark.parametrize(
    ("annotation", "options", "status", "words"),
    [
        (BY_HAND, {}, "ok", "2 slices of 8"),
        (CORRECTED, {"model_hash": "x"}, "ok", "2 slices of 8"),
        (CORRECTED, {"only_checked": True}, "ok", "1 slice of 8 edited or checked"),
        (BY_HAND, {"only_checked": True}, "ok", "No record of edits"),
        (AnnotationStatus(8, ()), {}, "warning", "empty"),
        (replace(CORRECTED, segmented=3), {}, "warning", "Only 3 of 8 slices were segmented: it teaches"),
        (replace(CORRECTED, segmented=8), {}, "ok", "with labels"),
        (replace(CORRECTED, segmented=3), {"only_checked": True}, "ok", "1 slice of 8 edited or checked"),
        (UNTOUCHED, {"model_hash": "x"}, "warning", "this model and not edited: left out"),
        (UNTOUCHED, {"model_hash": "y"}, "warning", "another model"),
        (UNTOUCHED, {"model_hash": "x", "held_out": True}, "warning", "left out"),
        (UNTOUCHED, {"only_checked": True}, "warning", "left out"),
        (AnnotationStatus(8, (2,), (2,), (), "x"), {"model_hash": "x"}, "ok", "1 slice of 8"),
        (BY_HAND, {"in_another_row": True}, "warning", "Another mask of this scan counts: left out"),
        (BY_HAND, {"learned": True}, "warning", "learned from it already"),
        (BY_HAND, {"learned": True, "held_out": True}, "warning", "proves nothing"),
    ],
)
def test_each_doubt_is_said_in_a_sentence(
    annotation: AnnotationStatus, options: dict, status: str, words: str
) -> None:
    found = check(annotation, **options)
    assert found.status == status
    assert words in found.message
    assert is_one_sentence(found.message)
    assert found.usable == ("left out" not in found.message)


@pytest.mark.parametrize(
    ("learned", "held_out", "left_out", "said"),
    [
        ("abcd", "e", 0, "4 scans to learn from, 1 held out."),
        ("a", "e", 2, "1 scan to learn from, 1 held out. 2 left out."),
        (
            "a",
            "",
            0,
            "No held-out score: one scan only; a block of its slices is held out instead, an optimistic "
            "estimate.",
        ),
        ("aa", "", 0, "2 scans to learn from. No held-out score: all scans are of one patient."),
        (
            "ab",
            "",
            0,
            "2 scans to learn from. No held-out score: all scans are learned from; hold one out to have it.",
        ),
        ("", "ab", 0, "Nothing to learn from: all scans are held out."),
        ("", "", 0, "Nothing to learn from: add scans with their masks."),
    ],
)
def test_the_sum_says_plainly_whether_there_will_be_a_held_out_score(
    learned: str, held_out: str, left_out: int, said: str
) -> None:
    assert summary(learned, held_out, left_out) == said
