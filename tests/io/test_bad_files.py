"""A bad file is one sentence: nothing is half read, no memory is taken, and Python lives on."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_tumor_unet.io.read import read_mask, read_scan
from napari_tumor_unet.io.write import write_mask
from napari_tumor_unet.scan import ScanError, scan_from_volume
from tests.conftest import Refused
from tests.io.test_itk import READ, VOXELS, image_of, saved

NOISE = np.random.default_rng(3).normal(size=(12, 14, 10)).astype(np.float32)


def changed(path: Path, old: str, new: str) -> Path:
    """The same file with something else in its header."""
    content = path.read_bytes()
    assert re.search(old.encode(), content)
    path.write_bytes(re.sub(old.encode(), new.encode(), content, count=1))
    return path


def data_file(path: Path) -> Path:
    """The file that holds a volume's voxels."""
    return next(
        (p for p in path.parent.iterdir() if p.suffix in (".raw", ".zraw", ".gz") and p != path), path
    )


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("ending", READ)
def test_a_truncated_file_is_refused(
    tmp_path: Path, ending: str, share: float, compressed: bool, refused: Refused
) -> None:
    path = saved(image_of(NOISE), tmp_path / f"a{ending}", compressed=compressed)
    cut = data_file(path)
    cut.write_bytes(cut.read_bytes()[: int(share * cut.stat().st_size)])
    with refused(ScanError, cut.name, "damaged"):
        read_scan(path)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
def test_a_compressed_file_damaged_inside_is_refused(tmp_path: Path, ending: str, refused: Refused) -> None:
    path = saved(image_of(NOISE), tmp_path / f"a{ending}")
    data = data_file(path)
    content = bytearray(data.read_bytes())
    content[len(content) * 3 // 4] ^= 0xFF
    data.write_bytes(content)
    with refused(ScanError, data.name, "damaged"):
        read_scan(path)


@pytest.mark.parametrize(
    "content", [b"", b"once upon a time\n" * 100, b"\x89PNG\r\n\x1a\n", b"\x1f\x8b\x08\0nothing"]
)
@pytest.mark.parametrize("read", [read_scan, read_mask])
@pytest.mark.parametrize("ending", READ)
def test_what_is_something_else_is_refused(
    tmp_path: Path, ending: str, read: Callable[[Path], object], content: bytes, refused: Refused
) -> None:
    (tmp_path / f"a{ending}").write_bytes(content)
    with refused(ScanError, f"a{ending}", "damaged"):
        read(tmp_path / f"a{ending}")


@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha"])
def test_a_format_under_the_name_of_another_is_refused(tmp_path: Path, ending: str, refused: Refused) -> None:
    other = ".mha" if ending != ".mha" else ".nrrd"
    saved(image_of(), tmp_path / f"b{other}").rename(tmp_path / f"a{ending}")
    with refused(ScanError, f"a{ending}", "damaged or no"):
        read_scan(tmp_path / f"a{ending}")


def declared_huge(path: Path) -> Path:
    """A header of far more voxels than the file has."""
    if path.name.endswith((".nii", ".nii.gz")):
        image = nib.Nifti1Image(VOXELS.T, np.eye(4))
        image.header.set_data_shape((30000, 30000, 30000))
        content = image.header.binaryblock + bytes(4) + VOXELS.tobytes()
        with nib.openers.Opener(path, "wb") as file:
            file.write(content)
        return path
    saved(image_of(), path)
    return changed(path, r"(sizes: |DimSize = )5 6 4", r"\g<1>100000 100000 100000")


@pytest.mark.parametrize("ending", READ)
def test_a_huge_declared_size_takes_no_memory(tmp_path: Path, ending: str, refused: Refused) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such numbers")
    path = declared_huge(tmp_path / f"a{ending}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with refused(ScanError, "damaged: it ends too early"):
        read_scan(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_a_file_that_unpacks_to_more_than_any_scan_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setattr("napari_tumor_unet.io.guard.MOST_BYTES", 1 << 30)
    path = saved(image_of(np.zeros((64, 512, 512), np.uint8)), tmp_path / "a.mha")
    changed(path, "DimSize = 512 512 64", "DimSize = 512 512 8192")
    os.truncate(path, 4 << 20)
    changed(path, "CompressedDataSize = .*\n", "CompressedDataSize = 4000000\n")
    with refused(ScanError, "a.mha", "GB"):
        read_scan(path)


@pytest.mark.parametrize("length", ["CompressedDataSize = 10\n", "CompressedDataSize = -1\n", ""])
def test_a_metaimage_with_a_wrong_length_is_refused(tmp_path: Path, length: str, refused: Refused) -> None:
    path = saved(image_of(NOISE), tmp_path / "a.mha")
    with refused(ScanError, "a.mha"):
        read_scan(changed(path, "CompressedDataSize = .*\n", length))


@pytest.mark.parametrize("spacing", ["0", "-0.7", "nan", "inf"])
def test_an_impossible_spacing_is_refused(tmp_path: Path, spacing: str, refused: Refused) -> None:
    path = changed(
        saved(image_of(), tmp_path / "a.mha"), r"ElementSpacing = \S+", f"ElementSpacing = {spacing}"
    )
    with refused(ScanError, "a.mha", "impossible voxel spacing"):
        read_scan(path)
    image = nib.Nifti1Image(VOXELS.T, np.diag([0.7, 1, 1, 1]))
    content = bytearray(image.to_bytes())
    content[80:84] = np.float32(spacing).tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with refused(ScanError, "a.nii", "impossible voxel spacing"):
        read_scan(tmp_path / "a.nii")


@pytest.mark.parametrize("axis", ["(0,0,0)", "(nan,0,0)", "(1e999,0,0)"])
def test_an_impossible_axis_of_a_nrrd_is_refused(tmp_path: Path, axis: str, refused: Refused) -> None:
    path = changed(saved(image_of(), tmp_path / "a.nrrd"), r"directions: \S+", f"directions: {axis}")
    with refused(ScanError, "a.nrrd"):
        read_scan(path)


def test_an_orientation_that_is_no_number_is_refused(tmp_path: Path, refused: Refused) -> None:
    content = bytearray(nib.Nifti1Image(VOXELS.T, np.eye(4)).to_bytes())
    content[280:284] = np.float32("nan").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with refused(ScanError, "a.nii", "orientation"):
        read_scan(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("ending", "old", "new"),
    [
        (".nrrd", r"directions: \S+", "directions: (0.7,0.4,0)"),
        (".mha", r"TransformMatrix = 1 0 0", "TransformMatrix = 1 0.4 0"),
    ],
)
def test_sheared_axes_are_refused(tmp_path: Path, ending: str, old: str, new: str, refused: Refused) -> None:
    with refused(ScanError, f"a{ending}", "sheared"):
        read_scan(changed(saved(image_of(), tmp_path / f"a{ending}"), old, new))


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_several_values_or_volumes_are_refused(tmp_path: Path, ending: str, refused: Refused) -> None:
    colours = sitk.Compose([image_of()] * 3)
    with refused(ScanError, f"a{ending}", "several values per voxel"):
        read_scan(saved(colours, tmp_path / f"a{ending}"))
    with refused(ScanError, f"b{ending}", "2 volumes"):
        read_scan(saved(sitk.JoinSeries([image_of(), image_of()]), tmp_path / f"b{ending}"))


# Headers that name another file


HEADERS = [
    (".mhd", r"ElementDataFile = .*", "ElementDataFile = "),
    (".mha", r"ElementDataFile = LOCAL", "ElementDataFile = "),
    (".nhdr", r"data file: .*", "data file: "),
]


@pytest.mark.parametrize(("ending", "old", "new"), HEADERS)
@pytest.mark.parametrize("name", ["../b.raw", "/etc/passwd", "..", "", r"C:\b.raw", "sub/b.raw"])
def test_a_header_that_names_a_file_elsewhere_is_refused(
    tmp_path: Path, ending: str, old: str, new: str, name: str, refused: Refused
) -> None:
    folder = tmp_path / "a"
    (folder / "sub").mkdir(parents=True)
    path = saved(image_of(), folder / f"a{ending}", compressed=False)
    for other in (tmp_path / "b.raw", folder / "sub" / "b.raw"):
        other.write_bytes(VOXELS.tobytes())
    with refused(ScanError, path.name, "folder"):
        read_scan(changed(path, old, (new + name).replace("\\", r"\\")))


@pytest.mark.parametrize(("ending", "old", "new"), HEADERS)
def test_a_header_whose_voxels_are_missing_is_refused(
    tmp_path: Path, ending: str, old: str, new: str, refused: Refused
) -> None:
    path = changed(saved(image_of(), tmp_path / f"a{ending}", compressed=False), old, f"{new}gone.raw")
    with refused(ScanError, path.name, "misses the file"):
        read_scan(path)


@pytest.mark.parametrize(("ending", "old", "new"), HEADERS)
@pytest.mark.parametrize("name", ["LIST", "slice%03d.raw 1 4 1"])
def test_voxels_in_several_files_are_refused(
    tmp_path: Path, ending: str, old: str, new: str, name: str, refused: Refused
) -> None:
    path = changed(saved(image_of(), tmp_path / f"a{ending}", compressed=False), old, new + name)
    with refused(ScanError, path.name, "several files"):
        read_scan(path)


# Headers of which SimpleITK ends the process


DEADLY = {
    "a.mha": "NDims = 99\nDimSize = 1 1 1\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
    "b.mha": "ObjectType = Image\nNDims = 3\nNDims = 99\nDimSize = 1 1 1\nElementDataFile = LOCAL\n",
    "c.nrrd": f"NRRD0004\ntype: {'x' * 3000}\ndimension: 3\nsizes: 1 1 1\nencoding: raw\n\n",
    "d.nrrd": f"NRRD0004\n{'x' * 3000}\ndimension: 3\nsizes: 1 1 1\nencoding: raw\n\n",
}


READ_ALL = """
import pathlib, sys
from napari_tumor_unet.io.read import read_scan
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        read_scan(path)
    except ValueError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such a name cannot be")
def test_a_name_that_is_no_text_is_refused(tmp_path: Path, in_fresh_python: Callable[..., str]) -> None:
    folder = tmp_path / os.fsdecode(b"e\xfc")
    folder.mkdir()
    (folder / "a.nii").write_bytes(nib.Nifti1Image(VOXELS.T, np.eye(4)).to_bytes())
    assert in_fresh_python(READ_ALL, folder) == (
        "The path is not valid Unicode; rename the file or its folder.\n"
    )


def test_headers_that_end_a_process_are_refused(tmp_path: Path, in_fresh_python: Callable[..., str]) -> None:
    for name, content in DEADLY.items():
        (tmp_path / name).write_text(content)
    said = in_fresh_python(READ_ALL, tmp_path)
    assert [line.partition(" ")[2][:10] for line in said.splitlines()] == ["is damaged"] * len(DEADLY)


@pytest.mark.parametrize("ending", [*READ, ".tif"])
def test_a_file_without_leave_to_read_is_refused(tmp_path: Path, ending: str, refused: Refused) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"x" * 500)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("who runs this may read everything")
    with refused(ScanError, path.name, "cannot be read: Permission denied"):
        read_scan(path)


def test_what_the_system_has_against_a_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    path = saved(image_of(), tmp_path / "a.nrrd")

    def deny(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", deny)
    with refused(ScanError, "a.nrrd cannot be read: Permission denied"):
        read_scan(path)


def test_nothing_of_a_bad_file_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for ending in READ:
        path = saved(image_of(NOISE), tmp_path / f"a{ending}")
        data = data_file(path)
        data.write_bytes(data.read_bytes()[:400])
        with pytest.raises(ScanError):
            read_scan(path)
        for file in tmp_path.iterdir():
            file.unlink()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("held", [0.9, 0.1, 0.0])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_mask_on_a_full_disk_is_an_error(
    tmp_path: Path, ending: str, held: float, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = sitk.WriteImage

    def cut_off(image: sitk.Image, path: str, **options: object) -> None:
        write(image, path, **options)
        os.truncate(path, int(held * Path(path).stat().st_size))  # SimpleITK says nothing

    monkeypatch.setattr(sitk, "WriteImage", cut_off)
    with refused(ScanError, f"m{ending}", "cannot be written", "disk full"):
        write_mask(tmp_path / f"m{ending}", (NOISE > 0).astype(np.uint8), scan_from_volume(NOISE))
    assert list(tmp_path.iterdir()) == []
