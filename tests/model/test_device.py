from __future__ import annotations

import pytest
import torch

from napari_tumor_unet._common import drain
from napari_tumor_unet.inference import predict
from napari_tumor_unet.model import device
from napari_tumor_unet.model.device import autocast, choose_device, precision
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.model.unet import UNet
from tests.conftest import Phantom


def test_the_fastest_device_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device() == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device() == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device() == "cuda"


def test_one_of_several_gpus_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("cuda:1") == "cuda:1"


@pytest.mark.parametrize(("multiplies", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_half_precision_is_for_cpus_that_multiply_it(
    monkeypatch: pytest.MonkeyPatch, multiplies: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr("napari_tumor_unet.model.device._cpu_multiplies_bf16", lambda: multiplies)
    assert precision("cpu") is dtype
    with autocast("cpu"):
        assert torch.is_autocast_enabled("cpu") == multiplies
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize(("multiplies", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_gpus_compute_in_half_precision(
    monkeypatch: pytest.MonkeyPatch, multiplies: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: multiplies)
    assert precision("cuda") is dtype


@pytest.mark.parametrize(("load", "policy", "within"), [(9.9, "", 1), (9.9, "passive", 3), (0.5, "", 3)])
def test_on_a_busy_machine_no_threads_spin_and_the_caller_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch, load: float, policy: str, within: int
) -> None:
    monkeypatch.setattr(device.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(device, "_load", lambda: load)
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with device.considerate_threads():
            assert torch.get_num_threads() == within
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_another_device_gets_the_network_and_every_input(
    tiny_model: Model, phantom: Phantom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU is at hand: a device that is not the CPU is one without values."""
    seen: list[str] = []

    def compute(network: UNet, inputs: torch.Tensor) -> torch.Tensor:
        seen.extend({str(inputs.device), *(str(p.device) for p in network.parameters())})
        return torch.ones(len(inputs), 1, *inputs.shape[2:])

    monkeypatch.setattr(predict, "choose_device", lambda _: "meta")
    monkeypatch.setattr(UNet, "forward", compute)
    monkeypatch.setattr(device, "precision", lambda _: torch.float32)
    result = drain(predict.run(phantom()[0], tiny_model))
    assert set(seen) == {"meta"}
    assert result.provenance.device == "meta"
    assert result.mask.any()
