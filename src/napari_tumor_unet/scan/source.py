"""The DICOM images that a scan was read from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, repr=False)
class SourceImage:
    """DICOM image, or a frame of one, that a slice was read from; nothing of it is shown or written.

    Its name and header may be a patient's: they are read again when a mask is to be written as DICOM.

    Attributes
    ----------
    file : Path
    uid : str
        SOPInstanceUID of the image.
    frame : int
        Which frame of the file, from 0.
    """

    file: Path
    uid: str
    frame: int = 0
