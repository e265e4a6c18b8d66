"""Several files at once: a bad one does not stop the rest, and the table says what became of each."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet.inference.batch import Outcome, Progress, as_csv, output_names, segment_files
from napari_tumor_unet.inference.input_check import NO_HEAD_NO_MASK
from napari_tumor_unet.io.find import ScanFiles, find_scan_files, find_scans
from napari_tumor_unet.model.model_file import Model
from napari_tumor_unet.scan import Scan, ScanError
from tests.conftest import Phantom, Refused, is_one_sentence


@pytest.fixture
def folder(tmp_path: Path, phantom: Phantom) -> Path:
    """Two scans, one of them damaged, one of slices, masks, and what is none of all that."""
    scan, mask = phantom((4, 32, 32))
    flair = scan.sequences["flair"]
    inner = tmp_path / "scans" / "inner"
    inner.mkdir(parents=True)
    tifffile.imwrite(inner.parent / "b.tif", flair)
    tifffile.imwrite(inner.parent / "b_mask.tif", mask.astype(np.uint8))
    (inner.parent / "a.nii.gz").write_bytes(b"nothing")
    (inner.parent / "notes.txt").write_text("none")
    for i, plane in enumerate(flair, start=1):
        tifffile.imwrite(inner / f"P_{i}.tif", plane)
    return inner.parent


def test_scans_are_found_in_a_folder_and_those_in_it(folder: Path) -> None:
    found = [path.relative_to(folder).as_posix() for path in find_scans(folder)]
    assert found == ["a.nii.gz", "b.tif", "inner"]


def test_a_folder_without_scans_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused(ScanError, "holds no scan"):
        find_scans(tmp_path)


def test_a_bad_scan_does_not_stop_the_rest(folder: Path, tmp_path: Path, tiny_model: Model) -> None:
    out = tmp_path / "out"
    out.mkdir()
    events = list(segment_files(find_scan_files(folder), out, tiny_model, device="cpu"))
    outcomes = {event.name: event for event in events if isinstance(event, Outcome)}
    assert sorted(outcomes) == ["a", "b", "inner"]
    assert is_one_sentence(outcomes["a"].error)
    assert outcomes["b"].findings == outcomes["inner"].findings
    done = [(e.done, e.total) for e in events if isinstance(e, Progress) and e.name == "b"]
    assert done == [(1, 4), (4, 4)]
    assert sorted(p.name for p in out.iterdir()) == [
        "b_mask.json",
        "b_mask.tif",
        "inner_mask.json",
        "inner_mask.tif",
    ]
    table = list(csv.DictReader(io.StringIO(as_csv(outcomes[name] for name in sorted(outcomes)))))
    assert [row["scan"] for row in table] == ["a", "b", "inner"]
    assert table[0]["error"] == outcomes["a"].error
    found = outcomes["b"].findings
    assert [int(table[1][name]) for name in ("voxels", "slices")] == [found.voxels, found.slices]
    assert table[1]["volume_ml"] == ""
    assert table[1]["model"] == "tiny"
    assert table[1]["warnings"] == " ".join(outcomes["b"].warnings)


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_over_what_is_no_scan_of_a_head_no_empty_mask_is_written(
    tmp_path: Path, tiny_model: Model, value: float
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((5, 32, 32), value, np.float32), photometric="minisblack")
    (out := tmp_path / "out").mkdir()
    *_, outcome = segment_files([ScanFiles(tmp_path / "a.tif")], out, tiny_model, device="cpu")
    assert isinstance(outcome, Outcome)
    assert outcome.error == NO_HEAD_NO_MASK
    assert not [*out.iterdir()]
    assert as_csv([outcome]).splitlines()[1].startswith("a,,,")


def test_masks_that_are_there_stay(folder: Path, tmp_path: Path, tiny_model: Model) -> None:
    (tmp_path / "b_mask.tif").write_text("mine")
    (outcome,) = [
        e
        for e in segment_files([ScanFiles(folder / "b.tif")], tmp_path, tiny_model, device="cpu")
        if isinstance(e, Outcome)
    ]
    assert outcome.exists
    assert outcome.error == "b_mask.tif exists already; choose another folder."
    assert (tmp_path / "b_mask.tif").read_text() == "mine"


@pytest.mark.parametrize(
    "names",
    [
        ["a.nii.gz", "a.nrrd", "a.nii.gz.nii.gz"],
        ["A.nii.gz", "a.nii.gz", "a.NII.GZ", "a.nii.gz.nii.gz"],
        ["a.tif", "a.tiff", "a.tif.tif", "x/a.tif", "y/a.tif", "x/../a.tif"],
        ["/a.tif", "a.tif", "b/a.tif", "/b/a.tif"],
        ["a/b_2.tif", "b.tif", "B.tif"],
    ],
)
def test_names_that_collide_become_distinct(names: list[str]) -> None:
    outputs = output_names([ScanFiles(Path("root") / name) for name in names])
    assert len({output.lower() for output in outputs}) == len(names)


@given(st.lists(st.text("aA./", min_size=1, max_size=6), max_size=6))
def test_output_names_always_end_distinct(stems: list[str]) -> None:
    paths = {Path(f"{stem}{ending}") for stem in stems for ending in (".nii", ".tif")}
    outputs = output_names([ScanFiles(path) for path in sorted(paths)])
    assert len({output.lower() for output in outputs}) == len(paths)


def test_whatever_a_scan_raises_the_rest_goes_on(
    folder: Path, tmp_path: Path, tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(files: ScanFiles) -> Scan:
        if files.path.name == "a.nii.gz":
            raise ZeroDivisionError("[/b]")
        return once(files)

    once = ScanFiles.read
    monkeypatch.setattr(ScanFiles, "read", read)
    (out := tmp_path / "out").mkdir()
    events = segment_files(find_scan_files(folder), out, tiny_model, device="cpu")
    bad, *rest = sorted((e for e in events if isinstance(e, Outcome)), key=lambda outcome: outcome.name)
    assert bad.error == "Unexpected error in a: [/b]; details in the log."
    assert "ZeroDivisionError" in bad.details
    assert [outcome.error for outcome in rest] == ["", ""]


def test_a_link_that_leads_nowhere_is_there_already(folder: Path, tmp_path: Path, tiny_model: Model) -> None:
    (out := tmp_path / "out").mkdir()
    (out / "b_mask.json").symlink_to(tmp_path / "nowhere")
    events = segment_files([ScanFiles(folder / "b.tif")], out, tiny_model, device="cpu")
    (outcome,) = (event for event in events if isinstance(event, Outcome))
    assert outcome.exists
