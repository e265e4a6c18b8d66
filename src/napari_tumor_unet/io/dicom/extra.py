"""The package highdicom, which the extra ``dicom`` installs: silent, as its warnings may show the patient."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tumor_unet.io.dicom.deidentify import pydicom_silenced
from napari_tumor_unet.scan import ScanError

if TYPE_CHECKING:
    from pydicom import Dataset


def check_installed() -> None:
    """Check that DICOM segmentations can be read and written.

    Raises
    ------
    ScanError
        If highdicom is not installed.
    """
    try:
        importlib.import_module("highdicom")
    except ImportError as error:
        raise ScanError(
            'This takes the package highdicom; install it with pip install "napari-tumor-unet[dicom]".'
        ) from error


def save(dataset: Dataset, path: Path) -> None:
    """Write a dataset to a file."""
    with pydicom_silenced():
        dataset.save_as(path, enforce_file_format=True)


@contextmanager
def highdicom_silenced() -> Iterator[Any]:
    """Yield the package; neither it nor pydicom gives warnings meanwhile.

    Raises
    ------
    ScanError
        If it is not installed.
    """
    check_installed()
    import highdicom
    import highdicom.seg
    import highdicom.sr

    logger = logging.getLogger("highdicom")
    with pydicom_silenced():
        before = logger.level
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield highdicom
        finally:
            logger.setLevel(before)
