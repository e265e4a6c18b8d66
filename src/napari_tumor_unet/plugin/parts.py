"""Which layers, or channels of one, are the sequences of a scan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from napari.layers import Image

from napari_tumor_unet.plugin.volumes import axes_of, voxels_of
from napari_tumor_unet.scan import SEQUENCES, Sequence

KEY = "napari-tumor-unet"
"""Where this plugin keeps what it knows of a layer, in the layer's metadata."""


@dataclass(frozen=True)
class Part:
    """A layer, or one channel of it."""

    image: Image
    channel: int | None = None


def parts_of(image: Image, images: Iterable[Image]) -> dict[str, Part]:
    """What may be a sequence of a layer's scan, by name: its channels, and other layers of its shape."""
    axes, shape = axes_of(image), voxels_of(image).shape
    if axes.channel is None:
        parts = {image.name: Part(image)}
    else:
        parts = {f"channel {i + 1}": Part(image, i) for i in range(shape[axes.channel])}
    plain = [shape[axis] for axis in axes.mask]
    for other in images:
        if other is not image and axes_of(other).channel is None and list(voxels_of(other).shape) == plain:
            parts[other.name] = Part(other)
    return parts


def guessed_parts(image: Image, images: Iterable[Image]) -> dict[Sequence, Part]:
    """Which layer or channel is which sequence, as far as it can be told; else empty.

    Three channels are those of the LGG data set. Layers that were read together know what they are.
    """
    channel, shape = axes_of(image).channel, voxels_of(image).shape
    known = image.metadata.get(KEY, {})
    # An alpha channel says nothing about the patient.
    if channel is not None and (image.rgb or shape[channel] in (1, len(SEQUENCES))):
        three = {sequence: Part(image, i) for i, sequence in enumerate(SEQUENCES)}
        return {"flair": Part(image, 0)} if shape[channel] == 1 else three
    if channel is not None:
        return {}
    alone: dict[Sequence, Part] = {"flair": Part(image)}
    if "sequence" not in known:
        return alone
    # Of several FLAIR in one study the one meant comes last.
    together = {
        other.metadata[KEY]["sequence"]: Part(other)
        for other in (*images, image)
        if scan_id(other) == known["scan_id"]
        and "sequence" in other.metadata[KEY]
        and voxels_of(other).shape == shape
    }
    return together if "flair" in together else alone


def scan_id(image: Image) -> str:
    """What the sequences of one scan have in common."""
    return image.metadata.get(KEY, {}).get("scan_id", str(image.unique_id))
