"""Scans with their masks as a dataset of nnU-Net, which its own check of integrity accepts."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_tumor_unet._common import plural
from napari_tumor_unet.io.header_check import as_scan_error
from napari_tumor_unet.io.nifti import read_header, say_spacing_is_unknown
from napari_tumor_unet.io.orient import as_image
from napari_tumor_unet.io.truncation import check_whole
from napari_tumor_unet.scan import SEQUENCES, Geometry, Scan, ScanError, Sequence
from napari_tumor_unet.scan.sequence_names import SHORT_TITLES

_NAME = re.compile(r"Dataset\d{3}_[A-Za-z0-9_]+")
_ENDING = ".nii.gz"
_TUMOUR, _IGNORED = 1, 2
_NAMED = 3  # scans in a sentence
_ORDER = tuple(sorted(SEQUENCES, key=lambda sequence: sequence != "flair"))


class Pair(Protocol):
    """A scan with its mask; ``slices`` are those of the mask that count, or None for all."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def slices(self) -> tuple[int, ...] | None: ...  # noqa: D102

    def read(self) -> tuple[Scan, NDArray[np.bool_]]: ...  # noqa: D102


@dataclass(frozen=True)
class Exported:
    """What was written, and what was not.

    Attributes
    ----------
    scans : int
    channels : tuple of str
    left_out : mapping of str to str
        Scans that were not written, with the reason.
    lacking : mapping of str to list of str
        Sequences that are no channel, with the scans that lack them.
    without_spacing : list of str
        Scans that got 1 x 1 x 1 mm, as their files tell no spacing and nnU-Net needs one.
    """

    scans: int
    channels: tuple[str, ...]
    left_out: Mapping[str, str]
    lacking: Mapping[str, list[str]]
    without_spacing: list[str]

    def told(self, where: str) -> str:
        """Say in sentences what is in a dataset, and what of its scans is not."""
        others = f"; {len(self.left_out)} left out" if self.left_out else ""
        told = [f"{plural(self.scans, 'scan')} with {', '.join(self.channels)} in {where}{others}."]
        for sequence, scans in self.lacking.items():
            told.append(f"{sequence} is no channel: not there for {_some(scans)}.")
        if self.without_spacing:
            told.append(f"1 x 1 x 1 mm stands for the unknown spacing of {_some(self.without_spacing)}.")
        return " ".join(told)


def export_nnunet(
    pairs: Collection[Pair], out: Path, on_scan: Callable[[int, int], object] | None = None
) -> Exported:
    """Write pairs as a dataset of nnU-Net (version 2), whole or not at all.

    Channel 0 is FLAIR; T1 before and after contrast follow where all scans have them, as all need the same.
    Images and labels are NIfTI files on one grid, axial slices from below. Tumour is label 1; slices that do
    not count are label 2, which nnU-Net ignores.

    Parameters
    ----------
    pairs : collection of Pair
        Those that cannot be read are left out.
    out : Path
        A folder that is not there yet, called as ``Dataset501_Tumour``.
    on_scan : callable, optional
        Called with the number of the scan that is written, and of all.

    Raises
    ------
    ScanError
        If the folder is there, has another kind of name or cannot be written, or no pair can be read.
    """
    out = Path(out).expanduser().absolute()
    if not _NAME.fullmatch(out.name):
        raise ScanError(f"{out.name} is no name of an nnU-Net dataset; call it as Dataset501_Tumour.")
    if out.exists() or out.is_symlink():
        raise ScanError(f"{out.name} is there already; choose another number or name.")
    partial = None
    try:
        str(out).encode()  # of another name SimpleITK ends the process
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(f".{out.name}-{token_hex(4)}")
        partial.mkdir()
        exported = _write(pairs, partial, on_scan or (lambda *_: None))
        partial.rename(out)
    except OSError as error:
        raise ScanError(f"{out.name} cannot be written: {error.strerror or error}.") from error
    except UnicodeEncodeError as error:
        raise ScanError("The path is not valid Unicode; choose another folder.") from error
    except RuntimeError as error:  # SimpleITK's, for all that can go wrong
        raise ScanError(f"{out.name} cannot be written: is the disk full?") from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return exported


def _write(pairs: Collection[Pair], folder: Path, on_scan: Callable[[int, int], object]) -> Exported:
    images, labels = folder / "imagesTr", folder / "labelsTr"
    images.mkdir()
    labels.mkdir()
    written: dict[str, list[Sequence]] = {}
    without_spacing = []
    left_out: dict[str, str] = {}
    ignores = False
    for n, pair in enumerate(pairs, 1):
        on_scan(n, len(pairs))
        try:
            scan, mask = pair.read()
        except ScanError as error:  # one bad scan does not stop the others
            left_out[pair.name] = str(error)
            continue
        case = _case_named(pair.name, written)
        wanted = np.where(mask, np.uint8(_TUMOUR), np.uint8(0))
        if pair.slices is not None:
            uncounted = sorted(set(range(len(wanted))) - set(pair.slices))
            wanted[uncounted] = _IGNORED
            ignores |= bool(uncounted)
        _save(wanted, scan, labels / f"{case}{_ENDING}")
        written[case] = list(scan.sequences)
        if not scan.in_mm:
            without_spacing.append(case)
        for sequence in scan.sequences:
            voxels = np.stack([scan.slice(sequence, z) for z in range(scan.shape[0])])
            _save(voxels, scan, images / f"{case}_{sequence}{_ENDING}")
    if not written:
        raise ScanError("No scan could be exported: none can be read with its mask.")
    channels = [sequence for sequence in _ORDER if all(sequence in its for its in written.values())]
    for case, sequences in written.items():
        for sequence in sequences:
            path = images / f"{case}_{sequence}{_ENDING}"
            if sequence in channels:
                path.rename(images / f"{case}_{channels.index(sequence):04d}{_ENDING}")
            else:
                path.unlink()
    names = [SHORT_TITLES[sequence] for sequence in channels]
    content = {
        "channel_names": {str(i): name for i, name in enumerate(names)},
        "labels": {"background": 0, "tumour": _TUMOUR} | ({"ignore": _IGNORED} if ignores else {}),
        "numTraining": len(written),
        "file_ending": _ENDING,
    }
    (folder / "dataset.json").write_text(json.dumps(content, indent=2) + "\n")
    lacking = {
        SHORT_TITLES[sequence]: [case for case, its in written.items() if sequence not in its]
        for sequence in _ORDER
        if sequence not in channels and any(sequence in its for its in written.values())
    }
    return Exported(len(written), tuple(names), left_out, lacking, without_spacing)


def _some(names: list[str]) -> str:
    """Name some scans, of many the first."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _save(voxels: NDArray[Any], scan: Scan, path: Path) -> None:
    """Write a volume on the grid of its scan, and look whether it is whole: SimpleITK does not."""
    image = as_image(voxels, scan.geometry or Geometry(scan.spacing))
    sitk.WriteImage(image, str(path), useCompression=True)
    with as_scan_error(path, "NIfTI"):
        check_whole(read_header(path)[1], voxels.nbytes)
    if not scan.in_mm:
        say_spacing_is_unknown(path)


def _case_named(name: str, taken: Mapping[str, object]) -> str:
    """Return a name that suits a file everywhere, with a number where it is taken in whatever case."""
    case = wanted = re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_") or "case"
    used, n = {other.lower() for other in taken}, 2
    while case.lower() in used:
        case, n = f"{wanted}_{n}", n + 1
    return case
