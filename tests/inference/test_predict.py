from __future__ import annotations

import copy
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet._common import drain
from napari_tumor_unet.inference import segment
from napari_tumor_unet.inference.predict import for_inference, predict, run
from napari_tumor_unet.inference.result import Findings, Segmentation, Slices, Warned, headline, measure
from napari_tumor_unet.inference.result_check import is_doubted
from napari_tumor_unet.model.card import MaskLimits, ModelError
from napari_tumor_unet.model.device import DeviceError
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.model.settings import UNetConfig
from napari_tumor_unet.model.unet import UNet
from napari_tumor_unet.scan import Scan, ScanError, scan_from_volume
from tests.conftest import Phantom, Refused


def run_all(scan: Scan, model: Model, **options: Any) -> tuple[list[Slices], Segmentation]:
    """All slices as they come, and the result."""
    events: list[Any] = []
    result = drain(run(scan, model, device="cpu", **options), events.append)
    return [event for event in events if isinstance(event, Slices)], result


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 70), st.integers(1, 70)),
    spacing=st.none() | st.tuples(*[st.floats(0.5, 6)] * 3),
)
def test_mask_and_probability_lie_on_the_scans_grid(
    tiny_model: Model, shape: tuple[int, int, int], spacing: tuple[float, float, float] | None
) -> None:
    noise = np.random.default_rng(0).normal(size=shape)
    _, result = run_all(scan_from_volume(noise, spacing=spacing), tiny_model)
    assert result.probability.shape == result.mask.shape == shape
    assert result.probability.dtype == result.mask.dtype == np.uint8
    assert set(np.unique(result.mask)) <= {0, 1}


@given(depth=st.integers(1, 11), data=st.data())
def test_the_wanted_slice_comes_first_and_each_comes_once(
    tiny_model: Model, depth: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, depth - 1))
    events, _ = run_all(scan_from_volume(np.zeros((depth, 8, 8))), tiny_model, first=first)
    assert first in events[0].indices
    assert sorted(i for event in events for i in event.indices) == list(range(depth))
    distances = [max(abs(i - first) for i in event.indices) for event in events]
    assert distances == sorted(distances)
    assert [event.done for event in events] == list(np.cumsum([len(event.indices) for event in events]))
    assert {event.total for event in events} == {depth}


def test_events_are_the_parts_of_the_result(tiny_model: Model, phantom: Phantom) -> None:
    events, result = run_all(phantom()[0], tiny_model, first=3)
    for event in events:
        np.testing.assert_array_equal(event.probability, result.probability[list(event.indices)])
        np.testing.assert_array_equal(event.mask, result.mask[list(event.indices)])


def test_the_order_of_slices_does_not_matter(tiny_model: Model, phantom: Phantom) -> None:
    scan, _ = phantom()
    one, other = (run_all(scan, tiny_model, first=first)[1].probability for first in (0, 5))
    np.testing.assert_allclose(one.astype(int), other.astype(int), atol=1)


def test_one_slice_alone_is_as_in_the_whole_scan(tiny_model: Model, phantom: Phantom) -> None:
    scan, _ = phantom((9, 40, 40))
    events, alone = run_all(scan, tiny_model, first=6, only=True)
    whole = run_all(scan, tiny_model)[1]
    assert next((e.indices, e.done, e.total) for e in events) == ((6,), 1, 1)
    assert np.abs(alone.probability[6].astype(int) - whole.probability[6]).max() <= 1
    assert not np.delete(alone.probability, 6, axis=0).any()


def test_a_run_can_be_left_at_any_slice(tiny_model: Model, phantom: Phantom) -> None:
    steps = run(phantom()[0], tiny_model, device="cpu")
    next(steps)
    steps.close()


def test_only_models_that_say_so_look_at_the_mirrored_head(tiny_model: Model) -> None:
    scan = scan_from_volume(np.random.default_rng(0).normal(size=(2, 40, 40)))
    plain, averaged = (
        run_all(scan, replace(tiny_model, card=replace(tiny_model.card, tta_flip=mirrored)))[1].probability
        for mirrored in (False, True)
    )
    turned = replace(scan, sequences={"flair": scan.sequences["flair"][..., ::-1].copy()})
    model = replace(tiny_model, card=replace(tiny_model.card, tta_flip=False))
    other = run_all(turned, model)[1].probability[..., ::-1]
    assert not np.array_equal(plain, averaged)
    mean = (plain.astype(float) + other) / 2
    assert np.abs(mean - averaged).max() <= 3  # of 255: rounding, and the precision of the network


def test_a_mirrored_head_is_segmented_mirrored(tiny_model: Model) -> None:
    images = torch.randn(2, 5, 32, 32)
    straight, mirrored = (predict(tiny_model.network, x, "cpu") for x in (images, images.flip(-1)))
    torch.testing.assert_close(mirrored.flip(-1), straight, atol=0.01, rtol=0)


def test_the_models_own_threshold_is_the_default(tiny_model: Model, phantom: Phantom) -> None:
    model = replace(tiny_model, card=replace(tiny_model.card, threshold=0.3))
    _, result = run_all(phantom()[0], model)
    np.testing.assert_array_equal(result.mask, result.probability >= 0.3 * 255)
    assert result.provenance.threshold == 0.3


def test_a_threshold_can_be_given(tiny_model: Model, phantom: Phantom) -> None:
    _, result = run_all(phantom()[0], tiny_model, threshold=0.52)
    np.testing.assert_array_equal(result.mask, result.probability >= 0.52 * 255)
    assert result.provenance.threshold == 0.52


def test_the_last_event_brings_the_slices_that_lost_regions(tiny_model: Model, phantom: Phantom) -> None:
    model = replace(tiny_model, card=replace(tiny_model.card, threshold=0.52, min_region_weight=1.0))
    events, result = run_all(phantom()[0], model)
    shown = np.zeros_like(result.mask)
    for event in events:
        shown[list(event.indices)] = event.mask
    np.testing.assert_array_equal(shown, result.mask)
    assert result.findings.regions == 1
    assert result.provenance.min_region_weight == 1.0
    assert result.to_json()["provenance"]["smallest_region"] == 1.0  # as in files of earlier versions


# Findings


@given(seed=st.integers(0, 99), share=st.sampled_from([0.0, 0.02, 0.5]))
def test_findings_count_voxels_slices_and_ml(seed: int, share: float) -> None:
    mask = (np.random.default_rng(seed).random((5, 6, 7)) < share).astype(np.uint8)
    found = measure(mask, scan_from_volume(mask, spacing=(5.0, 0.5, 0.8)).voxel_ml)
    assert found.voxels == mask.sum()
    assert found.slices == len(np.unique(np.nonzero(mask)[0]))
    assert found.volume_ml == pytest.approx(mask.sum() * 2.0 / 1000)


def test_regions_that_touch_at_a_corner_are_one() -> None:
    mask = np.zeros((4, 8, 8), np.uint8)
    mask[0, 1, 1] = mask[1, 2, 2] = mask[3, 6, 6] = 1
    assert measure(mask, None).regions == 2


def test_ml_need_a_known_spacing() -> None:
    mask = np.ones((2, 3, 4), np.uint8)
    found = measure(mask, None)
    assert found.volume_ml is None
    assert "ml" not in str(found)
    assert "24 voxels" in str(found)


def test_findings_read_as_a_sentence() -> None:
    mask = np.zeros((3, 10, 10), np.uint8)
    scan = scan_from_volume(mask, spacing=(10.0, 10.0, 10.0))
    assert str(measure(mask, scan.voxel_ml)) == "No tumour found. For research, not for clinical use."
    mask[1, 2:4, 3] = 1
    assert str(measure(mask, scan.voxel_ml)).startswith("Tumour: 2.0 ml, 1 slice, 1 region.")
    assert str(measure(mask, scan.voxel_ml)).endswith("For research, not for clinical use.")


def test_the_headline_is_the_graver_where_the_mask_itself_is_doubted() -> None:
    nothing, found = Findings(0, 0, 0, 0.0), Findings(2, 1, 1, 2.0)
    thick, small = "Slices are 7 mm apart.", "The mask is small, 2.0 ml."
    assert headline(nothing, ()) == "No tumour found."
    assert headline(nothing, (thick,)) == "Check: no tumour found."
    assert headline(found, ()) == "2.0 ml · 1 slice · 1 region"
    assert headline(replace(found, volume_ml=0.01), ()) == "under 0.1 ml · 1 slice · 1 region"
    assert headline(found, (thick,)) == "Check: 2.0 ml · 1 slice · 1 region"
    assert headline(found, (thick, small)) == "Not to be trusted: 2.0 ml · 1 slice · 1 region"


# Provenance


def test_provenance_says_what_was_run(tiny_model_file: Path, phantom: Phantom) -> None:
    model = load_model(tiny_model_file)
    _, result = run_all(phantom(sequences=("flair", "post"))[0], model, threshold=0.4)
    provenance = result.provenance
    assert (provenance.model, provenance.model_hash) == ("tiny", model.hash)
    assert provenance.version == version("napari-tumor-unet")
    assert (provenance.threshold, provenance.device) == (0.4, "cpu")
    assert provenance.precision in ("float32", "bfloat16")
    assert provenance.sequences == ("flair", "post")
    assert provenance.seconds >= 0


def test_a_result_tells_neither_path_nor_patient(tiny_model_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "Jane_Doe.tif"
    tifffile.imwrite(path, np.zeros((2, 20, 20), np.uint8))
    told = json.dumps(segment.segment(path, model=tiny_model_file).to_json())
    assert "Jane" not in told
    assert str(tmp_path) not in told
    assert str(tiny_model_file.parent) not in told


def test_a_result_as_json_holds_findings_and_provenance(tiny_model: Model, phantom: Phantom) -> None:
    _, result = run_all(phantom(spacing=(5, 1, 1))[0], tiny_model)
    told = json.loads(json.dumps(result.to_json()))
    assert told["findings"]["voxels"] == result.findings.voxels
    assert told["findings"]["volume_ml"] == result.findings.volume_ml
    assert told["provenance"]["model"] == "tiny"


# What a notebook calls


def test_arrays_scans_and_files_give_one_result(tiny_model: Model, phantom: Phantom, tmp_path: Path) -> None:
    scan, _ = phantom()
    scan = replace(scan, sequences={s: v.clip(0).round().astype(np.uint8) for s, v in scan.sequences.items()})
    second, last = (np.stack(list(scan.sequences.values()), axis=axis) for axis in (1, -1))
    tifffile.imwrite(tmp_path / "a.tif", second, imagej=True, metadata={"axes": "ZCYX"})
    expected = segment.segment(scan, model=tiny_model).probability
    for volume in (second, last, tmp_path / "a.tif", str(tmp_path / "a.tif")):
        np.testing.assert_array_equal(segment.segment(volume, model=tiny_model).probability, expected)


def test_an_array_without_channels_is_flair(tiny_model: Model, phantom: Phantom) -> None:
    scan, _ = phantom(sequences=("flair",))
    result = segment.segment(scan.sequences["flair"], model=tiny_model)
    np.testing.assert_array_equal(result.probability, segment.segment(scan, model=tiny_model).probability)
    assert result.provenance.sequences == ("flair",)


def test_a_single_image_gives_one_slice(tiny_model: Model, phantom: Phantom) -> None:
    image = phantom((1, 40, 50))[0].sequences["flair"][0]
    assert segment.segment(image, model=tiny_model).mask.shape == (1, 40, 50)


def test_channels_of_an_array_can_be_named(tiny_model: Model, phantom: Phantom) -> None:
    scan, _ = phantom(sequences=("flair", "post"))
    volume = np.stack([scan.sequences["post"], scan.sequences["flair"]], axis=1)
    result = segment.segment(volume, sequences=("post", "flair"), model=tiny_model)
    np.testing.assert_array_equal(result.probability, segment.segment(scan, model=tiny_model).probability)


def test_a_spacing_given_makes_ml_of_voxels(tiny_model: Model, phantom: Phantom, tmp_path: Path) -> None:
    scan, _ = phantom(sequences=("flair",))
    tifffile.imwrite(tmp_path / "a.tif", scan.sequences["flair"])
    for volume in (scan, scan.sequences["flair"], tmp_path / "a.tif"):
        findings = segment.segment(volume, spacing=(5.0, 1.0, 0.5), model=tiny_model).findings
        assert findings.volume_ml == pytest.approx(findings.voxels * 2.5 / 1000)


def test_a_model_can_be_a_file(tiny_model_file: Path) -> None:
    result = segment.segment(np.zeros((1, 20, 20)), model=tiny_model_file)
    assert result.provenance.model == "tiny"


def test_unknown_devices_are_refused(tiny_model: Model, refused: Refused) -> None:
    with refused(DeviceError, "'abacus'"):
        segment.segment(np.zeros((1, 20, 20)), model=tiny_model, device="abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_devices_that_are_not_there_are_refused(tiny_model: Model, refused: Refused) -> None:
    with refused(DeviceError, "cuda"):
        segment.segment(np.zeros((1, 20, 20)), model=tiny_model, device="cuda")


def test_what_is_no_scan_is_refused(tiny_model: Model, refused: Refused) -> None:
    with refused(ScanError, "shape"):
        segment.segment(np.zeros((2, 7, 20, 20)), model=tiny_model)


@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_folding_normalisations_changes_no_output(normalisation: str) -> None:
    network = UNet(UNetConfig(5, (4, 8, 16), normalisation, 0.0))
    image = torch.randn(2, 5, 40, 56)
    with torch.no_grad():
        for _ in range(3):  # moves the running means and variances away from 0 and 1
            network(3 * image + 1)
        network.eval()
        torch.testing.assert_close(for_inference(network)(image), network(image), atol=1e-5, rtol=1e-4)


def test_folding_leaves_no_batch_normalisation_and_the_original_alone(tiny_model: Model) -> None:
    def kinds(network: torch.nn.Module) -> set[str]:
        return {type(layer).__name__ for layer in network.modules()}

    assert "BatchNorm2d" not in kinds(for_inference(tiny_model.network))
    assert "BatchNorm2d" in kinds(tiny_model.network)


@pytest.mark.parametrize("noisy", [True, False], ids=["an odd scan", "a sound scan"])
def test_a_mask_unlike_those_of_tumours_is_warned_of_at_the_end(
    tiny_model: Model, phantom: Phantom, noisy: bool
) -> None:
    scan = phantom()[0]
    if noisy:
        scan = scan_from_volume(np.random.default_rng(0).normal(size=scan.shape))
    limits = MaskLimits(mean_probability=1.0, contrast=-100.0, volume_ml=0.0)
    model = replace(tiny_model, card=replace(tiny_model.card, doubtful_under=limits))
    events: list[Any] = []
    result = drain(run(scan, model, device="cpu", threshold=0.1), events.append)
    assert result.mask.any()
    assert "unsure" in result.warnings[-1]
    assert events[-1] == Warned(result.warnings)
    assert len(result.warnings) > noisy
    _, unchecked = run_all(scan, tiny_model, threshold=0.1)
    assert unchecked.warnings == result.warnings[:-1]


def test_doubt_of_the_mask_weighs_more_than_the_grid(tiny_model: Model, phantom: Phantom) -> None:
    limits = MaskLimits(mean_probability=1.0, contrast=-100.0, volume_ml=0.0)
    model = replace(tiny_model, card=replace(tiny_model.card, doubtful_under=limits))
    scan = replace(phantom()[0], spacing=(8.0, 3.0, 3.0), in_mm=True)
    _, result = run_all(scan, model, threshold=0.1)
    assert "unsure" in result.warnings[-2]
    assert result.warnings[-1].startswith("Slices are 8 mm apart; small parts")


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_slices_without_values_inside_the_head_are_told_of(
    tiny_model: Model, phantom: Phantom, value: float
) -> None:
    scan = phantom()[0]
    flair = scan.sequences["flair"].astype(np.float32)
    flair[[0, -1]] = value  # beyond the head there may be air
    assert not any("empty" in text for text in run_all(flair_scan(scan, flair), tiny_model)[1].warnings)
    flair[3] = value
    _, result = run_all(flair_scan(scan, flair), tiny_model)
    assert "FLAIR is empty in slice 3; a tumour there is missing from the mask" in " ".join(result.warnings)
    assert is_doubted(result.warnings)


def flair_scan(scan: Scan, flair: Any) -> Scan:
    return replace(scan, sequences={"flair": flair})


def test_of_one_slice_alone_the_mask_is_not_judged(tiny_model: Model, phantom: Phantom) -> None:
    limits = MaskLimits(mean_probability=1.0, contrast=100.0, volume_ml=1000.0)
    model = replace(tiny_model, card=replace(tiny_model.card, doubtful_under=limits))
    scan = phantom()[0]
    _, result = run_all(scan, model, threshold=0.1, only=True)
    assert result.warnings == run_all(scan, tiny_model, threshold=0.1, only=True)[1].warnings


def test_a_network_that_gives_no_numbers_is_one_sentence(
    phantom: Phantom, tiny_model: Model, refused: Refused
) -> None:
    network = copy.deepcopy(tiny_model.network)
    network.bottleneck[1].running_var.fill_(-1)  # which are finite weights
    with refused(ModelError, "'tiny' gives no numbers"):
        drain(run(phantom()[0], replace(tiny_model, network=network), device="cpu"))
