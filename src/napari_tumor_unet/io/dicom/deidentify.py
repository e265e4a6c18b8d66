"""Remove the patient from names and descriptions: folders and series are often named after one."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_tumor_unet.io.dicom.detect import ENDINGS, first_image
from napari_tumor_unet.scan.sequence_names import plain

PATIENT = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientBirthName"),
    *("OtherPatientIDs", "OtherPatientNames", "AccessionNumber"),
)
"""Fields of a header that identify the patient."""
_OTHER = ("StudyInstanceUID", "SeriesInstanceUID", "PatientIdentityRemoved")
_ALONE = threading.RLock()
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "æ": "ae", "å": "aa"})


@contextmanager
def pydicom_silenced() -> Iterator[None]:
    """Let pydicom give no warnings: they show the values, and where it is installed."""
    import pydicom

    with _ALONE, pydicom.config.disable_value_validation(), warnings.catch_warnings():  # both of all threads
        warnings.simplefilter("ignore")
        yield


def study_names(path: Path) -> tuple[str, str]:
    """Name the files made of a DICOM folder or file: return a short name and a unique one.

    The short name is the folder's or file's own, unless that names the patient. The unique name ends with a
    digest of the study's UID, which stays the same and says nothing of the patient.
    """
    header = _identity(path)
    uid = str(header.get("StudyInstanceUID", "")) + (str(header.get("SeriesInstanceUID")) * path.is_file())
    digest = hashlib.sha256(uid.encode()).hexdigest()[:8]
    resolved = Path(os.path.realpath(path))
    own = resolved.stem if path.is_file() and resolved.suffix.lower() in ENDINGS else resolved.name
    removed = str(header.get("PatientIdentityRemoved", "")).upper() == "YES"
    name = own if removed or not _names_patient(own, header) else "study"
    return (name if name != "study" else f"study_{digest}"), f"{name}_{digest}"


def study_of(folder: Path) -> str:
    """Return the UID of the study that the first image of a folder belongs to."""
    return str(_identity(folder).get("StudyInstanceUID", ""))


class Deidentifier:
    """Deidentifier of the texts of one header: removes the words that name the patient.

    Parameters
    ----------
    header : mapping
        The fields by keyword, those of ``PATIENT`` among them.
    """

    def __init__(self, header: Mapping[str, Any]) -> None:
        # Short ones only as whole words: "Li" is in many others.
        patterns = [
            re.escape(word) if len(word) > 3 else rf"(?<![^\W_]){re.escape(word)}(?![^\W_])"
            for word in _words_of_patient(header)
        ]
        if born := re.fullmatch(r"(\d{4})(\d\d)(\d\d)", str(header.get("PatientBirthDate") or "")):
            year, month, day = born.groups()
            patterns += [r"\W?".join(order) for order in ((year, month, day), (day, month, year))]
            patterns.append(rf"{month}\W?{day}\W?{year}")
        patterns.sort(key=len, reverse=True)
        self._patient = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def clean(self, text: object) -> str:
        """Return a text without such words, in one short line."""
        cleaned = " ".join(str(v) for v in listed(text))
        cleaned = "".join(c if c.isprintable() else " " for c in cleaned)
        if self._patient is not None and self._patient.search(cleaned):
            cleaned = re.sub(r"[\[({]\s*[\])}]", " ", self._patient.sub(" ", cleaned))
            cleaned = re.sub(r"[\s_^,;-]*\s[\s_^,;-]*", " ", cleaned).strip(" _^,;-")
        return " ".join(cleaned.split())[:64].strip()


def listed(value: Any) -> list[Any]:
    """List the values of a field, which may hold none, one or several."""
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]


def _words_of_patient(header: Mapping[str, Any]) -> set[str]:
    """Collect the words of a header that name the patient, without single letters."""
    text = " ".join(str(value) for tag in PATIENT for value in listed(header.get(tag)))
    return {word for word in re.split(r"[\s^=,;]+", text) if len(word) > 1}


def _identity(path: Path) -> dict[str, Any]:
    """Read the patient of a study from its first image; never shown, only searched for in names."""
    import pydicom

    tags = [*PATIENT, *_OTHER]
    file = first_image(path)
    if file is None:
        return {}
    try:
        with pydicom_silenced():
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[*tags], force=True)
            return {tag: header.get(tag, "") for tag in tags}
    except Exception:  # pydicom raises many kinds; reading reports the damage
        return {}


def _names_patient(text: str, header: dict[str, Any]) -> bool:
    return any(_spelled(word) in _spelled(text) for word in _words_of_patient(header))


def _spelled(text: str) -> str:
    return plain(text.lower().translate(_SPELLED))
