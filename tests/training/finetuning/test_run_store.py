"""Fine-tunings on disk: they come back as they were, and what is damaged or at work is left out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from napari_tumor_unet.io.datasets.fingerprint import fingerprint
from napari_tumor_unet.io.datasets.pairs import Case
from napari_tumor_unet.io.datasets.snapshot import write_snapshot
from napari_tumor_unet.scan import Scan, ScanError
from napari_tumor_unet.training.finetuning.run_plan import (
    FineTuning,
    RunError,
    RunPlan,
    draft_plan,
    finish_plan,
    read_plan,
)
from napari_tumor_unet.training.finetuning.run_store import (
    FOLDER_VARIABLE,
    MARK,
    PARENT,
    UnusableRun,
    discard,
    epochs_of,
    find_interrupted,
    lock_of,
    new_run,
)
from tests.conftest import Refused

METRICS = "epoch,epochs,loss,held_out_dice,learning_rate,seconds\n1,5,0.5,nan,0.0001,3.2\n"


def snapshot(path: Path, name: str = "x", slices: tuple[int, ...] | None = None) -> Case:
    return Case(name, name, path, path, slices=slices)


def write_plan(folder: Path, plan: RunPlan) -> None:
    draft_plan(folder, plan)
    finish_plan(folder)


def plan_in(folder: Path) -> RunPlan:
    pair = Case(
        "y", "y", Path("/data/y.nii.gz"), Path("/data/y_mask.nii.gz"), {"pre": Path("/data/p.nii.gz")}
    )
    cases = (snapshot(folder / "0.npz", "x", (1, 2)), pair)
    return RunPlan(
        "default", FineTuning(epochs=5, layers="decoder"), cases, (snapshot(folder / "1.npz", "z"),)
    )


@pytest.fixture
def run() -> Path:
    folder = new_run()
    write_plan(folder, plan_in(folder))
    (folder / PARENT).write_bytes(b"weights")
    (folder / "checkpoint.pt").touch()
    return folder


def test_a_plan_comes_back_as_it_was(run: Path) -> None:
    assert read_plan(run) == plan_in(run)


def test_a_plan_of_the_version_before_is_read(tmp_path: Path) -> None:
    cases = [
        {"name": "x", "patient": "x", "path": f"{tmp_path}/0.npz", "slices": [1, 2]},
        {
            "name": "y",
            "patient": "y",
            "scan": "/data/y.nii.gz",
            "mask": "/data/y_mask.nii.gz",
            "others": {"pre": "/data/p.nii.gz"},
            "slices": None,
        },
    ]
    held_out = [{"name": "z", "patient": "z", "path": f"{tmp_path}/1.npz", "slices": None}]
    settings = {"epochs": 5, "learning_rate": 3e-4, "batch_size": 8, "layers": "decoder"}
    settings |= {"augmentation": 0.5, "slices": 240, "seed": 1}
    plan = {"model": "default", "settings": settings, "cases": cases, "held_out": held_out}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    assert read_plan(tmp_path) == plan_in(tmp_path)
    write_plan(tmp_path, plan_in(tmp_path))
    assert json.loads((tmp_path / "plan.json").read_text()) == plan


def test_a_draft_of_a_plan_does_not_count() -> None:
    folder = new_run()
    (folder / PARENT).write_bytes(b"weights")
    draft_plan(folder, plan_in(folder))
    assert find_interrupted() == []
    finish_plan(folder)
    assert find_interrupted() == []  # as there is no whole epoch yet
    (folder / "checkpoint.pt").touch()
    assert [run.folder for run in find_interrupted()] == [folder]


def edit_plan(run: Path, change: Callable[[Any], object]) -> None:
    plan = json.loads((run / "plan.json").read_text())
    change(plan)
    (run / "plan.json").write_text(json.dumps(plan))


@pytest.mark.parametrize(
    "damage", [{"layers": "encoder"}, {"epochs": "many"}, {"batch_size": 0}, {"seed": 2**63}]
)
def test_a_plan_with_an_impossible_setting_is_one_sentence(
    run: Path, refused: Refused, damage: dict[str, Any]
) -> None:
    edit_plan(run, lambda plan: plan["settings"].update(damage))
    with refused(RunError, "plan", "cannot be read"):
        read_plan(run)


@pytest.mark.parametrize(
    "place", [lambda plan: plan, lambda plan: plan["settings"], lambda plan: plan["cases"][1]]
)
def test_a_plan_of_a_newer_version_stays_and_is_told(
    run: Path, refused: Refused, place: Callable[[Any], Any]
) -> None:
    edit_plan(run, lambda plan: place(plan).update(new_option=1))
    with refused(RunError, "newer version"):
        read_plan(run)
    (found,) = find_interrupted()
    assert isinstance(found, UnusableRun)
    assert str(found).startswith("made by a newer version, begun ")
    discard(found.folder)
    assert find_interrupted() == []
    assert not run.exists()


def test_an_interrupted_run_is_found_and_described(run: Path) -> None:
    (run / "metrics.csv").write_text(METRICS)
    (found,) = find_interrupted()
    assert (found.folder, found.plan, found.epochs) == (run, plan_in(run), 1)
    assert str(found).startswith("'default', 2 scans, 1 held out, 1 of 5 epochs, begun ")
    assert epochs_of(run)[0].loss == 0.5


def test_a_run_that_somebody_works_on_is_not_offered(run: Path, in_fresh_python: Callable[..., str]) -> None:
    code = (
        "from napari_tumor_unet.training.finetuning.run_store import find_interrupted\n"
        "print(len(find_interrupted()))"
    )
    with lock_of(run):
        assert find_interrupted() == []
        assert in_fresh_python(code).strip() == "0"
    assert in_fresh_python(code).strip() == "1"


def test_what_is_damaged_is_told_and_what_was_never_made_is_cleared_away(run: Path) -> None:
    broken, planless, parentless, young, old = (new_run() for _ in range(5))
    (broken / "plan.json").write_text('{"model": 3')
    (planless / "checkpoint.pt").touch()
    write_plan(parentless, plan_in(parentless))
    (parentless / "checkpoint.pt").touch()
    old = old.rename(old.with_name(f"20200101-120000-{old.name[-8:]}"))
    found = {each.folder: each for each in find_interrupted()}
    assert found.keys() == {run, broken, planless, parentless}
    assert found[broken].reason == found[planless].reason == "its plan cannot be read"
    assert found[parentless].reason == "its first model is missing"
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize(
    "name", ["20240115-103000-SUBJ01", "1-2-3", "2024-01-15-study", ".20240115-103000-ab", "x"]
)
def test_folders_of_others_are_left_as_they_are(run: Path, name: str) -> None:
    folder = run.parent / name
    (folder / "inner").mkdir(parents=True)
    for file in ("scan.nii.gz", "plan.json", "inner/notes.txt"):
        (folder / file).write_text("{}")
    (run.parent / "link").symlink_to(run)
    before = sorted(folder.rglob("*"))
    assert [found.folder for found in find_interrupted()] == [run]
    assert sorted(folder.rglob("*")) == before


def test_a_whole_run_of_the_version_before_is_found_and_one_without_its_model_left_alone(run: Path) -> None:
    (run / MARK).unlink()
    other = Path(shutil.copytree(run, run.with_name(f"{run.name[:-8]}abcdefgh")))
    (other / PARENT).unlink()
    assert [found.folder for found in find_interrupted()] == [run]
    assert set(other.iterdir()) == {other / "plan.json", other / "checkpoint.pt"}
    discard(run)
    assert not run.exists()


def test_what_is_left_of_a_deletion_that_was_cut_short_is_deleted(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / MARK).unlink()
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    discard(run)
    (left,) = run.parent.iterdir()
    assert [path.name for path in left.iterdir()] == [MARK]
    monkeypatch.undo()
    monkeypatch.setenv(FOLDER_VARIABLE, str(run.parent))
    assert find_interrupted() == []
    assert not list(run.parent.iterdir())


def test_a_discarded_run_leaves_nothing(run: Path) -> None:
    discard(run)
    assert not run.exists()
    assert find_interrupted() == []


def test_a_run_is_not_found_while_it_is_deleted(run: Path) -> None:
    found: list[Any] = []

    def slow(folder: Path, **options: Any) -> None:
        patch.undo()
        found.extend(find_interrupted())
        shutil.rmtree(folder, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_tumor_unet.training.finetuning.run_store.shutil.rmtree", slow)
        discard(run)
    assert found == []
    assert not list(run.parent.iterdir())


def test_only_the_user_can_look_into_a_run(run: Path) -> None:
    if os.name == "posix":
        assert run.stat().st_mode & 0o077 == 0


@given(
    shape=array_shapes(min_dims=3, max_dims=3, max_side=6),
    dtype=st.sampled_from(["u1", "i2", "f4", "f8"]),
    others=st.sets(st.sampled_from(["pre", "post"])),
    in_mm=st.booleans(),
)
def test_a_snapshot_comes_back_as_it_was(
    tmp_path_factory: Any, shape: Any, dtype: str, others: set[Any], in_mm: bool
) -> None:
    path = tmp_path_factory.mktemp("snapshot") / "0.npz"
    chance = np.random.default_rng(0)
    voxels = {s: chance.integers(0, 99, shape).astype(dtype) for s in ("flair", *sorted(others))}
    mask = chance.random(shape) > 0.5
    write_snapshot(path, Scan("x", voxels, (5.0, 0.5, 0.25), in_mm), mask)
    scan, again = snapshot(path).read()
    assert (scan.name, scan.spacing, scan.in_mm) == ("x", (5.0, 0.5, 0.25), in_mm)
    assert scan.sequences.keys() == voxels.keys()
    for sequence, array in voxels.items():
        np.testing.assert_array_equal(scan.sequences[sequence], array)
        assert scan.sequences[sequence].dtype == array.dtype
    np.testing.assert_array_equal(again, mask)
    before = fingerprint(scan, mask)
    write_snapshot(path, scan, ~mask)
    after = fingerprint(*snapshot(path).read())
    assert after.scan == before.scan
    assert after.case != before.case


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", None])
def test_a_damaged_snapshot_is_one_sentence(tmp_path: Path, refused: Refused, content: bytes | None) -> None:
    path = tmp_path / "0.npz"
    if content is not None:
        path.write_bytes(content)
    with refused(ScanError, "copy of x", "damaged"):
        snapshot(path).read()


def test_a_run_that_goes_while_it_is_looked_for_does_not_come_back(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_tumor_unet.training.finetuning.run_store._folders_of_runs", lambda: [run])
    discard(run)
    assert find_interrupted() == []
    assert not run.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_a_plan_is_not_waited_for(run: Path) -> None:
    (run / "plan.json").unlink()
    os.mkfifo(run / "plan.json")
    (unusable,) = find_interrupted()
    assert str(unusable).startswith("its plan cannot be read")
