"""Model cards: what a model is, read from its file without loading the network.

A model file is safetensors: weights, and three JSON texts in its header: ``network``, ``preparation``
and ``card``. It is data, whoever it comes from: nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from napari_tumor_unet._common import TumourUnetError

FORMAT = "napari-tumor-unet/1"
NOT_FOR_THE_CLINIC = "For research, not for clinical use."


@dataclass(frozen=True)
class Card:
    """What a user should know of a model.

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
    smallest_region : float
        Weight under which a connected region is dropped, as a share of the heaviest one's; see
        :func:`napari_tumor_unet.inference.regions.drop_faint_regions`.
    mirrored : bool
        Whether the probability is averaged with that of the mirrored head.
    parent : str
        Hash of the model that it was tuned from, if any.
    data : tuple of str
        Hashes of the scans and masks that it was tuned on: of voxels, types and shapes.
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
    threshold: float = 0.5
    smallest_region: float = 0.0
    mirrored: bool = False
    parent: str = ""
    data: tuple[str, ...] = ()


class ModelError(TumourUnetError, ValueError):
    """A model that cannot be used; the message is one sentence that says why."""


def read_card(path: Path) -> Card:
    """Read a model file's card; a model is called as its file is.

    Raises
    ------
    ModelError
        If the file is missing, damaged, truncated, or no model of this kind.
    """
    values = read_header(path)["card"]
    known = {f.name for f in fields(Card)}
    if not isinstance(values, dict) or "name" not in values:
        raise ModelError(f"The card of {path.name} is damaged.")
    # Cards of later versions may say more.
    texts: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in values.items() if key in known
    }
    card = Card(**texts)
    if not _is_sound(card):
        raise ModelError(f"The card of {path.name} is damaged.")
    return replace(card, name=path.name.removesuffix(".safetensors"))


def _is_sound(card: Card) -> bool:
    """Whether each entry has its type, and the shares are shares."""
    blank = Card("")
    shares = ("threshold", "smallest_region")
    names = [f.name for f in fields(Card) if f.name not in shares]
    typed = all(isinstance(getattr(card, name), type(getattr(blank, name))) for name in names)
    values = [getattr(card, name) for name in shares]
    return typed and all(isinstance(value, int | float) and 0 <= value <= 1 for value in values)


def read_header(path: Path) -> dict[str, Any]:
    """The JSON texts of a model file's header, parsed.

    Raises
    ------
    ModelError
        As :func:`read_card`.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError as error:
        raise ModelError(f"The model file {path.name} is gone.") from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path.name} is damaged or no model file (.safetensors).") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path.name} holds weights, but no Tumour U-Net model ({FORMAT}).")
    try:
        return {key: json.loads(metadata[key]) for key in ("network", "preparation", "card")}
    except (KeyError, json.JSONDecodeError) as error:
        raise ModelError(f"The header of {path.name} is damaged.") from error


def file_hash(path: Path) -> str:
    """SHA-256 of a model file: what a result names as its model."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
