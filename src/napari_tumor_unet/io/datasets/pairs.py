"""Folders of scans with masks, and which patient each belongs to."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from napari_tumor_unet._common import regular_file
from napari_tumor_unet.io import slice_folder
from napari_tumor_unet.io.datasets.file_pairs import match_files
from napari_tumor_unet.io.datasets.snapshot import SNAPSHOT, read_snapshot
from napari_tumor_unet.io.file_names import scan_name
from napari_tumor_unet.io.read import read_labels, read_scan
from napari_tumor_unet.scan import Scan, ScanError, Sequence
from napari_tumor_unet.scan.combine import combine
from napari_tumor_unet.scan.patient_names import patient_of, patient_told
from napari_tumor_unet.scan.sequence_names import sequence_named

_NNUNET_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


@dataclass(frozen=True)
class Case:
    """A scan on disk with its mask.

    Attributes
    ----------
    name : str
        Name in tables.
    patient : str
        The patient, whose cases a split must keep on one side.
    scan, mask : Path
        FLAIR, or all sequences in one; and the labels. For both the same folder of slices, or the same file
        that :func:`napari_tumor_unet.io.datasets.snapshot.write_snapshot` wrote.
    others : mapping of sequence to Path
        Sequences in files of their own.
    slices : tuple of int, optional
        Slices that are learned from, or judged; by default all.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  an unknown entry of a plan may change the model

    name: str
    patient: str
    scan: Path
    mask: Path
    others: Mapping[Sequence, Path] = field(default_factory=dict)
    slices: tuple[int, ...] | None = None

    @property
    def is_snapshot(self) -> bool:
        """Whether the case is a copy of layers, in a file of our own."""
        return self.scan.suffix == SNAPSHOT

    def read(self) -> tuple[Scan, NDArray[np.bool_]]:
        """Read the scan and its mask (Z, Y, X), and bring sequences on another grid to FLAIR's.

        Raises
        ------
        ScanError
            If one cannot be read, a sequence does not belong to FLAIR, or the mask lies elsewhere.
        """
        if self.is_snapshot:
            return read_snapshot(self.scan, self.name)
        scan = combine(
            read_scan(self.scan), **{sequence: read_scan(path) for sequence, path in self.others.items()}
        )
        labels = read_labels(self.mask)
        self._check_place(scan, labels)
        mask = np.asarray(labels.sequences["flair"]) > 0
        if mask.shape != scan.shape:
            raise ScanError(f"The mask of {self.name} has shape {mask.shape}, its scan {scan.shape}.")
        return scan, mask

    def _check_place(self, scan: Scan, labels: Scan) -> None:
        one, two = scan.geometry, labels.geometry
        if one is None or two is None:
            return
        same = (
            np.allclose(one.spacing, two.spacing, rtol=0.01)
            and np.allclose(one.direction, two.direction, atol=0.01)
            and np.allclose(one.origin, two.origin, atol=0.5 * min(one.spacing))
        )
        if not same:
            raise ScanError(
                f"The mask of {self.name} lies elsewhere than its scan: their spacing, origin or "
                "orientation differ."
            )


@dataclass(frozen=True)
class Dataset:
    """Cases of a folder by name, and for all else the reason why it was left out."""

    pairs: tuple[Case, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def without(self, why_not: Callable[[Case], str]) -> Dataset:
        """Leave out the pairs for which there is a reason."""
        reasons = {pair.name: reason for pair in self.pairs if (reason := why_not(pair))}
        pairs = tuple(pair for pair in self.pairs if pair.name not in reasons)
        return Dataset(pairs, {**self.left_out, **reasons})

    def part(self, parts: Mapping[str, str], *names: str) -> Dataset:
        """Keep the pairs whose patient is in one of the parts named; leave out others, with the reason."""
        pairs, left_out = [], dict(self.left_out)
        for pair in self.pairs:
            part = parts.get(pair.patient)
            if part in names:
                pairs.append(pair)
            else:
                left_out[pair.name] = f"in the part {part}" if part else "its patient is not in the split"
        return Dataset(tuple(pairs), left_out)


def find_pairs(folder: Path) -> Dataset:
    """Find scans with their masks.

    Parameters
    ----------
    folder : Path
        Of nnU-Net (``imagesTr`` and ``labelsTr``), or with folders of slices as in the LGG data set, or one
        of those, or with pairs of files such as ``x.nii.gz`` and ``x_mask.nii.gz`` or ``x_seg.nii.gz``, or as
        in BraTS ``x_flair.nii.gz`` and ``x_seg.nii.gz``, with the T1 beside them. If it has no pair, the
        folders in it are searched.

    Raises
    ------
    ScanError
        If it holds no pair.
    """
    folder = Path(folder).expanduser()
    if not os.path.isdir(folder):  # noqa: PTH112 - false of whatever cannot be looked at
        raise ScanError(f"{folder.name} is not a folder.")
    try:
        if (folder / "imagesTr").is_dir():
            pairs, left_out = _nnunet(folder)
        elif slice_folder.holds_slices(folder):
            pairs, left_out = _folder_of_slices(folder)
        else:
            pairs, left_out = _files(folder)
            no_slices: dict[str, str] = {}
            for more, others in map(_folder_of_slices, sorted(p for p in folder.iterdir() if p.is_dir())):
                pairs += more
                no_slices |= others
            if not pairs:
                pairs, no_slices = _below(folder)
            left_out |= no_slices
    except OSError as error:
        raise ScanError(f"{folder.name}, or a folder in it, cannot be read: {error.strerror}.") from error
    if not pairs:
        why = next((f" ({name}: {reason.rstrip('.')})" for name, reason in left_out.items()), "")
        raise ScanError(
            f"{folder.name} holds no scan with a mask{why}: x.nii.gz with x_mask.nii.gz or x_seg.nii.gz, "
            "x_flair.nii.gz with x_seg.nii.gz as in BraTS, folders of slices with _mask files, or imagesTr "
            "with labelsTr."
        )
    return Dataset(tuple(sorted(pairs, key=lambda pair: pair.name)), left_out)


def _below(folder: Path) -> tuple[list[Case], dict[str, str]]:
    """Search the folders in a folder, at any depth."""
    pairs: list[Case] = []
    left_out: dict[str, str] = {}

    def note(error: OSError) -> None:
        left_out[Path(error.filename).name] = f"cannot be read: {error.strerror}"

    for name, folders, _ in os.walk(folder, onerror=note):
        path = Path(name)
        folders.sort()
        if path == folder:
            continue
        if slice_folder.holds_slices(path):
            folders.clear()
            more, others = _folder_of_slices(path)
        else:
            more, others = _files(path)
        pairs += more
        left_out |= others
    often = Counter(pair.name for pair in pairs)
    return [_told_apart(pair, folder, often[pair.name] > 1) for pair in pairs], left_out


def _told_apart(pair: Case, folder: Path, repeats: bool) -> Case:
    """Name a pair in a folder below, where its own name does not suffice, by all folders that lead to it."""
    parts = pair.scan.relative_to(folder).parent.parts
    patient = patient_told(pair.name, *parts)
    if parts[-1:] == (pair.name,) and not patient_told(pair.name):  # as that of p1/v1/FLAIR.nii.gz
        return replace(pair, name="_".join(parts), patient=patient or parts[0])
    name = "_".join((*parts, pair.name)) if repeats else pair.name
    return replace(pair, name=name, patient=patient or pair.patient)


def _files(folder: Path) -> tuple[list[Case], dict[str, str]]:
    matched, left_out = match_files(folder)
    return [Case(m.name, patient_of(m.name), m.scan, m.mask, m.others) for m in matched], left_out


def _folder_of_slices(folder: Path) -> tuple[list[Case], dict[str, str]]:
    if not slice_folder.looks_like_slices(folder) or slice_folder.holds_stacks(folder):
        return [], {folder.name: "holds no slices named <patient>_<n>.tif"}
    try:
        if not slice_folder.mask_files(folder):
            return [], {folder.name: "its slices have no _mask files"}
    except ScanError as error:
        return [], {folder.name: str(error)}
    return [Case(folder.name, patient_of(folder.name), folder, folder)], {}


def _nnunet(folder: Path) -> tuple[list[Case], dict[str, str]]:
    names = _nnunet_channels(folder / "dataset.json")
    cases: dict[str, dict[int, Path]] = {}
    left_out = {}
    for path in sorted((folder / "imagesTr").iterdir()):
        if match := _NNUNET_CHANNEL.fullmatch(scan_name(path)):
            cases.setdefault(match["case"], {})[int(match["channel"])] = path
        else:
            left_out[path.name] = "not named <case>_<channel>"
    masks = {scan_name(p): p for p in sorted((folder / "labelsTr").glob("*"))}
    left_out |= {p.name: "no image of that name" for name, p in masks.items() if name not in cases}
    pairs = []
    for case, channels in cases.items():
        named = [
            (sequence, path) for i, path in channels.items() if (sequence := sequence_named(names.get(i, "")))
        ]
        known = dict(named)
        alike = len(known) < len(named)
        flair = known.pop("flair", None) or (channels[0] if list(channels) == [0] and not names else None)
        if case not in masks:
            left_out[case] = "no label of that name"
        elif alike:
            left_out[case] = "dataset.json names two channels alike"
        elif flair is None:
            left_out[case] = "dataset.json names no channel FLAIR"
        else:
            pairs.append(Case(case, patient_of(case), flair, masks[case], known))
    return pairs, left_out


def _nnunet_channels(path: Path) -> dict[int, str]:
    """Names of the channels by number; none without the file."""
    if not path.exists():
        return {}
    try:
        content = from_json(regular_file(path).read_bytes())
        channels = content.get("channel_names") or content.get("modality") or {}
        names = {int(number): str(name) for number, name in channels.items()}
        ignores = "ignore" in (content.get("labels") or {})
    except (OSError, ValueError, AttributeError) as error:
        raise ScanError(f"{path.name} is damaged; it should name the channels.") from error
    if ignores:
        raise ScanError(f"{path.name} has a label to be ignored, which would count as tumour here.")
    return names
