"""DICOM: folders to series, and series to scans; pydicom reads the headers, SimpleITK the pixels."""

from napari_tumor_unet.io.dicom.folder import find_series, looks_like_dicom
from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.io.dicom.study import series_of_file, series_of_study
from napari_tumor_unet.io.dicom.voxels import read_series

__all__ = [
    "Series",
    "find_series",
    "looks_like_dicom",
    "read_series",
    "series_of_file",
    "series_of_study",
]
