"""Of thin slices some are computed, and the others lie between them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet._common import drain
from napari_tumor_unet.inference import predict
from napari_tumor_unet.inference.input_check import InputWarnings
from napari_tumor_unet.inference.predict import run
from napari_tumor_unet.inference.result import Slices
from napari_tumor_unet.inference.thin_slices import Scout, interpolate, slices_to_compute
from napari_tumor_unet.model.card import CellScout, MaskLimits
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import scan_from_volume
from tests.conftest import Phantom, make_phantom


@pytest.fixture
def model(tiny_model: Model) -> Model:
    return replace(tiny_model, card=replace(tiny_model.card, slice_distance_mm=3.0))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of slices that the network computes."""
    numbers: list[int] = []
    real = predict.predict

    def counting(network: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        numbers.append(len(inputs))
        return real(network, inputs, *args, **kwargs)

    monkeypatch.setattr(predict, "predict", counting)
    return numbers


@given(depth=st.integers(1, 40), spacing=st.floats(0.2, 9))
def test_chosen_slices_are_no_further_apart_than_the_model_allows(depth: int, spacing: float) -> None:
    scan = scan_from_volume(np.zeros((depth, 4, 4)), spacing=(spacing, 1, 1))
    chosen = slices_to_compute(scan, 3.0)
    assert (chosen[0], chosen[-1]) == (0, depth - 1)
    assert all(b - a == 1 or (b - a) * spacing <= 3.001 for a, b in itertools.pairwise(chosen))
    assert slices_to_compute(scan, 0.0) == list(range(depth))


def test_without_a_known_spacing_all_are_computed() -> None:
    assert slices_to_compute(scan_from_volume(np.zeros((9, 4, 4))), 3.0) == list(range(9))


def test_what_lies_between_is_interpolated_linearly() -> None:
    probability = np.zeros((7, 1, 1), np.uint8)
    probability[3] = 90
    assert [(z, int(plane[0, 0])) for z, plane in interpolate(probability, 0, 3)] == [(1, 30), (2, 60)]
    assert [(z, int(plane[0, 0])) for z, plane in interpolate(probability, 3, 6)] == [(4, 60), (5, 30)]


@given(data=st.data(), step=st.integers(1, 3), stride=st.integers(1, 4), depth=st.integers(1, 30))
def test_all_beside_something_seen_are_computed_and_each_other_lies_in_one_gap(
    data: st.DataObject, step: int, stride: int, depth: int
) -> None:
    slices = sorted({*range(0, depth, step), depth - 1})
    first = data.draw(st.integers(0, depth - 1))
    seen = data.draw(st.sets(st.integers(0, depth - 1)))
    scout = Scout(slices, stride, first)
    batches, gaps = [], []
    for batch in scout.batches(4):
        batches.append(batch)
        scout.see(seen.intersection(batch))
        gaps += scout.gaps()
    assert batches[0] == [first]
    assert all(len(batch) <= 4 and (0 not in batch or len(batch) == 1) for batch in batches)
    once = [z for batch in batches for z in batch]
    assert len({*once}) == len(once)
    assert {*slices[::stride], slices[-1]} <= set(scout.computed) <= set(slices)
    for below, above in itertools.pairwise(slices):
        for one, other in ((below, above), (above, below)):
            assert one not in seen or one not in scout.computed or other in scout.computed
    between = [z for below, above in gaps for z in range(below + 1, above)]
    assert sorted(between + scout.computed) == list(range(depth))
    usual = Scout(slices, stride, 0)
    for batch in usual.batches(4):
        usual.see(seen.intersection(batch))
    assert scout.computed == usual.computed


@pytest.mark.parametrize("first", [0, 4, 12])
def test_each_slice_comes_once_but_a_preview_that_is_exact(
    model: Model, tiny_model: Model, phantom: Phantom, computed: list[int], first: int
) -> None:
    scan = replace(phantom((13, 48, 48), spacing=(1.0, 1.0, 1.0))[0])
    events: list[Any] = []
    result = drain(run(scan, model, device="cpu", first=first), events.append)
    assert sum(computed) == (5 if first % 3 == 0 else 6)
    shown = [event for event in events if isinstance(event, Slices)]
    assert shown[0].indices == (first,)
    previews = [first] if first % 3 else []
    assert sorted(z for event in shown for z in event.indices) == sorted([*range(13), *previews])
    assert [event.done for event in shown] == sorted(event.done for event in shown)
    assert (shown[-1].done, shown[-1].total) == (13, 13)
    full = drain(run(scan, tiny_model, device="cpu"), lambda _: None)
    np.testing.assert_array_equal(shown[0].probability, full.probability[[first]])
    exact = [0, 3, 6, 9, 12]
    assert np.abs(result.probability[exact].astype(int) - full.probability[exact]).max() <= 1
    np.testing.assert_array_equal(result.mask, result.probability >= np.ceil(255 * model.card.threshold))


def test_between_slices_without_anything_none_is_computed(
    tiny_model: Model, phantom: Phantom, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "_SEEN", 2.0)
    scan, _ = phantom((13, 48, 48))
    model = replace(tiny_model, card=replace(tiny_model.card, scout_stride=3))
    events: list[Any] = []
    drain(run(scan, model, device="cpu", first=7), events.append)
    assert sum(computed) == 6  # 0, 3, 6, 7, 9, 12
    shown = [event for event in events if isinstance(event, Slices)]
    assert sorted(z for event in shown for z in event.indices) == [*range(7), 7, *range(7, 13)]


@pytest.mark.parametrize("warnings", [(), ("It is noisy.",)])
@given(depth=st.integers(1, 14), thin=st.booleans(), seen=st.floats(0.3, 0.7), data=st.data())
def test_the_result_is_the_same_wherever_the_run_begins(
    tiny_model: Model, warnings: tuple[str, ...], depth: int, thin: bool, seen: float, data: st.DataObject
) -> None:
    scan, _ = make_phantom((depth, 32, 32), spacing=(1.0 if thin else 5.0, 1.0, 1.0))
    weights = tuple(np.linspace(-1, 1, tiny_model.network.config.widths[-1]).tolist())
    card = replace(
        tiny_model.card,
        slice_distance_mm=2.0,
        scout_stride=3,
        cell_scout=CellScout(weights, data.draw(st.floats(-0.5, 0.5), "limit")),
        doubtful_under=MaskLimits(1.0, 1.0, 1.0),
    )
    model, first = replace(tiny_model, card=card), data.draw(st.integers(0, depth - 1), "first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict, "_SEEN", seen)
        patch.setattr(predict, "check_input", lambda _: InputWarnings(warnings, ()))
        usual, other = (drain(run(scan, model, device="cpu", first=z), lambda _: None) for z in (0, first))
    np.testing.assert_array_equal(other.probability, usual.probability)
    np.testing.assert_array_equal(other.mask, usual.mask)
    assert (other.findings, other.warnings) == (usual.findings, usual.warnings)
