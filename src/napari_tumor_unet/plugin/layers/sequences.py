"""Which layers, or channels of one, are the sequences of a scan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from napari.layers import Image

from napari_tumor_unet.plugin.layers.descriptions import (
    Descriptions,
    described_sequence,
    read_descriptions,
)
from napari_tumor_unet.plugin.layers.lazy_volume import axes_of, voxels_of
from napari_tumor_unet.plugin.layers.metadata import image_metadata
from napari_tumor_unet.plugin.layers.transforms import common_grids
from napari_tumor_unet.scan import SEQUENCES, Sequence
from napari_tumor_unet.scan.combine import compare_grids
from napari_tumor_unet.scan.sequence_names import (
    SHORT_TITLES,
    TITLES,
    find_sequences,
    may_be_one_patient,
    sequence_named,
    speaks_of_sequence,
    stem_of,
)


@dataclass(frozen=True)
class Channel:
    """A layer, or one channel of a layer."""

    image: Image
    index: int | None = None


@dataclass(frozen=True)
class SequenceAssignment:
    """Which channels are the sequences of a scan, and how its slices lie.

    Attributes
    ----------
    channels : mapping of {"pre", "flair", "post"} to Channel
        As far as they are known; of a guess empty if FLAIR is not.
    across : int
        Which of FLAIR's last three axes the slices lie along.
    turn : int
        Quarter turns, counter-clockwise, that bring the front of the head up.
    unclear : str
        One sentence on what cannot be guessed; else empty.
    corrected : bool
        Whether the user corrected the guess.
    """

    channels: Mapping[Sequence, Channel] = field(default_factory=dict)
    across: int = 0
    turn: int = 0
    unclear: str = ""
    corrected: bool = False

    @cached_property
    def resampled(self) -> frozenset[Sequence]:
        """The sequences that lie on another grid than FLAIR."""
        if "flair" not in self.channels:
            return frozenset()
        flair = self.channels["flair"].image
        others = {s: c.image for s, c in self.channels.items() if c.image is not flair}
        return frozenset(s for s, image in others.items() if _is_on_other_grid(image, flair))

    def describe(self) -> str:
        """List the sequences, and which of them are resampled; empty without FLAIR."""
        if "flair" not in self.channels:
            return ""
        titles = {s: title for s, title in SHORT_TITLES.items() if s in self.channels}
        return " + ".join(f"{t} (resampled)" if s in self.resampled else t for s, t in titles.items())


def candidate_channels(image: Image, images: Iterable[Image]) -> dict[str, Channel]:
    """Return what may be a sequence of a layer's scan, by name: its channels, and layers that lie there."""
    axis = axes_of(image).channel
    if axis is None:
        channels = {image.name: Channel(image)}
    else:
        channels = {f"channel {i + 1}": Channel(image, i) for i in range(voxels_of(image).shape[axis])}
    others = {other.name: Channel(other) for other in images if other is not image and _fits(other, image)}
    return channels | others


def guess_sequences(image: Image, images: Iterable[Image]) -> SequenceAssignment:
    """Guess the sequences of a layer's scan from metadata and names.

    Three channels are those of the LGG data set. Layers that were read together know what they are. Others
    of the same patient are found by their names. What says nothing of itself is FLAIR.
    """
    axis, shape = axes_of(image).channel, voxels_of(image).shape
    # An alpha channel says nothing about the patient.
    if axis is not None and (image.rgb or shape[axis] in (1, len(SEQUENCES))):
        three: dict[Sequence, Channel] = {sequence: Channel(image, i) for i, sequence in enumerate(SEQUENCES)}
        return SequenceAssignment({"flair": Channel(image, 0)} if shape[axis] == 1 else three)
    if axis is not None:
        return SequenceAssignment()
    images = list(images)
    together = [other for other in images if scan_id(other) == scan_id(image)]
    named = [(image_metadata(other).sequence, other) for other in together]
    channels: dict[Sequence, Channel] = {sequence: Channel(other) for sequence, other in named if sequence}
    if "flair" in channels and 1 < len(channels) == sum(sequence is not None for sequence, _ in named):
        return SequenceAssignment(channels)
    return _guess_by_name(image, images)


def scan_id(image: Image) -> str:
    """Return what the sequences of one scan have in common."""
    return image_metadata(image).scan_id or str(image.unique_id)


def file_of(image: Image) -> tuple[str, str]:
    """Return what two layers of one file have in common: path, and name; napari counts the names."""
    return image.source.path or str(image.unique_id), re.sub(r" \[\d+\]$", "", image.name)


def is_flair(image: Image) -> bool:
    """Whether a layer was read as the FLAIR of a scan: what one looks at."""
    return image_metadata(image).sequence == "flair"


def sequence_of(image: Image, descriptions: Descriptions) -> Sequence | None:
    """Return the sequence of a layer by its description, as the user corrected it, its file or its name."""
    sequence: Sequence | None = described_sequence(image.name, descriptions) or image_metadata(image).sequence
    return sequence or sequence_named(image.name)


def may_be_compared(one: Image, other: Image, images: Iterable[Image]) -> bool:
    """Whether two of some layers may be of one patient, and lie in one space."""
    if len(axes_of(one).spatial) != len(axes_of(other).spatial):
        return False
    descriptions = read_descriptions()
    flairs = sum(sequence_of(image, descriptions) == "flair" for image in images)
    related = _may_be_one_patient(one, other, flairs) and compare_grids(*common_grids(one, other))
    return related in ("same", "other")


def _guess_by_name(image: Image, images: list[Image]) -> SequenceAssignment:
    descriptions = read_descriptions()
    named = {
        other.name: sequence_of(other, descriptions) for other in images if axes_of(other).channel is None
    }
    flairs = [other for other in images if named.get(other.name) == "flair"]
    own = named.get(image.name)

    def is_kin(other: Image) -> bool:
        return other is not image and _may_be_one_patient(other, image, len(flairs))

    candidates = [image] if own == "flair" else [other for other in flairs if is_kin(other)]
    alike = [other for other in candidates if stem_of(other.name) == stem_of(image.name)]
    candidates = alike if len(candidates) > 1 else candidates
    # A T2, say, leads to the FLAIR that is named as it is, as a T1 does; what says nothing is FLAIR.
    leads = own is not None or (len(alike) == 1 and speaks_of_sequence(image.name))
    if not leads or len(candidates) != 1:
        unclear = "" if own in (None, "flair") else f"{image.name} is {TITLES[own]}; open its FLAIR as well."
        return SequenceAssignment({"flair": Channel(image)}, unclear=unclear)
    flair = candidates[0]
    rivals = [other for other in flairs if other is not flair and is_kin(other)]
    kin = {
        other.name: other
        for other in images
        if named.get(other.name) in ("pre", "post")
        and _may_be_one_patient(other, flair, len(flairs))
        and (not rivals or stem_of(other.name) == stem_of(flair.name))
        and _fits(other, flair)
    }
    lies_elsewhere = own in ("pre", "post") and image.name not in kin
    if lies_elsewhere or (own is None and not _fits(image, flair)):
        return SequenceAssignment({"flair": Channel(image)})
    sequences = find_sequences(kin, flair=flair.name, given=named)
    channels = {s: Channel(kin[name]) for s, name in sequences.names.items() if name in kin}
    return SequenceAssignment({"flair": Channel(flair), **channels}, unclear=sequences.unclear)


def _may_be_one_patient(one: Image, other: Image, flairs: int) -> bool:
    if scan_id(one) == scan_id(other):
        return True
    studies = [image_metadata(image).study for image in (one, other)]
    if None not in studies:
        return studies[0] == studies[1]
    (path, name), (of_other, other_name) = file_of(one), file_of(other)
    if name == other_name and path != of_other:  # files of one name, of as many patients
        return False
    return may_be_one_patient(one.name, other.name, flairs=flairs)


def _fits(other: Image, image: Image) -> bool:
    """Whether a layer without channels lies where an image does, or is of its shape."""
    axes, own = axes_of(image), axes_of(other)
    if own.channel is not None or len(own.spatial) != len(axes.spatial):
        return False
    shape, plain = voxels_of(image).shape, tuple(voxels_of(other).shape)
    if plain == tuple(shape[axis] for axis in axes.mask):
        return True
    return _is_on_other_grid(other, image)


def _is_on_other_grid(other: Image, image: Image) -> bool:
    return compare_grids(*common_grids(other, image)) == "other"
