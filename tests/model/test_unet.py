from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from napari_tumor_unet.model.settings import UNetConfig
from napari_tumor_unet.model.unet import UNet

SMALL = UNetConfig(2, (3, 5, 7))


def shapes_through(network: nn.Module, image: torch.Tensor) -> list[tuple[str, tuple[int, ...]]]:
    """Kind and output shape of each layer that computes, in the order of use."""
    seen: list[tuple[str, tuple[int, ...]]] = []
    for layer in network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(
                lambda layer, _, output: seen.append((type(layer).__name__, tuple(output.shape[1:])))
            )
    network(image)
    return seen


def test_default_network_is_the_student_projects() -> None:
    network = UNet().eval()
    assert sum(p.numel() for p in network.parameters()) == 1_862_849
    assert network(torch.zeros(1, 3, 128, 128)).shape == (1, 1, 128, 128)


def test_layers_go_64_128_down_256_and_128_64_up_with_dropout_after_pooling_and_skips() -> None:
    def two(n: int, size: int) -> list[tuple[str, tuple[int, ...]]]:
        return [("Conv2d", (n, size, size)), ("ReLU", (n, size, size))] * 2

    assert shapes_through(UNet().eval(), torch.zeros(1, 3, 32, 32)) == [
        *two(64, 32),
        ("Dropout2d", (64, 16, 16)),  # pooled
        *two(128, 16),
        ("Dropout2d", (128, 8, 8)),
        *two(256, 8),
        ("ConvTranspose2d", (128, 16, 16)),
        ("Dropout2d", (256, 16, 16)),  # with the skip
        *two(128, 16),
        ("ConvTranspose2d", (64, 32, 32)),
        ("Dropout2d", (128, 32, 32)),
        *two(64, 32),
        ("Conv2d", (1, 32, 32)),
    ]


def test_default_dropout_is_a_fifth() -> None:
    assert UNet().dropout.p == 0.2


def test_dropout_acts_in_training_only() -> None:
    network, image = UNet(UNetConfig(2, (8, 16), dropout=0.5)), torch.rand(1, 2, 8, 8)
    assert not torch.equal(network.train()(image), network(image))
    assert torch.equal(network.eval()(image), network(image))


@given(height=st.integers(1, 33), width=st.integers(1, 33), n=st.integers(1, 3))
def test_output_has_the_inputs_size(height: int, width: int, n: int) -> None:
    with torch.inference_mode():
        assert UNet(SMALL)(torch.rand(n, 2, height, width)).shape == (n, 1, height, width)


@given(
    channels=st.integers(1, 6),
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=5).map(tuple),
    normalisation=st.sampled_from(["none", "batch"]),
)
def test_depth_widths_and_normalisation_can_be_chosen(
    channels: int, widths: tuple[int, ...], normalisation: str
) -> None:
    network = UNet(UNetConfig(channels, widths, normalisation, 0.0)).eval()
    assert [block[0].out_channels for block in network.encoder] == list(widths[:-1])
    assert network.bottleneck[0].out_channels == widths[-1]
    kinds = {type(layer).__name__ for layer in network.modules()}
    assert ("BatchNorm2d" in kinds) == (normalisation == "batch")
    with torch.inference_mode():
        assert network(torch.rand(1, channels, 32, 32)).shape == (1, 1, 32, 32)


def test_probability_is_float32_between_0_and_1() -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        probability = UNet(SMALL)(1000 * torch.randn(1, 2, 16, 16))
    assert probability.dtype is torch.float32
    assert 0 <= probability.min() <= probability.max() <= 1


def test_logits_are_the_probability_before_the_sigmoid() -> None:
    network, image = UNet(SMALL).eval(), torch.rand(1, 2, 8, 8)
    torch.testing.assert_close(torch.sigmoid(network.logits(image)), network(image))


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": ()},
        {"widths": (8,)},
        {"widths": (8, 0)},
        {"in_channels": 0},
        {"normalisation": "layer"},
        {"dropout": 1.0},
        {"dropout": -0.1},
    ],
    ids=str,
)
def test_impossible_networks_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UNetConfig(**wrong)
