"""Patients' scans, where they lie beside the repository: never in it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from napari_tumor_unet import read_scan, segment, write_mask
from napari_tumor_unet.evaluation.overlap import dice
from napari_tumor_unet.inference import predict
from napari_tumor_unet.inference.input_check import warnings_of
from napari_tumor_unet.io.datasets.pairs import find_pairs
from napari_tumor_unet.io.datasets.split import read_split
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.scan import Scan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def test_lgg_patients_are_segmented(shared_lgg: Path, model: Model) -> None:
    pairs = {pair.name: pair for pair in find_pairs(shared_lgg / "volumes").pairs}
    with (shared_lgg / "split.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "val"]
    # Where tumour is in most slices: this shows that the way is whole, and is no benchmark.
    rows.sort(key=lambda row: -int(row["tumour_slices"]) / int(row["slices"]))
    scores = []
    for row in rows[:2]:
        scan, truth = pairs[row["patient"]].read()
        scores.append(dice(segment(scan, model=model).mask, truth))
    assert np.mean(scores) > 0.5, scores


def test_nothing_is_said_against_lgg_patients_and_most_t1_is_told(shared_lgg: Path) -> None:
    with (shared_lgg / "split.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "val"]
    assert len(rows) == 17
    told: dict[str, list[bool]] = {"pre": [], "post": []}
    for row in rows:
        with tifffile.TiffFile(shared_lgg / "volumes" / f"{row['patient']}.tif") as file:
            pre, flair, post = (Scan("scan", {"flair": _Channel(file, c)}) for c in range(3))
            assert warnings_of(flair) == (), row["patient"]
            for sequence, scan in (("pre", pre), ("post", post)):
                if row[f"{sequence}_is_flair"] == "0":
                    told[sequence].append(bool(warnings_of(scan)))
    assert np.mean(told["pre"]) > 0.8 < np.mean(told["post"]), told


class _Channel:
    """One sequence of a patient, of which only the slices asked for are decoded."""

    def __init__(self, file: tifffile.TiffFile, channel: int) -> None:
        self._file, self._channel = file, channel
        self.shape = (len(file.pages) // 3, *file.pages[0].shape)

    def __getitem__(self, z: int) -> np.ndarray:
        return self._file.pages[3 * z + self._channel].asarray()


def test_nothing_is_said_against_brats_cases(shared_brats: Path) -> None:
    for path in shared_brats.glob("*/Flair*.nii.gz"):
        assert warnings_of(read_scan(path)) == ()


def test_a_brats_case_is_segmented_onto_its_own_grid(
    shared_brats: Path, model: Model, tmp_path: Path
) -> None:
    path = min(shared_brats.glob("*/Flair*.nii.gz"))
    scan = read_scan(path)
    result = segment(scan, model=model)
    write_mask(tmp_path / "m.nii.gz", result.mask, scan)
    mask, original = nib.load(tmp_path / "m.nii.gz"), nib.load(path)
    assert mask.shape == original.shape
    np.testing.assert_array_equal(mask.affine, original.affine)
    assert np.count_nonzero(mask.dataobj) == result.findings.voxels > 0
    assert result.findings.volume_ml == pytest.approx(result.findings.voxels / 1000)


@pytest.mark.parametrize("kind", ["open_ms_*_study1", "bashiri_*"], ids=["dark fat", "lesions"])
def test_without_a_tumour_little_is_marked_and_the_user_is_told(
    shared_no_tumour: Path, model: Model, kind: str
) -> None:
    assert model.card.doubtful_under is not None
    for path in sorted(shared_no_tumour.glob(f"{kind}/*_flair.nii.gz"))[:3]:
        scan = read_scan(path)
        result = segment(scan, model=model)
        assert result.findings.volume_ml is not None
        assert result.findings.volume_ml < 7
        assert result.findings.volume_ml < 1 or set(result.warnings) - set(warnings_of(scan))


@pytest.mark.parametrize(
    "pattern",
    [
        "lgg/volumes/TCGA_CS_6188_20010812.tif",
        "gliomas/*01646/*_flair.nii.gz",
        "no_tumour/*104252/*_flair.nii.gz",
    ],
)
def test_what_is_not_computed_leaves_the_mask_as_it_was(
    shared_lgg: Path, model: Model, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    scan = read_scan(next(shared_lgg.parent.glob(pattern)))
    found = segment(scan, model=model).mask
    monkeypatch.setattr(predict, "_LIKELY", 0.0)
    whole = replace(model, card=replace(model.card, scout_stride=1, cell_scout=None))
    assert model.card.scout_stride > 1
    assert model.card.cell_scout is not None
    assert dice(found, segment(scan, model=whole).mask) >= 0.995


def test_one_patient_is_on_one_side_of_the_split(shared_lgg: Path) -> None:
    parts = read_split(shared_lgg / "split.csv")
    assert {"train", "val"} <= set(parts.values())
    assert {pair.patient for pair in find_pairs(shared_lgg / "volumes").pairs} <= parts.keys()
