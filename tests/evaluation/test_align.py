"""Masks that say where they lie: what their files know, and how one is brought to the grid of the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from napari_tumor_unet.evaluation.compare import ComparisonError, align
from napari_tumor_unet.evaluation.score import score
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.scan.grid import Grid
from tests.conftest import Refused

SPACING = (5.0, 1.5, 0.7)
VOXEL_ML = 5 * 1.5 * 0.7 / 1000


@pytest.fixture
def nifti(tmp_path: Path) -> Callable[..., Path]:
    """Write labels (Z, Y, X) under a name, with the world of a scanner, in any order of the axes."""

    def write(
        name: str,
        labels: np.ndarray,
        axes: str = "LPS",
        origin: tuple[float, ...] = (9, -4, 2),
        turn: float = 0,
    ) -> Path:
        affine = nib.affines.from_matvec(
            nib.eulerangles.euler2mat(turn) @ np.diag([-1, -1, 1]) * SPACING[::-1], origin
        )
        image = nib.Nifti1Image(labels.T.copy(), affine)
        order = nib.orientations.ornt_transform(
            nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(axes)
        )
        nib.save(image.as_reoriented(order), tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SLA"])
@pytest.mark.parametrize("turn", [0, 0.3])
def test_one_mask_in_files_of_two_orientations_agrees_with_itself(
    ball: np.ndarray, nifti: Callable[..., Path], axes: str, turn: float
) -> None:
    found = score(nifti("p.nii", ball, axes, turn=turn), nifti("r.nii.gz", ball, turn=turn))
    assert (found.dice, found.hausdorff95, found.unit, found.notes) == (1, 0, "mm", ())
    assert found.volume_reference_ml == pytest.approx(np.count_nonzero(ball) * VOXEL_ML)


def test_a_cut_out_of_a_mask_agrees_with_it(ball: np.ndarray, nifti: Callable[..., Path]) -> None:
    part = nifti("p.nii", ball[1:7, 2:, 4:23], "RAS", origin=(9 - 4 * 0.7, -4 - 2 * 1.5, 2 + 5))
    found = score(part, nifti("r.nii", ball), label=2)
    assert (found.dice, found.hausdorff95) == (1, 0)
    assert found.notes == (
        "The prediction was brought to the reference's grid, by nearest neighbour in world space.",
    )
    assert score(part, nifti("r.nii", ball)).recall < 1  # what the cut lacks is missed


def test_predicted_voxels_outside_the_reference_are_told(
    ball: np.ndarray, nifti: Callable[..., Path]
) -> None:
    part = nifti("r.nii", ball[:, :, :13], "PIR")
    found = score(nifti("p.nii", ball), part)
    lost = np.count_nonzero(ball[:, :, 13:])
    assert (found.dice, found.voxels_predicted) == (1, np.count_nonzero(ball) - lost)
    assert f"{lost} predicted voxels lie outside the reference's grid and are not counted." in found.notes


def test_a_mask_on_a_turned_grid_nearly_agrees(nifti: Callable[..., Path]) -> None:
    """An ellipsoid around the scanner's centre, as two oblique scans would hold it."""

    def seen(turn: float) -> np.ndarray:
        z, y, x = ((np.arange(n) - n // 2) * s for n, s in zip((13, 41, 81), SPACING, strict=True))
        z, y, x = np.meshgrid(z, y, x, indexing="ij")
        x, y = np.cos(turn) * x - np.sin(turn) * y, np.cos(turn) * y + np.sin(turn) * x
        return ((z / 25) ** 2 + (y / 15) ** 2 + (x / 20) ** 2 < 1).astype(np.uint8)

    def origin(turn: float) -> np.ndarray:
        return nib.eulerangles.euler2mat(turn) @ (40 * 0.7, 20 * 1.5, -6 * 5)

    p = nifti("p.nii", seen(0.4), "RAS", origin=origin(0.4), turn=0.4)
    found = score(p, nifti("r.nii", seen(0.0), origin=origin(0.0)))
    assert found.dice > 0.97
    assert found.hausdorff95 < 1.6
    assert found.volume_difference_ml == pytest.approx(0, abs=0.02 * found.volume_reference_ml)


def test_masks_in_different_places_are_refused(
    ball: np.ndarray, nifti: Callable[..., Path], refused: Refused
) -> None:
    with refused(ComparisonError, "share no space"):
        score(nifti("p.nii", ball, origin=(500, 0, 0)), nifti("r.nii", ball))


def test_a_plane_is_not_compared_with_a_volume(refused: Refused) -> None:
    grids = [Grid((4,) * n, np.eye(n), np.zeros(n), in_mm=True) for n in (2, 3)]
    with refused(ComparisonError, "plane"):
        align(np.ones((4, 4)), grids[0], np.ones((4, 4, 4)), grids[1])


@pytest.mark.parametrize("known", ["p.tif", "r.tif"])
def test_a_spacing_that_one_file_knows_is_that_of_both(tmp_path: Path, ball: np.ndarray, known: str) -> None:
    for name in ("p.tif", "r.tif"):
        told = {"spacing": 5.0, "unit": "mm"} if name == known else {}
        tifffile.imwrite(
            tmp_path / name, ball, imagej=True, resolution=(1 / 0.7, 1 / 1.5), metadata={"axes": "ZYX"} | told
        )
    found = score(tmp_path / "p.tif", tmp_path / "r.tif")
    assert found.unit == "mm"
    assert found.volume_reference_ml == pytest.approx(np.count_nonzero(ball) * VOXEL_ML)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, ball: np.ndarray, refused: Refused) -> None:
    with refused(ScanError, "gone.nii does not exist"):
        score(tmp_path / "gone.nii", ball)
