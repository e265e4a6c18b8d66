"""What makes a segmentation fast leaves the mask as it was, against plain float32 of the trained network."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_tumor_unet.evaluation.overlap import dice
from napari_tumor_unet.inference import predict
from napari_tumor_unet.inference.predict import for_inference
from napari_tumor_unet.inference.regions import threshold_mask
from napari_tumor_unet.io.datasets.sample import sample_scan
from napari_tumor_unet.io.read import read_scan
from napari_tumor_unet.model.device import DeviceError, autocast
from napari_tumor_unet.model.model_file import Model, channels_last, load_model
from napari_tumor_unet.model.preprocessing import fit_preprocessing
from napari_tumor_unet.scan import Scan
from tests.conftest import Refused, make_phantom

Network = torch.nn.Module
Compute = Callable[[Network, torch.Tensor], torch.Tensor]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture(scope="module")
def sample() -> Scan:
    return read_scan(sample_scan())


@pytest.fixture(scope="module")
def inputs(model: Model, sample: Scan) -> torch.Tensor:
    return fit_preprocessing(sample, model.preprocessing).apply(sample, range(sample.shape[0]))


def mask(model: Model, sample: Scan, probability: torch.Tensor) -> np.ndarray:
    fitted = fit_preprocessing(sample, model.preprocessing)
    return threshold_mask(fitted.invert(probability, sample.shape[1:]), model.card.threshold)


def plainly(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([network(one[None])[:, 0] for one in inputs])


@pytest.fixture(scope="module")
def plain(model: Model, sample: Scan, inputs: torch.Tensor) -> np.ndarray:
    found = mask(model, sample, plainly(model.network.eval(), inputs))
    assert found.any()
    return found


def in_bfloat16(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return plainly(network, inputs).float()


def as_here(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    with autocast("cpu"):
        return plainly(network, inputs).float()


def in_one_batch(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(inputs)[:, 0]


def in_channels_last(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    network = channels_last(copy.deepcopy(network))
    return plainly(network, inputs.contiguous(memory_format=torch.channels_last))


def folded(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    return plainly(for_inference(network), inputs)


@pytest.mark.slow
@pytest.mark.parametrize("way", [in_bfloat16, as_here, in_one_batch, in_channels_last, folded])
def test_each_leaves_the_mask_as_it_was(
    way: Compute, model: Model, sample: Scan, inputs: torch.Tensor, plain: np.ndarray
) -> None:
    assert dice(mask(model, sample, way(model.network.eval(), inputs)), plain) >= 0.995


@pytest.mark.slow
def test_all_together_leave_the_mask_as_it_was(model: Model, sample: Scan, inputs: torch.Tensor) -> None:
    both = (plainly(model.network, inputs) + plainly(model.network, inputs.flip(-1)).flip(-1)) / 2
    expected = mask(model, sample, both)
    steps = predict.run(sample, model, device="cpu")
    found = np.zeros(sample.shape, np.uint8)
    for slices in steps:
        found[list(slices.indices)] |= slices.mask
    assert dice(found, expected) >= 0.995


def test_air_costs_no_computing_and_holds_no_tumour(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, _ = make_phantom((8, 64, 64))
    for voxels in scan.sequences.values():
        voxels[:3] = 0
    computed: list[int] = []
    compute = predict.predict

    def count(network: Network, inputs: torch.Tensor, device: str, *, tta_flip: bool) -> torch.Tensor:
        computed.append(len(inputs))
        return compute(network, inputs, device, tta_flip=tta_flip)

    monkeypatch.setattr(predict, "predict", count)
    found = {
        z: p for s in predict.run(scan, tiny_model) for z, p in zip(s.indices, s.probability, strict=True)
    }
    assert sum(computed) == 5
    assert not any(found[z].any() for z in range(3))
    assert found[5].any()


def test_a_gpu_without_memory_for_a_batch_gets_smaller_ones() -> None:
    sizes: list[int] = []

    def network(inputs: torch.Tensor) -> torch.Tensor:
        sizes.append(len(inputs))
        if len(inputs) > 1:
            raise torch.OutOfMemoryError
        return inputs

    inputs = torch.rand(5, 1, 4, 4)
    found = predict.predict(network, inputs, "cpu", tta_flip=False)
    torch.testing.assert_close(found, inputs[:, 0])
    assert sizes == [5, 3, 2, 1, 1, 1, 2, 1, 1]


def test_a_gpu_without_memory_for_one_slice_says_so(
    tiny_model: Model, sample: Scan, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(predict, "predict", too_large)
    with refused(DeviceError, "memory of cpu is not enough"):
        list(predict.run(sample, tiny_model, device="cpu"))
