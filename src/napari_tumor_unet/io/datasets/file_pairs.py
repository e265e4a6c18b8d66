"""Match the files of a folder by their names: each mask with its scan, and with the T1 of a FLAIR."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_tumor_unet.io.file_names import (
    ending_of,
    is_mask_name,
    name_of_masked,
    scan_name,
    words_without_flair,
)
from napari_tumor_unet.io.write import unedited_model
from napari_tumor_unet.scan import Sequence
from napari_tumor_unet.scan.sequence_names import find_sequences, stem_of, words_of

_BY_MODEL = "a model made it, nobody edited it, and the scan has another mask"
# By such a word alone a mask goes with a FLAIR of another name: a "brainmask" or "dseg" is none of a tumour.
_MASK = re.compile(r"(?:.*[\W_])?(?:mask|seg|segmentation|labels?)", re.IGNORECASE)
# Entities of BIDS that a tumour's mask has and its scan has not.
_BIDS_LABEL = re.compile(r"_(?:space-orig|label-(?:tumou?r|glioma|lesion))(?![a-z0-9])", re.IGNORECASE)


@dataclass(frozen=True)
class FilePair:
    """A scan's file with that of its mask, and with those of other sequences."""

    name: str
    scan: Path
    mask: Path
    others: Mapping[Sequence, Path] = field(default_factory=dict)


def match_files(folder: Path) -> tuple[list[FilePair], dict[str, str]]:
    """Match masks with scans of their names, then as in BraTS with FLAIR; tell why others are left out.

    A mask that a model made and nobody edited is taken where the scan has no other.
    """
    files = sorted(p for p in folder.iterdir() if ending_of(p) and not p.name.startswith("."))
    by_model = {p for p in files if is_mask_name(p) and unedited_model(p)}
    pairs, left_out = _match(folder, [p for p in files if p not in by_model])
    if not by_model:
        return pairs, left_out
    taken = {path for pair in pairs for path in (pair.scan, *pair.others.values())}
    masks = {name: why for name, why in left_out.items() if is_mask_name(folder / name)}
    rest = [p for p in files if p in by_model or not (p in taken or is_mask_name(p))]
    more, others = _match(folder, rest)
    scans = {scan_name(pair.scan) for pair in pairs} | {pair.name for pair in pairs}
    unused = {p.name: _BY_MODEL for p in by_model if _name_without_label(p) in scans and p.name in others}
    return [*pairs, *more], masks | others | unused


def _match(folder: Path, files: list[Path]) -> tuple[list[FilePair], dict[str, str]]:
    scans = [p for p in files if not is_mask_name(p)]
    of_name: dict[str, list[Path]] = defaultdict(list)
    of_stem: dict[str, list[Path]] = defaultdict(list)
    for path in scans:
        of_name[scan_name(path)].append(path)
        of_stem[stem_of(scan_name(path))].append(path)
    pairs: list[FilePair] = []
    left_out: dict[str, str] = {}
    paired: dict[str, Path] = {}
    used: set[Path] = set()
    of_other_name = []
    for mask in (p for p in files if is_mask_name(p)):
        name = name_of_masked(mask)
        same = [s for s in of_name.get(name, []) if s not in used]
        scan = next((s for s in same if ending_of(s) == ending_of(mask)), next(iter(same), None))
        if scan is None:
            of_other_name.append(mask)
            continue
        used.add(scan)
        paired[name] = mask
        pairs.append(FilePair(name, scan, mask))
    of_other_name.sort(key=_has_label)  # a mask that tells no label comes first
    stems = {mask: _stem_of_mask(mask) for mask in of_other_name}
    for mask, stem in stems.items():
        name = scan_name(folder) if stem == "" else _name_without_label(mask)
        alike = [o.name for o in stems if stems[o] == stem and _has_label(o) == _has_label(mask)]
        beside = [] if stem is None else of_stem.get(stem, [])
        by_name = {scan_name(p): p for p in sorted(beside, key=lambda p: ending_of(p) == ending_of(mask))}
        named = find_sequences(by_name)
        sequences = {sequence: by_name[scan] for sequence, scan in named.names.items()}
        flair = sequences.pop("flair", None)
        if other := paired.get(name):
            left_out[mask.name] = f"{other.name} is taken"
        elif named.unclear:
            left_out[mask.name] = named.unclear.rstrip(".")
        elif flair is None:
            left_out[mask.name] = f"no scan {name} beside it"
        elif len(alike) > 1:
            left_out[mask.name] = f"the mask of {flair.name} may be {' or '.join(alike)}"
        elif flair in used:
            left_out[mask.name] = f"{flair.name} has another mask"
        else:
            used.update(beside)
            pairs.append(FilePair(name, flair, mask, sequences))
    return pairs, left_out | {
        p.name: f"no mask {scan_name(p)}_mask beside it" for p in scans if p not in used
    }


def _stem_of_mask(mask: Path) -> str | None:
    """Return what the names of a mask and its FLAIR share: of ``seg.nii.gz`` nothing; None if it has none."""
    name = scan_name(mask)
    if not _MASK.fullmatch(name):
        return None
    return "" if len(words_of(name)) == 1 else words_without_flair(_name_without_label(mask))


def _has_label(mask: Path) -> bool:
    return bool(_BIDS_LABEL.search(scan_name(mask)))


def _name_without_label(mask: Path) -> str:
    return _BIDS_LABEL.sub("", name_of_masked(mask))
