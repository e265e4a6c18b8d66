from __future__ import annotations

import pytest
import torch

from napari_tumor_unet.model.device import autocast, choose_device, precision


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
