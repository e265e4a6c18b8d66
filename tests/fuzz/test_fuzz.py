from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign import run

CASES, SEED = 400, 1  # the same everywhere; make fuzz does others


@pytest.mark.slow
def test_damaged_files_give_a_right_result_or_one_sentence(tmp_path: Path) -> None:
    failures = list(run(CASES, SEED, tmp_path))
    assert not failures, "\n".join(f"{each.case}, {each.kind}: {each.what}" for each in failures)
