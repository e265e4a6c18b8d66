"""Find the series in a folder of DICOM files, as hospitals and archives export them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_tumor_unet._common import plural
from napari_tumor_unet.io.dicom.detect import is_dicom_file, walk_files
from napari_tumor_unet.io.dicom.frame import Slice
from napari_tumor_unet.io.dicom.grouping import sort_into_series
from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.scan import ScanError

_MOST = 20_000  # files of one folder


def find_series(path: Path) -> tuple[Series, ...]:
    """Find all series in a file, or in a folder and the folders in it; each says why it is no volume.

    Raises
    ------
    ScanError
        If the folder cannot be read, or holds no images or too many files.
    """
    from napari_tumor_unet.io.dicom.header import read_slices  # pydicom takes long to import

    slices: list[Slice] = []
    damaged: list[Path] = []
    try:
        for i, file in enumerate(walk_files(path)):
            if i == _MOST:
                raise ScanError(f"This folder holds more than {_MOST} files; open the folder of one patient.")
            try:
                if is_dicom_file(file):
                    slices += read_slices(file)
            except ScanError:
                damaged.append(file)
    except OSError as error:
        raise ScanError(f"This folder, or one in it, cannot be read: {error.strerror}.") from error
    if not slices and damaged:
        raise ScanError("All images in this folder are damaged or no DICOM files.")
    if not slices:
        raise ScanError("This folder holds no DICOM images.")
    return tuple(_with_damaged_neighbours(series, damaged) for series in sort_into_series(slices))


def _with_damaged_neighbours(series: Series, damaged: list[Path]) -> Series:
    folders = {file.parent for file in series.files}
    beside = sum(file.parent in folders for file in damaged)
    if not beside:
        return series
    note = f"{plural(beside, 'file')} beside {series.name} cannot be read: damaged or no DICOM."
    return replace(series, notes=(*series.notes, note))
