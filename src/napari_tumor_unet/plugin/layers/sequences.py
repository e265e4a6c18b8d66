"""Which layers, or channels of one, are the sequences of a scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from napari.layers import Image

from napari_tumor_unet.plugin.layers.descriptions import Said, read_said, sequence_said
from napari_tumor_unet.plugin.layers.lazy_volume import axes_of, voxels_of
from napari_tumor_unet.plugin.layers.metadata import image_metadata
from napari_tumor_unet.plugin.layers.transforms import common_grids
from napari_tumor_unet.scan import SEQUENCES, Sequence
from napari_tumor_unet.scan.combine import relation
from napari_tumor_unet.scan.sequence_names import (
    SHORT_TITLES,
    find_sequences,
    may_be_one_patient,
    sequence_named,
    stem_of,
)


@dataclass(frozen=True)
class Part:
    """A layer, or one channel of it."""

    image: Image
    channel: int | None = None


@dataclass(frozen=True)
class Choice:
    """What the user knows better of a scan than its layer tells.

    Attributes
    ----------
    parts : mapping of {"pre", "flair", "post"} to Part
        Which layer or channel is which sequence; empty for what :func:`guess_parts` makes of it.
    across : int
        Which of FLAIR's last three axes the slices lie along.
    turn : int
        Quarter turns, counter-clockwise, that bring the front of the head up.
    """

    parts: Mapping[Sequence, Part] = field(default_factory=dict)
    across: int = 0
    turn: int = 0


@dataclass(frozen=True)
class Guess:
    """What metadata and names tell.

    Attributes
    ----------
    parts : dict of {"pre", "flair", "post"} to Part
        As far as it is clear; empty if FLAIR is not.
    unclear : str
        One sentence on what is not; else empty.
    """

    parts: dict[Sequence, Part]
    unclear: str = ""


def parts_of(image: Image, images: Iterable[Image]) -> dict[str, Part]:
    """What may be a sequence of a layer's scan, by name: its channels, and other layers that lie there."""
    channel = axes_of(image).channel
    if channel is None:
        parts = {image.name: Part(image)}
    else:
        parts = {f"channel {i + 1}": Part(image, i) for i in range(voxels_of(image).shape[channel])}
    return parts | {other.name: Part(other) for other in images if other is not image and _fits(other, image)}


def guess_parts(image: Image, images: Iterable[Image]) -> Guess:
    """Which layer or channel is which sequence.

    Three channels are those of the LGG data set. Layers that were read together know what they are. Others
    of the same patient are found by their names. What says nothing of itself is FLAIR.
    """
    channel, shape = axes_of(image).channel, voxels_of(image).shape
    # An alpha channel says nothing about the patient.
    if channel is not None and (image.rgb or shape[channel] in (1, len(SEQUENCES))):
        three: dict[Sequence, Part] = {sequence: Part(image, i) for i, sequence in enumerate(SEQUENCES)}
        return Guess({"flair": Part(image, 0)} if shape[channel] == 1 else three)
    if channel is not None:
        return Guess({})
    images = list(images)
    together = [o for o in images if scan_id(o) == scan_id(image)]
    named = [(image_metadata(other).sequence, other) for other in together]
    parts: dict[Sequence, Part] = {sequence: Part(other) for sequence, other in named if sequence}
    if "flair" in parts and 1 < len(parts) == sum(sequence is not None for sequence, _ in named):
        return Guess(parts)
    return _guess_by_name(image, images)


def told(parts: Mapping[Sequence, Part]) -> str:
    """Which sequences there are, and which of them lie on another grid than FLAIR."""
    if "flair" not in parts:
        return ""
    moved = resampled(parts)
    titles = {s: title for s, title in SHORT_TITLES.items() if s in parts}
    return " + ".join(f"{title} (resampled)" if s in moved else title for s, title in titles.items())


def resampled(parts: Mapping[Sequence, Part]) -> set[Sequence]:
    """Which sequences lie on another grid than FLAIR."""
    flair = parts["flair"].image
    return {s for s, part in parts.items() if part.image is not flair and _lies_aside(part.image, flair)}


def scan_id(image: Image) -> str:
    """What the sequences of one scan have in common."""
    return image_metadata(image).scan_id or str(image.unique_id)


def is_flair(image: Image) -> bool:
    """Whether a layer was read as the FLAIR of a scan: what one looks at."""
    return image_metadata(image).sequence == "flair"


def sequence_of(image: Image, said: Said) -> Sequence | None:
    """What a layer is, as the user said of its description, the file says, or the name."""
    known: Sequence | None = sequence_said(image.name, said) or image_metadata(image).sequence
    return known or sequence_named(image.name)


def _guess_by_name(image: Image, images: list[Image]) -> Guess:
    said = read_said()
    known = {other.name: sequence_of(other, said) for other in images if axes_of(other).channel is None}
    flairs = [other for other in images if known.get(other.name) == "flair"]
    own = known.get(image.name)

    def is_kin(other: Image) -> bool:
        return other is not image and _may_be_one_patient(other, image, len(flairs))

    candidates = [image] if own == "flair" else [other for other in flairs if is_kin(other)]
    alike = [other for other in candidates if stem_of(other.name) == stem_of(image.name)]
    candidates = alike if len(candidates) > 1 else candidates
    if own is None or len(candidates) != 1:
        return Guess({"flair": Part(image)})
    flair = candidates[0]
    rivals = [other for other in flairs if other is not flair and is_kin(other)]
    kin = {
        other.name: other
        for other in images
        if known.get(other.name) in ("pre", "post")
        and _may_be_one_patient(other, flair, len(flairs))
        and (not rivals or stem_of(other.name) == stem_of(flair.name))
        and _fits(other, flair)
    }
    if own != "flair" and image.name not in kin:  # it lies elsewhere
        return Guess({"flair": Part(image)})
    found = find_sequences(kin, flair=flair.name, given=known)
    parts = {sequence: Part(kin[name]) for sequence, name in found.names.items() if name in kin}
    return Guess({"flair": Part(flair), **parts}, found.unclear)


def _may_be_one_patient(one: Image, other: Image, flairs: int) -> bool:
    if scan_id(one) == scan_id(other):
        return True
    studies = [image_metadata(image).study for image in (one, other)]
    if None not in studies:
        return studies[0] == studies[1]
    return may_be_one_patient(one.name, other.name, flairs=flairs)


def _fits(other: Image, image: Image) -> bool:
    """Whether a layer without channels lies where an image does, or is of its shape."""
    axes, own = axes_of(image), axes_of(other)
    if own.channel is not None or len(own.spatial) != len(axes.spatial):
        return False
    shape, plain = voxels_of(image).shape, tuple(voxels_of(other).shape)
    if plain == tuple(shape[axis] for axis in axes.mask):
        return True
    return _lies_aside(other, image)


def _lies_aside(other: Image, image: Image) -> bool:
    return relation(*common_grids(other, image)) == "other"
