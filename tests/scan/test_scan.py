from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_tumor_unet.scan import Geometry, Scan, ScanError, scan_from_volume
from tests.conftest import Refused

VOLUME = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)


def test_a_volume_is_flair() -> None:
    scan = scan_from_volume(VOLUME)
    assert list(scan.sequences) == ["flair"]
    assert scan.shape == (4, 5, 6)


def test_a_single_image_is_a_scan_of_one_slice() -> None:
    assert scan_from_volume(VOLUME[0]).shape == (1, 5, 6)


@pytest.mark.parametrize("axis", [1, -1])
def test_channels_second_or_last_are_pre_flair_post(axis: int) -> None:
    scan = scan_from_volume(np.stack([VOLUME, VOLUME + 1, VOLUME + 2], axis=axis))
    assert scan.shape == VOLUME.shape
    for i, sequence in enumerate(("pre", "flair", "post")):
        np.testing.assert_array_equal(scan.slice(sequence, 2), VOLUME[2] + i)


def test_channels_can_be_named() -> None:
    scan = scan_from_volume(np.stack([VOLUME, VOLUME + 1], axis=1), sequences=("flair", "post"))
    np.testing.assert_array_equal(scan.slice("post", 0), VOLUME[0] + 1)
    np.testing.assert_array_equal(scan.slice("pre", 0), VOLUME[0])


@pytest.mark.parametrize("shape", [(), (7,), (4, 2, 5, 6), (2, 4, 3, 5, 6), (0, 5, 6), (4, 0, 6)])
def test_other_shapes_are_refused(shape: tuple[int, ...], refused: Refused) -> None:
    with refused(ScanError, "shape"):
        scan_from_volume(np.zeros(shape))


def test_without_spacing_a_scan_says_so() -> None:
    scan = scan_from_volume(VOLUME)
    assert (scan.spacing, scan.in_mm) == ((1.0, 1.0, 1.0), False)


def test_a_known_spacing_is_in_mm() -> None:
    scan = scan_from_volume(VOLUME, spacing=(5.0, 0.9, 0.8))
    assert (scan.spacing, scan.in_mm) == ((5.0, 0.9, 0.8), True)


def test_a_corrected_spacing_reaches_the_geometry() -> None:
    scan = Scan("a", {"flair": VOLUME}, geometry=Geometry((1.0, 1.0, 1.0), origin=(7.0, 8.0, 9.0)))
    corrected = scan.with_spacing((5.0, 0.9, 0.8))
    assert corrected.in_mm
    assert corrected.geometry == Geometry((5.0, 0.9, 0.8), origin=(7.0, 8.0, 9.0))


@pytest.mark.parametrize(
    "spacing", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, np.nan, 1.0), (np.inf, 1.0, 1.0)]
)
def test_impossible_spacings_are_refused(spacing: tuple[float, float, float], refused: Refused) -> None:
    with refused(ScanError, "spacing"):
        Scan("a", {"flair": VOLUME}, spacing)


def test_a_scan_needs_flair(refused: Refused) -> None:
    with refused(ScanError, "FLAIR"):
        Scan("a", {"pre": VOLUME})


def test_sequences_of_two_shapes_are_refused(refused: Refused) -> None:
    with refused(ScanError, "differ in shape"):
        Scan("a", {"pre": VOLUME[1:], "flair": VOLUME})


def test_only_the_slice_asked_for_is_read() -> None:
    class Lazy:
        shape, read = VOLUME.shape, []

        def __getitem__(self, index: int) -> np.ndarray:
            self.read.append(index)
            return VOLUME[index]

    scan = Scan("a", {"flair": Lazy()})
    np.testing.assert_array_equal(scan.slice("flair", 3), VOLUME[3])
    assert Lazy.read == [3]


@given(
    st.sampled_from(["bool", "u1", "i2", ">i2", "u4", "f2", "<f4", ">f8"]).flatmap(
        lambda dtype: hnp.arrays(dtype, (2, 3, 4))
    )
)
def test_slices_are_finite_float32_whatever_the_type(volume: np.ndarray) -> None:
    pixels = scan_from_volume(volume).slice("flair", 1)
    assert pixels.dtype == np.float32
    assert np.isfinite(pixels).all()


def test_what_is_no_number_becomes_the_slices_lowest_value_and_infinity_its_highest() -> None:
    volume = np.array([[[np.nan, 3.0], [np.inf, -2.0], [-np.inf, 1.0]], [[np.nan] * 2] * 3])
    scan = scan_from_volume(volume)
    np.testing.assert_array_equal(scan.slice("flair", 0), [[-2, 3], [3, -2], [-2, 1]])
    np.testing.assert_array_equal(scan.slice("flair", 1), np.zeros((3, 2)))


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "object", "U3"])
def test_values_that_are_no_real_numbers_are_refused(dtype: str, refused: Refused) -> None:
    with refused(ScanError, "real numbers"):
        scan_from_volume(np.zeros((2, 3, 4), dtype)).slice("flair", 0)
