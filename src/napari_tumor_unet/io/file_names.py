"""The format of a file or folder, and what its name says: whose scan it is, and whether it holds labels."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from napari_tumor_unet.io.dicom.detect import looks_like_dicom
from napari_tumor_unet.io.slice_folder import looks_like_slices
from napari_tumor_unet.scan.sequence_names import sequence_named, stem_of, words_of

Format = Literal["NIfTI", "NRRD", "MetaImage", "TIFF", "slices", "DICOM", ""]
"""How a scan is stored; "slices" is a folder of them, and "" no known format."""
FORMATS: dict[str, Format] = {
    **dict.fromkeys((".nii.gz", ".nii"), "NIfTI"),
    **dict.fromkeys((".nrrd", ".nhdr"), "NRRD"),
    **dict.fromkeys((".mha", ".mhd"), "MetaImage"),
    **dict.fromkeys((".tiff", ".tif"), "TIFF"),
}
"""The formats of files that are read as a scan or as labels, by ending."""
MASK_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".tif", ".tiff")
"""Of files that masks are written in; the first is the usual one."""
DICOM_ENDING = ".dcm"
"""Of a DICOM Segmentation, in which masks of DICOM series can be written too."""
DICOM_REPORT = "dicom-sr"
DICOM_FORMATS = ("dicom-seg", DICOM_REPORT)
"""What is written on demand alone: a segmentation, and with it a report of its measures."""
KNOWN = "NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd), TIFF (.tif, .tiff)"
"""The formats of single files, for messages."""

MASK_ENDING_OF: dict[Format, str] = {
    **dict.fromkeys(("NIfTI", "DICOM", ""), ".nii.gz"),
    **dict.fromkeys(("TIFF", "slices"), ".tif"),
    "NRRD": ".nrrd",
    "MetaImage": ".mha",
}
"""The ending of a mask's file beside a scan of a format: the scan's own format, where masks have it."""

# "brainmask" and "dseg" are such words; "masked" and "segmented" are scans with something done to them.
_MASK_WORD = r"(?:[a-z]*(?<!un)mask|[a-z]?seg|label)s?\d*|segmentations?|labelmaps?"
_WORDS = re.compile(rf"(?:^|.*[\W_])(?:{_MASK_WORD})(?:[\W_].*)?", re.IGNORECASE)
_LAST_WORD = re.compile(rf"[\W_]+(?:{_MASK_WORD})$", re.IGNORECASE)
_BRAIN = re.compile(r"brain[\W_]*mask", re.IGNORECASE)
_DENIED = re.compile(r"(?:^|.*[\W_])(?:un|non?|not|without|applied)(?:[\W_].*)?", re.IGNORECASE)


def format_of(path: Path) -> Format:
    """Decide the format of a file or folder by names and first bytes; quick, whatever it holds."""
    with suppress(OSError):  # reading reports it
        if path.is_dir():
            return "DICOM" if not looks_like_slices(path) and looks_like_dicom(path) else "slices"
    return FORMATS.get(ending_of(path)) or ("DICOM" if looks_like_dicom(path) else "")


def ending_of(path: Path) -> str:
    """Return the known ending of a file's name, in lower case; empty if it has none."""
    name = path.name.lower()
    return next((ending for ending in FORMATS if name.endswith(ending)), "")


def mask_ending_of(path: Path) -> str:
    """Return the ending of a mask's file, as :func:`ending_of`."""
    return ending_of(path) or DICOM_ENDING * path.name.lower().endswith(DICOM_ENDING)


def scan_name(path: Path) -> str:
    """Name a scan after its file, without the ending, or its folder."""
    ending = mask_ending_of(path)
    return path.name[: -len(ending)] if ending else Path(os.path.realpath(path)).name


def is_mask_name(path: Path) -> bool:
    """Tell whether a file says by a word of its name that it holds labels and no scan.

    Examples
    --------
    >>> [is_mask_name(Path(name)) for name in ("a_mask.nii", "BraTS_1_seg.nrrd", "a.seg.nrrd", "a-label.mha")]
    [True, True, True, True]
    >>> [is_mask_name(Path(name)) for name in ("T1_unmasked_flair.nii", "masked.mha", "no_mask.nii")]
    [False, False, False]
    """
    name = scan_name(path)
    return bool(_WORDS.fullmatch(name)) and not _DENIED.fullmatch(name)


def is_brain_mask(name: str) -> bool:
    """Tell whether a mask may be of the brain, by its name: beside another one of the scan it is no tumour's.

    Examples
    --------
    >>> [is_brain_mask(name) for name in ("brainmask", "x_desc-brain_mask", "x_seg", "brain_tumor_mask")]
    [True, True, False, False]
    """
    return bool(_BRAIN.search(name))


def name_of_masked(path: Path) -> str:
    """Name the scan that a mask belongs to: without the last word, if this says that the file is a mask."""
    return _LAST_WORD.sub("", scan_name(path))


def words_without_flair(name: str) -> str:
    """Return the words of a name without those for FLAIR: they are one for a FLAIR and its patient's mask.

    Examples
    --------
    >>> [words_without_flair(name) for name in ("BraTS2021_00630_flair", "BraTS2021_00630", "x_t1ce")]
    ['brats2021_00630', 'brats2021_00630', 'x_t1ce']
    """
    return stem_of(name) if sequence_named(name) == "flair" else "_".join(words_of(name))
