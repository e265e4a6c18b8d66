"""Writes DICOM files, as scanners do, for tests."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

AXES = {
    "axial": np.eye(3),
    "sagittal": np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]),
    "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
"""World directions (LPS) of a slice's x, y and normal, as columns."""
PATIENT = {
    "PatientName": "Mustermann^Erika",
    "PatientID": "KH-471100",
    "PatientBirthDate": "19640812",
    "AccessionNumber": "ACC90210",
}


def turned(degrees: float, axes: np.ndarray = AXES["axial"]) -> np.ndarray:
    """Axes turned about two of the world's."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ axes


def image(pixels: np.ndarray, **fields: Any) -> Dataset:
    """One image, or a file of frames, with a header that has all that must be there."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.Modality, dataset.SeriesNumber, dataset.SeriesDescription = "MR", 5, "T2 FLAIR"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelData = pixels.tobytes()
    for keyword, value in (PATIENT | fields).items():
        setattr(dataset, keyword, value)
    return dataset


def images(
    voxels: np.ndarray,
    axes: np.ndarray = AXES["axial"],
    spacing: tuple[float, float, float] = (4.0, 1.5, 0.75),
    origin: tuple[float, float, float] = (-12.5, 30.25, 7.75),
    **fields: Any,
) -> list[Dataset]:
    """The images of a stack (Z, Y, X), one for each slice."""
    return [
        image(
            pixels,
            InstanceNumber=i + 1,
            ImagePositionPatient=[f"{v:.9g}" for v in np.asarray(origin) + i * spacing[0] * axes[:, 2]],
            ImageOrientationPatient=[f"{v:.9g}" for v in axes[:, :2].T.ravel()],
            PixelSpacing=list(spacing[1:]),
            SliceThickness=0.9 * spacing[0],  # never what counts
            **fields,
        )
        for i, pixels in enumerate(voxels)
    ]


def enhanced(
    voxels: np.ndarray, axes: np.ndarray = AXES["axial"], order: list[int] | None = None, **fields: Any
) -> Dataset:
    """One "enhanced" file with a frame for each slice, in some order."""
    order = order or list(range(len(voxels)))
    frames = []
    for i in order:
        plane, frame = Dataset(), Dataset()
        plane.ImagePositionPatient = [float(v) for v in np.array([-12.5, 30.25, 7.75]) + i * 4.0 * axes[:, 2]]
        frame.PlanePositionSequence = [plane]
        frames.append(frame)
    orientation, measures, echo, shared = Dataset(), Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [float(v) for v in axes[:, :2].T.ravel()]
    measures.PixelSpacing, echo.EffectiveEchoTime = [1.5, 0.75], 90.0
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    shared.MREchoSequence = [echo]
    groups = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}
    counted = {"NumberOfFrames": len(voxels), "SOPClassUID": EnhancedMRImageStorage}
    return image(voxels[order], **(counted | groups | fields))


def saved(datasets: list[Dataset], folder: Path, prefix: str = "IM", ending: str = ".dcm") -> Path:
    """Write images under names that say nothing of their order."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = random.Random(0).sample(range(1000), len(datasets))
    for number, dataset in zip(numbers, datasets, strict=True):
        dataset.save_as(folder / f"{prefix}{number:04}{ending}", enforce_file_format=True)
    return folder
