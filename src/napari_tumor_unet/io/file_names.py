"""What the name of a file says: its format, whose scan it is, and whether it holds labels."""

from __future__ import annotations

import re
from pathlib import Path

from napari_tumor_unet.io.slice_folder import looks_like_slices

MEDICAL_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
TIFF_ENDINGS = (".tiff", ".tif")
ENDINGS = MEDICAL_ENDINGS + TIFF_ENDINGS
"""Of files that are read as a scan or as labels."""
MASK_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".tif", ".tiff")
"""Of files that masks are written in; the first is the usual one."""
KNOWN = "NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd), TIFF (.tif, .tiff)"
"""The formats of single files, for messages."""

_OF_MASK = {
    **dict.fromkeys((".nii.gz", ".nii"), ".nii.gz"),
    **dict.fromkeys((".nrrd", ".nhdr"), ".nrrd"),
    **dict.fromkeys((".mha", ".mhd"), ".mha"),
    **dict.fromkeys(TIFF_ENDINGS, ".tif"),
}
# "brainmask" and "dseg" are such words; "masked" and "segmented" are scans with something done to them.
_MASK_WORD = r"(?:[a-z]*(?<!un)mask|[a-z]?seg|label)s?\d*|segmentations?|labelmaps?"
_WORDS = re.compile(rf"(?:^|.*[\W_])(?:{_MASK_WORD})(?:[\W_].*)?", re.IGNORECASE)
_LAST_WORD = re.compile(rf"[\W_]+(?:{_MASK_WORD})$", re.IGNORECASE)
_DENIED = re.compile(r"(?:^|.*[\W_])(?:un|non?|not|without|applied)(?:[\W_].*)?", re.IGNORECASE)


def ending_of(path: Path) -> str:
    """The known ending of a file's name, in lower case; empty if it has none."""
    return next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), "")


def scan_name(path: Path) -> str:
    """The name of a scan: its file's name without the ending, or its folder's name."""
    ending = ending_of(path)
    return path.name[: -len(ending)] if ending else path.resolve().name


def is_mask_name(path: Path) -> bool:
    """Whether a file says by a word of its name that it holds labels and no scan.

    Examples
    --------
    >>> [is_mask_name(Path(name)) for name in ("a_mask.nii", "BraTS_1_seg.nrrd", "a.seg.nrrd", "a-label.mha")]
    [True, True, True, True]
    >>> [is_mask_name(Path(name)) for name in ("T1_unmasked_flair.nii", "masked.mha", "no_mask.nii")]
    [False, False, False]
    """
    name = scan_name(path)
    return bool(_WORDS.fullmatch(name)) and not _DENIED.fullmatch(name)


def name_of_masked(path: Path) -> str:
    """The name of the scan that a mask belongs to: without the last word, if this says that it is a mask."""
    return _LAST_WORD.sub("", scan_name(path))


def ending_of_mask(scan: Path) -> str:
    """The ending of a mask's file beside its scan's: the scan's own format; NIfTI for DICOM."""
    if scan.is_dir() and looks_like_slices(scan):
        return ".tif"
    return _OF_MASK.get(ending_of(scan), MASK_ENDINGS[0])
