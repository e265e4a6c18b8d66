"""Check cases before a fine-tuning: which slices are annotated, and what a case is worth to a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from napari_tumor_unet._common import plural
from napari_tumor_unet.io.write import UNEDITED

_OWN = f"{UNEDITED}: left out; edit it, or mark slices as checked."
_NONE_HELD_OUT = "No held-out score: "


@dataclass(frozen=True)
class AnnotationStatus:
    """Which slices of a mask are labelled, edited or checked.

    Attributes
    ----------
    total : int
        How many slices there are.
    labelled, checked : tuple of int
        Slices with labels; those that the user marked as checked.
    edited : tuple of int or None
        Slices that are not as a model wrote them; None where no model wrote the mask.
    made_by : str
        The hash of the model that wrote the mask, if one did.
    segmented : int or None
        How many slices that model has segmented; None for all, and where none did.
    """

    total: int
    labelled: tuple[int, ...]
    checked: tuple[int, ...] = ()
    edited: tuple[int, ...] | None = None
    made_by: str = ""
    segmented: int | None = None

    @property
    def edited_or_checked(self) -> tuple[int, ...]:
        """Slices edited or checked; of a mask that no model wrote, those with labels count as edited."""
        edited = self.labelled if self.edited is None else self.edited
        return tuple(sorted({*edited, *self.checked}))

    @property
    def worth(self) -> int:
        """Which of several masks of a scan counts: least one drawn by hand, then one corrected or checked."""
        if self.edited is None and self.labelled:
            return 0
        return 1 if self.edited_or_checked else 2

    @property
    def unedited(self) -> bool:
        """Whether the mask is as a model wrote it, and nobody said of any slice that it is right."""
        return self.edited == () and not self.checked


@dataclass(frozen=True)
class CaseCheck:
    """Verdict on a scan with its mask before it is learned from; the message is one short sentence."""

    status: Literal["ok", "warning", "error"]
    message: str
    left_out: bool = False

    @property
    def usable(self) -> bool:
        """Whether it can teach or judge."""
        return self.status != "error" and not self.left_out


def annotation_of(
    mask: Any,
    written: Any = None,
    checked: Collection[int] = (),
    made_by: str = "",
    segmented: int | None = None,
) -> AnnotationStatus:
    """Find out which slices of a mask are labelled, edited or checked.

    Parameters
    ----------
    mask : array of int
        (Z, Y, X); it is read slice by slice.
    written : array of int, optional
        The mask as a model last wrote it.
    checked : collection of int
        Slices that the user marked as checked.
    made_by : str
        The hash of the model that wrote the mask, if one did.
    segmented : int, optional
        How many slices that model has segmented, if not all.
    """
    total = len(mask)
    labelled = tuple(z for z in range(total) if np.any(mask[z]))
    edited = None
    if written is not None:
        edited = tuple(z for z in range(total) if not np.array_equal(mask[z], written[z]))
    checked = tuple(sorted(z for z in set(checked) if 0 <= z < total))
    return AnnotationStatus(total, labelled, checked, edited, made_by, segmented)


def check(
    annotation: AnnotationStatus,
    *,
    only_checked: bool = False,
    held_out: bool = False,
    model_hash: str = "",
    learned: bool = False,
    in_another_row: bool = False,
) -> CaseCheck:
    """Judge what a scan with its mask is worth to a model.

    Parameters
    ----------
    annotation : AnnotationStatus
        Of the mask.
    only_checked : bool
        Whether slices count only if they were edited or checked.
    held_out : bool
        Whether it is to judge the model.
    model_hash : str
        The hash of the model that is to learn.
    learned : bool
        Whether this model has learned from just this before.
    in_another_row : bool
        Whether the scan is listed once more, with the mask that counts for it.
    """
    if only_checked and not annotation.edited_or_checked:
        return CaseCheck("warning", "No slice edited or marked as checked: left out.", left_out=True)
    if annotation.unedited and in_another_row:
        return CaseCheck("warning", "Not edited, and the scan has another mask: left out.", left_out=True)
    if in_another_row:
        another = "Another mask of this scan counts: left out; remove that row to take this one."
        return CaseCheck("warning", another, left_out=True)
    does = "proves" if held_out else "teaches"
    if learned:
        used = "This model has learned from it already"
        return CaseCheck("warning", f"{used}: a score on it proves nothing." if held_out else f"{used}.")
    if annotation.unedited:
        if annotation.made_by and annotation.made_by == model_hash:
            return CaseCheck("warning", _OWN, left_out=True)
        return CaseCheck(
            "warning", f"Made by another model and not edited: it {does} only what that one thinks."
        )
    if not annotation.labelled:
        return CaseCheck("warning", f"The mask is empty: it {does} that there is no tumour.")
    if annotation.segmented is not None and annotation.segmented < annotation.total and not only_checked:
        part = f"Only {annotation.segmented} of {annotation.total} slices were segmented"
        return CaseCheck("warning", f"{part}: it {does} that there is no tumour in the others.")
    if not only_checked:
        return CaseCheck(
            "ok", f"{plural(len(annotation.labelled), 'slice')} of {annotation.total} with labels."
        )
    n = plural(len(annotation.edited_or_checked), "slice")
    if annotation.edited is None:
        return CaseCheck("ok", f"No record of edits: {n} of {annotation.total} with labels or checked count.")
    return CaseCheck("ok", f"{n} of {annotation.total} edited or checked.")


def summary(learned: Sequence[str], held_out: Sequence[str], left_out: int = 0) -> str:
    """Describe what there is to learn from and what the model is judged by.

    Parameters
    ----------
    learned, held_out : sequence of str
        The patient of each scan.
    left_out : int
        How many scans are neither.
    """
    scans = f"{plural(len(learned), 'scan')} to learn from"
    others = f" {left_out} left out." if left_out else ""
    if not learned:
        mend = "edit a mask, or add another" if left_out else "add scans with their masks"
        return f"Nothing to learn from: {'all scans are held out' if held_out else mend}.{others}"
    if held_out:
        return f"{scans}, {len(held_out)} held out.{others}"
    if len(learned) == 1:
        why = "one scan only; a block of its slices is held out instead, an optimistic estimate."
        return f"{_NONE_HELD_OUT}{why}{others}"
    one = len(set(learned)) == 1
    why = "all scans are of one patient" if one else "all scans are learned from; hold one out to have it"
    return f"{scans}. {_NONE_HELD_OUT}{why}.{others}"
