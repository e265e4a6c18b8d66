"""A model in one .safetensors file: network, preprocessing and card."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from napari_tumor_unet._common import atomic_write
from napari_tumor_unet.model.card import Card, ModelError, ModelHeader, file_hash, read_header
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
        If there is none, or the file is damaged, truncated, foreign, or its weights do not fit its
        network.
    """
    path = find_model(name_or_path)
    header = read_header(path)
    network = UNet(header.network)
    try:
        network.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"The weights in {path.name} do not fit its network.") from error
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
    texts = ModelHeader(model.network.config, model.preprocessing, model.card).texts()
    with atomic_write(path) as partial:
        save_file({name: weight.contiguous() for name, weight in weights.items()}, partial, texts)
    return dataclasses.replace(model, hash=file_hash(path))


def channels_last(network: UNet) -> UNet:
    """Lay a network's weights out in memory as convolutions are fastest; return the network."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
