"""Tell the MRI sequence of a file, layer or series from its name or description."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from napari_tumor_unet.scan.scan import SEQUENCES, Sequence

TITLES: dict[Sequence, str] = {"pre": "T1 before contrast", "flair": "FLAIR", "post": "T1 after contrast"}
"""The sequences as users call them."""
SHORT_TITLES: dict[Sequence, str] = {"flair": "FLAIR", "pre": "T1 pre", "post": "T1 post"}
"""Titles where space is short."""

_FLAIR = r"flair|dark[\W_]*fluid|(?<![a-z])da[\W_]?fl(?![a-z])|(?<![a-z0-9])t2f(?![a-z0-9])"
# Letters before T1 belong to another word ("pat1"), but for planes and the like; BIDS has time points ses-T1.
_T1 = r"(?<![a-z])(?<!ses-)(?:\dd|ax|sag|cor|tra|ce|r)?t1(?!\d|rho|[\W_]*map)|mp2?[\W_]?rage|bravo|f?spgr"
_T2 = r"(?<![a-z])(?<!ses-)(?:\dd|ax|sag|cor|tra|r)?t2(?!\d)"
_OTHER = (
    r"(?<![a-z])(?:dwi|adc|swi|dti|asl|dce|dsc|tof|mra|angio\w*|ct|pet|perfusion|perf)(?![a-z])"
    r"|subtra[ck]tion"
)
_BESIDE = r"(?<![a-z])(?:pre|post|intra)[\W_]*(?:op|surg|rt|srs|radio|treat|chemo|proc)[a-z]*"
_CONTRAST = r"[ck]ontrast\w*"
_MEDIUM = (
    r"gad\w*|gd(?:[\W_]*dtpa)?|k\.?m\.?|mdc|pdc|civ|dotarem|magnevist|multihance|prohance|omniscan|clariscan"
)
_NATIVE = (
    r"(?<![a-z])(?:pre|avant|vor|antes|prima|without|wo|w/o|ohne|sans|sin|sem|senza|zonder|s/c"
    r"|nativ[eo]?|basale|unenhanced)(?![a-z])"
    rf"|(?<![a-z])(?:pre|non?|ss)[\W_]*(?:{_CONTRAST}|{_MEDIUM}|ce|enhanced|inj\w*)(?![a-z])"
    r"|t1w?[-_]?n(?![a-z.])|(?<![a-z])c *-(?!\w)"
)
_AGENT = (
    rf"{_CONTRAST}|(?<![a-z])(?:post|pos|apres|nach|after|mit)?[\W_]*(?:{_MEDIUM})(?![a-z])|gado"
    r"|(?<![a-z])(?:ce|post|enhanced|inj|inject[a-z]*|iv)(?![a-z])|(?<![a-z])ce(?=t1)"
    rf"|t1w?[\W_]*(?:ce?|{_MEDIUM})(?![a-z])|\+\s*(?:c(?![a-z])|$)|(?<![a-z])c\s*\+"
)
_PLANE = {
    "axial": r"(?<![a-z])(?:ax|tra|transv)",
    "sagittal": r"(?<![a-z])sag",
    "coronal": r"(?<![a-z])[ck]or",
}
# In a name of BIDS the last word is the image; T1w in space-T1w is where the image lies.
_BIDS = re.compile(r"(?P<entities>sub-[^\W_]+_(?:[a-z0-9]+-[^_]*_)*)(?P<image>flair|t1w|t2w)")
_SPOKEN_OF = re.compile(rf"{_FLAIR}|(?:{_T1})\w?(?![a-z])|{_T1}|{_T2}\w?|{_NATIVE}|{_AGENT}")
_NAMES = 1024  # of the files of a folder, each of which is asked about several times
_DESCRIBES = re.compile("|".join([_SPOKEN_OF.pattern, *_PLANE.values(), r"(?<![a-z0-9])[23]d"]))


@dataclass(frozen=True)
class NamedSequences:
    """Names of a patient's sequences.

    Attributes
    ----------
    names : dict of sequence to str
        The name of each sequence that is clear.
    unclear : str
        One sentence on a sequence that is not clear, or empty.
    """

    names: dict[Sequence, str]
    unclear: str = ""


@lru_cache(_NAMES)
def sequence_named(text: str) -> Sequence | None:
    """Tell which sequence a name or description speaks of; None if none of the three.

    A T1 that was made by inversion recovery ("T1 FLAIR") is a T1.
    """
    words = plain(text)
    if bids := _BIDS.fullmatch(words):
        words = re.sub(rf"{_FLAIR}|{_T1}w?|{_T2}w?", " ", bids["entities"]) + bids["image"]
    words = re.sub(_BESIDE, " ", words)
    for sequence in SEQUENCES:
        if words.strip() == sequence:
            return sequence
    flair, t1, t2 = (re.search(pattern, words) for pattern in (_FLAIR, _T1, _T2))
    if flair and not (t1 and t1.start() < flair.start() and not t2):
        return "flair"
    if t2 or re.search(_OTHER, words) or not (t1 or re.search(_CONTRAST, words)):
        return None
    return "post" if re.search(_AGENT, words) and not re.search(_NATIVE, words) else "pre"


def find_sequences(
    names: Iterable[str], flair: str | None = None, given: Mapping[str, Sequence | None] | None = None
) -> NamedSequences:
    """Tell which of the files, layers or series of one patient is which sequence.

    Among several T1 the one is chosen that is named like the FLAIR (``x_flair_bias``, ``x_t1_bias``), or that
    is the only one in the FLAIR's plane. If several are left, none is chosen.

    Parameters
    ----------
    names : iterable of str
    flair : str, optional
        Name of the FLAIR, where it is known; it need not be among the names.
    given : mapping of str to {"pre", "flair", "post"} or None
        The sequences of some names, which count more than the names.
    """
    given = given or {}
    named = [
        (name, given[name] if name in given else sequence_named(name)) for name in names if name != flair
    ]
    flairs = [name for name, sequence in named if sequence == "flair"] if flair is None else [flair]
    if len(flairs) != 1:
        return NamedSequences({}, _unclear("flair", flairs) if flairs else "")
    names_of: dict[Sequence, str] = {"flair": flairs[0]}
    unclear = ""
    others: tuple[Sequence, ...] = ("pre", "post")
    for wanted in others:
        candidates = [name for name, sequence in named if sequence == wanted]
        for key in (stem_of, _plane_of):
            candidates = [c for c in candidates if key(c) == key(flairs[0])] or candidates
        if len(candidates) == 1:
            names_of[wanted] = candidates[0]
        elif candidates:
            unclear = unclear or _unclear(wanted, candidates)
    return NamedSequences(names_of, unclear)


def stem_of(name: str) -> str:
    """Remove the words for the sequence from a name; the rest is the same for all sequences of a scan."""
    return _joined(_SPOKEN_OF.sub(" ", plain(name)))


def speaks_of_sequence(text: str) -> bool:
    """Tell whether a text has any word for a sequence or for contrast."""
    words = plain(text)
    return bool(_SPOKEN_OF.search(words) or re.search(_OTHER, words))


def words_of(name: str) -> list[str]:
    """Split a name into words and numbers, in lower case without accents."""
    return re.findall(r"[^\W_]+", plain(name))


def plain(text: str) -> str:
    """Convert a text to lower case without accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


@lru_cache(_NAMES)
def patient_in(name: str) -> str:
    """Return the words before those for the sequence: a patient's code, a number, or nothing."""
    words = plain(name)
    first = _DESCRIBES.search(words)
    return _joined(words[: first.start()] if first else words)


def may_be_one_patient(one: str, two: str, *, flairs: int) -> bool:
    """Tell whether two names may be of one patient, among so many FLAIR.

    Beside a single FLAIR, leading numbers are taken for series numbers.
    """
    codes = {patient_in(one), patient_in(two)}
    return len(codes) == 1 or (flairs == 1 and any(not code or code.isdigit() for code in codes))


def _plane_of(name: str) -> str:
    words = plain(name)
    return next((plane for plane, pattern in _PLANE.items() if re.search(pattern, words)), "")


def _joined(text: str) -> str:
    return "_".join(words_of(text))


def _unclear(sequence: Sequence, names: list[str]) -> str:
    return f"{TITLES[sequence]} may be {' or '.join(sorted(names))}; say which it is."
