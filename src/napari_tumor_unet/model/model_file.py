"""A model in one .safetensors file: network, preprocessing and card."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_tumor_unet._common import atomic_write
from napari_tumor_unet.model.card import (
    Card,
    ModelError,
    ModelHeader,
    check_model,
    digest_of,
    file_hash,
    read_header,
)
from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.model.settings import Preprocessing
from napari_tumor_unet.model.unet import UNet


@dataclass(frozen=True)
class Model:
    """Network, preprocessing and card; ``hash`` is that of the model's file, empty for one never saved."""

    network: UNet
    preprocessing: Preprocessing
    card: Card
    hash: str = ""


def load_model(name_or_path: str | Path | None = None) -> Model:
    """Load a model by name, bundled or the user's own, or by its file; the default one without an argument.

    Raises
    ------
    ModelError
        If there is none, or the file is damaged, truncated, foreign, its weights do not fit its network, or
        are not those that were saved.
    """
    path = find_model(name_or_path)
    header = read_header(path)
    with torch.device("meta"):  # no memory, before the file is known to hold as many weights
        network = UNet(header.network)
    weights = _read_weights(path, network)
    check_model(path)
    network.load_state_dict(weights, assign=True)
    return Model(network.eval(), header.preprocessing, header.card, file_hash(path))


def save_model(model: Model, path: Path) -> Model:
    """Save a model, whole or not at all; convolutions in half precision, which no mask notices.

    Returns
    -------
    Model
        The same with its new hash.
    """
    weights = {
        name: weight.half() if weight.ndim > 1 else weight
        for name, weight in model.network.state_dict().items()
    }
    weights = {name: weight.cpu().contiguous() for name, weight in weights.items()}
    digest = digest_of(
        (name, str(weight.dtype), tuple(weight.shape), weight.reshape(-1).view(torch.uint8).numpy().tobytes())
        for name, weight in sorted(weights.items())
    )
    header = ModelHeader(model.network.config, model.preprocessing, model.card)
    with atomic_write(path) as partial:
        save_file(weights, partial, header.texts(digest))
    return dataclasses.replace(model, hash=file_hash(path))


def _read_weights(path: Path, network: UNet) -> dict[str, Tensor]:
    """Read the weights of a network, in its own types, once their shapes are known to fit."""
    expected = network.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            if shapes != {name: tuple(weight.shape) for name, weight in expected.items()}:
                raise ModelError(f"The weights in {path.name} do not fit its network.")
            stored = {name: file.get_tensor(name) for name in shapes}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The weights in {path.name} are damaged.") from error
    weights = {name: weight.to(expected[name].dtype, copy=True) for name, weight in stored.items()}
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise ModelError(f"The weights in {path.name} are damaged; fetch the file anew.")
    return weights


def channels_last(network: UNet) -> UNet:
    """Lay a network's weights out in memory as convolutions are fastest; return the network."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
