"""DICOM Segmentations and reports: what is written, as others read and check it, and what is read."""

from __future__ import annotations

import copy
import logging
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from napari_tumor_unet.inference.dicom_report import write_dicom_report
from napari_tumor_unet.io.dicom import extra
from napari_tumor_unet.io.dicom.find import find_series
from napari_tumor_unet.io.dicom.read_segmentation import read_segmentation
from napari_tumor_unet.io.dicom.report import report_of
from napari_tumor_unet.io.find import find_scans
from napari_tumor_unet.io.read import read_labels, read_mask, read_scan
from napari_tumor_unet.io.write import sidecar_of, write_mask, write_result
from napari_tumor_unet.scan import Scan, ScanError
from tests.conftest import Refused
from tests.dicom_files import AXES, PATIENT, enhanced, images, saved, turned

highdicom = pytest.importorskip("highdicom", reason="the extra dicom is not installed")

STUDY: dict[str, Any] = {
    **{"FrameOfReferenceUID": "1.2.9", "PatientSex": "F", "StudyID": "S1", "ReferringPhysicianName": ""},
    **{"StudyDate": "20240101", "StudyTime": "101010", "SpecificCharacterSet": "ISO_IR 192"},
}
VOXELS = np.random.default_rng(0).integers(0, 900, (5, 12, 10), dtype=np.uint16)
MADE_BY = {"model": "default", "model_hash": "ab" * 32, "version": "0.1.0", "threshold": 0.4}


def scan_in(folder: Path, axes: np.ndarray = AXES["axial"], **fields: Any) -> Scan:
    return read_scan(saved(images(VOXELS, axes, **(STUDY | fields)), folder / "scan"))


def mask_of(scan: Scan, labels: tuple[int, ...] = (1,)) -> np.ndarray:
    """A mask in which no slice, row or column is like another."""
    mask = np.zeros(scan.shape, np.uint8)
    for i, label in enumerate(labels):
        mask[1 + i, 1 : 3 + i, 1:4] = mask[2 + i, 2:5, 2 : 4 + i] = label
    return mask


def written(scan: Scan, mask: np.ndarray, path: Path, **sidecar: Any) -> Dataset:
    write_result(path, mask, scan, sidecar)
    return highdicom.seg.segread(path)


def places(image: sitk.Image) -> np.ndarray:
    """Where the voxels of a mask lie (n, 3), in LPS mm, as SimpleITK has it."""
    index = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1] * image.GetSpacing()
    return index @ np.reshape(image.GetDirection(), (3, 3)).T + image.GetOrigin()


def same_places(some: np.ndarray, others: np.ndarray) -> bool:
    """Whether each place is one of the others, up to a thousandth of a mm."""
    away = np.linalg.norm(some[:, None] - others[None], axis=2)
    return len(some) == len(others) and max(away.min(axis=0).max(), away.min(axis=1).max()) < 1e-3


def faults(path: Path) -> list[str]:
    """What the checker of dicom3tools finds wrong."""
    if (checker := shutil.which("dciodvfy")) is None:
        pytest.skip("dicom3tools is not installed")
    done = subprocess.run([checker, str(path)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


@given(
    axes=st.sampled_from([*AXES.values(), turned(20), turned(-35, AXES["sagittal"])]),
    shape=st.tuples(st.integers(2, 5), st.integers(3, 9), st.integers(3, 9)),
    spacing=st.tuples(*[st.floats(0.3, 7).map(lambda mm: round(mm, 3))] * 3),
    seed=st.integers(0, 99),
)
def test_simpleitk_highdicom_and_we_find_each_voxel_where_the_nifti_mask_has_it(
    axes: np.ndarray, shape: tuple[int, int, int], spacing: tuple[float, float, float], seed: int
) -> None:
    random = np.random.default_rng(seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        voxels = random.integers(0, 900, shape, dtype=np.uint16)
        scan = read_scan(saved(images(voxels, axes, spacing=spacing, **STUDY), folder / "scan"))
        mask = (random.random(scan.shape) < 0.3).astype(np.uint8)
        mask[0, 0, 0] = 1
        for path in (folder / "mask.dcm", folder / "mask.nii.gz"):
            write_mask(path, mask, scan)
        nifti, dicom = (sitk.ReadImage(str(folder / f"mask.{ending}")) for ending in ("nii.gz", "dcm"))
        volume = highdicom.seg.segread(folder / "mask.dcm").get_volume(combine_segments=True)
        read = read_labels(folder / "mask.dcm")
    np.testing.assert_array_equal(read.sequences["flair"], mask)
    assert read.grid.is_same(scan.grid)
    ours = places(nifti)
    by_highdicom = np.argwhere(volume.array) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    assert same_places(by_highdicom, ours)
    if shape[1] * shape[2] % 8 == 0:  # else GDCM, which SimpleITK reads it with, takes each for whole bytes
        assert same_places(places(dicom), ours)
    assert same_places(places(nifti * 0 + 1), places(dicom * 0 + 1))


@pytest.mark.parametrize("labels", [(1,), (1, 2), (7, 2)])
def test_a_segmentation_says_what_it_shows_who_made_it_and_of_which_images(
    tmp_path: Path, labels: tuple[int, ...]
) -> None:
    scan = scan_in(tmp_path)
    file = tmp_path / "mask.dcm"
    segmentation = written(scan, mask_of(scan, labels), file, provenance=MADE_BY)
    assert faults(file) == []
    assert segmentation.SegmentationType == "BINARY"
    assert len(segmentation.SegmentSequence) == len(labels)
    for number in segmentation.segment_numbers:
        segment = segmentation.get_segment_description(number)
        codes = (
            segment.segmented_property_category,
            segment.segmented_property_type,
            *segment.anatomic_regions,
        )
        assert [(c.value, c.scheme_designator) for c in codes] == [
            ("49755003", "SCT"),
            ("108369006", "SCT"),
            ("12738006", "SCT"),
        ]
        assert segment.algorithm_type.value == "AUTOMATIC"
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("default", "0.1.0")
        assert MADE_BY["model_hash"] in algorithm.AlgorithmParameters
    named = {str(one.SegmentLabel) for one in segmentation.SegmentSequence}
    assert named == ({"Tumour"} if len(labels) == 1 else {f"Label {label}" for label in labels})
    (series,) = segmentation.ReferencedSeriesSequence
    referenced = {one.ReferencedSOPInstanceUID for one in series.ReferencedInstanceSequence}
    assert referenced == {image.uid for image in scan.source}
    assert {name: str(segmentation[name].value) for name in PATIENT} == PATIENT


def test_who_made_a_mask_is_told_of_edits_and_of_drawings(tmp_path: Path) -> None:
    scan = scan_in(tmp_path)
    edited = written(scan, mask_of(scan), tmp_path / "a.dcm", provenance=MADE_BY, edited=True)
    assert edited.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
    write_mask(tmp_path / "b.dcm", mask_of(scan), scan)
    assert pydicom.dcmread(tmp_path / "b.dcm").SegmentSequence[0].SegmentAlgorithmType == "MANUAL"
    assert faults(tmp_path / "b.dcm") == []


def test_a_mask_of_some_slices_alone_says_so_in_dicom(tmp_path: Path) -> None:
    scan, file, part = scan_in(tmp_path), tmp_path / "a.dcm", MADE_BY | {"only_slices": [1, 3]}
    mask = mask_of(scan)
    (segment,) = written(scan, mask, file, provenance=part).SegmentSequence
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert "only_slices=1 3" in algorithm.AlgorithmParameters
    report = write_dicom_report(file, mask, scan, part)
    assert "only_slices=1 3" in str(pydicom.dcmread(report))


def echoes(voxels: np.ndarray, own: tuple[str, ...] = ()) -> Dataset:
    """A file with two frames for each slice, of which the second is another echo."""
    once = enhanced(voxels, order=[3, 0, 2, 1, 4], **STUDY)
    both = copy.deepcopy(once)
    both.PixelData, both.NumberOfFrames = 2 * once.PixelData, 2 * len(voxels)
    both.PerFrameFunctionalGroupsSequence = [
        copy.deepcopy(frame) for frame in 2 * list(once.PerFrameFunctionalGroupsSequence)
    ]
    shared = both.SharedFunctionalGroupsSequence[0]
    for i, frame in enumerate(both.PerFrameFunctionalGroupsSequence):
        frame.MREchoSequence = [Dataset()]
        frame.MREchoSequence[0].EffectiveEchoTime = 90.0 if i < len(voxels) else 20.0
        for keyword in own:
            frame[keyword] = copy.deepcopy(shared[keyword])
    for keyword in ("MREchoSequence", *own):
        del shared[keyword]
    return both


@pytest.mark.parametrize("own", [(), ("PlaneOrientationSequence", "PixelMeasuresSequence")])
def test_frames_of_one_file_are_named_each_by_its_number(tmp_path: Path, own: tuple[str, ...]) -> None:
    saved([echoes(VOXELS, own)], tmp_path / "scan")
    scan = read_scan(tmp_path / "scan", series=1)
    assert "TE 90" in scan.name
    mask = mask_of(scan)
    segmentation = written(scan, mask, tmp_path / "mask.dcm", provenance=MADE_BY)
    assert faults(tmp_path / "mask.dcm") == []
    source = pydicom.dcmread(next((tmp_path / "scan").iterdir()))
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        (one,) = frame.DerivationImageSequence[0].SourceImageSequence
        number = one.ReferencedFrameNumber
        assert number <= len(VOXELS)  # of the first echo
        there = source.PerFrameFunctionalGroupsSequence[number - 1].PlanePositionSequence[0]
        assert frame.PlanePositionSequence[0].ImagePositionPatient == there.ImagePositionPatient
    ours, found = read_segmentation(tmp_path / "mask.dcm", find_series(tmp_path / "scan"))
    assert found is not None
    np.testing.assert_array_equal(ours[0].scan.sequences["flair"], mask)


def test_a_report_holds_volume_and_diameters_of_each_segment(tmp_path: Path) -> None:
    scan = scan_in(tmp_path)
    file, mask = tmp_path / "mask.dcm", mask_of(scan, (1, 4))
    segmentation = written(scan, mask, file, provenance=MADE_BY)
    path = write_dicom_report(file, mask, scan, MADE_BY)
    assert path == report_of(file)
    assert faults(path) == []
    groups = highdicom.sr.srread(path).content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["Label 1", "Label 4"]
    for number, (group, label) in enumerate(zip(groups, (1, 4), strict=True), start=1):
        values = {one.name.value: (one.value, one.unit.value) for one in group.get_measurements()}
        volume = np.count_nonzero(mask == label) * 4.0 * 1.5 * 0.75 / 1000
        assert values["118565006"] == (pytest.approx(volume), "cm3")
        assert {values["103339001"][1], values["131189007"][1]} == {"mm"}
        assert values["103339001"][0] >= values["131189007"][0] > 0
        (item,) = [i for i in group[0].ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "121191"]
        (named,) = item.ReferencedSOPSequence
        assert named.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
        assert named.ReferencedSegmentNumber == number


def test_nothing_but_the_dicom_files_names_the_patient(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    # Of which pydicom and highdicom would warn.
    scan = scan_in(tmp_path, PatientName="Mustermann Erika", PatientID="KH-471100" * 9)
    caplog.clear()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        written(scan, mask_of(scan), tmp_path / "mask.dcm", provenance=MADE_BY)
        write_dicom_report(tmp_path / "mask.dcm", mask_of(scan), scan, MADE_BY)
    said = [*caplog.messages, *map(str, warned), *capfd.readouterr(), repr(scan), repr(scan.source)]
    for text in (*said, sidecar_of(tmp_path / "mask.dcm").read_text()):
        assert not any(word in text for word in ("Mustermann", "KH-471100", "19640812", str(tmp_path)))
        assert scan.source[0].uid not in text


def remove(file: Path) -> None:
    file.unlink()


def move(file: Path) -> None:
    file.rename(file.with_suffix(".old"))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def replace_by_another(file: Path) -> None:
    saved(images(VOXELS[:1], **STUDY), file.parent / "other")
    (file.parent / "other" / "IM0864.dcm").rename(file)


@pytest.mark.parametrize("happens", [remove, move, cut, replace_by_another])
def test_a_source_that_lost_a_slice_is_told_and_nothing_is_written(
    tmp_path: Path, refused: Refused, happens: Callable[[Path], None]
) -> None:
    scan = scan_in(tmp_path)
    happens(scan.source[2].file)
    with refused(ScanError, "moved, removed or changed"):
        written(scan, mask_of(scan), tmp_path / "mask.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]


def test_an_empty_mask_is_a_sentence_and_no_file(tmp_path: Path, refused: Refused) -> None:
    scan = scan_in(tmp_path)
    with refused(ScanError, "empty"):
        written(scan, np.zeros(scan.shape, np.uint8), tmp_path / "mask.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]


def test_what_cannot_be_dicom_is_told(tmp_path: Path, refused: Refused) -> None:
    scan = Scan("a", {"flair": VOXELS})
    with refused(ScanError, "not read from DICOM"):
        write_mask(tmp_path / "mask.dcm", mask_of(scan), scan)
    datasets = images(VOXELS)
    with refused(ScanError, "frame of reference"):
        write_mask(tmp_path / "mask.dcm", mask_of(scan), read_scan(saved(datasets, tmp_path / "a")))
    for dataset in datasets:
        del dataset.ImagePositionPatient
    with refused(ScanError, "do not say where they lie"):
        write_mask(tmp_path / "mask.dcm", mask_of(scan), read_scan(saved(datasets, tmp_path / "b")))


def test_headers_that_lost_the_patient_will_do(tmp_path: Path) -> None:
    datasets = images(VOXELS, **STUDY)
    for dataset in datasets:
        for keyword in (*PATIENT, "PatientSex", "StudyID", "StudyDate", "StudyTime", "SliceThickness"):
            del dataset[keyword]
    scan = read_scan(saved(datasets, tmp_path / "scan"))
    written(scan, mask_of(scan), tmp_path / "mask.dcm")
    assert faults(tmp_path / "mask.dcm") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jürg"},
        {
            "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
            "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        },
    ],
)
def test_names_in_other_alphabets_stay_whole(tmp_path: Path, fields: dict[str, Any]) -> None:
    scan = scan_in(tmp_path, **fields)
    written(scan, mask_of(scan), tmp_path / "mask.dcm")
    assert faults(tmp_path / "mask.dcm") == []
    assert str(pydicom.dcmread(tmp_path / "mask.dcm").PatientName) == fields["PatientName"]


def test_a_distance_that_is_none_is_not_handed_on(tmp_path: Path) -> None:
    scan = scan_in(tmp_path, AXES["coronal"], SpacingBetweenSlices=0.4)  # the gap between thick slices
    segmentation = written(scan, mask_of(scan), tmp_path / "mask.dcm")
    (measures,) = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert measures.SpacingBetweenSlices == 4


def test_a_series_of_files_with_a_frame_each_will_do(tmp_path: Path) -> None:
    whole, files = enhanced(VOXELS, **STUDY), []
    for i, frame in enumerate(whole.PerFrameFunctionalGroupsSequence):
        one = enhanced(VOXELS[i : i + 1], **STUDY)
        one.PerFrameFunctionalGroupsSequence = [frame]
        files.append(one)
    scan = read_scan(saved(files, tmp_path / "scan"))
    mask = mask_of(scan)
    segmentation = written(scan, mask, tmp_path / "mask.dcm")
    assert faults(tmp_path / "mask.dcm") == []
    assert len(segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == len(files)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.dcm"), mask)


def test_without_the_extra_a_sentence_says_how_to_install_it(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    scan = scan_in(tmp_path)
    monkeypatch.setattr(extra.importlib, "import_module", missing)
    with refused(ScanError, 'pip install "napari-tumor-unet[dicom]"'):
        written(scan, mask_of(scan), tmp_path / "mask.dcm")


def foreign(scan: Scan, segments: list[np.ndarray], kind: str = "BINARY", **fields: Any) -> Dataset:
    """A segmentation as others write them: frames with something in them alone, in no order."""
    source = [pydicom.dcmread(image.file) for image in scan.source]
    stored = np.stack(segments, axis=-1)
    if kind == "LABELMAP":
        stored = sum((n + 1) * one.astype(np.uint8) for n, one in enumerate(segments))
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"<b>Part</b> {number} Mustermann",
            segmented_property_category=pydicom.sr.codedict.codes.SCT.Tissue,
            segmented_property_type=pydicom.sr.codedict.codes.SCT.Brain,
            algorithm_type="MANUAL",
        )
        for number in range(1, len(segments) + 1)
    ]
    made = highdicom.seg.Segmentation(
        source, stored, kind, described, "1.2.7", 7, highdicom.UID(), 1, "a", "b", "c", "d"
    )
    random = np.random.default_rng(1)
    order = random.permutation(int(made.NumberOfFrames))
    frames = made.pixel_array.reshape(-1, *made.pixel_array.shape[-2:])[order]
    packed = frames if made.BitsAllocated > 1 else np.packbits(frames.ravel(), bitorder="little")
    made.PixelData = packed.tobytes() + b"\0" * (packed.nbytes % 2)
    groups = list(made.PerFrameFunctionalGroupsSequence)
    made.PerFrameFunctionalGroupsSequence = [groups[i] for i in order]
    for keyword, value in fields.items():
        setattr(made, keyword, value)
    return made


def two_parts(scan: Scan) -> list[np.ndarray]:
    mask = mask_of(scan, (1, 2))
    return [mask == 1, mask == 2]


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("beside", [True, False])
def test_segmentations_of_others_become_labels(tmp_path: Path, kind: str, beside: bool) -> None:
    scan = scan_in(tmp_path)
    parts = two_parts(scan)
    file = tmp_path / "theirs.dcm"
    foreign(scan, parts, kind).save_as(file)
    ours, found = read_segmentation(file, find_series(tmp_path / "scan") if beside else ())
    (one,) = ours
    assert list(one.names) == [1, 2]
    assert one.names[1] == "<b>Part</b> 1"  # shown as it is, but without the patient
    assert one.scan.notes == ()
    if beside:
        assert found is not None
        assert one.scan.source == scan.source
        assert one.scan.grid.is_same(scan.grid)
        np.testing.assert_array_equal(one.scan.sequences["flair"], parts[0] + 2 * parts[1])
    else:
        resampled = one.scan.grid.resample(np.asarray(one.scan.sequences["flair"]), scan.grid)
        np.testing.assert_array_equal(resampled, parts[0] + 2 * parts[1])


def test_fractions_count_from_half_on(tmp_path: Path) -> None:
    scan = scan_in(tmp_path)
    fractions = np.zeros(scan.shape)
    fractions[2, 2:4, 2:6] = [[0.1, 0.49, 0.51, 1.0]] * 2
    foreign(scan, [fractions], "FRACTIONAL").save_as(tmp_path / "theirs.dcm")
    np.testing.assert_array_equal(read_mask(tmp_path / "theirs.dcm")[0, 2, 2:6], [0, 0, 1, 1])


def test_segments_that_overlap_stay_whole_in_volumes_of_their_own(tmp_path: Path, refused: Refused) -> None:
    scan = scan_in(tmp_path)
    whole = mask_of(scan) > 0
    core = whole & (np.arange(10) > 1)
    foreign(scan, [whole, core]).save_as(tmp_path / "theirs.dcm")
    ours, _ = read_segmentation(tmp_path / "theirs.dcm", find_series(tmp_path / "scan"))
    for one, number, part in zip(ours, (1, 2), (whole, core), strict=True):
        np.testing.assert_array_equal(one.scan.sequences["flair"], number * part)
        assert list(one.names) == [number]
    with refused(ScanError, "overlap"):
        read_labels(tmp_path / "theirs.dcm")


def test_far_frames_do_not_hide_the_slices_between_them(tmp_path: Path) -> None:
    scan = scan_in(tmp_path)
    mask = np.zeros(scan.shape, bool)
    mask[0, 2, 2] = mask[4, 3, 3] = True
    made = foreign(scan, [mask])
    del made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    made.save_as(tmp_path / "theirs.dcm")
    ours, _ = read_segmentation(tmp_path / "theirs.dcm", find_series(tmp_path / "scan"))
    np.testing.assert_array_equal(ours[0].scan.sequences["flair"], mask)


def test_a_segmentation_of_another_grid_is_brought_to_its_scan_and_that_is_told(tmp_path: Path) -> None:
    scan = scan_in(tmp_path)
    made = foreign(scan, [mask_of(scan) > 0])
    made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [3.0, 1.5]
    made.save_as(tmp_path / "theirs.dcm")
    ours, _ = read_segmentation(tmp_path / "theirs.dcm", find_series(tmp_path / "scan"))
    assert ours[0].scan.shape == scan.shape
    assert any("another grid" in note for note in ours[0].scan.notes)


def test_a_segmentation_by_dcmqi_is_read() -> None:
    read = read_labels(get_testdata_file("liver_1frame.dcm"))
    assert read.shape == (1, 512, 512)
    assert read.spacing == pytest.approx((1.0, 0.810547, 0.810547))


def test_the_folder_of_a_scan_may_hold_its_segmentation(tmp_path: Path) -> None:
    scan = scan_in(tmp_path)
    written(scan, mask_of(scan), tmp_path / "scan" / "mask.dcm")
    write_dicom_report(tmp_path / "scan" / "mask.dcm", mask_of(scan), scan, None)
    np.testing.assert_array_equal(read_scan(tmp_path / "scan").sequences["flair"], VOXELS)
    masks = [one for one in find_series(tmp_path / "scan") if one.is_segmentation]
    assert [one.problem for one in masks] == ["Tumour segmentation is no scan: its modality is SEG."]


def test_masks_of_a_study_in_another_folder_are_no_part_of_its_scan(tmp_path: Path) -> None:
    scan = scan_in(tmp_path)
    (tmp_path / "masks").mkdir()
    written(scan, mask_of(scan), tmp_path / "masks" / "scan_mask.dcm")
    assert find_scans(tmp_path) == [tmp_path / "scan"]


@pytest.mark.parametrize("cut_at", [0.3, 0.6, 0.95])
def test_a_damaged_segmentation_is_told(tmp_path: Path, refused: Refused, cut_at: float) -> None:
    scan = scan_in(tmp_path)
    written(scan, mask_of(scan), tmp_path / "mask.dcm")
    content = (tmp_path / "mask.dcm").read_bytes()
    (tmp_path / "mask.dcm").write_bytes(content[: int(cut_at * len(content))])
    with refused(ScanError):
        read_labels(tmp_path / "mask.dcm")


def test_a_series_is_no_mask(tmp_path: Path, refused: Refused) -> None:
    scan = scan_in(tmp_path)
    with refused(ScanError, "no DICOM segmentation"):
        read_labels(scan.source[0].file)
