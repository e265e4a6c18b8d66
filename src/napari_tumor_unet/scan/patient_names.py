"""Tell the patient of a file or layer from its name, where that has a known code."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CODE = re.compile(
    r"TCGA[_-][A-Z0-9]{2}[_-][A-Z0-9]{4}|sub-[A-Za-z0-9]+"
    r"|[Bb]ra[Tt][Ss]\d*[_-](?:2013[_-](?:pat)?\d+"  # brats_2013_pat0005_1, BraTS19_2013_10_1
    r"|(?:CBICA|TCIA\d*|TMC)[_-][A-Z0-9]+"  # Brats18_TCIA02_607_1
    r"|(?:[A-Za-z]+[_-])?\d{3,})"  # BraTS2021_00630, BraTS-GLI-00005-100
)


def patient_of(name: str) -> str:
    """Return the patient that a scan's name stands for: a code of TCGA, BIDS or BraTS, else the name."""
    code = _CODE.match(name)
    return code.group().replace("-", "_") if code else name


def patient_told(*names: str) -> str:
    """Return the patient whom one of some names tells for certain, by a known code; empty if none does.

    Examples
    --------
    >>> patient_told("mask", "BraTS2021_00630_seg"), patient_told("sub-1"), patient_told("Anna")
    ('BraTS2021_00630', 'sub_1', '')
    >>> patient_told("brats_2013_pat0005_1 Flair"), patient_told("BraTS19_2013_10_1_seg")
    ('brats_2013_pat0005', 'BraTS19_2013_10')
    >>> patient_told("Brats18_TCIA02_607_1_flair"), patient_told("BraTS-GLI-00005-100-t2f")
    ('Brats18_TCIA02_607', 'BraTS_GLI_00005')
    """
    return next((patient_of(name) for name in names if _CODE.match(name)), "")


def of_two_patients(prediction: Iterable[str], reference: Iterable[str]) -> tuple[str, ...]:
    """Say where the names of two masks tell of two patients.

    Examples
    --------
    >>> of_two_patients(["sub-1_mask"], ["mask", "sub-2_flair"])
    ('By their names, the masks are of two patients, sub_1 and sub_2.',)
    >>> of_two_patients(["sub-1_mask"], ["mask"])
    ()
    """
    one, other = patient_told(*prediction), patient_told(*reference)
    if not one or not other or one == other:
        return ()
    return (f"By their names, the masks are of two patients, {one} and {other}.",)
