"""A batch beside a window: it is cancelled at once, and goes on whenever it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import tifffile

from napari_tumor_unet import _common
from napari_tumor_unet.inference.batch import Outcome, Plan, all_the_same, plan_folder
from napari_tumor_unet.inference.scan_job import Settings
from napari_tumor_unet.worker import batch_job
from napari_tumor_unet.worker.batch_job import BatchJob, Computing
from napari_tumor_unet.worker.child import JobError
from napari_tumor_unet.worker.worker import Callbacks
from tests.conftest import make_phantom

PATIENCE = 120  # seconds; a busy machine takes its time


class Run:
    """A batch of a folder, and what it said."""

    def __init__(
        self, folder: Path, out: Path, computing: Computing, *, cancel_at: int | None = None
    ) -> None:
        self.plan = Plan(())
        self.outcomes: list[Outcome] = []
        self.end: Any = None
        self._cancel_at = cancel_at
        self._ended, self._begun = threading.Event(), threading.Event()
        settings = Settings("cpu", go_on=True, leave_others=True)
        ends = (self._finish, self._finish, lambda: self._finish("cancelled"))
        callbacks = Callbacks(self._on_event, *ends)
        self.job = BatchJob(lambda: plan_folder(folder, out, settings), out, computing, callbacks=callbacks)
        self._begun.set()
        assert self._ended.wait(PATIENCE)

    def _on_event(self, event: Plan | Outcome) -> None:
        if isinstance(event, Plan):
            self.plan = event
        else:
            self.outcomes.append(event)
        if len(self.outcomes) == self._cancel_at:
            self._begun.wait()
            self.job.cancel()

    def _finish(self, end: Any) -> None:
        self.end = end
        self._ended.set()


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three, whose masks differ."""
    folder = tmp_path / "in"
    folder.mkdir()
    for n, name in enumerate("abc"):
        scan, _ = make_phantom((6 + n, 40, 40))
        tifffile.imwrite(folder / f"{name}.tif", scan.sequences["flair"])
    return folder


@pytest.fixture
def computing(tiny_model_file: Path) -> Computing:
    return Computing(str(tiny_model_file))


class Here:
    """An engine that is this process."""

    in_flight = 1

    def submit(self, task: Any, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(_common.drain(task(*args)))
        return future

    def close(self) -> None:
        pass


def test_what_is_left_out_has_a_name_that_no_other_scan_has(scans: Path, tmp_path: Path) -> None:
    (scans / "sub").mkdir()
    for name in ("p1_flair", "a"):
        (scans / "sub" / f"{name}.tif").touch()
    plan = plan_folder(scans, tmp_path / "out", Settings())
    assert [job.name for job in plan.jobs] == ["a", "b", "c", "p1_flair"]
    assert [job.name for job in plan.left_out] == ["sub_a"]


def test_flair_whose_t1_is_unclear_can_be_done_alone_and_t1_cannot(scans: Path, tmp_path: Path) -> None:
    (scans / "sub").mkdir()
    (scans / "other").mkdir()
    for name in ("sub/FLAIR", "sub/T1 a", "sub/T1 b", "other/T1"):
        (scans / f"{name}.tif").touch()
    plan = plan_folder(scans, tmp_path / "out", Settings())
    assert [job.name for job in plan.jobs if job.files.problem] == ["T1"]
    assert [job.name for job in plan.left_out] == ["FLAIR"]
    anyway = all_the_same(plan.left_out[0])
    assert (anyway.name, anyway.files.problem, anyway.files.others) == ("FLAIR", "", {})


def test_nothing_to_do_starts_no_process(tmp_path: Path, computing: Computing, monkeypatch: Any) -> None:
    monkeypatch.delattr(batch_job, "LocalPool")
    (tmp_path / "in").mkdir()
    run = Run(tmp_path / "in", tmp_path / "out", computing)
    assert str(run.end).startswith("in holds no scan")
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_gone_is_told_before_anything_is_done(scans: Path, tmp_path: Path) -> None:
    run = Run(scans, tmp_path / "out", Computing("gone"))
    assert isinstance(run.end, JobError)
    assert "no model 'gone'" in str(run.end)
    assert not run.outcomes


def test_a_scheduler_that_does_not_answer_is_one_sentence(
    scans: Path, tmp_path: Path, computing: Computing, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("napari_tumor_unet.worker.cluster._PATIENCE", 0.2)
    run = Run(scans, tmp_path / "out", Computing(computing.model, cluster="tcp://127.0.0.1:1"))
    assert str(run.end).startswith("No scheduler answers at tcp://127.0.0.1:1; give the address")


@pytest.mark.slow
@pytest.mark.own_child
def test_a_cancelled_batch_leaves_whole_masks_alone_and_goes_on(
    scans: Path, tmp_path: Path, computing: Computing
) -> None:
    out = tmp_path / "out"
    run = Run(scans, out, computing, cancel_at=1)
    assert run.end == "cancelled"
    assert len(run.outcomes) == 1
    assert not list(out.glob(".*"))
    again = Run(scans, out, computing)
    assert again.end is None
    assert [(outcome.name, outcome.error) for outcome in again.outcomes] == [(n, "") for n in "abc"]
    assert again.outcomes[0].done_before
    assert len(list(out.iterdir())) == 6


_PROGRAM = """
import os, sys, time
from pathlib import Path
from napari_tumor_unet.inference.batch import Outcome, plan_folder
from napari_tumor_unet.inference.scan_job import Settings
from napari_tumor_unet.worker.batch_job import BatchJob, Computing
from napari_tumor_unet.worker.worker import Callbacks
folder, out, model = map(Path, sys.argv[1:])
plan = lambda: plan_folder(folder, out, Settings("cpu", go_on=True, leave_others=True))
def event(said):
    if isinstance(said, Outcome):
        os.kill(os.getpid(), 9)
if __name__ == "__main__":
    BatchJob(plan, out, Computing(str(model)), callbacks=Callbacks(event, print, print, print))
    time.sleep(100)
"""


@pytest.mark.slow
@pytest.mark.own_child
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_window_that_was_killed_goes_on_where_it_stopped(
    scans: Path, tmp_path: Path, computing: Computing
) -> None:
    out = tmp_path / "out"
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    killed = subprocess.run(
        [sys.executable, str(program), str(scans), str(out), computing.model], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    first = (out / "a_mask.tif").stat().st_mtime_ns
    run = Run(scans, out, computing)
    assert run.end is None
    assert [outcome.error for outcome in run.outcomes] == ["", "", ""]
    assert run.outcomes[0].done_before
    assert (out / "a_mask.tif").stat().st_mtime_ns == first


@pytest.mark.skipif(sys.platform == "win32", reason="where nobody can tell whether a process is gone")
def test_a_mask_whose_sidecar_was_being_written_gets_it_and_others_do_not(
    scans: Path, tmp_path: Path, computing: Computing, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(batch_job, "LocalPool", lambda _: Here())
    Run(scans, out, computing)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    partial = f"{_common.PARTIAL}{_common._machine()}-{gone.pid}-0.json"
    (out / "a_mask.json").rename(out / partial)
    (out / "b_mask.json").unlink()  # as if somebody had put the mask there
    outcomes = {outcome.name: outcome for outcome in Run(scans, out, computing).outcomes}
    assert outcomes["a"].done_before
    assert json.loads((out / "a_mask.json").read_text())["findings"]
    assert "exists already" in outcomes["b"].error
    kept = ["a_mask.json", "a_mask.tif", "b_mask.tif", "c_mask.json", "c_mask.tif"]
    assert sorted(os.listdir(out)) == kept
