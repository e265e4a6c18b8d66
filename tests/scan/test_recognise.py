"""A scan is known again by its voxels, in whatever order and type they are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_tumor_unet.scan import Scan
from napari_tumor_unet.scan.recognise import brightness_of, is_same_scan

VOLUMES = hnp.arrays(
    st.sampled_from([np.dtype("u1"), np.dtype("<i2"), np.dtype(">u2")]),
    hnp.array_shapes(min_dims=3, max_dims=3),
)


def scan(voxels: Any) -> Scan:
    return Scan("scan", {"flair": voxels})


@given(VOLUMES, st.permutations(range(3)))
def test_the_same_voxels_in_another_order_or_type_are_the_same_scan(
    voxels: np.ndarray[Any, Any], axes: list[int]
) -> None:
    other = np.flip(voxels.transpose(axes), 0).astype(np.float64)
    assert is_same_scan(brightness_of(scan(voxels)), brightness_of(scan(other)))


@given(VOLUMES)
def test_they_are_what_numpy_says(voxels: np.ndarray[Any, Any]) -> None:
    plain = voxels.astype(np.float64)
    assert brightness_of(scan(voxels)) == pytest.approx((plain.mean(), plain.std()), rel=1e-6, abs=1e-3)


def test_another_patient_is_another_scan() -> None:
    random = np.random.default_rng(0)
    one, other = (scan(random.integers(0, 2000, (8, 64, 64), np.int16)) for _ in range(2))
    assert not is_same_scan(brightness_of(one), brightness_of(other))


def test_an_empty_scan_is_itself() -> None:
    dark = scan(np.zeros((2, 3, 4), np.uint8))
    assert is_same_scan(brightness_of(dark), brightness_of(dark))
