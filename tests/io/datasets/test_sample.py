from __future__ import annotations

import numpy as np
import pytest

from napari_tumor_unet import segment
from napari_tumor_unet.evaluation.overlap import dice
from napari_tumor_unet.io.datasets.sample import sample_mask, sample_scan
from napari_tumor_unet.io.file_names import is_mask_name
from napari_tumor_unet.io.read import read_mask, read_scan


def test_the_sample_has_three_sequences_and_a_known_spacing() -> None:
    scan = read_scan(sample_scan())
    assert list(scan.sequences) == ["pre", "flair", "post"]
    assert scan.in_mm
    assert scan.spacing == pytest.approx((5.0, 0.9375, 0.9375), rel=1e-5)


def test_the_true_mask_lies_on_the_samples_grid() -> None:
    scan, mask = read_scan(sample_scan()), read_mask(sample_mask())
    assert mask.shape == scan.shape
    assert set(np.unique(mask)) == {0, 1}
    assert is_mask_name(sample_mask())
    assert not is_mask_name(sample_scan())


def test_the_sample_is_small() -> None:
    assert sample_scan().stat().st_size + sample_mask().stat().st_size < 5e6


def test_the_default_model_finds_the_samples_tumour() -> None:
    result = segment(sample_scan())
    assert dice(result.mask, read_mask(sample_mask())) > 0.7
    assert result.findings.volume_ml == pytest.approx(result.mask.sum() * 5 * 0.9375**2 / 1000, rel=1e-4)
