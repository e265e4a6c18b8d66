"""A mask lies where its scan's own file has its voxels, whatever the format and orientation."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_tumor_unet.inference.measures import measure
from napari_tumor_unet.io.datasets.sample import sample_mask, sample_scan
from napari_tumor_unet.io.file_names import MASK_ENDING_OF, MASK_ENDINGS, format_of
from napari_tumor_unet.io.read import read_labels, read_mask, read_scan
from napari_tumor_unet.io.write import write_mask
from napari_tumor_unet.scan import Geometry, Scan, ScanError, scan_from_volume
from tests.conftest import Refused, is_one_sentence, make_phantom

READ = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
WRITTEN = (".nii", ".nii.gz", ".nrrd", ".mha")
VOXELS = np.random.default_rng(2).integers(-50, 900, (4, 6, 5)).astype(np.int16)  # (Z, Y, X)
ORIENTATIONS = [
    "".join(("RL"[a % 2], "AP"[b % 2], "IS"[c % 2])[axis] for axis in order)
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    for a in range(2)
    for b in range(2)
    for c in range(2)
]


def image_of(
    voxels: np.ndarray = VOXELS,
    spacing: tuple[float, ...] = (0.7, 1.5, 4.0),
    origin: tuple[float, ...] = (-81.25, 30.5, 7.75),
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels)
    dimension = image.GetDimension()
    image.SetSpacing(spacing[:dimension])
    image.SetOrigin(origin[:dimension])
    if dimension == 3:
        image.SetDirection(sitk.Euler3DTransform((0, 0, 0), *np.deg2rad(angles).tolist()).GetMatrix())
    return image


def saved(image: sitk.Image, path: Path, *, compressed: bool = True) -> Path:
    sitk.WriteImage(image, str(path), useCompression=compressed)
    return path


def check_same_grid(one: Path, other: Path) -> None:
    """Compare two files as SimpleITK reads them and, where it can, as nibabel does."""
    a, b = sitk.ReadImage(str(one)), sitk.ReadImage(str(other))
    assert a.GetSize() == b.GetSize()
    np.testing.assert_allclose(a.GetSpacing(), b.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(a.GetOrigin(), b.GetOrigin(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(a.GetDirection(), b.GetDirection(), atol=1e-6)
    if one.suffixes[0] == other.suffixes[0] == ".nii":
        c, d = nib.load(one), nib.load(other)
        assert c.shape == d.shape
        np.testing.assert_allclose(c.affine, d.affine, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("ending", READ)
def test_a_volume_is_read_whatever_its_format(tmp_path: Path, ending: str, compressed: bool) -> None:
    scan = read_scan(saved(image_of(), tmp_path / f"a{ending}", compressed=compressed))
    np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)
    assert scan.name == "a"
    assert scan.in_mm
    assert scan.spacing == pytest.approx((4.0, 1.5, 0.7))
    assert scan.geometry is not None
    assert scan.geometry.origin == pytest.approx((-81.25, 30.5, 7.75))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".NII.GZ", ".Nii.gz"])
def test_of_a_file_with_its_unpacked_twin_beside_it_each_is_read(tmp_path: Path, ending: str) -> None:
    for voxels, twin in ((VOXELS + 1, ".nii"), (VOXELS + 1, ".NII"), (VOXELS, ending)):
        nib.save(nib.Nifti1Image(voxels.T, np.diag([-1, -1, 1, 1])), tmp_path / "b.nii.gz")
        if not twin.lower().endswith(".gz"):
            nib.save(nib.load(tmp_path / "b.nii.gz"), tmp_path / "b.nii")
            (tmp_path / "b.nii").replace(tmp_path / f"a{twin}")
        else:
            (tmp_path / "b.nii.gz").replace(tmp_path / f"a{twin}")
    np.testing.assert_array_equal(read_scan(tmp_path / f"a{ending}").sequences["flair"], VOXELS)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti_2_lies_where_the_same_nifti_1_does(tmp_path: Path, ending: str) -> None:
    image = sitk.DICOMOrient(image_of(angles=(0, 12, 8)), "PIR")
    first = nib.load(saved(image, tmp_path / "first.nii"))
    nib.save(nib.Nifti2Image(np.asarray(first.dataobj), first.affine), tmp_path / f"a{ending}")
    assert nib.load(tmp_path / f"a{ending}").header["sizeof_hdr"] == 540
    scan = read_scan(tmp_path / f"a{ending}")
    expected = read_scan(tmp_path / "first.nii").geometry
    assert scan.geometry is not None
    assert expected is not None
    np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)
    for name in ("spacing", "origin", "direction"):
        np.testing.assert_allclose(
            getattr(scan.geometry, name), getattr(expected, name), rtol=1e-6, atol=1e-6
        )
    write_mask(tmp_path / f"m{ending}", (VOXELS > 40).astype(np.uint8), scan)
    check_same_grid(tmp_path / "first.nii", tmp_path / f"m{ending}")


@pytest.mark.parametrize("kind", ["u1", "i2", "<i4", ">i2", "u2", "f4", "f8", "i8"])
@pytest.mark.parametrize("scale", [(0, 0), (1, 0), (0.37, -3.25), (0, 5), (np.nan, 0)])
def test_the_values_of_a_nifti_are_those_of_simpleitk(
    tmp_path: Path, kind: str, scale: tuple[float, float]
) -> None:
    header = nib.Nifti1Header(endianness=">" if kind.startswith(">") else "<")
    affine = np.diag([-0.7, -1.5, 4.0, 1.0])
    image = nib.Nifti1Image(np.abs(VOXELS).T.astype(kind), affine, header, dtype=kind[-2:])
    content = bytearray(image.to_bytes())
    content[112:120] = np.asarray(scale, f"{header.endianness}f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii")))
    voxels = np.asarray(read_scan(tmp_path / "a.nii").sequences["flair"])
    assert voxels.dtype == expected.dtype
    np.testing.assert_array_equal(voxels, expected)


@given(
    read=st.sampled_from(READ),
    written=st.sampled_from(WRITTEN),
    orientation=st.sampled_from(ORIENTATIONS),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    spacing=st.tuples(*[st.floats(0.1, 9.0)] * 3),
    origin=st.tuples(*[st.floats(-300, 300)] * 3),
    angles=st.tuples(*[st.floats(-40, 40)] * 3),
)
@settings(max_examples=40)
def test_a_mask_lies_on_the_grid_of_its_scans_file(
    read: str,
    written: str,
    orientation: str,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
    angles: tuple[float, float, float],
) -> None:
    voxels = np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)
    image = sitk.DICOMOrient(image_of(voxels, spacing, origin, angles), orientation)
    with TemporaryDirectory() as folder:
        path, mask_path = Path(folder) / f"a{read}", Path(folder) / f"m{written}"
        scan = read_scan(saved(image, path))
        bright = scan.sequences["flair"] > 40
        write_mask(mask_path, bright.astype(np.uint8), scan)
        # NIfTI keeps 7 digits of a place: a mask in it is on the grid of a NIfTI file alone.
        if ".nii" in read or ".nii" not in written:
            check_same_grid(path, mask_path)
        mask = sitk.ReadImage(str(mask_path))
        assert mask.GetPixelID() == sitk.sitkUInt8
        np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(image) > 40)
        np.testing.assert_array_equal(read_mask(mask_path), bright)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_all_orientations_read_to_one_array(tmp_path: Path, ending: str) -> None:
    assert len(set(ORIENTATIONS)) == 48
    for orientation in ORIENTATIONS:
        image = sitk.DICOMOrient(image_of(angles=(0, 12, 8)), orientation)
        scan = read_scan(saved(image, tmp_path / f"a{ending}"))
        np.testing.assert_array_equal(scan.sequences["flair"], VOXELS, err_msg=orientation)
        assert scan.geometry is not None
        assert scan.geometry.stored_orientation == orientation


@pytest.mark.parametrize("direction", [(1, 0, 0, 1), (-1, 0, 0, 1), (0, -1, 1, 0)])
@pytest.mark.parametrize("ending", WRITTEN)
def test_the_mask_of_a_single_slice_has_two_axes(
    tmp_path: Path, ending: str, direction: tuple[int, ...]
) -> None:
    image = image_of(VOXELS[0])
    image.SetDirection(direction)
    path = saved(image, tmp_path / f"a{ending}")
    scan = read_scan(path)
    write_mask(tmp_path / f"m{ending}", (scan.sequences["flair"] > 40).astype(np.uint8), scan)
    check_same_grid(path, tmp_path / f"m{ending}")
    mask = sitk.ReadImage(str(tmp_path / f"m{ending}"))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(mask), VOXELS[0] > 40)


@pytest.mark.parametrize("ending", WRITTEN)
def test_the_mask_of_one_volume_in_four_dimensions_has_four(tmp_path: Path, ending: str) -> None:
    path = saved(sitk.JoinSeries(image_of()), tmp_path / f"a{ending}")
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)
    write_mask(tmp_path / f"m{ending}", (VOXELS > 40).astype(np.uint8), scan)
    check_same_grid(path, tmp_path / f"m{ending}")


def test_the_mask_of_a_nifti_of_unknown_orientation_lies_on_it_for_nibabel_too(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOXELS.T, None)
    image.header.set_zooms((0.7, 1.5, 4.0))
    nib.save(image, tmp_path / "a.nii")
    scan = read_scan(tmp_path / "a.nii")
    assert scan.geometry is not None
    assert not scan.geometry.oriented
    for name in ("m.nii", "m.nii.gz"):
        write_mask(tmp_path / name, (VOXELS > 40).astype(np.uint8), scan)
        check_same_grid(tmp_path / "a.nii", tmp_path / name)
        np.testing.assert_array_equal(read_mask(tmp_path / name), VOXELS > 40)


def without(path: Path, *starts: bytes) -> Path:
    """The same file without those lines of its header."""
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(line for line in lines if not line.startswith(starts)))
    return path


@pytest.mark.parametrize(
    ("ending", "lines"),
    [
        (".nrrd", (b"space", b"kinds")),
        (".mha", (b"TransformMatrix", b"ElementSpacing", b"Offset", b"AnatomicalOrientation")),
    ],
)
def test_a_file_without_spacing_and_orientation_says_so(
    tmp_path: Path, ending: str, lines: tuple[bytes, ...]
) -> None:
    scan = read_scan(without(saved(image_of(), tmp_path / f"a{ending}", compressed=False), *lines))
    np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)
    assert scan.geometry is not None
    assert (scan.in_mm, scan.voxel_ml, scan.geometry.oriented) == (False, None, False)


@given(
    ending=st.sampled_from(MASK_ENDINGS),
    known=st.booleans(),
    spacing=st.tuples(*[st.floats(0.1, 9.0)] * 3),
    shape=st.tuples(st.integers(1, 4), *[st.integers(2, 5)] * 2),
    orientation=st.sampled_from([*ORIENTATIONS, ""]),
    axes=st.sampled_from([3, 4]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
)
@settings(max_examples=40)
def test_an_unknown_spacing_stays_unknown_and_a_known_one_known(
    ending: str,
    known: bool,
    spacing: tuple[float, float, float],
    shape: tuple[int, int, int],
    orientation: str,
    axes: int,
    dtype: type,
) -> None:
    labels = np.random.default_rng(0).integers(0, 300 if dtype is np.uint16 else 3, shape).astype(dtype)
    geometry = Geometry(
        spacing, stored_orientation=orientation or "LPS", stored_axes=axes, oriented=bool(orientation)
    )
    scan = Scan("a", {"flair": labels}, in_mm=known, geometry=geometry)
    with TemporaryDirectory() as folder:
        write_mask(path := Path(folder) / f"m{ending}", labels, scan)
        again = read_labels(path)
        np.testing.assert_array_equal(again.sequences["flair"], labels)
        assert again.in_mm == known
        assert measure(path).unit == ("mm" if known else "voxel")
        if known or "tif" not in ending:
            assert again.spacing == pytest.approx(spacing, rel=1e-6)
        write_mask(twice := Path(folder) / f"n{ending}", labels, again)
        assert read_labels(twice).in_mm == known
        assert read_labels(twice).spacing == pytest.approx(again.spacing, rel=1e-6)


def unknown_mask(path: Path) -> Path:
    write_mask(path, (VOXELS > 40).astype(np.uint8), scan_from_volume(VOXELS))
    assert not read_labels(path).in_mm
    return path


@pytest.mark.parametrize("ending", WRITTEN)
def test_a_spacing_that_was_put_into_a_marked_file_counts(tmp_path: Path, ending: str) -> None:
    image = sitk.ReadImage(str(unknown_mask(tmp_path / f"m{ending}")))
    assert image.GetSpacing() == (1, 1, 1)
    image.SetSpacing((0.7, 1.5, 4.0))
    again = read_labels(saved(image, tmp_path / f"n{ending}"))
    assert (again.in_mm, again.spacing) == (True, pytest.approx((4.0, 1.5, 0.7)))


def test_both_the_mark_and_the_missing_unit_are_needed_in_a_nifti(tmp_path: Path) -> None:
    path = unknown_mask(tmp_path / "m.nii.gz")
    image = nib.load(path)
    assert image.header.get_xyzt_units()[0] == "unknown"
    nib.save(image, tmp_path / "same.nii")
    assert not read_labels(tmp_path / "same.nii").in_mm
    for entry, value in (("xyzt_units", 2), ("descrip", b""), ("pixdim", [1, 0.7, 1.5, 4, 0, 0, 0, 0])):
        header = image.header.copy()
        header[entry] = value
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, header), tmp_path / "other.nii")
        assert read_labels(tmp_path / "other.nii").in_mm


@pytest.mark.parametrize("ending", WRITTEN)
def test_a_spacing_that_is_said_takes_the_mark_away(tmp_path: Path, ending: str) -> None:
    marked = read_labels(unknown_mask(tmp_path / f"m{ending}"))
    write_mask(
        tmp_path / f"n{ending}", np.asarray(marked.sequences["flair"]), marked.with_spacing((4, 1.5, 0.7))
    )
    again = read_labels(tmp_path / f"n{ending}")
    assert (again.in_mm, again.spacing) == (True, pytest.approx((4, 1.5, 0.7)))


def test_geometry_is_rebuilt_from_what_a_layer_keeps(tmp_path: Path) -> None:
    geometry = read_scan(saved(image_of(VOXELS[0]), tmp_path / "a.nrrd")).geometry
    assert geometry is not None
    assert geometry.stored_axes == 2
    assert Geometry(**dataclasses.asdict(geometry)) == geometry


@pytest.mark.parametrize("ending", WRITTEN)
def test_the_sample_is_the_same_in_all_formats(tmp_path: Path, ending: str) -> None:
    flair = np.asarray(read_scan(sample_scan()).sequences["flair"])
    path = saved(sitk.DICOMOrient(image_of(flair), "PIR"), tmp_path / f"brain{ending}")
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.sequences["flair"], flair)
    write_mask(tmp_path / f"brain_mask{ending}", read_mask(sample_mask()).astype(np.uint8), scan)
    check_same_grid(path, tmp_path / f"brain_mask{ending}")


@pytest.mark.parametrize("ending", WRITTEN)
def test_brats_comes_back_in_all_formats(shared_brats: Path, tmp_path: Path, ending: str) -> None:
    for path in sorted(shared_brats.glob("*/Flair*.nii.gz")):
        scan, labels = read_scan(path), read_labels(path.with_name("OTMultiClass.nii.gz"))
        mask = np.asarray(labels.sequences["flair"]).astype(np.uint8)
        write_mask(tmp_path / f"m{ending}", mask, scan)
        check_same_grid(path, tmp_path / f"m{ending}")
        np.testing.assert_array_equal(read_mask(tmp_path / f"m{ending}"), mask)


@pytest.mark.parametrize("ending", [*WRITTEN, ".tif"])
@pytest.mark.parametrize("name", ["Gehirn ü groß", "脑 扫描", "two  spaces.and.dots"])
def test_names_in_any_alphabet_are_read_and_written(tmp_path: Path, name: str, ending: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    scan, truth = make_phantom((3, 8, 8), spacing=(1, 1, 1))
    write_mask(folder / f"{name}{ending}", truth.astype(np.uint8), scan)
    again = read_scan(folder / f"{name}{ending}")
    assert again.name == name
    np.testing.assert_array_equal(again.sequences["flair"], truth)


@pytest.mark.parametrize("ending", [".NII.GZ", ".Nrrd", ".MHA", ".TIF"])
def test_an_ending_may_be_in_capitals(tmp_path: Path, ending: str) -> None:
    write_mask(tmp_path / f"m{ending}", (VOXELS > 40).astype(np.uint8), scan_from_volume(VOXELS))
    assert [path.name for path in tmp_path.iterdir()] == [f"m{ending}"]
    np.testing.assert_array_equal(read_mask(tmp_path / f"m{ending}"), VOXELS > 40)


@pytest.mark.parametrize("name", ["m.png", "m", "m.mhd", "m.nhdr"])
def test_a_mask_of_an_unknown_format_is_refused(tmp_path: Path, name: str, refused: Refused) -> None:
    with refused(ScanError, name, ".nii.gz", ".nrrd", ".mha", ".tif"):
        write_mask(tmp_path / name, (VOXELS > 40).astype(np.uint8), scan_from_volume(VOXELS))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("scan", "ending"),
    [
        ("a.nii.gz", ".nii.gz"),
        ("a.nii", ".nii.gz"),
        ("a.nrrd", ".nrrd"),
        ("a.nhdr", ".nrrd"),
        ("a.MHA", ".mha"),
        ("a.mhd", ".mha"),
        ("a.tiff", ".tif"),
        ("dicom", ".nii.gz"),
    ],
)
def test_a_mask_has_the_format_of_its_scan(scan: str, ending: str) -> None:
    assert MASK_ENDING_OF[format_of(Path(scan))] == ending


def test_the_mask_of_a_folder_of_slices_is_a_tiff(tmp_path: Path) -> None:
    (tmp_path / "a_1.tif").touch()
    assert MASK_ENDING_OF[format_of(tmp_path)] == ".tif"


# Privacy


NAME = "DOE^JOHN"


def with_name(path: Path) -> Path:
    """A volume whose header has a patient's name in it."""
    if path.suffix == ".nrrd":
        saved(image_of(), path)
        content = path.read_bytes().replace(
            b"\n\n", f"\ncontent: {NAME}\nPatientName:={NAME}\n\n".encode(), 1
        )
        path.write_bytes(content)
    elif path.suffix == ".mha":
        saved(image_of(), path)
        path.write_bytes(
            f"Comment = {NAME}\nName = {NAME}\nPatientName = {NAME}\n".encode() + path.read_bytes()
        )
    else:
        image = nib.Nifti1Image(VOXELS.T, np.diag([-0.7, -1.5, 4.0, 1.0]))
        for field in ("descrip", "aux_file", "intent_name", "db_name"):
            image.header[field] = NAME
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", NAME.encode()))
        nib.save(image, path)
    assert NAME.encode() in path.read_bytes()
    return path


@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha"])
def test_nothing_that_a_header_says_of_the_patient_goes_on(tmp_path: Path, ending: str) -> None:
    scan = read_scan(with_name(tmp_path / f"a{ending}"))
    np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)
    assert NAME not in repr(scan)
    for written in (".nii", ".nrrd", ".mha", ".tif"):
        write_mask(tmp_path / f"m{written}", (VOXELS > 40).astype(np.uint8), scan)
        content = (tmp_path / f"m{written}").read_bytes()
        assert NAME.encode() not in content
        assert str(tmp_path).encode() not in content


# NIfTI headers that say twice where the voxels lie


def with_forms(path: Path, sform: np.ndarray, qform: np.ndarray | None, *codes: int) -> Path:
    """Save a file whose voxel sizes are those of the qform, or 3, 3 and 5 mm."""
    image = nib.Nifti1Image(VOXELS.T, None)
    image.header.set_qform(np.diag([3, 3, 5, 1]) if qform is None else qform)
    image.header.set_sform(sform)
    image.header["sform_code"], image.header["qform_code"] = codes
    image.header["magic"], image.header["vox_offset"] = b"n+1", 352
    path.write_bytes(image.header.binaryblock + bytes(4) + VOXELS.tobytes())
    return path


SFORM = np.array([[-1.0, 0, 0, 10], [0, -1, 0, 20], [0, 0, 2, 30], [0, 0, 0, 1]])
SHEARED = np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
TURNED = np.array([[0.0, -1, 0, 3], [1, 0, 0, 4], [0, 0, 2, 5], [0, 0, 0, 1]])


@pytest.mark.parametrize("unit", [0, 2])
@pytest.mark.parametrize(
    ("qform", "codes"),
    [
        (None, (1, 0)),
        (None, (2, 0)),
        (None, (1, 1)),
        (None, (2, 1)),
        (TURNED, (1, 1)),
        (TURNED, (4, 1)),
    ],
)
def test_where_forms_disagree_the_mask_lies_by_the_sform_and_it_is_told(
    tmp_path: Path, qform: np.ndarray | None, codes: tuple[int, int], unit: int
) -> None:
    path = with_forms(tmp_path / "a.nii", SFORM, qform, *codes)
    content = bytearray(path.read_bytes())
    content[123] = unit
    path.write_bytes(content)
    scan = read_scan(path)
    assert scan.voxel_ml == pytest.approx(0.002)
    (note,) = scan.notes
    assert "sform counts" in note
    assert is_one_sentence(note)
    write_mask(tmp_path / "m.nii.gz", np.ones(scan.shape, np.uint8), scan)
    mask = nib.load(tmp_path / "m.nii.gz")
    np.testing.assert_allclose(mask.get_sform(), SFORM, atol=1e-5)
    np.testing.assert_allclose(mask.get_qform(), SFORM, atol=1e-5)


def test_of_a_sheared_sform_the_qform_counts_and_it_is_told(tmp_path: Path) -> None:
    scan = read_scan(with_forms(tmp_path / "a.nii", SHEARED, TURNED, 2, 1))
    assert "qform counts" in scan.notes[0]
    assert scan.voxel_ml == pytest.approx(0.002)


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 1), (4, 1), (0, 0)])
def test_of_forms_that_agree_nothing_is_told(tmp_path: Path, codes: tuple[int, int]) -> None:
    path = with_forms(tmp_path / "a.nii", TURNED, TURNED, *codes)
    assert read_scan(path).notes == ()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak")
@pytest.mark.parametrize("ending", [".nii", ".nrrd"])
def test_reading_takes_no_more_than_twice_the_volume(
    tmp_path: Path, in_fresh_python: Callable[..., str], ending: str
) -> None:
    noise = np.random.default_rng(0).random((64, 512, 512), np.float32)
    stored = sitk.DICOMOrient(image_of(noise), "RAS")
    code = """
import re, sys
from pathlib import Path
from napari_tumor_unet.io.read import read_scan
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
read_scan(sys.argv[1])
before = peak()
scan = read_scan(sys.argv[2])
print((peak() - before) / scan.sequences["flair"].nbytes)
"""
    small, large = saved(image_of(), tmp_path / f"small{ending}"), saved(stored, tmp_path / f"large{ending}")
    assert float(in_fresh_python(code, small, large)) < 2.3
