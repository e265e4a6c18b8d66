"""One scan in files of many kinds gets one mask, from the bundled model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_tumor_unet import dice, segment
from napari_tumor_unet.io.datasets.sample import sample_scan
from napari_tumor_unet.io.read import read_scan
from tests.dicom_files import images, saved, turned

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def flair() -> sitk.Image:
    """The sample's FLAIR where its tumour is, axial."""
    scan = read_scan(sample_scan())
    image = sitk.GetImageFromArray(np.asarray(scan.sequences["flair"]))
    z, y, x = scan.spacing
    image.SetSpacing((x, y, z))
    image.SetOrigin((-90, -110, -40))
    return image[:, :, 8:20]


@pytest.fixture(scope="module")
def mask(flair: sitk.Image) -> np.ndarray:
    """What the model makes of it."""
    z, y, x = flair.GetSpacing()[::-1]
    found = segment(sitk.GetArrayFromImage(flair), spacing=(z, y, x)).mask
    assert found.sum() > 1000
    return found


@pytest.mark.parametrize(
    ("orientation", "ending"),
    [
        ("RAS", ".nii.gz"),
        ("LPI", ".nrrd"),
        ("PSL", ".mha"),
        ("SAR", ".nii"),
        ("IRA", ".nrrd"),
        ("ASR", ".nii.gz"),
    ],
)
def test_flips_and_permutations_change_nothing(
    flair: sitk.Image, mask: np.ndarray, tmp_path: Path, orientation: str, ending: str
) -> None:
    path = tmp_path / f"scan{ending}"
    sitk.WriteImage(sitk.DICOMOrient(flair, orientation), path)
    assert dice(segment(path).mask, mask) >= 0.999


@pytest.mark.parametrize("degrees", [0, 25])
def test_slices_of_dicom_get_the_same_mask(
    flair: sitk.Image, mask: np.ndarray, tmp_path: Path, degrees: float
) -> None:
    spacing = flair.GetSpacing()[::-1]
    series = images(sitk.GetArrayFromImage(flair), turned(degrees), spacing)
    assert dice(segment(saved(series, tmp_path / "series")).mask, mask) >= 0.999


@pytest.mark.parametrize(
    ("degrees", "tilt", "pixel"), [(20, 0, (1.0, 1.0)), (0, 0, (0.7, 1.3)), (15, 5, (1.2, 0.8))]
)
def test_oblique_slices_and_oblong_pixels_change_little(
    flair: sitk.Image,
    mask: np.ndarray,
    tmp_path: Path,
    degrees: float,
    tilt: float,
    pixel: tuple[float, float],
) -> None:
    centre = flair.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in flair.GetSize()])
    turn = sitk.Euler3DTransform(centre, np.radians(tilt), 0.0, np.radians(degrees))
    matrix = np.reshape(turn.GetMatrix(), (3, 3))
    spacing = np.array(
        [*(p * s for p, s in zip(pixel, flair.GetSpacing(), strict=False)), flair.GetSpacing()[2]]
    )
    size = [round(n * s / t) for n, s, t in zip(flair.GetSize(), flair.GetSpacing(), spacing, strict=True)]
    origin = np.array(centre) - matrix @ (spacing * (np.array(size) - 1) / 2)
    grid = (
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        origin.tolist(),
        spacing.tolist(),
        matrix.ravel().tolist(),
    )
    other = sitk.Resample(flair, *grid)
    sitk.WriteImage(other, tmp_path / "scan.nrrd")
    truth = sitk.GetImageFromArray(mask.astype(np.float32))
    truth.CopyInformation(flair)
    expected = sitk.GetArrayFromImage(sitk.Resample(truth, *grid)) >= 0.5
    found = dice(segment(tmp_path / "scan.nrrd").mask, expected)
    assert found >= 0.95
