"""Agreement of volumes and products over a data set."""

from __future__ import annotations

import numpy as np
import pytest

from napari_tumor_unet.evaluation.agreement import agreement_of
from napari_tumor_unet.evaluation.evaluate import evaluate
from napari_tumor_unet.io.datasets.sample import sample_scan


def test_agreement_is_that_of_bland_and_altman() -> None:
    found = agreement_of([(11, 10), (18, 20), (30, 30), (1, 0)])
    assert found is not None
    assert found.n == 4
    assert found.mean_relative_error == pytest.approx((0.1 + 0.1 + 0) / 3)
    assert found.bias == 0
    assert found.upper == -found.lower == pytest.approx(1.96 * np.std([1, -2, 0, 1], ddof=1))


def test_without_numbers_there_is_none() -> None:
    assert agreement_of([]) is None
    alone = agreement_of([(1, 2)])
    assert alone is not None
    assert np.isnan(alone.upper)


@pytest.mark.slow
def test_evaluate_compares_the_measures_of_scans_with_spacing() -> None:
    summary = evaluate(sample_scan().parent, device="cpu").summary
    assert summary.volumes_ml is not None
    assert summary.volumes_ml.mean_relative_error < 0.2
    assert summary.to_json()["products_mm2"]["n"] == 1
