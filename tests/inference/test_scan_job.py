"""A batch goes on with an earlier one: what is done is left out, all else is done, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_tumor_unet.inference.batch import Outcome, part_of, plan_jobs, segment_jobs
from napari_tumor_unet.inference.scan_job import Settings
from napari_tumor_unet.io.find import ScanFiles
from napari_tumor_unet.io.write import sidecar_of
from napari_tumor_unet.model.model_file import Model, load_model
from napari_tumor_unet.scan import SEQUENCES
from napari_tumor_unet.scan.spacing import Spacing
from tests.conftest import Phantom

GOES_ON = Settings("cpu", go_on=True, replaced="replaced")
SAID = (5.0, 0.94, 0.94)
AS_BEFORE = "choose another folder, or the spacing that it was done with, 5 x 0.94 x 0.94 mm."
Do = Callable[..., Outcome]


@pytest.fixture
def model(tiny_model_file: Path) -> Model:
    return load_model(tiny_model_file)


@pytest.fixture
def do(tmp_path: Path, phantom: Phantom, model: Model) -> Do:
    """Segment a small scan with three sequences into tmp_path / "out"."""
    scan, _ = phantom((3, 24, 20))
    volume = np.stack([scan.sequences[s] for s in SEQUENCES], axis=1)
    tifffile.imwrite(tmp_path / "a.tif", volume, imagej=True, metadata={"axes": "ZCYX"})
    (tmp_path / "out").mkdir()

    def run(settings: Settings = GOES_ON, model: Model = model, **files: Any) -> Outcome:
        jobs = plan_jobs([ScanFiles(tmp_path / "a.tif", **files)], tmp_path / "out", settings)
        (outcome,) = (event for event in segment_jobs(jobs, model) if isinstance(event, Outcome))
        assert not outcome.error
        return outcome

    return run


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    return tmp_path / "out" / "a_mask.tif"


def made(tmp_path: Path) -> list[str]:
    out = tmp_path / "out"
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def test_a_scan_that_is_done_is_left_out_and_told_as_it_was(do: Do, mask: Path) -> None:
    first = do()
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in (mask, sidecar_of(mask))]
    second = do()
    assert second == replace(first, done_before=True)
    assert [(path.stat().st_mtime_ns, path.read_bytes()) for path in (mask, sidecar_of(mask))] == before
    assert do(replace(GOES_ON, overwrite=True)).done_before


@pytest.mark.parametrize("what", ["threshold", "model", "flair alone", "format", "version", "region"])
def test_what_was_made_otherwise_is_done_again(
    do: Do, model: Model, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    do()
    changes: dict[str, Callable[[], Outcome]] = {
        "threshold": lambda: do(replace(GOES_ON, threshold=0.0)),
        "model": lambda: do(model=replace(model, hash="another")),
        "flair alone": lambda: do(alone=True),
        "format": lambda: do(replace(GOES_ON, mask_format="nrrd")),
        "version": do,
        "region": lambda: do(model=replace(model, card=replace(model.card, min_region_weight=7.0))),
    }
    if what == "version":
        monkeypatch.setattr("napari_tumor_unet.inference.scan_job.version", lambda _: "99")
    assert not changes[what]().done_before


def test_a_mask_of_another_model_is_kept(do: Do, tmp_path: Path, mask: Path, model: Model) -> None:
    do(replace(GOES_ON, threshold=0.9))
    old = mask.read_bytes(), sidecar_of(mask).read_bytes()
    do(replace(GOES_ON, threshold=0.0), model=replace(model, hash="another"))
    kept = tmp_path / "out" / "replaced" / mask.name
    assert (kept.read_bytes(), sidecar_of(kept).read_bytes()) == old
    assert mask.read_bytes() != old[0]


def test_of_masks_that_are_left_to_others_it_is_said_why_they_are_none_of_this_run(
    do: Do, tmp_path: Path, mask: Path, model: Model
) -> None:
    do()
    leaves = replace(GOES_ON, leave_others=True)
    jobs = plan_jobs([ScanFiles(tmp_path / "a.tif")], tmp_path / "out", leaves)

    def refusal(model: Model) -> str:
        (outcome,) = (event for event in segment_jobs(jobs, model) if isinstance(event, Outcome))
        assert outcome.exists
        return outcome.error

    name = model.card.name
    by_another = refusal(replace(model, hash="another"))
    assert (
        by_another
        == f"The files of the mask exist already, made by the model {name!r}; choose another folder."
    )
    mask.write_bytes(b"changed")
    assert "already, and the mask was changed since it was written; choose" in refusal(model)


@pytest.mark.parametrize("content", [b"", b"half", b"{}", b"[1]", b'{"mask_sha256": 1}', b"\xff"])
@pytest.mark.parametrize("which", ["mask", "sidecar"])
def test_half_written_empty_and_foreign_files_are_done_again(
    do: Do, tmp_path: Path, mask: Path, which: str, content: bytes
) -> None:
    do()
    whole = mask.read_bytes()
    file = mask if which == "mask" else sidecar_of(mask)
    file.write_bytes(content)
    outcome = do()
    assert not outcome.done_before
    assert mask.read_bytes() == whole
    assert do().done_before
    kept = tmp_path / "out" / "replaced" / file.name
    if which == "mask" and content:
        assert kept.read_bytes() == content
        assert outcome.warnings[-1] == "What was there before is kept in replaced."
    else:  # the mask is the same to the byte, or there was nothing to keep
        assert not (tmp_path / "out" / "replaced" / "a_mask.tif").exists()


def test_a_foreign_sidecar_beside_no_mask_is_kept(do: Do, tmp_path: Path, mask: Path) -> None:
    sidecar_of(mask).write_text("mine")
    do()
    assert made(tmp_path) == ["a_mask.json", "a_mask.tif", "replaced/a_mask.json"]
    assert (tmp_path / "out" / "replaced" / "a_mask.json").read_text() == "mine"


def test_what_another_run_moves_meanwhile_is_no_error(
    do: Do, tmp_path: Path, mask: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask.write_text("mine")
    make, elsewhere = Path.mkdir, tmp_path / "elsewhere"

    def moved_first(folder: Path, **options: Any) -> None:
        mask.rename(elsewhere)
        make(folder, **options)

    monkeypatch.setattr(Path, "mkdir", moved_first)
    outcome = do()  # which has no error
    assert not [warning for warning in outcome.warnings if "is kept in" in warning]
    assert elsewhere.read_text() == "mine"


@pytest.mark.usefixtures("do")
def test_a_mask_that_is_there_stays_in_place_where_the_scan_fails(
    tmp_path: Path, mask: Path, model: Model
) -> None:
    mask.write_text("mine")
    (tmp_path / "a.tif").write_text("damaged")
    jobs = plan_jobs([ScanFiles(tmp_path / "a.tif")], tmp_path / "out", GOES_ON)
    (outcome,) = segment_jobs(jobs, model)
    assert isinstance(outcome, Outcome)
    assert outcome.error
    assert mask.read_text() == "mine"


def test_what_another_run_wrote_meanwhile_counts(do: Do, tmp_path: Path, mask: Path, model: Model) -> None:
    jobs = plan_jobs([ScanFiles(tmp_path / "a.tif")], tmp_path / "out", GOES_ON)
    events = segment_jobs(jobs, model)
    next(events)
    other = do()
    before = sidecar_of(mask).read_bytes()
    (*_, outcome) = events
    assert outcome == replace(other, done_before=True)
    assert sidecar_of(mask).read_bytes() == before


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (None, SAID, "Done without this spacing; choose another folder, or no spacing, as before."),
        (SAID, None, f"Done with a spacing; {AS_BEFORE}"),
        (SAID, (4.0, 1.0, 1.0), f"Done without this spacing; {AS_BEFORE}"),
        (SAID, SAID, ""),
    ],
)
def test_a_scan_is_done_by_the_spacing_that_was_used_and_else_its_row_names_it(
    phantom: Phantom,
    tmp_path: Path,
    model: Model,
    own: bool,
    first: Spacing | None,
    second: Spacing | None,
    reason: str,
) -> None:
    metadata = {"axes": "ZYX"} | ({"spacing": 5.0, "unit": "mm"} if own else {})
    flair = phantom((3, 24, 20))[0].sequences["flair"]
    tifffile.imwrite(
        tmp_path / "a.tif", flair, imagej=True, resolution=(1, 1) if own else None, metadata=metadata
    )
    (out := tmp_path / "out").mkdir()

    def do(spacing: Spacing | None, *, leave_others: bool = True) -> Outcome:
        settings = replace(GOES_ON, leave_others=leave_others, spacing=spacing)
        jobs = plan_jobs([ScanFiles(tmp_path / "a.tif")], out, settings)
        (outcome,) = (event for event in segment_jobs(jobs, model) if isinstance(event, Outcome))
        return outcome

    before = do(first)
    after = do(second)
    if own or not reason:
        assert after.done_before
        assert after.findings == before.findings
    else:
        assert after.error == reason
        assert not do(second, leave_others=False).done_before  # but done again, as the files are kept


def test_a_model_that_was_never_saved_proves_nothing(do: Do, model: Model) -> None:
    unsaved = replace(model, hash="")
    do(model=unsaved)
    assert not do(model=unsaved).done_before


@given(st.sets(st.text("abc", min_size=1, max_size=4), max_size=20), st.integers(1, 30), st.randoms())
def test_parts_are_disjoint_and_complete_in_whatever_order(names: set[str], parts: int, random: Any) -> None:
    jobs = plan_jobs([ScanFiles(Path(f"{name}.nii")) for name in sorted(names)], Path(), GOES_ON)
    shuffled = list(jobs)
    random.shuffle(shuffled)
    split = [part_of(shuffled, i, parts) for i in range(1, parts + 1)]
    assert sorted(job.name for part in split for job in part) == sorted(names)
    assert split == [part_of(jobs, i, parts) for i in range(1, parts + 1)]
    assert max(map(len, split)) - min(map(len, split)) <= 1
