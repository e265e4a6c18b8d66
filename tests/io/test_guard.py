"""Whatever a path stands for, and whatever happens to it, reading ends, with a scan or a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile

from napari_tumor_unet.io import itk, nifti, slice_folder, tiff
from napari_tumor_unet.io.datasets.split import read_split
from napari_tumor_unet.io.find import find_scans
from napari_tumor_unet.io.read import read_mask, read_scan
from napari_tumor_unet.model.card import read_card
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.recipe import read_recipe
from tests.conftest import Refused
from tests.io.test_itk import READ, image_of, saved

VOXELS = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5)


def folder_of_slices(folder: Path) -> Path:
    folder.mkdir()
    for i, plane in enumerate(VOXELS, start=1):
        tifffile.imwrite(folder / f"p_{i}.tif", plane)
        tifffile.imwrite(folder / f"p_{i}_mask.tif", np.zeros_like(plane))
    return folder


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among files")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("read", [read_scan, read_mask])
@pytest.mark.parametrize("ending", [*READ, ".tif"])
def test_a_pipe_is_not_waited_for(
    tmp_path: Path, read: Callable[[Path], object], ending: str, refused: Refused
) -> None:
    os.mkfifo(tmp_path / f"a{ending}")
    with refused(ScanError, f"a{ending}", "no regular file"):
        read(tmp_path / f"a{ending}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among files")
@pytest.mark.timeout(20)
def test_a_pipe_among_slices_is_not_waited_for(tmp_path: Path, refused: Refused) -> None:
    folder = folder_of_slices(tmp_path / "p")
    for name in ("p_1.tif", "p_1_mask.tif"):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    with refused(ScanError, "p_1.tif", "no regular file"):
        read_scan(folder)
    with refused(ScanError, "p_1_mask.tif", "no regular file"):
        read_mask(folder)
    assert find_scans(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among files")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("read", [read_card, read_split, lambda path: read_recipe(str(path))])
def test_a_pipe_is_no_model_split_or_recipe(tmp_path: Path, read: Any) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(ValueError, match=r"\.$"):
        read(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "module", "function"),
    [
        ("a.nii.gz", nifti, "read_voxels"),
        ("a.nrrd", itk, "check_whole"),
        ("a.tif", tiff, "pixels_of"),
        ("p", slice_folder, "pixels_of"),
    ],
)
def test_a_file_that_changes_while_it_is_read_is_told_of(
    name: str, module: Any, function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    if name == "p":
        file = folder_of_slices(tmp_path / "p") / "p_1.tif"
    elif name == "a.tif":
        tifffile.imwrite(file := tmp_path / name, VOXELS, photometric="minisblack")
    else:
        file = saved(image_of(), tmp_path / name)
    read = getattr(module, function)

    def then_cut(*arguments: Any, **options: Any) -> Any:
        result = read(*arguments, **options)
        os.truncate(file, file.stat().st_size - 1)
        return result

    monkeypatch.setattr(module, function, then_cut)
    with refused(ScanError, file.name, "changed while it was read"):
        read_scan(tmp_path / name)


@pytest.mark.parametrize("read", [read_scan, read_mask])
@pytest.mark.parametrize("error", [ZeroDivisionError("x"), MemoryError(), OSError(5, "Input/output error")])
def test_an_error_that_nobody_expects_is_a_sentence(
    read: Callable[[Path], object],
    error: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Refused,
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOXELS, photometric="minisblack")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(tiff, "pixels_of", fail)
    with refused(ScanError, "a.tif"):
        read(tmp_path / "a.tif")


def test_the_last_slice_is_missed_if_its_mask_is_there(tmp_path: Path, refused: Refused) -> None:
    folder = folder_of_slices(tmp_path / "p")
    (folder / "p_4.tif").unlink()
    with refused(ScanError, "misses slice 4"):
        read_scan(folder)
    (folder / "p_4_mask.tif").unlink()
    assert read_scan(folder).shape == (3, 6, 5)


# TIFF


def tags_changed(path: Path, **values: int) -> Path:
    """The same TIFF with other values in the tags of its first page."""
    with tifffile.TiffFile(path, mode="r+") as file:
        for name, value in values.items():
            file.pages.first.tags[name].overwrite(value)
    return path


@pytest.mark.timeout(20)
@pytest.mark.parametrize("bigtiff", [False, True])
def test_pages_that_lead_back_to_each_other_are_refused(
    tmp_path: Path, bigtiff: bool, refused: Refused
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOXELS, photometric="minisblack", metadata=None, bigtiff=bigtiff)
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 4
        last, first = file.pages.next_page_offset, file.pages[1].offset
    with path.open("r+b") as raw:
        raw.seek(last)
        raw.write(first.to_bytes(8 if bigtiff else 4, "little"))
    with refused(ScanError, "a.tif", "damaged"):
        read_scan(path)


def test_a_tiff_that_unpacks_to_more_than_any_scan_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setattr("napari_tumor_unet.io.guard.MOST_BYTES", 1 << 20)
    zeros = np.zeros((5, 600, 600), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", zeros, photometric="minisblack", compression="zlib")
    with refused(ScanError, "a.tif", "no scan of a head is so large"):
        read_scan(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["zlib", None])
def test_a_tiff_too_short_for_its_pixels_takes_no_memory(
    tmp_path: Path, compression: str | None, refused: Refused
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such numbers")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOXELS[0], compression=compression)
    tags_changed(path, ImageWidth=60000, ImageLength=20000, RowsPerStrip=20000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with refused(ScanError, "a.tif", "ends too early"):
        read_scan(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


@pytest.mark.parametrize("read", [read_scan, read_mask])
def test_a_tiff_of_no_pixels_is_refused(
    tmp_path: Path, read: Callable[[Path], object], refused: Refused
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOXELS[0])
    with refused(ScanError, "a.tif"):
        read(tags_changed(tmp_path / "a.tif", ImageWidth=0))


def test_nothing_of_a_bad_tiff_is_printed(tmp_path: Path, in_fresh_python: Callable[..., str]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOXELS, photometric="minisblack")
    tags_changed(tmp_path / "a.tif", ImageLength=7)
    (tmp_path / "b.tif").write_bytes(b"II*\0\0\0\0\0")
    code = """
import pathlib, sys
sys.stderr = sys.stdout
from napari_tumor_unet.io.read import read_scan
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        read_scan(path)
    except ValueError as error:
        print(error)
"""
    assert len(in_fresh_python(code, tmp_path).splitlines()) <= 2


# NIfTI


def header_changed(path: Path, **fields: Any) -> Path:
    """A NIfTI file whose header has these fields."""
    image = nib.Nifti1Image(VOXELS.T, np.diag([-1, -1, 2, 1]))
    for name, value in fields.items():
        image.header[name] = value
    path.write_bytes(image.header.binaryblock + bytes(4) + VOXELS.tobytes())
    return path


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"vox_offset": np.inf}, "damaged"),
        ({"pixdim": [1, 1e30, 1, 1, 1, 1, 1, 1]}, "impossible voxel spacing"),
        ({"pixdim": [1, 1, 1e-30, 1, 1, 1, 1, 1]}, "impossible voxel spacing"),
        ({"dim": [7, 5, 6, 4, 1, 1, 1, 1]}, "7 axes"),
        ({"datatype": 7}, "damaged"),
        ({"dim": [3, -5, 6, 4, 1, 1, 1, 1]}, "damaged"),
    ],
)
def test_a_header_that_no_scan_has_is_refused_in_silence(
    tmp_path: Path,
    fields: dict[str, Any],
    words: str,
    refused: Refused,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = header_changed(tmp_path / "a.nii", **{"vox_offset": 352} | fields)
    for read in (read_scan, read_mask):
        with refused(ScanError, "a.nii", words):
            read(path)
    assert capfd.readouterr() == ("", "")
