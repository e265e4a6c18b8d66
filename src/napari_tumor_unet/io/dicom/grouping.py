"""Group the images of a DICOM folder into stacks, where a series holds several."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

import numpy as np

from napari_tumor_unet.io.dicom.frame import Slice
from napari_tumor_unet.io.dicom.series import SAME_PLACE, Series, make_series

_STACK = 3  # slices of one orientation that are a stack of their own
_PLANNING = 20  # slices of each of three planes, at most, that serve to plan
_DIFFERENT: dict[str, Callable[[Slice], Hashable]] = {
    "TE {:g} ms": lambda one: one.acquisition.echo_time,
    "b {:g}": lambda one: one.acquisition.b_value,
    "time {:g}": lambda one: one.acquisition.time,
    "TI {:g} ms": lambda one: one.acquisition.inversion_time,
    "acquisition {:g}": lambda one: one.acquisition.number,
    "stack {}": lambda one: one.acquisition.stack,
    "{}": lambda one: " ".join(one.acquisition.image_type[2:]).lower(),
}
"""Fields that tell apart images of one place in one series, by how they are named."""


def sort_into_series(slices: Iterable[Slice]) -> list[Series]:
    """Sort images into series, by study and number; a SeriesInstanceUID may hold several."""
    slices = sorted(slices, key=lambda one: (one.series_number, one.number, str(one.file), one.frame))
    return [
        series
        for study, of_study in enumerate(_split(slices, lambda one: one.study).values(), start=1)
        for images in _split(of_study, lambda one: one.series).values()
        for series in _stacks(images, study)
    ]


def _stacks(images: list[Slice], study: int) -> list[Series]:
    """Sort images of one SeriesInstanceUID into series."""
    first = images[0]
    name = first.acquisition.description or f"series {first.series_number}"
    once = list({(one.image, one.frame, one.position): one for one in images}.values())
    notes = (f"{name} holds copies of slices, which were left out.",) if len(once) < len(images) else ()
    planes = _planes(once)
    if first.acquisition.is_localiser or _are_three_planes(once):
        problem = f"{name} is a localiser, taken to plan other series."
        return [Series(name, first.acquisition, tuple(once), problem=problem, notes=notes, study=study)]
    stacks = [
        (_joined(name, plane if len(planes) > 1 else "", label), stack)
        for plane, of_plane in planes
        for label, stack in _apart(of_plane)
    ]
    names = [name for name, _ in stacks]
    return [
        make_series(
            _joined(name, f"part {names[: i + 1].count(name)}" if names.count(name) > 1 else ""),
            stack,
            notes,
            study,
        )
        for i, (name, stack) in enumerate(stacks)
    ]


def _planes(images: list[Slice]) -> list[tuple[str, list[Slice]]]:
    """Group images by size and orientation, the largest group first; the few that fit no others are one."""
    groups: list[list[Slice]] = []
    for one in images:
        fitting = next((group for group in groups if one.fits(group[0])), None)
        if fitting is None:
            groups.append([one])
        else:
            fitting.append(one)
    if len(groups) == 1:
        return [(images[0].plane, images)]
    many = sorted((group for group in groups if len(group) >= _STACK), key=len, reverse=True)
    few = [one for group in groups if len(group) < _STACK for one in group]
    return [(group[0].plane, group) for group in many] + ([("other images", few)] if few else [])


def _are_three_planes(images: list[Slice]) -> bool:
    """Tell whether images are a few of each of three planes, as in localisers."""
    return len({one.plane for one in images} - {""}) == 3 and len(images) <= 3 * _PLANNING


def _apart(images: list[Slice], label: str = "") -> list[tuple[str, list[Slice]]]:
    """Tell apart stacks at one place by the first field that leaves each whole."""
    places = _count_places(images)
    if places == len(images):
        return [(label, images)]
    for words, value in _DIFFERENT.items():
        stacks = _split(images, value)
        if len(stacks) > 1 and all(_count_places(stack) > places / 2 for stack in stacks.values()):
            return [
                labelled
                for key, stack in stacks.items()
                for labelled in _apart(stack, _joined(label, "" if key in (None, "") else words.format(key)))
            ]
    return [(label, images)]


def _count_places(images: list[Slice]) -> int:
    """Count the places of images along their normal; each has its own, where places are unknown."""
    if not all(one.is_placed for one in images):
        return len(images)
    along = np.sort(np.array([one.position for one in images]) @ images[0].axes[:, 2])
    return 1 + int(np.count_nonzero(np.diff(along) > SAME_PLACE))


def _split(images: Iterable[Slice], key: Callable[[Slice], Hashable]) -> dict[Hashable, list[Slice]]:
    groups: dict[Hashable, list[Slice]] = {}
    for one in images:
        groups.setdefault(key(one), []).append(one)
    return groups


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)
