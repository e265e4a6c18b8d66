"""Write a mask on the grid of its scan's file, and a JSON sidecar with the findings."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from filecmp import cmp
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from napari_tumor_unet._common import atomic_write, left_partials, regular_file, write_whole
from napari_tumor_unet.io import itk, tiff
from napari_tumor_unet.io.dicom.extra import save
from napari_tumor_unet.io.dicom.segmentation import make_segmentation
from napari_tumor_unet.io.file_names import (
    DICOM_ENDING,
    FORMATS,
    MASK_ENDINGS,
    is_mask_name,
    mask_ending_of,
    scan_name,
)
from napari_tumor_unet.io.labels import as_small_labels
from napari_tumor_unet.scan import Scan, ScanError

_CHECKSUM = "mask_sha256"
"""Entry of a sidecar."""
_PROBABILITY_CHECKSUM = "probability_sha256"
"""Another, where the probability was written too."""


def write_mask(path: str | Path, mask: NDArray[Any], scan: Scan) -> None:
    """Write a mask (Z, Y, X) of a scan, in the format that the name asks for, one of ``MASK_ENDINGS``.

    The mask is written on the grid of the scan's own file; a TIFF keeps the spacing alone. Labels become the
    smallest unsigned integers that hold them. The file appears whole or not at all. Of a DICOM series it can
    be a DICOM Segmentation too (``.dcm``), which carries the patient's identity as the series does.

    Raises
    ------
    ScanError
        If masks have no such format, or none for such labels; if the mask has another shape than the scan;
        or if the file cannot be written.
    """
    with _written(Path(path).expanduser(), mask, scan):
        pass


@contextmanager
def _written(
    path: Path, mask: NDArray[Any], scan: Scan, sidecar: Mapping[str, Any] | None = None
) -> Iterator[Path]:
    """Write a mask and yield its temporary path; it gets its own name once the block has ended well."""
    ending = mask_ending_of(path)
    if ending not in (*MASK_ENDINGS, DICOM_ENDING):
        endings = f"{', '.join(MASK_ENDINGS[:-1])} or {MASK_ENDINGS[-1]}"
        raise ScanError(f"{path.name} names no format for masks; its ending has to be {endings}.")
    if mask.shape != scan.shape:
        raise ScanError(f"{path.name} needs a mask of the scan's shape {scan.shape}, not {mask.shape}.")
    write = _writer(path, ending, as_small_labels(mask, path.name), scan, sidecar or {})
    try:
        with atomic_write(path, ending) as unfinished:
            write(unfinished)
            yield unfinished
    except OSError as error:
        raise ScanError(f"{path.name} cannot be written: {error.strerror or error}.") from error
    except (RuntimeError, ScanError) as error:  # the first is SimpleITK's, for all that can go wrong
        raise ScanError(
            f"{path.name} cannot be written: is the disk full, or do you lack the permission?"
        ) from error


def _writer(
    path: Path, ending: str, labels: NDArray[np.unsignedinteger[Any]], scan: Scan, sidecar: Mapping[str, Any]
) -> Callable[[Path], object]:
    """Return what writes labels to a path, once nothing but the disk is in its way."""
    if ending == DICOM_ENDING:
        segmentation = make_segmentation(labels, scan, sidecar)
        return partial(save, segmentation)
    kind = FORMATS[ending]
    if kind != "TIFF":
        return lambda file: itk.write_volume_mask(file, kind, labels, scan)
    if labels.dtype.itemsize > 2:
        raise ScanError(f"{path.name} cannot hold labels over 65,535; save them as {MASK_ENDINGS[0]}.")
    return lambda file: tiff.write_tiff_mask(file, labels, scan)


def sidecar_of(mask_file: Path) -> Path:
    """Return the path of the JSON file beside a mask that says what was found in it, and how.

    It is called as the mask without its ending; with it, where that file tells of a mask in another format.
    """
    name, ending = scan_name(mask_file), mask_ending_of(mask_file)
    whole, shared = (mask_file.with_name(f"{stem}.json") for stem in (mask_file.name, name))
    others = (mask_file.with_name(name + other) for other in (*MASK_ENDINGS, DICOM_ENDING) if other != ending)
    apart = _told_of(whole, mask_file) or any(_told_of(shared, other) for other in others)
    return whole if apart else shared


def report_files(mask_file: Path) -> tuple[Path, Path]:
    """Return the paths of the report beside a mask, as HTML and as PDF."""
    sidecar = sidecar_of(mask_file)
    return sidecar.with_suffix(".html"), sidecar.with_suffix(".pdf")


def write_result(
    mask_file: Path,
    mask: NDArray[np.uint8],
    scan: Scan,
    sidecar: dict[str, Any],
    *,
    keep_in: Path | None = None,
) -> bool:
    """Write a mask (Z, Y, X) on the grid of its scan's file, and its sidecar as JSON beside it.

    The sidecar appears last and holds the checksum of the mask's file: it proves that the mask is whole.

    Parameters
    ----------
    mask_file : Path
    mask : array of uint8
    scan : Scan
    sidecar : dict
    keep_in : Path, optional
        Folder, made if need be, for what is there under the two names, unless that is the same mask.

    Returns
    -------
    bool
        Whether something was moved there.
    """
    told = sidecar_of(mask_file)
    moved = False
    with atomic_write(told) as beside, _written(mask_file, mask, scan, sidecar) as written:
        # Before either gets its name, so that on a full disk there is neither.
        beside.write_bytes(_as_text(sidecar | {_CHECKSUM: file_checksum(written)}))
        if keep_in is not None and not (mask_file.is_file() and cmp(mask_file, written, shallow=False)):
            moved = _keep(mask_file, keep_in) | _keep(told, keep_in)
    return moved


def probability_of(mask_file: Path) -> Path:
    """Return the path of the probability beside a mask, by the rules of BIDS."""
    return mask_file.with_name(f"{scan_name(mask_file).removesuffix('_mask')}_probseg.nii.gz")


def write_probability(
    path: Path, probability: NDArray[np.uint8], scan: Scan, sidecar: dict[str, Any], keep_in: Path | None
) -> tuple[dict[str, str], bool]:
    """Write a probability (Z, Y, X), from 0 to 255, as one from 0 to 1, and its sidecar, before its mask is.

    Returns
    -------
    dict
        For the sidecar of the mask, which proves that the probability is whole.
    bool
        Whether something that was there was moved to the folder ``keep_in``.
    """
    told, moved = sidecar_of(path), False
    try:
        with atomic_write(path, ".nii.gz") as partial:
            itk.write_volume_mask(partial, "NIfTI", (probability / 255).astype(np.float32), scan)
            if keep_in is not None and not (path.is_file() and cmp(path, partial, shallow=False)):
                moved = _keep(path, keep_in) | _keep(told, keep_in)
            write_whole(told, _as_text(sidecar))
    except (RuntimeError, ScanError) as error:
        raise ScanError(f"{path.name} cannot be written whole: is the disk full?") from error
    return {_PROBABILITY_CHECKSUM: file_checksum(path)}, moved


def has_probability(mask_file: Path, sidecar: dict[str, Any]) -> bool:
    """Tell whether the probability beside a mask is whole and of the same run, by the mask's sidecar."""
    path = probability_of(mask_file)
    try:
        regular_file(sidecar_of(path))
        return sidecar.get(_PROBABILITY_CHECKSUM) == file_checksum(regular_file(path))
    except OSError:
        return False


def made_with(mask_file: Path) -> dict[str, Any] | None:
    """Return what the sidecar of a mask tells, if both are whole and as :func:`write_result` wrote them."""
    return _told_of(sidecar_of(mask_file), mask_file)


UNEDITED = "Made by this model and not edited"
"""What is said of a mask that is no truth for the model that made it."""


def unedited_model(mask: Path) -> str:
    """Return the hash of the model that wrote a mask file; empty where somebody edited or checked it.

    The JSON file beside the mask tells both; without one the mask could be anybody's.
    """
    review = review_of(mask)
    return "" if review.checked else review.unedited_model


class Review(NamedTuple):
    """What a mask's sidecar tells of who made it.

    Attributes
    ----------
    unedited_model : str
        The hash of the model that wrote the mask; empty where somebody edited it.
    checked : frozenset of int
        The slices that the user marked as checked.
    segmented : int or None
        How many slices the model has segmented, where it was not the whole scan.
    """

    unedited_model: str
    checked: frozenset[int]
    segmented: int | None


def review_of(mask: Path) -> Review:
    """Return who made a mask file and who looked at it, as the JSON file beside it tells."""
    sidecar = made_with(mask) or {}
    told, provenance = sidecar.get("checked_slices"), sidecar.get("provenance")
    checked = frozenset(z for z in told if isinstance(z, int)) if isinstance(told, list) else frozenset()
    if not isinstance(provenance, dict):
        return Review("", checked, None)
    model = "" if sidecar.get("edited") else str(provenance.get("model_hash", ""))
    part = provenance.get("only_slices")
    return Review(model, checked, len(part) if isinstance(part, list) else None)


def warnings_of(mask: Path) -> tuple[str, ...]:
    """Return what the sidecar of a mask warns of, if it is this file's."""
    told = (made_with(mask) or {}).get("warnings")
    return tuple(filter(None, map(str, told))) if isinstance(told, list) else ()


def why_no_truth(mask: Path, model_hash: str) -> str:
    """Say that a mask is no truth for a model, which made it while nobody edited it; else return nothing."""
    return UNEDITED if model_hash and unedited_model(mask) == model_hash else ""


def why_no_lesson(mask: Path) -> str:
    """Say that a model made a mask and nobody edited it, so that it teaches nothing; else return nothing."""
    return "Made by a model and not edited" if unedited_model(mask) else ""


def _told_of(path: Path, mask_file: Path) -> dict[str, Any] | None:
    try:
        sidecar: dict[str, Any] = from_json(regular_file(path).read_bytes())
        return sidecar if sidecar[_CHECKSUM] == file_checksum(regular_file(mask_file)) else None
    except (OSError, ValueError, TypeError, LookupError):  # foreign, half-written or not there
        return None


def finish_sidecars(folder: Path) -> None:
    """Give the masks in a folder their sidecars where a process was killed between the one and the other.

    A mask without a sidecar could be anybody's; by the checksum it is known for the one that was written.
    """
    unfinished: dict[str, list[Path]] = defaultdict(list)
    for path in left_partials(folder):
        if path.suffix == ".json":
            with suppress(OSError, ValueError, TypeError, LookupError):  # half-written, or of something else
                unfinished[from_json(regular_file(path).read_bytes())[_CHECKSUM]].append(path)
    if not unfinished:
        return
    masks: dict[str, list[Path]] = defaultdict(list)
    for path in folder.iterdir():
        if mask_ending_of(path) and is_mask_name(path) and not os.path.lexists(sidecar_of(path)):
            with suppress(OSError):
                masks[file_checksum(regular_file(path))].append(path)
    for checksum, sidecars in unfinished.items():
        if len(masks[checksum]) == len(sidecars) == 1:
            with suppress(OSError):
                sidecars[0].rename(sidecar_of(masks[checksum][0]))


def tells_nothing_else(path: Path, sidecar: dict[str, Any]) -> bool:
    """Tell whether a sidecar is missing, or of the same mask, which may be there in another format."""
    if not path.exists():
        return True
    try:
        told = from_json(regular_file(path).read_bytes())
    except ValueError:
        return False
    return isinstance(told, dict) and _as_text({**told, _CHECKSUM: ""}) == _as_text(
        {**sidecar, _CHECKSUM: ""}
    )


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keep(path: Path, folder: Path) -> bool:
    """Move what is at a path into a folder, unless it is nothing, or empty."""
    if not os.path.lexists(path) or (path.is_file() and not path.stat().st_size):
        return False
    folder.mkdir(exist_ok=True)
    try:
        path.rename(folder / path.name)
    except FileNotFoundError:  # another run has moved it meanwhile
        return False
    return True


def _as_text(sidecar: dict[str, Any]) -> bytes:
    return (json.dumps(sidecar, indent=2) + "\n").encode()
