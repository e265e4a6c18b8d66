from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import imagecodecs
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    RTStructureSetStorage,
)

from napari_tumor_unet.io.datasets.sample import sample_scan
from napari_tumor_unet.io.dicom import find
from napari_tumor_unet.io.dicom.acquisition import Acquisition
from napari_tumor_unet.io.dicom.decode import read_series
from napari_tumor_unet.io.dicom.detect import looks_like_dicom
from napari_tumor_unet.io.dicom.find import find_series
from napari_tumor_unet.io.dicom.series import Series
from napari_tumor_unet.io.read import read_mask, read_scan
from napari_tumor_unet.io.write import write_mask
from napari_tumor_unet.scan import Scan, ScanError
from tests.conftest import Refused, is_one_sentence
from tests.dicom_files import AXES, PATIENT, enhanced, image, images, saved, turned

RANDOM = np.random.default_rng(1)
VOXELS = RANDOM.integers(0, 4000, (7, 10, 8), dtype=np.uint16)  # (Z, Y, X), as stored
OTHERS = RANDOM.integers(0, 4000, (7, 10, 8), dtype=np.uint16)


def only(path: Path) -> Series:
    (series,) = find_series(path)
    return series


def problem(path: Path) -> str:
    """Why the only series of a folder is no volume."""
    series = only(path)
    assert is_one_sentence(series.problem), series.problem
    with pytest.raises(ScanError, match=r"\.$") as caught:
        read_series(series)
    assert str(caught.value) == series.problem
    return series.problem


def itk(path: Path) -> sitk.Image:
    """What SimpleITK reads of a folder with one series."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path)))
    return reader.Execute()


def check_same_as_itk(scan: Scan, stored: sitk.Image) -> None:
    axial = sitk.DICOMOrient(stored, "LPS")
    assert scan.geometry is not None
    np.testing.assert_allclose(scan.sequences["flair"], sitk.GetArrayFromImage(axial), rtol=1e-6)
    np.testing.assert_allclose(scan.geometry.spacing[::-1], axial.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(scan.geometry.origin, axial.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(scan.geometry.direction, axial.GetDirection(), atol=1e-6)


# Where voxels lie


@pytest.mark.parametrize("plane", AXES)
@pytest.mark.parametrize("degrees", [0, 12])
def test_a_series_lies_where_simpleitk_has_it(tmp_path: Path, plane: str, degrees: float) -> None:
    saved(images(VOXELS, turned(degrees, AXES[plane])), tmp_path)
    series = only(tmp_path)
    assert (series.problem, series.notes, series.shape) == ("", (), VOXELS.shape)
    check_same_as_itk(read_series(series), itk(tmp_path))


@given(
    plane=st.sampled_from(list(AXES)),
    degrees=st.floats(-40, 40),
    flip=st.sampled_from([(1, 1), (-1, 1), (1, -1), (-1, -1)]),
    spacing=st.tuples(*[st.floats(0.3, 6)] * 3),
    origin=st.tuples(*[st.floats(-200, 200)] * 3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mask_lies_on_its_series_in_any_orientation(
    tmp_path_factory: pytest.TempPathFactory,
    plane: str,
    degrees: float,
    flip: tuple[int, int],
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
) -> None:
    path = tmp_path_factory.mktemp("series")
    axes = turned(degrees, AXES[plane]) * [*flip, flip[0] * flip[1]]
    saved(images(VOXELS, axes, spacing, origin), path)
    scan = read_series(only(path))
    stored = itk(path)
    check_same_as_itk(scan, stored)
    mask = (np.asarray(scan.sequences["flair"]) > 2000).astype(np.uint8)
    write_mask(path / "mask.nii.gz", mask, scan)
    written = nib.load(path / "mask.nii.gz")
    matrix = np.reshape(stored.GetDirection(), (3, 3)) * stored.GetSpacing()
    np.testing.assert_array_equal(np.asarray(written.dataobj), sitk.GetArrayFromImage(stored).T > 2000)
    # NIfTI's world is RAS, and holds the matrix in float32.
    np.testing.assert_allclose(written.affine[:3, :3], np.diag([-1, -1, 1]) @ matrix, atol=1e-6)
    np.testing.assert_allclose(written.affine[:3, 3] * [-1, -1, 1], stored.GetOrigin(), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(read_mask(path / "mask.nii.gz"), mask)


def test_the_sample_comes_back_from_dicom(tmp_path: Path) -> None:
    sample = read_scan(sample_scan())
    flair = np.asarray(sample.sequences["flair"])
    saved(images(flair, spacing=sample.spacing), tmp_path)
    scan = read_series(only(tmp_path))
    np.testing.assert_array_equal(scan.sequences["flair"], flair)
    assert scan.spacing == pytest.approx(sample.spacing, rel=1e-6)
    assert (scan.name, scan.in_mm) == ("T2 FLAIR", True)


@pytest.mark.parametrize("compressed", [False, True])
def test_frames_of_an_enhanced_file_are_slices(tmp_path: Path, compressed: bool) -> None:
    axes = turned(12, AXES["sagittal"])
    (single,) = saved(images(VOXELS, axes), tmp_path / "single").parent.iterdir()
    dataset = enhanced(VOXELS, axes, order=[3, 0, 6, 2, 5, 1, 4])
    if compressed:
        dataset.compress(RLELossless)
    saved([dataset], tmp_path / "enhanced")
    series = only(tmp_path / "enhanced")
    assert series.acquisition.echo_time == 90
    check_same_as_itk(read_series(series), itk(single))


def test_positions_that_a_maker_repeats_in_a_private_group_are_passed_over(tmp_path: Path) -> None:
    (single,) = saved(images(VOXELS), tmp_path / "single").parent.iterdir()
    dataset = enhanced(VOXELS)
    for frame in dataset.PerFrameFunctionalGroupsSequence:  # as Philips has them, half a voxel off
        repeated = pydicom.Dataset()
        x, y, z = frame.PlanePositionSequence[0].ImagePositionPatient
        repeated.ImagePositionPatient = [x - 0.375, y - 0.75, z]
        repeated.EchoTime, repeated.PixelSpacing = 1.0, [3.0, 3.0]
        frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x0F, "SQ", [repeated])
    series = only(saved([dataset], tmp_path / "enhanced"))
    assert series.acquisition.echo_time == 90
    check_same_as_itk(read_series(series), itk(single))


def test_slices_without_places_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    datasets = images(VOXELS)
    for dataset in datasets:
        del dataset.ImagePositionPatient
        dataset.SpacingBetweenSlices = 5.5
    series = only(saved(datasets, tmp_path))
    scan = read_series(series)
    np.testing.assert_array_equal(scan.sequences["flair"], VOXELS)
    assert (scan.geometry, scan.spacing, scan.in_mm) == (None, (5.5, 1.5, 0.75), True)
    (note,) = series.notes
    assert is_one_sentence(note)
    assert "do not say where they lie" in note


def test_slightly_uneven_slices_are_a_scan(tmp_path: Path) -> None:
    datasets = images(VOXELS)
    datasets[3].ImagePositionPatient[2] += 0.2
    check_same_as_itk(read_series(only(saved(datasets, tmp_path))), itk(tmp_path))


# Pixels


@pytest.mark.parametrize("kind", ["int16", "uint8", "uint16"])
@pytest.mark.parametrize("scale", [{}, {"RescaleSlope": "0.5", "RescaleIntercept": "-3"}])
def test_values_are_as_the_header_means_them(tmp_path: Path, kind: str, scale: dict[str, Any]) -> None:
    voxels = (VOXELS.astype(np.int32) - (2000 if kind == "int16" else 0)).astype(kind)
    saved(images(voxels, **scale), tmp_path)
    meant = voxels * 0.5 - 3 if scale else voxels
    np.testing.assert_array_equal(read_series(only(tmp_path)).sequences["flair"], meant)


def test_slices_scaled_each_in_its_own_way_are_read_as_meant(tmp_path: Path) -> None:
    datasets = images(VOXELS)
    for i, dataset in enumerate(datasets):
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{1 + i / 4}", "0"
    scan = read_series(only(saved(datasets, tmp_path)))
    meant = VOXELS * (1 + np.arange(7) / 4)[:, None, None]
    np.testing.assert_allclose(scan.sequences["flair"], meant, rtol=1e-6)


def test_values_that_are_dark_where_they_are_high_are_inverted(tmp_path: Path) -> None:
    saved(images(VOXELS, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11), tmp_path)
    np.testing.assert_array_equal(read_series(only(tmp_path)).sequences["flair"], 4095 - VOXELS)


CODECS: dict[str, Callable[[np.ndarray], bytes]] = {
    JPEGLosslessSV1: imagecodecs.ljpeg_encode,
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: lambda pixels: imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k"),
    HTJ2KLossless: imagecodecs.htj2k_encode,
}


def compressed(syntax: str, encode: Callable[[np.ndarray], bytes]) -> list[pydicom.Dataset]:
    datasets = images(VOXELS)
    for dataset, pixels in zip(datasets, VOXELS, strict=True):
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([encode(pixels)])
        dataset["PixelData"].VR = "OB"
    return datasets


@pytest.mark.parametrize("syntax", CODECS)
def test_compressed_files_are_read(tmp_path: Path, syntax: str) -> None:
    saved(compressed(syntax, CODECS[syntax]), tmp_path)
    np.testing.assert_array_equal(read_series(only(tmp_path)).sequences["flair"], VOXELS)


@pytest.mark.parametrize("syntax", [RLELossless, ImplicitVRLittleEndian, "1.2.840.10008.1.2.1.99"])
def test_other_transfer_syntaxes_are_read(tmp_path: Path, syntax: str) -> None:
    datasets = images(VOXELS)
    for dataset in datasets:
        if syntax == RLELossless:
            dataset.compress(RLELossless)
        dataset.file_meta.TransferSyntaxUID = syntax
    saved(datasets, tmp_path)
    np.testing.assert_array_equal(read_series(only(tmp_path)).sequences["flair"], VOXELS)


@pytest.mark.parametrize(
    ("syntax", "name"), [(MPEG4HP41, "MPEG-4"), ("1.2.840.10008.1.2.4.999", "an unknown method")]
)
def test_what_no_decoder_reads_is_named(tmp_path: Path, syntax: str, name: str) -> None:
    saved(compressed(MPEG4HP41, lambda pixels: pixels.tobytes()), tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes().replace(MPEG4HP41.encode(), syntax.encode()))
    said = problem(tmp_path)
    assert name in said
    assert "export it uncompressed" in said


def test_files_without_a_preamble_are_read(tmp_path: Path) -> None:
    for dataset in images(VOXELS):
        dataset.save_as(tmp_path / f"{dataset.InstanceNumber}.dcm", enforce_file_format=True)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[132:])
    np.testing.assert_array_equal(read_series(only(tmp_path)).sequences["flair"], VOXELS)


# What belongs together


def test_all_series_in_nested_folders_are_found(tmp_path: Path) -> None:
    place = tmp_path / "export" / "DICOM" / "patient"
    saved(images(VOXELS, SeriesInstanceUID="1.2.1", SeriesNumber=9), place / "study" / "a", ending="")
    saved(images(OTHERS, SeriesInstanceUID="1.2.2", SeriesNumber=2), place / "study" / "b", ending=".12.3")
    found = find_series(tmp_path)
    np.testing.assert_array_equal(read_series(found[0]).sequences["flair"], OTHERS)
    np.testing.assert_array_equal(read_series(found[1]).sequences["flair"], VOXELS)


def test_series_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    saved(images(VOXELS, SeriesInstanceUID="1.2.1", SeriesDescription="T1"), tmp_path, "A")
    saved(images(OTHERS, SeriesInstanceUID="1.2.2", SeriesDescription="T2 FLAIR"), tmp_path, "B")
    found = {series.name: read_series(series).sequences["flair"] for series in find_series(tmp_path)}
    np.testing.assert_array_equal(found["T1"], VOXELS)
    np.testing.assert_array_equal(found["T2 FLAIR"], OTHERS)


def test_studies_are_told_apart(tmp_path: Path) -> None:
    saved(images(VOXELS, SeriesInstanceUID="1.2.1", StudyInstanceUID="1.5"), tmp_path, "A")
    saved(images(OTHERS, SeriesInstanceUID="1.2.2", StudyInstanceUID="1.6"), tmp_path, "B")
    assert [series.study for series in find_series(tmp_path)] == [1, 2]


@pytest.mark.parametrize(
    ("keyword", "values", "names"),
    [
        ("EchoTime", (20, 90), ["DWI, TE 20 ms", "DWI, TE 90 ms"]),
        ("DiffusionBValue", (0, 1000), ["DWI, b 0", "DWI, b 1000"]),
        ("TemporalPositionIdentifier", (1, 2), ["DWI, time 1", "DWI, time 2"]),
        ("AcquisitionNumber", (1, 2), ["DWI, acquisition 1", "DWI, acquisition 2"]),
        (
            "ImageType",
            (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]),
            ["DWI, m", "DWI, p"],
        ),
    ],
)
def test_stacks_at_one_place_are_told_apart(
    tmp_path: Path, keyword: str, values: tuple[Any, Any], names: list[str]
) -> None:
    for voxels, value, prefix in zip((VOXELS, OTHERS), values, "AB", strict=True):
        saved(images(voxels, SeriesDescription="DWI", **{keyword: value}), tmp_path, prefix)
    found = find_series(tmp_path)
    assert [series.name for series in found] == names
    for series, voxels in zip(found, (VOXELS, OTHERS), strict=True):
        np.testing.assert_array_equal(read_series(series).sequences["flair"], voxels)


def test_slabs_of_one_stack_stay_together(tmp_path: Path) -> None:
    datasets = images(VOXELS)
    for i, dataset in enumerate(datasets):
        dataset.AcquisitionNumber = i % 2
    np.testing.assert_array_equal(read_series(only(saved(datasets, tmp_path))).sequences["flair"], VOXELS)


def test_two_orientations_are_two_stacks(tmp_path: Path) -> None:
    saved(images(VOXELS), tmp_path, "A")
    saved(images(OTHERS, AXES["sagittal"]), tmp_path, "B")
    found = find_series(tmp_path)
    assert [(series.name, series.problem) for series in found] == [
        ("T2 FLAIR, axial", ""),
        ("T2 FLAIR, sagittal", ""),
    ]


def test_an_image_of_another_size_stands_beside_its_stack(tmp_path: Path) -> None:
    saved(images(VOXELS), tmp_path, "A")
    saved(images(np.zeros((1, 16, 16), np.uint16)), tmp_path, "B")
    stack, other = find_series(tmp_path)
    np.testing.assert_array_equal(read_series(stack).sequences["flair"], VOXELS)
    assert "single image" in other.problem


@pytest.mark.parametrize(
    "fields",
    [
        {"SeriesDescription": "AX LOCALIZER"},
        {"SeriesDescription": "3-plane loc"},
        {"SeriesDescription": "Survey"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    ],
)
def test_localisers_are_told_by_their_header(tmp_path: Path, fields: dict[str, Any]) -> None:
    saved(images(VOXELS, **fields), tmp_path)
    assert "localiser" in problem(tmp_path)


def test_a_few_images_of_all_three_planes_are_a_localiser(tmp_path: Path) -> None:
    for prefix, axes in AXES.items():
        saved(images(VOXELS[:3], axes, SeriesDescription=""), tmp_path, prefix)
    assert problem(tmp_path) == "series 5 is a localiser, taken to plan other series."


def test_images_all_differing_in_direction_are_no_volume(tmp_path: Path) -> None:
    datasets = [images(VOXELS[:1], turned(5 * i))[0] for i in range(7)]
    assert "differ in size or orientation" in problem(saved(datasets, tmp_path))


# What is no volume


def test_missing_slices_are_counted(tmp_path: Path) -> None:
    datasets = images(VOXELS)
    del datasets[3]
    assert problem(saved(datasets, tmp_path)) == "T2 FLAIR misses 1 slice, the first after slice 3."


def test_uneven_slices_are_told(tmp_path: Path) -> None:
    datasets = images(VOXELS)
    datasets[3].ImagePositionPatient[2] += 1.5
    assert "2.5 to 5.5 mm apart" in problem(saved(datasets, tmp_path))


def test_two_slices_at_one_place_are_told(tmp_path: Path) -> None:
    datasets = [*images(VOXELS), images(OTHERS)[2]]
    assert "Slices 3 and 4 of T2 FLAIR lie at one place" in problem(saved(datasets, tmp_path))


def test_copies_of_a_slice_are_left_out_with_a_note(tmp_path: Path) -> None:
    datasets = images(VOXELS)
    series = only(saved([*datasets, datasets[2]], tmp_path))
    np.testing.assert_array_equal(read_series(series).sequences["flair"], VOXELS)
    assert series.notes == ("T2 FLAIR holds copies of slices, which were left out.",)


def test_a_tilted_gantry_is_told(tmp_path: Path) -> None:
    datasets = images(VOXELS)
    for i, dataset in enumerate(datasets):
        dataset.ImagePositionPatient[1] += 0.8 * i
    assert "tilted gantry" in problem(saved(datasets, tmp_path))


def test_a_single_image_is_told(tmp_path: Path) -> None:
    assert "single image" in problem(saved(images(VOXELS[:1]), tmp_path))


def test_colours_are_told(tmp_path: Path) -> None:
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    datasets = images(VOXELS, **colours)
    for dataset in datasets:
        dataset.PixelData *= 3
    assert "in colours" in problem(saved(datasets, tmp_path))


def test_other_objects_with_pixels_are_told(tmp_path: Path) -> None:
    assert (
        problem(saved(images(VOXELS, Modality="SEG"), tmp_path))
        == "T2 FLAIR is no scan: its modality is SEG."
    )


def test_frames_scaled_each_in_its_own_way_are_told(tmp_path: Path) -> None:
    dataset = enhanced(VOXELS)
    for i, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        scale = pydicom.Dataset()
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = i + 1, 0, "US"
        frame.PixelValueTransformationSequence = [scale]
    assert "scaled each in its own way" in problem(saved([dataset], tmp_path))


def test_objects_without_pixels_are_passed_over(tmp_path: Path) -> None:
    saved(images(VOXELS), tmp_path)
    contours = image(VOXELS[0], SOPClassUID=RTStructureSetStorage)
    del contours.PixelData, contours.Rows, contours.Columns
    contours.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    saved([contours], tmp_path, "RS")
    assert only(tmp_path).notes == ()


# Damaged and hostile files


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 0.95, 0.99])
def test_a_truncated_file_is_told(tmp_path: Path, share: float) -> None:
    saved(images(VOXELS), tmp_path)
    file = sorted(tmp_path.iterdir())[2]
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    series = only(tmp_path)
    told = (series.problem, *series.notes)
    assert any("damaged" in sentence for sentence in told), told
    assert all(is_one_sentence(sentence) for sentence in told if sentence)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless])
def test_truncated_compressed_pixels_are_told(tmp_path: Path, syntax: str) -> None:
    saved(compressed(syntax, CODECS[syntax]), tmp_path)
    file = sorted(tmp_path.iterdir())[2]
    file.write_bytes(file.read_bytes()[:-90])
    assert "of T2 FLAIR is damaged: its compressed pixels" in problem(tmp_path)


def test_damaged_compressed_pixels_are_refused(tmp_path: Path, refused: Refused) -> None:
    saved(compressed(JPEGLSLossless, lambda _: b"\xff\xd8" * 50), tmp_path)
    with refused(ScanError, "of T2 FLAIR is damaged: its pixels cannot be decoded"):
        read_series(only(tmp_path))


def test_rle_without_segments_never_reaches_the_decoder_that_divides_by_them(tmp_path: Path) -> None:
    datasets = images(VOXELS)
    for dataset in datasets:
        dataset.compress(RLELossless)
        dataset.PixelData = dataset.PixelData.replace(b"\x02\0\0\0\x40", b"\0\0\0\0\x40")
    assert "compressed pixels" in problem(saved(datasets, tmp_path))


def test_lengths_beyond_the_file_take_no_memory(tmp_path: Path) -> None:
    saved(images(VOXELS), tmp_path)
    for file in tmp_path.iterdir():
        head = b"\xe0\x7f\x10\0OW\0\0"
        before, after = file.read_bytes().split(head)
        file.write_bytes(before + head + b"\xf0\xff\xff\xff" + after[4:])
    assert "ends too early" in problem(tmp_path)


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=60)
def test_whatever_is_damaged_raises_no_other_error(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[float, int]]
) -> None:
    path = saved([enhanced(VOXELS[:2, :2, :2])], tmp_path_factory.mktemp("series"))
    (file,) = path.iterdir()
    content = bytearray(file.read_bytes())
    for place, value in damage:
        content[132 + int(place * (len(content) - 132))] = value
    file.write_bytes(content)
    with suppress(ScanError):
        for series in find_series(path):
            read_series(series)


@pytest.mark.parametrize("content", [b"", b"once upon a time " * 100, b"\0" * 128 + b"DICM"])
def test_a_folder_of_damaged_files_is_refused(tmp_path: Path, content: bytes, refused: Refused) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    with refused(ScanError, "damaged or no DICOM"):
        find_series(tmp_path)


def test_a_damaged_file_beside_a_series_is_noted(tmp_path: Path) -> None:
    saved(images(VOXELS), tmp_path)
    (tmp_path / "a.dcm").write_text("no DICOM")
    series = only(tmp_path)
    assert series.notes == ("1 file beside T2 FLAIR cannot be read: damaged or no DICOM.",)
    np.testing.assert_array_equal(read_series(series).sequences["flair"], VOXELS)


def test_a_huge_declared_size_takes_no_memory(tmp_path: Path) -> None:
    datasets = images(VOXELS, Rows=65000, Columns=65000)
    assert "ends too early" in problem(saved(datasets, tmp_path))


def test_a_huge_declared_size_of_compressed_pixels_takes_no_memory(tmp_path: Path) -> None:
    datasets = compressed(JPEG2000Lossless, CODECS[JPEG2000Lossless])
    for dataset in datasets:
        dataset.Rows = dataset.Columns = 65000
    assert "size cannot be true" in problem(saved(datasets, tmp_path))


def test_a_huge_declared_number_of_frames_takes_no_memory(tmp_path: Path) -> None:
    assert "cannot be true" in problem(saved([enhanced(VOXELS, NumberOfFrames=2**31 - 1)], tmp_path))


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_pixels_of_a_larger_image_than_the_header_says_take_no_memory(
    tmp_path: Path, syntax: str
) -> None:
    datasets = compressed(syntax, CODECS[syntax])
    for dataset, pixels in zip(datasets, VOXELS, strict=True):
        dataset.PixelData = encapsulate([CODECS[syntax](np.tile(pixels, (9, 1)))])
    assert "size cannot be true" in problem(saved(datasets, tmp_path))


def test_pixels_of_no_type_take_no_memory(tmp_path: Path) -> None:
    saved(compressed(JPEG2000Lossless, CODECS[JPEG2000Lossless]), tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\xe0\x7f\x10\0OB", b"\xe0\x7f\x10\0O\xff"))
    assert "damaged" in problem(tmp_path)


def test_a_deflated_file_that_unpacks_to_more_than_any_scan_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setattr("napari_tumor_unet.io.dicom.pixel_check.MOST_BYTES", 1 << 20)
    dataset = image(np.zeros((2000, 2000), np.uint8))
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    with refused(ScanError, "damaged"):
        find_series(saved([dataset], tmp_path))


def test_a_series_larger_than_any_scan_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setattr("napari_tumor_unet.io.guard.MOST_BYTES", 1000)
    series = only(saved(images(VOXELS), tmp_path))
    with refused(ScanError, "T2 FLAIR", "no scan of a head is so large"):
        read_series(series)


def test_a_file_changed_meanwhile_is_refused(tmp_path: Path, refused: Refused) -> None:
    series = only(saved(images(VOXELS), tmp_path))
    saved(images(VOXELS[:, :5]), tmp_path)
    with refused(ScanError, "Image", "changed while it was read"):
        read_series(series)


def test_a_folder_without_dicom_is_refused(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "notes.txt").write_text("a" * 200)
    with refused(ScanError, "no DICOM images"):
        find_series(tmp_path)


def test_a_folder_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", denied)
    assert not looks_like_dicom(tmp_path)
    with refused(ScanError, "Permission denied"):
        find_series(tmp_path)


def test_a_folder_with_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    saved(images(VOXELS), tmp_path)
    monkeypatch.setattr(find, "_MOST", 6)
    with refused(ScanError, "more than 6 files"):
        find_series(tmp_path)


@pytest.mark.parametrize("name", ["a b", "Köpfe", "脑 肿瘤", "мозг's"])
def test_names_of_any_alphabet_are_read(tmp_path: Path, name: str) -> None:
    saved(images(VOXELS), tmp_path / name, prefix=name)
    np.testing.assert_array_equal(read_series(only(tmp_path)).sequences["flair"], VOXELS)


@pytest.mark.skipif(os.name != "posix", reason="names are Unicode here")
def test_a_name_that_is_not_unicode_is_told(tmp_path: Path) -> None:
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    try:
        saved(images(VOXELS), place)
    except OSError:
        pytest.skip("no such names on this disk")
    assert "not Unicode" in problem(tmp_path)


# Quick


def test_a_folder_of_dicom_is_known_by_its_first_files(tmp_path: Path) -> None:
    saved(images(VOXELS), tmp_path / "a" / "b", ending="")
    assert looks_like_dicom(tmp_path)
    assert looks_like_dicom(next((tmp_path / "a" / "b").iterdir()))
    assert not looks_like_dicom(tmp_path / "nosuch")


@pytest.mark.parametrize("ending", ["", ".tif", ".123"])
def test_a_folder_of_many_other_files_is_declined_after_a_few(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3000):
        (tmp_path / f"{i:05}{ending}").touch()
    opened = 0
    real = Path.open

    def counted(path: Path, *arguments: Any) -> Any:
        nonlocal opened
        opened += 1
        return real(path, *arguments)

    monkeypatch.setattr(Path, "open", counted)
    assert not looks_like_dicom(tmp_path)
    assert opened <= 20


def test_loops_of_folders_end(tmp_path: Path) -> None:
    saved(images(VOXELS), tmp_path / "a")
    try:
        (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("no links on this disk")
    assert only(tmp_path).shape == VOXELS.shape


# Names, and whose they are not


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("T2 FLAIR Mustermann Erika", "T2 FLAIR"),
        ("mustermann_T2_FLAIR", "T2_FLAIR"),
        ("T2 FLAIR [KH-471100]", "T2 FLAIR"),
        ("T2 FLAIR 12.08.1964 ACC90210", "T2 FLAIR"),
        ("Erika^Mustermann", "series 5"),
        ("", "series 5"),
        ("FLAIR\x00\nax", "FLAIR ax"),
    ],
)
def test_a_series_is_named_by_its_description_without_the_patient(
    tmp_path: Path, description: str, name: str
) -> None:
    assert only(saved(images(VOXELS, SeriesDescription=description), tmp_path)).name == name


def test_short_names_are_taken_out_as_whole_words_only(tmp_path: Path) -> None:
    datasets = images(VOXELS, SeriesDescription="Li clinical FLAIR", PatientName="Li^An")
    assert only(saved(datasets, tmp_path)).name == "clinical FLAIR"


def test_names_in_other_alphabets_are_taken_out(tmp_path: Path) -> None:
    datasets = images(VOXELS, SeriesDescription="FLAIR 山田 太郎", PatientName="Yamada^Tarou=山田^太郎")
    assert only(saved(datasets, tmp_path)).name == "FLAIR"


def test_nothing_of_the_patient_or_the_place_is_in_a_series_or_scan(tmp_path: Path) -> None:
    place = saved(images(VOXELS, ProtocolName="Mustermann brain"), tmp_path / "Mustermann_Erika")
    series = only(place)
    scan = read_series(series)
    said = f"{series!r} {series.slices!r} {series.acquisition!r} {scan.name} {scan.geometry!r}".lower()
    secrets = [*PATIENT["PatientName"].split("^"), *PATIENT.values(), str(tmp_path)]
    assert not [word for word in secrets if word.lower() in said]


@pytest.mark.filterwarnings("error")
def test_odd_values_are_passed_over_in_silence(tmp_path: Path) -> None:
    datasets = images(VOXELS, EchoTime=9.5)
    saved(datasets, tmp_path)
    for file in tmp_path.iterdir():
        odd = file.read_bytes().replace(b"19640812", b"Mustermn").replace(b"9.5 ", b"Erik")
        file.write_bytes(odd.replace(b"1.2.3.4\0", b"Must.Man"))
    series = only(tmp_path)
    assert series.acquisition.echo_time is None
    np.testing.assert_array_equal(read_series(series).sequences["flair"], VOXELS)


def test_no_warning_of_pydicom_is_shown(tmp_path: Path) -> None:
    saved(images(VOXELS), tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes().replace(b"ISO_IR 192", b"ISO_IR XYZ"))
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        read_series(only(tmp_path))
    assert not shown


# Which sequence


@pytest.mark.parametrize(
    ("sequence", "fields"),
    [
        ("flair", {"description": "AX T2 FLAIR"}),
        ("flair", {"description": "t2_tirm_tra_dark-fluid", "inversion_time": 2500, "echo_time": 85}),
        ("flair", {"description": "", "inversion_time": 1650, "echo_time": 340}),
        ("flair", {"protocol": "FLAIR", "description": "ax"}),
        ("pre", {"description": "AX T1 FLAIR", "inversion_time": 860, "echo_time": 24}),
        ("post", {"description": "AX T1 FLAIR", "inversion_time": 860, "echo_time": 24, "contrast": True}),
        ("pre", {"description": "t1_mprage", "contrast": False}),
        ("post", {"description": "t1_mprage", "contrast": True}),
        ("post", {"description": "t1_mprage post"}),
        ("pre", {"description": "T1 native", "contrast": True}),
        ("pre", {"description": "mprage", "inversion_time": 900, "echo_time": 3}),
        ("pre", {"description": "SE ax", "repetition_time": 500, "echo_time": 12, "technique": ("SE",)}),
        (None, {"description": "GRE ax", "repetition_time": 600, "echo_time": 20, "technique": ("GR",)}),
        (None, {"description": "T2 post contrast", "echo_time": 100}),
        (None, {"description": "STIR", "inversion_time": 160, "echo_time": 30}),
        (None, {"description": "T2 TSE", "echo_time": 95}),
        (None, {"description": "FLAIR DWI", "b_value": 1000.0}),
        (None, {"description": "T1 localizer"}),
        (None, {"description": "T1 FLAIR like CT", "modality": "CT"}),
    ],
)
def test_a_sequence_is_known_by_its_times_and_names(sequence: str | None, fields: dict[str, Any]) -> None:
    assert Acquisition(**({"modality": "MR"} | fields)).sequence == sequence


def test_times_and_contrast_come_from_the_header(tmp_path: Path) -> None:
    fields = {"EchoTime": 3.1, "InversionTime": 900, "RepetitionTime": 1900, "ContrastBolusAgent": "Gadovist"}
    saved(images(VOXELS, SeriesDescription="mprage", **fields), tmp_path)
    assert only(tmp_path).sequence == "post"


def test_a_ct_is_told(tmp_path: Path) -> None:
    series = only(saved(images(VOXELS, Modality="CT", SeriesDescription="Head"), tmp_path))
    assert (series.modality, series.sequence, series.problem) == ("CT", None, "")
