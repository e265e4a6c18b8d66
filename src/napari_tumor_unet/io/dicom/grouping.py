"""Images of a DICOM folder to stacks: what belongs together, where a series holds several."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

import numpy as np

from napari_tumor_unet.io.dicom.acquisition import Acquisition
from napari_tumor_unet.io.dicom.frame import Slice
from napari_tumor_unet.io.dicom.series import SAME_PLACE, Series, make_series

_STACK = 3  # slices of one orientation that are a stack of their own
_PLANNING = 20  # slices of each of three planes, at most, that serve to plan
_DIFFERENT: dict[str, Callable[[Acquisition], Hashable]] = {
    "TE {:g} ms": lambda a: a.echo_time,
    "b {:g}": lambda a: a.b_value,
    "time {:g}": lambda a: a.time,
    "TI {:g} ms": lambda a: a.inversion_time,
    "acquisition {:g}": lambda a: a.number,
    "stack {}": lambda a: a.stack,
    "{}": lambda a: " ".join(a.image_type[2:]).lower(),
}
"""What tells apart images of one place in one series, as it is named."""


def sort_into_series(slices: Iterable[Slice]) -> list[Series]:
    """All series among some images, by study and number; a SeriesInstanceUID may hold several."""
    slices = sorted(slices, key=lambda one: (one.series_number, one.number, str(one.file), one.frame))
    found: list[Series] = []
    for study, of_study in enumerate(_split(slices, lambda one: one.study).values(), start=1):
        for images in _split(of_study, lambda one: one.series).values():
            found += _stacks(images, study)
    return found


def _stacks(images: list[Slice], study: int) -> list[Series]:
    """The series among images of one SeriesInstanceUID."""
    first = images[0]
    name = first.acquisition.description or f"series {first.series_number}"
    once = list({(one.image, one.frame, one.position): one for one in images}.values())
    notes = (f"{name} holds copies of slices, which were left out.",) if len(once) < len(images) else ()
    planes = _planes(once)
    if first.acquisition.is_localiser or _are_three_planes([plane for _, plane in planes]):
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
    """Images of one size and orientation each, most first; the few that fit no others are together."""
    groups: list[list[Slice]] = []
    for one in images:
        fitting = next((group for group in groups if one.fits(group[0])), None)
        if fitting is None:
            groups.append([one])
        else:
            fitting.append(one)
    if len(groups) == 1:
        return [(_plane(images[0]), images)]
    many = sorted((group for group in groups if len(group) >= _STACK), key=len, reverse=True)
    few = [one for group in groups if len(group) < _STACK for one in group]
    return [(_plane(group[0]), group) for group in many] + ([("other images", few)] if few else [])


def _plane(one: Slice) -> str:
    if not one.is_placed:
        return ""
    return ("sagittal", "coronal", "axial")[int(np.abs(one.axes[:, 2]).argmax())]


def _are_three_planes(groups: list[list[Slice]]) -> bool:
    """Whether there are a few images of each of three planes, as localisers have them."""
    images = [one for group in groups for one in group]
    return len({_plane(one) for one in images} - {""}) == 3 and len(images) <= 3 * _PLANNING


def _apart(images: list[Slice], label: str = "") -> list[tuple[str, list[Slice]]]:
    """Several stacks at one place, told apart by the first of some fields that leaves each whole."""
    places = _places(images)
    if places == len(images):
        return [(label, images)]
    for words, value in _DIFFERENT.items():
        parts: dict[Hashable, list[Slice]] = {}
        for one in images:
            parts.setdefault(value(one.acquisition), []).append(one)
        if len(parts) > 1 and all(_places(part) > places / 2 for part in parts.values()):
            return [
                stack
                for key, part in parts.items()
                for stack in _apart(part, _joined(label, words.format(key) if key not in (None, "") else ""))
            ]
    return [(label, images)]


def _places(images: list[Slice]) -> int:
    """How many places along the normal are taken; all, where places are unknown."""
    if not all(one.is_placed for one in images):
        return len(images)
    along = np.sort(np.array([one.position for one in images]) @ images[0].axes[:, 2])
    return 1 + int(np.count_nonzero(np.diff(along) > SAME_PLACE))


def _split(images: Iterable[Slice], key: Callable[[Slice], Hashable]) -> dict[Hashable, list[Slice]]:
    parts: dict[Hashable, list[Slice]] = {}
    for one in images:
        parts.setdefault(key(one), []).append(one)
    return parts


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)
