from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import ndimage

from napari_tumor_unet.evaluation.overlap import dice
from napari_tumor_unet.model.preprocessing import FittedPreprocessing, fit_preprocessing
from napari_tumor_unet.model.settings import Preprocessing
from napari_tumor_unet.scan import Scan, scan_from_volume
from napari_tumor_unet.scan.head import find_head
from tests.conftest import Phantom

SMALL = Preprocessing(size=48)
MM = st.floats(0.4, 2.5)


def prepared(scan: Scan, preprocessing: Preprocessing = SMALL) -> torch.Tensor:
    return fit_preprocessing(scan, preprocessing).apply(scan, range(scan.shape[0]))


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(48, 130), st.integers(48, 130)),
    spacing=st.tuples(st.floats(0.5, 8), st.floats(0.5, 1.5), st.floats(0.5, 1.5)),
    field=st.sampled_from(["head", "image"]),
)
def test_restoring_puts_a_blob_back_in_place(
    phantom: Phantom, shape: tuple[int, int, int], spacing: tuple[float, float, float], field: str
) -> None:
    scan, mask = phantom(shape, spacing)
    preprocessing = Preprocessing(size=96, crop=field)
    fitted = fit_preprocessing(scan, preprocessing)
    as_it_is = replace(fitted, mean={"flair": 0.0}, std={"flair": 1.0})
    blob = as_it_is.apply(scan_from_volume(mask), range(shape[0]))[:, 1]
    restored = fitted.invert(blob, shape[1:])
    assert restored.shape == mask.shape
    assert dice(restored > 127, mask) > 0.9


def test_restored_certainty_is_255() -> None:
    fitted = FittedPreprocessing(SMALL, (0, 20, 0, 30), {}, {})
    assert (fitted.invert(torch.ones(2, 8, 8), (20, 30)) == 255).all()


def test_outside_of_the_box_nothing_is_restored() -> None:
    restored = FittedPreprocessing(SMALL, (2, 6, -3, 5), {}, {}).invert(torch.ones(1, 8, 8), (10, 10))
    truth = np.zeros((1, 10, 10), np.uint8)
    truth[0, 2:6, :5] = 255
    np.testing.assert_array_equal(restored, truth)


@pytest.mark.parametrize("fat", [0.2, 1.0, 4.0])
def test_standardised_by_the_brain_the_fat_does_not_move_it(phantom: Phantom, fat: float) -> None:
    scan, _ = phantom((6, 96, 80))
    flair = scan.sequences["flair"]
    head = find_head(flair)
    depth = np.stack([ndimage.distance_transform_edt(plane) for plane in head])
    scalp = head & (depth < 5)
    changed = replace(scan, sequences={"flair": np.where(scalp, 10 + fat * (flair - 10), flair)})
    fitted = fit_preprocessing(changed, Preprocessing(size=48, intensities="brain"))
    assert fitted.mean["flair"] == pytest.approx(float(np.median(flair[depth > 15])), rel=0.05)


def test_a_model_file_without_a_word_on_intensities_standardises_by_the_head() -> None:
    assert Preprocessing().intensities == "head"
    with pytest.raises(ValueError, match="'head' or 'brain'"):
        Preprocessing(intensities="face")  # type: ignore[arg-type]


@given(scale=st.floats(0.01, 1000), shift=st.floats(-1000, 1000))
def test_scale_and_offset_of_intensities_do_not_matter(phantom: Phantom, scale: float, shift: float) -> None:
    assume(abs(shift) < 100 * scale)  # float32 has no more digits
    scan, _ = phantom()
    changed = replace(scan, sequences={s: scale * v + shift for s, v in scan.sequences.items()})
    torch.testing.assert_close(prepared(changed), prepared(scan), atol=0.02, rtol=0)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", ">f4", "float64"])
def test_the_type_of_the_voxels_does_not_matter(phantom: Phantom, dtype: str) -> None:
    scan, _ = phantom()
    whole = replace(scan, sequences={s: v.clip(0).round() for s, v in scan.sequences.items()})
    typed = replace(whole, sequences={s: v.astype(dtype) for s, v in whole.sequences.items()})
    torch.testing.assert_close(prepared(typed), prepared(whole))


def test_the_head_is_standardised(phantom: Phantom) -> None:
    scan, _ = phantom()
    fitted = fit_preprocessing(scan, SMALL)
    head = find_head(scan.sequences["flair"])
    for sequence, voxels in scan.sequences.items():
        standardised = (voxels[head] - fitted.mean[sequence]) / fitted.std[sequence]
        assert abs(standardised.mean()) < 0.1
        assert abs(standardised.std() - 1) < 0.2


@given(air=st.floats(0, 2), spread=st.floats(0.1, 100))
def test_the_air_of_standardised_scans_may_lie_among_the_brains_values(
    phantom: Phantom, air: float, spread: float
) -> None:
    scan, _ = phantom()
    head = find_head(scan.sequences["flair"])
    masked, standardised = {}, {}
    for sequence, voxels in scan.sequences.items():
        masked[sequence] = np.where(head, voxels, 0)
        values = (voxels - voxels[head].mean()) / voxels[head].std()
        standardised[sequence] = np.float32(spread) * np.where(head, values, np.float32(air))
    one, other = (replace(scan, sequences=sequences) for sequences in (masked, standardised))
    assert fit_preprocessing(one, SMALL).box == fit_preprocessing(other, SMALL).box
    expected, found = prepared(one), prepared(other)
    inside = expected > -1.5
    alike = (found - expected).abs() < 0.25
    assert alike[inside].float().mean() > 0.95  # all but the rim, where head and air are mixed
    assert found[~inside].max() < expected[inside].median()


def test_a_few_hot_voxels_do_not_matter(phantom: Phantom) -> None:
    scan, _ = phantom()
    flair = scan.sequences["flair"].copy()
    flair[::3, 32, 28:34] = 1e5
    hot = prepared(replace(scan, sequences=scan.sequences | {"flair": flair}))
    difference = (hot - prepared(scan)).abs()
    assert difference[:, 1].median() < 0.05


def test_beyond_the_image_there_is_air(phantom: Phantom) -> None:
    scan, _ = phantom()
    cut = Scan("cut", {s: v[:, 16:48] + 500 for s, v in scan.sequences.items()})
    assert fit_preprocessing(cut, SMALL).box[0] < 0
    channels = prepared(cut)
    assert (channels[:, :, 0] <= channels.amin((2, 3))[..., None] + 1e-5).all()


def test_missing_sequences_are_replaced_by_flair(phantom: Phantom) -> None:
    channels = prepared(phantom(sequences=("flair",))[0])
    assert torch.equal(channels[:, 0], channels[:, 1])
    assert torch.equal(channels[:, 2], channels[:, 1])


def test_channels_are_pre_flair_post_then_flair_below_and_above(phantom: Phantom) -> None:
    scan, _ = phantom()
    channels = prepared(scan)
    assert channels.shape == (8, SMALL.channels, 48, 48) == (8, 5, 48, 48)
    assert channels.dtype == torch.float32
    for i, sequence in enumerate(("pre", "flair", "post")):
        alone = prepared(Scan("alone", {"flair": scan.sequences[sequence]}, scan.spacing))
        assert np.corrcoef(channels[:, i].ravel(), alone[:, 1].ravel())[0, 1] > 0.99
    assert torch.equal(channels[1:, 3], channels[:-1, 1])
    assert torch.equal(channels[:-1, 4], channels[1:, 1])


def test_beyond_the_last_slice_it_is_repeated(phantom: Phantom) -> None:
    channels = prepared(phantom()[0])
    assert torch.equal(channels[0, 3], channels[0, 1])
    assert torch.equal(channels[-1, 4], channels[-1, 1])


@pytest.mark.parametrize(("mm", "step"), [(1.0, 5), (2.4, 2), (5.0, 1), (12.0, 1), (None, 1)])
def test_neighbours_are_as_far_apart_in_mm_as_spacing_allows(
    phantom: Phantom, mm: float | None, step: int
) -> None:
    scan, _ = phantom((12, 48, 48), mm and (mm, 1.0, 1.0))
    channels = prepared(scan)
    assert torch.equal(channels[step:, 3], channels[:-step, 1])
    assert torch.equal(channels[:-step, 4], channels[step:, 1])


def test_the_head_is_found_in_a_padded_image(phantom: Phantom) -> None:
    scan, _ = phantom(noise=0.0)
    padded = Scan(
        "padded",
        {s: np.pad(v, ((0, 0), (30, 10), (5, 60)), constant_values=10) for s, v in scan.sequences.items()},
    )
    box, there = fit_preprocessing(scan, SMALL).box, fit_preprocessing(padded, SMALL).box
    assert there == (box[0] + 30, box[1] + 30, box[2] + 5, box[3] + 5)
    torch.testing.assert_close(prepared(padded), prepared(scan), atol=0.05, rtol=0)


@given(spacing=st.tuples(MM, MM))
def test_the_box_is_square_in_mm_and_holds_the_head(phantom: Phantom, spacing: tuple[float, float]) -> None:
    scan, _ = phantom((4, 60, 80), (3.0, *spacing))
    top, bottom, left, right = fit_preprocessing(scan, SMALL).box
    assert (bottom - top) * spacing[0] == pytest.approx((right - left) * spacing[1], abs=max(spacing))
    middle = find_head(scan.sequences["flair"])[2]
    rows, columns = np.flatnonzero(middle.any(1)), np.flatnonzero(middle.any(0))
    assert top <= rows[0] < rows[-1] < bottom
    assert left <= columns[0] < columns[-1] < right


def test_the_whole_image_can_be_the_field(phantom: Phantom) -> None:
    scan, _ = phantom((3, 40, 56))
    assert fit_preprocessing(scan, Preprocessing(crop="image")).box == (0, 40, 0, 56)


def test_large_scans_are_measured_from_a_sample(phantom: Phantom) -> None:
    small, large = (fit_preprocessing(phantom((3, n, n))[0], SMALL) for n in (64, 640))
    np.testing.assert_allclose(np.array(large.box) / 10, small.box, atol=1.5)
    assert large.mean["flair"] == pytest.approx(small.mean["flair"], rel=0.05)


@pytest.mark.parametrize("value", [0, -3.5, 1e6])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 16, 16), (2, 40, 7)])
def test_a_constant_image_gives_zeros(shape: tuple[int, int, int], value: float) -> None:
    channels = prepared(scan_from_volume(np.full(shape, value, np.float32)))
    assert channels.shape == (shape[0], 5, 48, 48)
    assert (channels == 0).all()


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 16), st.integers(1, 16)),
    spacing=st.none() | st.tuples(MM, MM, MM),
    seed=st.integers(0, 1000),
)
def test_tiny_images_of_noise_are_prepared_and_restored(
    shape: tuple[int, int, int], spacing: tuple[float, float, float] | None, seed: int
) -> None:
    noise = np.random.default_rng(seed).normal(size=shape)
    scan = scan_from_volume(noise, spacing=spacing)
    fitted = fit_preprocessing(scan, SMALL)
    channels = fitted.apply(scan, range(shape[0]))
    assert channels.isfinite().all()
    assert fitted.invert(channels[:, 1].sigmoid(), shape[1:]).shape == shape


def test_only_the_slices_asked_for_are_prepared(phantom: Phantom) -> None:
    scan, _ = phantom()
    some = fit_preprocessing(scan, SMALL).apply(scan, [5, 2])
    assert torch.equal(some, prepared(scan)[[5, 2]])
