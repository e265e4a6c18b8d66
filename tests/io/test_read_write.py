from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_tumor_unet.io.file_names import MASK_ENDINGS, is_mask_name, scan_name
from napari_tumor_unet.io.read import read_mask, read_scan
from napari_tumor_unet.io.slice_folder import folder_of_slice, looks_like_slices
from napari_tumor_unet.io.write import write_mask
from napari_tumor_unet.scan import ScanError, scan_from_volume
from tests.conftest import Refused

RANDOM = np.random.default_rng(1)
STACK = RANDOM.integers(0, 200, (4, 6, 5), dtype=np.uint8)  # (Z, Y, X)
CHANNELS = RANDOM.integers(0, 200, (4, 3, 6, 5), dtype=np.uint8)  # (Z, C, Y, X)
MM = {"axes": "ZYX", "spacing": 5.0, "unit": "mm"}


def write_tiff(path: Path, array: np.ndarray, photometric: str = "minisblack", **options: Any) -> None:
    tifffile.imwrite(path, array, photometric=photometric, **options)


def check_channels(path: Path, depth: int = 4) -> None:
    scan = read_scan(path)
    for i, sequence in enumerate(("pre", "flair", "post")):
        np.testing.assert_array_equal(scan.sequences[sequence], CHANNELS[:depth, i])


# Names


@pytest.mark.parametrize(
    ("file", "name"), [("a.b.nii.gz", "a.b"), ("a.NII", "a"), ("a.tif", "a"), ("a.TIFF", "a"), ("a.b", "a.b")]
)
def test_a_scans_name_is_its_files_without_the_ending(file: str, name: str) -> None:
    assert scan_name(Path("somewhere") / file) == name


@pytest.mark.parametrize("name", ["a_mask.nii.gz", "a_seg.tif", "a_Labels.nii", "a_1_label.tiff"])
def test_masks_are_known_by_their_names(name: str) -> None:
    assert is_mask_name(Path(name))
    assert not is_mask_name(Path("unmasked.tif"))


@pytest.mark.parametrize("read", [read_scan, read_mask])
def test_what_is_not_there_is_refused(read: Any, tmp_path: Path, refused: Refused) -> None:
    with refused(ScanError, "nosuch.tif", "does not exist"):
        read(tmp_path / "nosuch.tif")


@pytest.mark.parametrize("read", [read_scan, read_mask])
def test_unknown_formats_are_refused_with_the_known_ones(read: Any, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a.png").touch()
    with refused(ScanError, "a.png", "NIfTI", "TIFF", "folder"):
        read(tmp_path / "a.png")


# Folders of slices


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve slices, slice n (from 1) of value 10 n in FLAIR, the masks of 3 and 4 not empty."""
    folder = tmp_path / "TCGA_XX_0000_20000101"
    folder.mkdir()
    for n in range(1, 13):
        image = np.stack([np.full((6, 5), 10 * n + c, np.uint8) for c in (-1, 0, 1)], axis=-1)
        mask = np.zeros((6, 5), np.uint8)
        mask[2, 3] = 255 * (n in (3, 4))
        write_tiff(folder / f"TCGA_XX_0000_20000101_{n}.tif", image, photometric="rgb")
        write_tiff(folder / f"TCGA_XX_0000_20000101_{n}_mask.tif", mask)
    return folder


def slice_file(folder: Path, n: int, mask: str = "") -> Path:
    return folder / f"{folder.name}_{n}{mask}.tif"


def test_slices_are_in_numeric_order(folder: Path) -> None:
    scan = read_scan(folder)
    assert scan.name == folder.name
    assert not scan.in_mm
    np.testing.assert_array_equal(scan.sequences["flair"][:, 0, 0], 10 * np.arange(1, 13))


def test_slices_of_three_colours_are_pre_flair_post(folder: Path) -> None:
    scan = read_scan(folder)
    assert [scan.slice(s, 1)[0, 0] for s in ("pre", "flair", "post")] == [19, 20, 21]


def test_grey_slices_are_flair(tmp_path: Path) -> None:
    for n, image in enumerate(STACK):
        write_tiff(tmp_path / f"a_{n}.tif", image)
    np.testing.assert_array_equal(read_scan(tmp_path).sequences["flair"], STACK)


def test_a_folders_mask_holds_0_and_1(folder: Path) -> None:
    mask = read_mask(folder)
    assert mask.dtype == np.uint8
    assert np.argwhere(mask).tolist() == [[2, 2, 3], [3, 2, 3]]
    assert mask.max() == 1


def test_other_files_in_the_folder_do_not_matter(folder: Path) -> None:
    for name in ("notes.txt", ".DS_Store", "report.tif"):
        (folder / name).touch()
    assert read_scan(folder).shape == (12, 6, 5)


def test_a_missing_slice_is_named(folder: Path, refused: Refused) -> None:
    slice_file(folder, 7).unlink()
    with refused(ScanError, folder.name, "misses slice 7"):
        read_scan(folder)


def test_a_slice_without_its_mask_is_named(folder: Path, refused: Refused) -> None:
    slice_file(folder, 5, "_mask").unlink()
    with refused(ScanError, "slice 5 has no mask"):
        read_mask(folder)


def test_slices_of_two_patients_are_refused(folder: Path, refused: Refused) -> None:
    slice_file(folder, 12).rename(folder / "TCGA_YY_0000_20000101_12.tif")
    with refused(ScanError, "2 scans"):
        read_scan(folder)


def test_a_slice_numbered_twice_is_refused(folder: Path, refused: Refused) -> None:
    slice_file(folder, 12).rename(folder / f"{folder.name}_01.tif")
    with refused(ScanError, "twice"):
        read_scan(folder)


def test_slices_of_two_sizes_are_refused(folder: Path, refused: Refused) -> None:
    write_tiff(slice_file(folder, 2), np.zeros((6, 6, 3), np.uint8), photometric="rgb")
    with refused(ScanError, "differ in size"):
        read_scan(folder)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"II*\0\x08\0\0\0\x02\0"])
def test_a_damaged_slice_is_named(folder: Path, content: bytes, refused: Refused) -> None:
    slice_file(folder, 2).write_bytes(content)
    with refused(ScanError, slice_file(folder, 2).name, "damaged"):
        read_scan(folder)


def test_a_coloured_mask_is_refused(folder: Path, refused: Refused) -> None:
    for n in range(1, 13):
        write_tiff(slice_file(folder, n, "_mask"), np.zeros((6, 5, 3), np.uint8), photometric="rgb")
    with refused(ScanError, "colours"):
        read_mask(folder)


def test_a_folder_without_slices_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused(ScanError, "no slices"):
        read_scan(tmp_path)
    with refused(ScanError, "no folder of slices with _mask files; give mask files"):
        read_mask(tmp_path)


def test_a_folder_of_slices_is_known_by_its_names(folder: Path, tmp_path: Path) -> None:
    assert looks_like_slices(folder)
    assert not looks_like_slices(tmp_path)
    assert not looks_like_slices(tmp_path / "nosuch")


def test_a_slice_or_its_mask_stands_for_the_folder(folder: Path) -> None:
    assert folder_of_slice(slice_file(folder, 3)) == folder
    assert folder_of_slice(slice_file(folder, 3, "_mask")) == folder


def test_a_stack_beside_those_of_other_patients_stands_for_itself(tmp_path: Path) -> None:
    for patient in ("TCGA_XX_0001", "TCGA_XX_0002"):
        write_tiff(tmp_path / f"{patient}_20000101.tif", STACK)
    assert folder_of_slice(tmp_path / "TCGA_XX_0001_20000101.tif") == tmp_path / "TCGA_XX_0001_20000101.tif"
    assert folder_of_slice(tmp_path / "brain.tif") == tmp_path / "brain.tif"


# TIFF


@pytest.mark.parametrize("imagej", [True, False])
def test_a_tiff_stack_is_flair(tmp_path: Path, imagej: bool) -> None:
    write_tiff(tmp_path / "a.tif", STACK, imagej=imagej, metadata={"axes": "ZYX"})
    scan = read_scan(tmp_path / "a.tif")
    assert list(scan.sequences) == ["flair"]
    np.testing.assert_array_equal(scan.sequences["flair"], STACK)
    assert (scan.spacing, scan.in_mm) == ((1.0, 1.0, 1.0), False)


def test_a_single_picture_is_one_slice(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", STACK[0])
    np.testing.assert_array_equal(read_scan(tmp_path / "a.tif").sequences["flair"], STACK[:1])


@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize(
    ("kind", "axes"),
    [("ome", "ZCYX"), ("ome", "CZYX"), ("shaped", "ZCYX"), ("shaped", "CZYX"), ("imagej", "ZCYX")],
)
def test_a_channel_axis_is_pre_flair_post(tmp_path: Path, axes: str, kind: str, depth: int) -> None:
    written = CHANNELS[:depth].transpose(["ZCYX".index(axis) for axis in axes])
    write_tiff(
        tmp_path / "a.tif", written, ome=kind == "ome", imagej=kind == "imagej", metadata={"axes": axes}
    )
    check_channels(tmp_path / "a.tif", depth)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_are_pre_flair_post(tmp_path: Path, planar: str) -> None:
    written = np.moveaxis(CHANNELS, 1, -1) if planar == "contig" else CHANNELS
    write_tiff(tmp_path / "a.tif", written, photometric="rgb", planarconfig=planar)
    check_channels(tmp_path / "a.tif")


def test_other_numbers_of_channels_are_refused(tmp_path: Path, refused: Refused) -> None:
    write_tiff(tmp_path / "a.tif", CHANNELS[:, :2], imagej=True, metadata={"axes": "ZCYX"})
    with refused(ScanError, "shape"):
        read_scan(tmp_path / "a.tif")


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1.0), ("cm", 10.0), ("um", 1e-3), ("micron", 1e-3)])
def test_imagej_spacing_is_known(tmp_path: Path, unit: str, mm: float) -> None:
    write_tiff(
        tmp_path / "a.tif",
        STACK,
        imagej=True,
        resolution=(1 / 0.5, 1 / 0.8),
        metadata=MM | {"unit": unit},
    )
    scan = read_scan(tmp_path / "a.tif")
    assert scan.in_mm
    assert scan.spacing == pytest.approx((5 * mm, 0.8 * mm, 0.5 * mm))


@pytest.mark.parametrize("metadata", [{"unit": "furlong", "spacing": 5.0}, {"spacing": 5.0}, {}])
def test_imagej_spacing_without_a_unit_is_unknown(tmp_path: Path, metadata: dict[str, Any]) -> None:
    write_tiff(tmp_path / "a.tif", STACK, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX"} | metadata)
    assert not read_scan(tmp_path / "a.tif").in_mm


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1), ("µm", 1000), (None, 1000), ("cm", 0.1)])
def test_ome_spacing_is_known(tmp_path: Path, unit: str | None, scale: float) -> None:
    metadata: dict[str, Any] = {"axes": "ZYX"}
    for axis, mm in zip("ZYX", (5.0, 0.8, 0.5), strict=True):
        metadata[f"PhysicalSize{axis}"] = mm * scale
        if unit:
            metadata[f"PhysicalSize{axis}Unit"] = unit
    write_tiff(tmp_path / "a.ome.tif", STACK, ome=True, metadata=metadata)
    scan = read_scan(tmp_path / "a.ome.tif")
    assert scan.in_mm
    assert scan.spacing == pytest.approx((5.0, 0.8, 0.5))


def test_ome_without_a_distance_of_slices_has_no_spacing(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.ome.tif", STACK, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5})
    assert not read_scan(tmp_path / "a.ome.tif").in_mm


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.9])
def test_a_truncated_tiff_is_refused(
    tmp_path: Path, compression: str | None, share: float, refused: Refused
) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, RANDOM.integers(0, 99, (6, 40, 50), np.uint8), compression=compression)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with refused(ScanError, "a.tif"):
        read_scan(path)


def test_what_is_no_tiff_is_refused(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a.tif").write_bytes(b"PK\x03\x04" * 100)
    with refused(ScanError, "a.tif", "no TIFF"):
        read_scan(tmp_path / "a.tif")


@given(
    mask=st.tuples(st.integers(1, 6), st.integers(2, 6), st.integers(2, 6)).flatmap(
        lambda shape: hnp.arrays(np.uint8, shape, elements=st.integers(0, 1))
    ),
    spacing=st.none() | st.tuples(*[st.sampled_from([0.3, 0.9375, 1.0, 5.5])] * 3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tiff_mask_comes_back_with_its_spacing(
    tmp_path: Path, mask: np.ndarray, spacing: tuple[float, float, float] | None
) -> None:
    write_mask(tmp_path / "m.tif", mask, scan_from_volume(mask, spacing=spacing))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.tif"), mask)
    again = read_scan(tmp_path / "m.tif")
    assert again.in_mm == (spacing is not None)
    assert again.spacing == pytest.approx(spacing or (1, 1, 1), rel=1e-5)


def test_labels_keep_their_values(tmp_path: Path) -> None:
    labels = 2 * STACK.astype(np.uint16)
    write_tiff(tmp_path / "a.tif", labels)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), labels)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", "int16", "uint8"])
def test_labels_of_any_type_are_whole_numbers(tmp_path: Path, dtype: str) -> None:
    write_tiff(tmp_path / "a.tif", (STACK > 100).astype(dtype))
    read = read_mask(tmp_path / "a.tif")
    assert read.dtype.kind in "ui"
    np.testing.assert_array_equal(read, STACK > 100)


def test_broken_numbers_are_no_labels(tmp_path: Path, refused: Refused) -> None:
    write_tiff(tmp_path / "a.tif", STACK / 7)
    with refused(ScanError, "no labels"):
        read_mask(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["m.tif", "m.nii.gz"])
def test_a_mask_appears_whole_or_not_at_all(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    def full(path: Path, *_: Any) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("napari_tumor_unet.io.tiff.write_tiff_mask", full)
    monkeypatch.setattr("napari_tumor_unet.io.itk.write_volume_mask", full)
    with refused(ScanError, "No space"):
        write_mask(tmp_path / name, STACK, scan_from_volume(STACK))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", MASK_ENDINGS)
@pytest.mark.parametrize(("highest", "dtype"), [(1, "u1"), (255, "u1"), (256, "u2"), (65_536, "u4")])
def test_labels_are_written_as_the_smallest_integers_that_hold_them(
    tmp_path: Path, ending: str, highest: int, dtype: str, refused: Refused
) -> None:
    labels = highest * (STACK > 100).astype(np.int64)
    path = tmp_path / f"m{ending}"
    if ".tif" in ending and dtype == "u4":
        with refused(ScanError, "65,535", ".nii.gz"):
            write_mask(path, labels, scan_from_volume(labels))
        return
    write_mask(str(path), labels, scan_from_volume(labels))
    np.testing.assert_array_equal(read_mask(path), labels.astype(dtype), strict=True)


@pytest.mark.parametrize(
    ("mask", "words"),
    [(-STACK.astype(int), ("negative",)), (STACK / 2, ("float64",)), (STACK[1:], ("shape",))],
)
def test_what_is_no_mask_of_a_scan_is_not_written(
    tmp_path: Path, mask: np.ndarray, words: tuple[str, ...], refused: Refused
) -> None:
    with refused(ScanError, "m.nii.gz", *words):
        write_mask(tmp_path / "m.nii.gz", mask, scan_from_volume(STACK))
    assert list(tmp_path.iterdir()) == []


# NIfTI

LPS = RANDOM.normal(size=(4, 6, 5)).astype(np.float32)  # (Z, Y, X)
SPACING = (4.0, 1.5, 0.7)  # mm
ALL_AXIS_ORDERS = [
    np.column_stack([order, flips])
    for order in permutations(range(3))
    for flips in product((1, -1), repeat=3)
]


def lps_image(degrees: float = 0.0) -> nib.Nifti1Image:
    """LPS as a NIfTI image, turned by an angle around two axes."""
    turn = np.deg2rad(degrees)
    c, s = np.cos(turn), np.sin(turn)
    about_z, about_x = [[c, -s, 0], [s, c, 0], [0, 0, 1]], [[1, 0, 0], [0, c, -s], [0, s, c]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(about_z) @ about_x @ np.diag([-SPACING[2], -SPACING[1], SPACING[0]])
    affine[:3, 3] = 12.5, -30.25, 7.75
    return nib.Nifti1Image(LPS.T.copy(), affine)


def saved(image: nib.Nifti1Image, path: Path) -> Path:
    nib.save(image, path)
    return path


@pytest.mark.parametrize("degrees", [0, 12])
def test_all_48_axis_orders_read_to_one_array(tmp_path: Path, degrees: float) -> None:
    assert len(ALL_AXIS_ORDERS) == 48
    for order in ALL_AXIS_ORDERS:
        scan = read_scan(saved(lps_image(degrees).as_reoriented(order), tmp_path / "a.nii"))
        np.testing.assert_array_equal(scan.sequences["flair"], LPS, err_msg=str(order))
        assert scan.in_mm
        assert scan.spacing == pytest.approx(SPACING, rel=1e-5)
        assert scan.geometry is not None
        assert scan.geometry.origin == pytest.approx((-12.5, 30.25, 7.75), rel=1e-5)  # NIfTI's world is RAS


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [0, 12])
def test_a_mask_lies_on_its_scans_file_in_all_48_axis_orders(tmp_path: Path, degrees: float) -> None:
    for order in ALL_AXIS_ORDERS:
        image = lps_image(degrees).as_reoriented(order)
        scan = read_scan(saved(image, tmp_path / "a.nii"))
        write_mask(tmp_path / "m.nii.gz", (LPS > 0.5).astype(np.uint8), scan)
        mask = nib.load(tmp_path / "m.nii.gz")
        assert mask.shape == image.shape
        assert mask.get_data_dtype() == np.uint8
        np.testing.assert_allclose(mask.affine, image.affine, atol=1e-5, err_msg=str(order))
        np.testing.assert_array_equal(np.asarray(mask.dataobj), np.asarray(image.dataobj) > 0.5)
        np.testing.assert_array_equal(read_mask(tmp_path / "m.nii.gz"), LPS > 0.5)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".NII.GZ"])
def test_nifti_is_read_compressed_or_not(tmp_path: Path, ending: str) -> None:
    scan = read_scan(saved(lps_image(), tmp_path / f"a{ending}"))
    assert scan.name == "a"
    np.testing.assert_array_equal(scan.sequences["flair"], LPS)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", ">f4", "float64"])
def test_nifti_of_any_type_is_read(tmp_path: Path, dtype: str) -> None:
    values = (10 * LPS.clip(0)).round().astype(dtype)
    image = nib.Nifti1Image(values.T, lps_image().affine)
    np.testing.assert_array_equal(read_scan(saved(image, tmp_path / "a.nii.gz")).sequences["flair"], values)


def test_scaled_nifti_values_are_read_as_meant(tmp_path: Path) -> None:
    image = lps_image()
    image.header.set_data_dtype(np.int16)  # nibabel stores a slope and an intercept then
    np.testing.assert_allclose(read_scan(saved(image, tmp_path / "a.nii")).sequences["flair"], LPS, atol=1e-3)


def test_one_volume_in_four_dimensions_is_a_scan(tmp_path: Path) -> None:
    image = nib.Nifti1Image(LPS.T[..., None], lps_image().affine)
    np.testing.assert_array_equal(read_scan(saved(image, tmp_path / "a.nii")).sequences["flair"], LPS)


def test_several_volumes_are_refused(tmp_path: Path, refused: Refused) -> None:
    image = nib.Nifti1Image(np.stack([LPS.T, LPS.T], axis=-1), np.eye(4))
    with refused(ScanError, "a.nii", "2 volumes"):
        read_scan(saved(image, tmp_path / "a.nii"))


def test_colours_are_no_nifti_scan(tmp_path: Path, refused: Refused) -> None:
    colours = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with refused(ScanError, "a.nii", "several values per voxel"):
        read_scan(saved(nib.Nifti1Image(colours, np.eye(4)), tmp_path / "a.nii"))


def test_sheared_axes_are_refused(tmp_path: Path, refused: Refused) -> None:
    affine = lps_image().affine
    affine[0, 1] = 0.8
    with refused(ScanError, "a.nii", "sheared"):
        read_scan(saved(nib.Nifti1Image(LPS.T, affine), tmp_path / "a.nii"))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.99])
def test_a_truncated_nifti_is_refused(tmp_path: Path, ending: str, share: float, refused: Refused) -> None:
    image = nib.Nifti1Image(RANDOM.normal(size=(12, 14, 10)).astype(np.float32), np.eye(4))
    path = saved(image, tmp_path / f"a{ending}")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with refused(ScanError, path.name, "damaged"):
        read_scan(path)


def test_a_nifti_damaged_inside_is_refused(tmp_path: Path, refused: Refused) -> None:
    path = saved(lps_image(), tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with refused(ScanError, "a.nii.gz", "damaged"):
        read_scan(path)


def test_what_is_no_nifti_is_refused(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a.nii").write_bytes(b"once upon a time " * 100)
    with refused(ScanError, "a.nii", "no NIfTI"):
        read_scan(tmp_path / "a.nii")


def test_a_scan_of_no_file_gives_a_nifti_mask_of_its_spacing(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.nii.gz", STACK, scan_from_volume(STACK, spacing=SPACING))
    mask = nib.load(tmp_path / "m.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj), STACK.T)
    assert mask.header.get_zooms() == pytest.approx(SPACING[::-1])


def test_a_mask_whose_name_is_too_long_is_one_sentence_and_no_other(
    tmp_path: Path, refused: Refused, capfd: pytest.CaptureFixture[str]
) -> None:
    with refused(ScanError, "cannot be written", "too long"):
        write_mask(tmp_path / f"{'a' * 300}.nii.gz", STACK, scan_from_volume(STACK))
    assert capfd.readouterr() == ("", "")


def test_a_mask_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=r"^m\.nii\.gz cannot be written: No such file or directory\.$"):
        write_mask(tmp_path / "gone" / "m.nii.gz", STACK, scan_from_volume(STACK))
