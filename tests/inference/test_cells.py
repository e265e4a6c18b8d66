"""Where a layer on the bottleneck excludes tumour the decoder is left out; elsewhere nothing changes."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_tumor_unet._common import drain
from napari_tumor_unet.inference import predict
from napari_tumor_unet.inference.cells import predict_cells
from napari_tumor_unet.inference.input_check import InputWarnings
from napari_tumor_unet.inference.predict import run
from napari_tumor_unet.model.card import CellScout
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.model.unet import UNet
from napari_tumor_unet.scan import Scan
from tests.conftest import Phantom

FIRST = (1.0, *(0.0,) * 15)  # of the 16 filters of the tiny model's bottleneck


@pytest.fixture
def network(tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> UNet:
    """The tiny network, whose bottleneck is 1 in one cell of 12 x 12 of the first slice, and else 0."""
    network = copy.deepcopy(tiny_model.network)
    cells = torch.zeros(2, 16, 12, 12)
    cells[0, :, 5, 11] = 1
    monkeypatch.setattr(network.bottleneck, "forward", lambda _: cells)
    return network


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.rand(2, 5, 48, 46, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_around_what_may_be_tumour_the_network_computes_as_ever(network: UNet, inputs: torch.Tensor) -> None:
    full, found = network(inputs), predict_cells(network, CellScout(FIRST, 0.5), inputs)
    assert found.shape == full.shape
    assert [int(side) for side in found[0, 0].nonzero().amin(0)] == [18, 42]  # half a cell around
    assert [int(side) for side in found[0, 0].nonzero().amax(0)] == [25, 45]
    assert not found[1].any()
    torch.testing.assert_close(found[0, :, 20:24, 44:], full[0, :, 20:24, 44:], atol=0.01, rtol=0)


@torch.no_grad()
def test_a_scout_that_excludes_nothing_changes_nothing(network: UNet, inputs: torch.Tensor) -> None:
    torch.testing.assert_close(predict_cells(network, CellScout(FIRST, -1.0), inputs), network(inputs))


@torch.no_grad()
def test_what_is_no_number_is_not_excluded(tiny_model: Model, inputs: torch.Tensor) -> None:
    nothing = CellScout(FIRST, 1e9)
    assert predict_cells(tiny_model.network, nothing, inputs * torch.nan).isnan().all()


def probability(model: Model, scan: Scan, limit: float) -> np.ndarray:
    card = replace(model.card, cell_scout=CellScout((0.0,) * 16, limit))
    return drain(run(scan, replace(model, card=card), device="cpu", first=2), lambda _: None).probability


@pytest.mark.parametrize(("warnings", "computed"), [((), [0]), (("It is noisy.",), list(range(8)))])
def test_the_first_slice_of_a_scan_and_a_scan_that_is_warned_of_are_computed_whole(
    tiny_model: Model,
    phantom: Phantom,
    monkeypatch: pytest.MonkeyPatch,
    warnings: tuple[str, ...],
    computed: list[int],
) -> None:
    monkeypatch.setattr(predict, "check_input", lambda _: InputWarnings(warnings, ()))
    scan, _ = phantom()
    found, full = probability(tiny_model, scan, 1.0), probability(tiny_model, scan, -1.0)
    assert full.any((1, 2)).all()
    assert np.flatnonzero(found.any((1, 2))).tolist() == computed
    np.testing.assert_array_equal(found[computed], full[computed])
