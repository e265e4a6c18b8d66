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
from napari_tumor_unet.inference.predict import run
from napari_tumor_unet.inference.result import Slices
from napari_tumor_unet.inference.thin_slices import Scout, interpolate, slices_to_compute
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import scan_from_volume
from tests.conftest import Phantom


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
    assert max(map(len, batches)) <= 4
    assert len(set(scout.computed)) == len(scout.computed)
    assert {first, *slices[::stride], slices[-1]} <= set(scout.computed) <= {first, *slices}
    for below, above in itertools.pairwise(slices):
        for one, other in ((below, above), (above, below)):
            assert one not in seen or one not in scout.computed or other in scout.computed
    between = [z for below, above in gaps for z in range(below + 1, above) if z != first]
    assert sorted(between + scout.computed) == list(range(depth))


@pytest.mark.parametrize("first", [0, 4, 12])
def test_each_slice_comes_once_and_the_wanted_one_is_exact(
    model: Model, tiny_model: Model, phantom: Phantom, computed: list[int], first: int
) -> None:
    scan = replace(phantom((13, 48, 48), spacing=(1.0, 1.0, 1.0))[0])
    events: list[Any] = []
    result = drain(run(scan, model, device="cpu", first=first), events.append)
    assert sum(computed) == (5 if first % 3 == 0 else 6)
    shown = [event for event in events if isinstance(event, Slices)]
    assert shown[0].indices == (first,)
    assert sorted(z for event in shown for z in event.indices) == list(range(13))
    assert (shown[-1].done, shown[-1].total) == (13, 13)
    full = drain(run(scan, tiny_model, device="cpu"), lambda _: None)
    exact = sorted({0, 3, 6, 9, 12, first})
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
    assert sorted(z for event in shown for z in event.indices) == list(range(13))
