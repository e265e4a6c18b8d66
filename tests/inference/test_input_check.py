"""Scans that a model should not be trusted on, made from the sample; and those on which nothing is amiss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from napari_tumor_unet.inference.input_check import check_input, warnings_of
from napari_tumor_unet.inference.result_check import is_doubted
from napari_tumor_unet.io.datasets.sample import sample_scan
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.scan import Geometry, Scan, scan_from_volume
from napari_tumor_unet.scan.head import find_head
from tests.conftest import is_one_sentence

Volume = NDArray[Any]
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def sample() -> Scan:
    scan = read_scan(sample_scan())
    return replace(scan, sequences={s: np.asarray(v) for s, v in scan.sequences.items()})


def with_flair(scan: Scan, volume: Volume) -> Scan:
    return replace(scan, sequences={"flair": volume})


def head_of(volume: Volume, inside: int = 0) -> NDArray[np.bool_]:
    """The head, less some pixels from its surface."""
    planes = [ndimage.binary_fill_holes(plane) for plane in find_head(volume.astype(np.float32))]
    return np.stack([ndimage.binary_erosion(p, iterations=inside) if inside else p for p in planes])


def as_ct(volume: Volume) -> Volume:
    """Hounsfield units: air, a head as water is, a brain that hardly varies, and bone around it."""
    head, under_skin, brain = head_of(volume), head_of(volume, 5), head_of(volume, 11)
    tissue = 30 + 10 * volume / volume[brain].mean() + RNG.normal(0, 5, volume.shape)
    return np.where(under_skin & ~brain, 900, np.where(head, tissue, -1000)).astype(np.int16)


def standardised(volume: Volume) -> Volume:
    """The brain alone, as BRATS has it: mean 0, standard deviation 1, air between its values."""
    brain = head_of(volume, 14)
    values = (volume - volume[brain].mean()) / volume[brain].std()
    return np.where(brain, values, 0)


def biased(volume: Volume) -> Volume:
    y, x = np.ogrid[-1 : 1 : volume.shape[1] * 1j, -1 : 1 : volume.shape[2] * 1j]
    return volume * (1 + 0.3 * y + 0.4 * x)


def atrophic(volume: Volume) -> Volume:
    """Thin lines all over the brain, half in fluid, as wide sulci are."""
    pattern = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=volume.shape), (0, 3, 3))
    return np.where(np.abs(pattern) < 0.3 * pattern.std(), 0.6 * volume, volume)


def cut(volume: Volume, axis: int) -> Volume:
    """The sample in slices across another axis, of cubic voxels."""
    cubic = ndimage.zoom(volume.astype(np.float32), (5 / 0.9375, 1, 1), order=1)[::-1]
    return np.moveaxis(cubic, axis, 0)


UNTRUSTED: dict[str, tuple[Callable[[Volume], Volume], str]] = {
    "CT": (as_ct, "looks like a CT"),
    "CT shifted to positive values": (lambda v: (as_ct(v) + 1024).astype(np.uint16), "looks like a CT"),
    "inverted": (lambda v: v.max() - v, "inverted"),
    "noise": (lambda v: RNG.normal(size=v.shape), "No head"),
    "noise of a magnitude": (lambda v: RNG.rayleigh(size=v.shape), "No head"),
    "constant": (np.ones_like, "No head"),
    "a head without a brain": (
        lambda v: 80 * head_of(v) + RNG.normal(0, 1, v.shape),
        "almost no contrast",
    ),
    "turned left": (lambda v: np.rot90(v, 1, (1, 2)), "wider than long"),
    "turned right": (lambda v: np.rot90(v, -1, (1, 2)), "wider than long"),
    "upside down": (lambda v: v[:, ::-1], "upside down"),
    "turned round": (lambda v: v[:, ::-1, ::-1], "upside down"),
    "sagittal": (lambda v: cut(v, 2), "not axial"),
    "coronal": (lambda v: cut(v, 1), "not axial"),
    "cut off": (lambda v: v[:, :, 90:], "cut off"),
}

TRUSTED: dict[str, Callable[[Volume], Volume]] = {
    "as it is": lambda v: v,
    "left and right exchanged": lambda v: v[:, :, ::-1],
    "other numbers": lambda v: v.astype(np.uint16) * 40 + 7,
    "noisy": lambda v: v + RNG.normal(0, 0.04 * v.max(), v.shape),
    "uneven coil": biased,
    "standardised": lambda v: (v - v.mean()) / v.std(),
    "skull-stripped": lambda v: v * head_of(v, 14),
    "skull-stripped and standardised": standardised,
    "wide sulci": atrophic,
    "tilted": lambda v: ndimage.rotate(v, 8, (1, 2), reshape=False, order=1),
    "some slices": lambda v: v[8:16],
}


@pytest.mark.parametrize("kind", UNTRUSTED)
def test_a_scan_unlike_the_training_data_is_told_with_the_reason(sample: Scan, kind: str) -> None:
    make, reason = UNTRUSTED[kind]
    made = with_flair(sample, make(sample.sequences["flair"]))
    warnings = warnings_of(replace(made, spacing=(1, 1, 1), in_mm=False))
    assert reason in " ".join(warnings), warnings
    assert "T1" not in " ".join(warnings)
    assert not is_doubted(warnings)


@pytest.mark.parametrize("kind", TRUSTED)
def test_nothing_is_said_of_the_sample(sample: Scan, kind: str) -> None:
    assert warnings_of(with_flair(sample, TRUSTED[kind](sample.sequences["flair"]))) == ()


def test_nothing_is_said_of_the_sample_in_other_pixels(sample: Scan) -> None:
    flair = sample.sequences["flair"]
    fine = with_flair(sample, flair.repeat(2, 1).repeat(2, 2)).with_spacing((5, 0.47, 0.47))
    coarse = with_flair(sample, flair[:, ::2, ::2]).with_spacing((5, 1.9, 1.9))
    assert warnings_of(sample) == warnings_of(fine) == warnings_of(coarse) == ()


@pytest.mark.parametrize("sequence", ["pre", "post"])
def test_a_t1_given_as_flair_is_told(sample: Scan, sequence: str) -> None:
    (warning,) = warnings_of(with_flair(sample, sample.sequences[sequence]))
    assert warning.startswith("This looks like T1, not FLAIR")


def test_where_the_name_says_flair_only_a_plain_t1_is_told(sample: Scan) -> None:
    pre, flair = (sample.sequences[s].astype(np.float32) for s in ("pre", "flair"))
    t1, between = with_flair(sample, pre), with_flair(sample, 0.42 * pre + 0.58 * flair)
    told = {
        name: [bool(warnings_of(replace(scan, name=name))) for scan in (between, t1)]
        for name in ("x_flair", "AX T2 FLAIR", "x", "x_t1")
    }
    assert told == {
        "x_flair": [False, True],
        "AX T2 FLAIR": [False, True],
        "x": [True, True],
        "x_t1": [True, True],
    }


@pytest.mark.parametrize(
    ("spacing", "reason"),
    [
        ((0.005, 0.0009375, 0.0009375), "0.211 mm long"),
        ((5000, 937.5, 937.5), "210,938 mm long"),
        ((7, 0.9375, 0.9375), "7 mm apart; small parts"),
        ((15, 0.9375, 0.9375), "15 mm apart, too far"),
    ],
)
def test_a_spacing_that_cannot_be_is_told(
    sample: Scan, spacing: tuple[float, float, float], reason: str
) -> None:
    warnings = warnings_of(sample.with_spacing(spacing))
    assert reason in " ".join(warnings)
    assert not is_doubted(warnings)


def test_pixels_too_coarse_are_told(sample: Scan) -> None:
    coarse = with_flair(sample, sample.sequences["flair"][:, ::4, ::4]).with_spacing((5, 3.75, 3.75))
    (warning,) = warnings_of(coarse)
    assert "Pixels of 3.75 x 3.75 mm" in warning


def test_a_single_slice_is_told(sample: Scan) -> None:
    (warning,) = warnings_of(with_flair(sample, sample.sequences["flair"][12:13]))
    assert "only 1 slice" in warning


def test_another_modality_is_told_by_its_name(sample: Scan) -> None:
    assert warnings_of(replace(sample, modality="MR")) == ()
    assert warnings_of(replace(sample, modality="PT")) == ("This is PT, no MRI; choose a FLAIR image.",)


def test_a_scan_whose_file_says_how_it_lies_is_not_judged_by_its_shape(sample: Scan) -> None:
    half = with_flair(sample, sample.sequences["flair"] * (np.arange(256) < 140)[:, None])
    assert "wider than long" in " ".join(warnings_of(half))
    assert warnings_of(replace(half, geometry=Geometry(half.spacing))) == ()


def test_few_slices_are_read(sample: Scan) -> None:
    read: list[int] = []

    class Counted:
        shape, dtype = (400, 256, 256), np.dtype(np.uint8)

        def __getitem__(self, z: int) -> Volume:
            read.append(z)
            return np.asarray(sample.sequences["flair"][z * 26 // 400])

    warnings_of(Scan("lazy", {"flair": Counted(), "pre": Counted()}))
    assert len(read) <= 8


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 60), st.integers(1, 60)),
    scale=st.sampled_from([0.0, 1e-30, 1.0, 1e30, 3e38, np.nan]),
    shift=st.sampled_from([0.0, -1e6, 3e38]),
)
def test_whatever_is_in_a_scan_sentences_come_back(
    shape: tuple[int, int, int], scale: float, shift: float
) -> None:
    volume = np.random.default_rng(1).normal(size=shape) * scale + shift
    volume.flat[0] = np.inf
    assert all(is_one_sentence(text) for text in warnings_of(scan_from_volume(volume)))


def test_what_a_scans_file_leaves_in_doubt_is_warned_of(sample: Scan) -> None:
    assert warnings_of(replace(sample, notes=("Its header is odd.",))) == ("Its header is odd.",)


@settings(max_examples=20)
@given(
    kinds=st.lists(st.sampled_from([*UNTRUSTED, *TRUSTED]), max_size=2),
    spacing=st.sampled_from([(1.0, 1.0, 1.0), (7.0, 0.94, 0.94), (15.0, 4.0, 4.0), (0.005, 0.001, 0.001)]),
    notes=st.lists(st.sampled_from(["Its header is odd.", "Its slices are odd."]), max_size=3),
    doubts=st.lists(st.sampled_from(["The mask is small, 1 ml.", "The model is unsure of the mask: look."])),
)
def test_no_warning_comes_twice_and_the_gravest_come_first(
    sample: Scan, kinds: list[str], spacing: tuple[float, float, float], notes: list[str], doubts: list[str]
) -> None:
    volume = sample.sequences["flair"]
    for kind in kinds:
        volume = (TRUSTED.get(kind) or UNTRUSTED[kind][0])(volume)
    checked = check_input(replace(with_flair(sample, volume).with_spacing(spacing), notes=tuple(notes)))
    warnings = checked.around(tuple(doubts))
    assert len(set(warnings)) == len(warnings)
    gravity = [1 if is_doubted([text]) else 2 if text in checked.grid else 0 for text in warnings]
    assert gravity == sorted(gravity)
    assert set(warnings) == {*checked.image, *doubts, *checked.grid}
