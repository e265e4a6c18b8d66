from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_tumor_unet.inference.result_check import doubts_of, is_doubted, signs_of
from napari_tumor_unet.model.card import MaskLimits
from napari_tumor_unet.scan import Scan, scan_from_volume
from tests.conftest import make_phantom

LIMITS = MaskLimits(mean_probability=0.8, contrast=0.75, volume_ml=6.0)


def sure(mask: np.ndarray, probability: float = 0.95) -> np.ndarray:
    return (mask * probability * 255).astype(np.uint8)


def turned(scan: Scan, mask: np.ndarray, angle: float) -> tuple[Scan, np.ndarray]:
    flair = ndimage.rotate(
        scan.sequences["flair"], angle, axes=(1, 2), reshape=False, order=1, mode="nearest"
    )
    other = ndimage.rotate(mask.astype(np.float32), angle, axes=(1, 2), reshape=False, order=1) > 0.5
    return replace(scan, sequences={"flair": flair}), other


@pytest.mark.parametrize("angle", [0, 7])
def test_a_bright_tumour_of_which_the_model_is_sure_raises_no_doubt(angle: float) -> None:
    scan, mask = turned(*make_phantom((8, 96, 96)), angle)
    assert doubts_of(scan, sure(mask), mask.astype(np.uint8), LIMITS) == ()


def test_a_mask_of_which_the_model_is_unsure_raises_doubt() -> None:
    scan, mask = make_phantom((8, 96, 96))
    (doubt,) = doubts_of(scan, sure(mask, 0.6), mask.astype(np.uint8), LIMITS)
    assert "0.60" in doubt


def test_what_is_as_bright_on_the_other_side_raises_doubt() -> None:
    scan, mask = make_phantom((8, 96, 96))
    flair = scan.sequences["flair"]
    shaded = replace(scan, sequences={"flair": np.maximum(flair, flair[:, :, ::-1])})
    (doubt,) = doubts_of(shaded, sure(mask), mask.astype(np.uint8), LIMITS)
    assert "other side" in doubt


def test_every_doubt_is_known_again_by_its_sentence() -> None:
    scan, mask = make_phantom((8, 96, 96), spacing=(1, 1, 1))
    flair = scan.sequences["flair"]
    shaded = replace(scan, sequences={"flair": np.maximum(flair, flair[:, :, ::-1])})
    doubts = doubts_of(shaded, sure(mask, 0.6), mask.astype(np.uint8), LIMITS)
    assert [is_doubted(["Slices are thick.", doubt]) for doubt in doubts] == [True] * 3


@pytest.mark.parametrize("millimetres", [1.0, 4.0, None])
def test_a_small_mask_raises_doubt_where_its_volume_is_known(millimetres: float | None) -> None:
    scan, mask = make_phantom((8, 96, 96))
    in_mm, spacing = millimetres is not None, (millimetres or 1.0,) * 3
    doubts = doubts_of(replace(scan, in_mm=in_mm, spacing=spacing), sure(mask), mask.astype(np.uint8), LIMITS)
    assert ["small" in doubt for doubt in doubts] == [True] * (millimetres == 1.0)


def test_neither_scale_nor_offset_of_intensities_matters() -> None:
    scan, mask = make_phantom((8, 96, 96))
    changed = replace(scan, sequences={"flair": 7 * scan.sequences["flair"] - 300})
    one, two = (signs_of(s, sure(mask), mask.astype(np.uint8)) for s in (scan, changed))
    assert one is not None
    assert two is not None
    assert one.contrast == pytest.approx(two.contrast, abs=0.05)


def test_an_empty_mask_raises_no_doubt() -> None:
    scan, mask = make_phantom()
    nothing = np.zeros(mask.shape, np.uint8)
    assert doubts_of(scan, nothing, nothing, LIMITS) == ()


@pytest.mark.parametrize("value", [0, 5])
def test_an_image_of_one_value_is_no_obstacle(value: float) -> None:
    mask = np.ones((3, 40, 40), np.uint8)
    scan = Scan("flat", {"flair": np.full(mask.shape, value, np.float32)})
    assert doubts_of(scan, sure(mask), mask, LIMITS) == ()


def test_interpolated_slices_say_nothing_of_how_sure_the_model_is() -> None:
    scan = scan_from_volume(np.random.default_rng(0).normal(size=(3, 32, 32)), spacing=(1, 1, 1))
    mask, probability = np.ones(scan.shape, np.uint8), np.full(scan.shape, 250, np.uint8)
    probability[1] = 100
    sure, unsure = (signs_of(scan, probability, mask, computed) for computed in ([0, 2], [1]))
    assert sure is not None
    assert sure.mean_probability == pytest.approx(250 / 255)
    assert unsure is not None
    assert unsure.mean_probability == pytest.approx(100 / 255)
