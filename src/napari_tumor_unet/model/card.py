"""The header of a model file, with the model's card; reading it loads no network and no torch.

A model file is safetensors: weights, and three JSON texts in its header: ``network``, ``preparation``
and ``card``, with a ``digest`` of the weights. It is data, whoever it comes from: nothing in it is ever
executed.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from safetensors import SafetensorError, safe_open

from napari_tumor_unet._common import TumourUnetError, regular_file
from napari_tumor_unet.model.settings import (
    LATER,
    Preprocessing,
    UNetConfig,
    later_defaults,
    needs_too_much_memory,
)

FORMAT = "napari-tumor-unet/1"
NOT_FOR_THE_CLINIC = "For research, not for clinical use."
NO_DIGEST = "The file carries no digest of its weights: damage to them would not be noticed."
NOT_CHECKED = (
    "This model's masks are not checked for being no tumour: whatever else stands here, none comes with a "
    "warning of that."
)

_TORCH_TYPES = {
    "F16": "torch.float16",
    "BF16": "torch.bfloat16",
    "F32": "torch.float32",
    "F64": "torch.float64",
    "I64": "torch.int64",
}

Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class MaskLimits:
    """What masks of tumours have at least, measured on masks of one model; see ``inference.result_check``.

    Attributes
    ----------
    mean_probability : float
        Of the mask's voxels, at the model's own threshold.
    contrast : float
        In FLAIR to the mirrored side, in robust standard deviations of the brain's tissue.
    volume_ml : float
    """

    mean_probability: float
    contrast: float
    volume_ml: float


@dataclass(frozen=True)
class CellScout:
    """A linear layer that tells from the network's bottleneck in which cells there is no tumour.

    Attributes
    ----------
    weights : tuple of float
        Of each filter of the bottleneck.
    limit : float
        What gives less has no tumour.
    """

    weights: tuple[Number, ...]
    limit: Number


@dataclass(frozen=True)
class Card:
    """What a user should know of a model; entries that later versions add to a file are ignored.

    Attributes
    ----------
    name : str
        What it is called in lists.
    summary : str
        One sentence.
    intended_use : str
        What it is for, and what not.
    training_data : str
        What it learned from, and which patients.
    training : str
        For how long, on what, with which recipe.
    scores : mapping
        What was measured, on what, with spread.
    limits : tuple of str
        Known failures.
    licence : str
        Of the weights.
    citations : tuple of str
        To be named with results.
    threshold : float
        Probability from which a voxel counts as tumour.
    min_region_weight : float
        Weight under which a connected region is dropped, as a share of the heaviest one's; see
        :func:`napari_tumor_unet.inference.regions.drop_faint_regions`; ``smallest_region`` in files.
    tta_flip : bool
        Whether the probability is averaged with that of the mirrored head; ``mirrored`` in files.
    parent : str
        Hash of the model that it was tuned from, if any.
    data : tuple of str
        Hashes of the scans and masks that it and its parents were tuned on: of voxels, types and shapes.
    doubtful_under : MaskLimits or None
        Masks with less come with a warning; None where nobody measured that. Fine-tuned models have their
        parent's, which hold for them too: see docs/models.md.
    slice_distance_mm : float
        Of slices closer than that some are computed, and the others interpolated; 0 is none.
    scout_stride : int
        Of the slices to compute every so manyth comes first, and those between only beside one in which
        something was seen; 1 is all.
    cell_scout : CellScout or None
        What says where no tumour may be, so that the network is left out there; None is nowhere, as in
        fine-tuned models.
    advised_against : str
        Why it was recommended to discard a fine-tuned model, if it was; nobody prefers such a model unasked.
    patients : tuple of str
        Codes of the public patients that it and its parents learned from, as
        :func:`napari_tumor_unet.scan.patient_names.patient_of` tells them; nobody else is named in a card.
    """

    name: str
    summary: str = ""
    intended_use: str = NOT_FOR_THE_CLINIC
    training_data: str = ""
    training: str = ""
    scores: dict[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    licence: str = ""
    citations: tuple[str, ...] = ()
    threshold: Share = 0.5
    min_region_weight: Annotated[Share, Field(alias="smallest_region")] = 0.0
    tta_flip: Annotated[bool, Field(alias="mirrored")] = False
    parent: str = ""
    data: tuple[str, ...] = ()
    doubtful_under: MaskLimits | None = field(default=None, metadata=LATER)
    slice_distance_mm: Annotated[float, Field(ge=0)] = field(default=0.0, metadata=LATER)
    scout_stride: Annotated[int, Field(ge=1, lt=2**31)] = field(default=1, metadata=LATER)
    cell_scout: CellScout | None = field(default=None, metadata=LATER)
    advised_against: str = field(default="", metadata=LATER)
    patients: tuple[str, ...] = field(default=(), metadata=LATER)


@dataclass(frozen=True)
class ModelHeader:
    """The header of a model file: the settings of its network and of the network's input, and its card."""

    network: UNetConfig
    preprocessing: Annotated[Preprocessing, Field(alias="preparation")]
    card: Card

    def texts(self, digest: str) -> dict[str, str]:
        """Return the JSON of each entry, as a model file holds it, with the digest of the weights."""
        entries = _HEADER.dump_python(self, by_alias=True, exclude=later_defaults(self))
        texts = {name: json.dumps(entry) for name, entry in entries.items()}
        return {"format": FORMAT, "digest": digest} | texts


_HEADER = TypeAdapter(ModelHeader)
_CARD = TypeAdapter(Card)
_NETWORK = TypeAdapter(UNetConfig)
_PREPROCESSING = TypeAdapter(Preprocessing)


class ModelError(TumourUnetError, ValueError):
    """A model that cannot be used; the message is one sentence that says why."""


def read_card(path: Path) -> Card:
    """Read a model file's card; the name of the file is the model's.

    Raises
    ------
    ModelError
        If the file is missing, damaged, truncated, or no model of this kind.
    """
    return read_header(path).card


def read_header(path: Path) -> ModelHeader:
    """Read the header of a model file.

    Raises
    ------
    ModelError
        As :func:`read_card`.
    """
    texts = _read_texts(path)
    if texts.get("format") != FORMAT:
        raise ModelError(f"{path.name} holds weights, but no Tumour U-Net model ({FORMAT}).")
    if not {"network", "preparation", "card"} <= texts.keys():
        raise ModelError(f"The header of {path.name} is damaged.")
    try:
        card = _CARD.validate_json(texts["card"], strict=True)
    except ValueError as error:
        raise ModelError(f"The card of {path.name} is damaged.") from error
    try:
        network = _NETWORK.validate_json(texts["network"])
        preprocessing = _PREPROCESSING.validate_json(texts["preparation"])
        scout = card.cell_scout
        if network.in_channels != preprocessing.channels or (
            scout is not None and len(scout.weights) != network.widths[-1]
        ):
            raise ValueError
    except ValueError as error:
        raise ModelError(f"{path.name} describes no network that this version can build.") from error
    if needs_too_much_memory(network, preprocessing):
        raise ModelError(f"{path.name} describes a network that needs more memory than this version grants.")
    return ModelHeader(network, preprocessing, replace(card, name=path.name.removesuffix(".safetensors")))


def weights_digest(path: Path) -> str:
    """Return the digest that a model file tells of its weights; empty in files of earlier versions.

    Raises
    ------
    ModelError
        If the file is missing or damaged.
    """
    return _read_texts(path).get("digest", "")


def check_model(path: Path) -> None:
    """Check that a model file can be read, and that its weights are those that it tells a digest of.

    Raises
    ------
    ModelError
        As :func:`read_card`, or if they are not.
    """
    read_header(path)
    if not (digest := weights_digest(path)):
        return
    try:
        is_whole = digest == digest_of(_stored_weights(path))
    except OSError as error:
        raise ModelError(f"The weights in {path.name} are damaged.") from error
    if not is_whole:
        raise ModelError(
            f"{path.name} is damaged: its weights are not those that its card names; fetch the file anew."
        )


def _stored_weights(path: Path) -> Iterator[tuple[str, str, tuple[int, ...], memoryview]]:
    """Yield the weights of a model file whose header was read, without taking memory for them."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
    ):
        start = 8 + int.from_bytes(view[:8], "little")
        entries = json.loads(bytes(view[8:start]))
        for name, entry in sorted(entries.items()):
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                with view[start + begin : start + end] as weights:
                    yield name, _TORCH_TYPES.get(entry["dtype"], ""), tuple(entry["shape"]), weights


def digest_of(weights: Iterable[tuple[str, str, tuple[int, ...], bytes | memoryview]]) -> str:
    """Return the SHA-256 of weights in order of their names: name, type (as torch names it), shape, bytes."""
    digest = hashlib.sha256()
    for name, dtype, shape, content in weights:
        digest.update(f"{name} {dtype} {shape} ".encode())
        digest.update(content)
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a model file: what a result names as its model.

    Raises
    ------
    ModelError
        If the file cannot be read.
    """
    try:
        with regular_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"The model file {path.name} cannot be read: {error.strerror}.") from error


def _read_texts(path: Path) -> dict[str, str]:
    try:
        with safe_open(regular_file(path), framework="numpy") as file:
            return file.metadata() or {}
    except FileNotFoundError as error:
        raise ModelError(f"The model file {path.name} is gone.") from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path.name} is damaged or no model file (.safetensors).") from error
