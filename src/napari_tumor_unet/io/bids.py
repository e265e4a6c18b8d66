"""Data sets in the Brain Imaging Data Structure, BIDS 1.10: scans to segment, and what derivatives tell."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from napari_tumor_unet._common import regular_file, write_whole
from napari_tumor_unet.io.find import ScanFiles
from napari_tumor_unet.scan import ScanError, Sequence

BIDS_VERSION = "1.10.0"
_NAME = "napari-tumor-unet"
_DESCRIPTION = "dataset_description.json"
_ENDINGS = (".nii.gz", ".nii")
IGNORED = "measurements.*\n**/replaced-*\n**/replaced-*/**\n"
"""For .bidsignore: what BIDS has no name for."""
_README = f"""\
# Brain tumour masks

{_NAME} segmented each FLAIR of the data set raw, with the T1 of its session. In a `_mask` tumour is 1, a
`_probseg` is its probability; the JSON beside a mask tells the findings, the model and its version.
For research, not for clinical use.
"""


@dataclass(frozen=True)
class BidsScan:
    """A FLAIR of a subject with the T1 of the same session.

    Attributes
    ----------
    files : ScanFiles
    folder : Path
        Of the scan, from the data set's on.
    stem : str
        Name of the FLAIR without suffix and ending, as ``sub-01_ses-2``.
    sources : tuple of str
        Each file as a BIDS URI of the data set "raw".
    """

    files: ScanFiles
    folder: Path
    stem: str
    sources: tuple[str, ...]


def find_bids_scans(
    dataset: Path, participants: Iterable[str] = (), sessions: Iterable[str] = ()
) -> list[BidsScan]:
    """Find each FLAIR of a data set, with the T1 before and after contrast (``ce-``) of its session.

    Parameters
    ----------
    dataset : Path
    participants, sessions : iterable of str
        Labels, with or without ``sub-`` and ``ses-``; by default all.

    Raises
    ------
    ScanError
        If a label is none of the data set's, or nothing is found.
    """
    subjects = _chosen(dataset, "sub", participants)
    wanted = {session.removeprefix("ses-") for session in sessions}
    scans: list[BidsScan] = []
    for subject in subjects:
        for folder in (subject, *sorted(subject.glob("ses-*"))):
            if wanted and folder.name.removeprefix("ses-") not in wanted:
                continue
            scans += _scans_in(dataset, folder / "anat")
    if not scans:
        raise ScanError(f"{dataset.name} holds no file named like sub-01_FLAIR.nii.gz in a folder anat.")
    return scans


def describe(out: Path, dataset: Path) -> None:
    """Write the description of the derivatives, unless it is there.

    Raises
    ------
    ScanError
        If the folder holds another data set.
    """
    path = out / _DESCRIPTION
    if os.path.lexists(path):
        try:
            makers = from_json(regular_file(path).read_bytes())["GeneratedBy"]
            if any(maker["Name"] == _NAME for maker in makers):
                return
        except (OSError, ValueError, LookupError, TypeError):
            pass
        raise ScanError(f"{out.name} holds another data set; choose another folder for the derivatives.")
    content = {
        "Name": "Brain tumour masks",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": _NAME, "Version": version(_NAME)}],
        "DatasetLinks": {"raw": Path(os.path.relpath(dataset, out)).as_posix()},
    }
    write_whole(path, json.dumps(content, indent=2) + "\n")
    for name, text in ((".bidsignore", IGNORED), ("README.md", _README)):
        if not os.path.lexists(out / name):
            write_whole(out / name, text)


def sidecars_in(out: Path) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Yield the entities and the content of each mask's sidecar among derivatives, by name."""
    for path in sorted(out.glob("sub-*/**/anat/*_mask.json")):
        try:
            content = from_json(regular_file(path).read_bytes())
        except (OSError, ValueError) as error:
            raise ScanError(f"{path.name} cannot be read.") from error
        if isinstance(content, dict) and "findings" in content:
            yield entities_of(path.name), content


def entities_of(name: str) -> dict[str, str]:
    """Return the entities in a name.

    Examples
    --------
    >>> entities_of("sub-01_ce-gd_T1w.nii.gz")
    {'sub': '01', 'ce': 'gd'}
    """
    parts = (part.partition("-") for part in name.split(".")[0].split("_"))
    return {key: value for key, dash, value in parts if dash}


def _chosen(dataset: Path, prefix: str, labels: Iterable[str]) -> list[Path]:
    there = {path.name: path for path in sorted(dataset.glob(f"{prefix}-*")) if path.is_dir()}
    if not there:
        raise ScanError(f"{dataset.name} is no BIDS data set: it holds no folder named like {prefix}-01.")
    wanted = [f"{prefix}-{label.removeprefix(f'{prefix}-')}" for label in labels]
    for name in wanted:
        if name not in there:
            raise ScanError(f"{dataset.name} holds no {name}; leave out the {prefix}-, or check the label.")
    return [there[name] for name in dict.fromkeys(wanted)] or [*there.values()]


def _scans_in(dataset: Path, folder: Path) -> Iterator[BidsScan]:
    files = [path for path in sorted(folder.glob("*.nii*")) if path.name.endswith(_ENDINGS)]
    t1 = [path for path in files if path.name.split(".")[0].endswith("_T1w")]
    for flair in files:
        stem = flair.name.split(".")[0]
        if not stem.endswith("_FLAIR"):
            continue
        others: dict[Sequence, Path] = {}
        kinds: tuple[tuple[Sequence, bool], ...] = (("pre", False), ("post", True))
        for sequence, with_agent in kinds:
            if fitting := [path for path in t1 if ("ce" in entities_of(path.name)) == with_agent]:
                others[sequence] = max(fitting, key=lambda path: _in_common(path, flair))
        sources = [path.relative_to(dataset).as_posix() for path in (flair, *others.values())]
        yield BidsScan(
            ScanFiles(flair, others),
            folder.relative_to(dataset),
            stem.removesuffix("_FLAIR"),
            tuple(f"bids:raw:{source}" for source in sources),
        )


def _in_common(one: Path, other: Path) -> int:
    return len(entities_of(one.name).items() & entities_of(other.name).items())
