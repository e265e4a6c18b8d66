"""Many jobs at once: bounded, and one that kills its process stops nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from napari_tumor_unet.training.events import Epoch
from napari_tumor_unet.training.fold import FoldJob, FoldScore, train_fold
from napari_tumor_unet.worker import engine
from napari_tumor_unet.worker.child import DiedError, JobError
from napari_tumor_unet.worker.engine import LocalPool, result_or_error, run_jobs

pytestmark = pytest.mark.own_child


def doubled(job: int, folder: Path) -> Generator[Any, None, int]:
    """Double a number; 3 kills its process each time, 4 once, 5 is an error."""
    yield from ()
    mark = folder / f"{job}-{os.getpid()}"
    mark.touch()
    if job == 3 or (job == 4 and len(list(folder.glob("4-*"))) == 1):
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    if job == 5:
        raise ValueError("Five is odd.")
    return 2 * job


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    pool = LocalPool(2)
    yield pool
    pool.close()


@pytest.mark.slow
def test_a_job_that_kills_its_process_is_tried_once_more_and_the_others_are_done(
    pool: LocalPool, tmp_path: Path
) -> None:
    asked: list[int] = []

    def jobs() -> Iterator[int]:
        for n in range(9):
            asked.append(n)
            yield n

    results: dict[int, Any] = {}
    for n, future in run_jobs(pool, doubled, jobs(), tmp_path):
        results[n] = result_or_error(future, f"scan {n}")
        assert len(asked) <= len(results) + 2 + 2  # in flight, and those to be tried again
    assert {n: result for n, (result, _, _) in results.items() if result is not None} == {
        n: 2 * n for n in (0, 1, 2, 4, 6, 7, 8)
    }
    assert results[5][1] == "Five is odd."
    assert results[3][1].startswith("scan 3 ended its process more than once: it needed more")
    assert len(list(tmp_path.glob("3-*"))) == 2


@pytest.mark.slow
def test_a_process_has_its_share_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_tumor_unet.worker.engine.cpu_count", lambda: 6)
    pool = LocalPool(2)
    try:
        assert pool.submit(threads).result(60) == "3"
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("groups", "limits", "free"),
    [
        ("0::/job/step", {"job/memory.max": "2000", "job/step/memory.max": "max"}, 2000),  # as Slurm
        ("0::/", {"memory.max": "3000"}, 3000),  # in a container
        ("5:cpu:/\n4:memory:/docker/a", {"memory/memory.limit_in_bytes": "4000"}, 4000),  # of old systems
        ("0::/", {}, 10**6),
    ],
)
def test_no_more_memory_is_free_than_a_container_or_a_job_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, limits: dict[str, str], free: int
) -> None:
    class Free:
        available = 10**6

    monkeypatch.setattr(engine.psutil, "virtual_memory", Free)
    monkeypatch.setattr(engine, "_GROUPS", tmp_path)
    monkeypatch.setattr(engine, "_OWN_GROUPS", tmp_path / "own")
    (tmp_path / "own").write_text(f"{groups}\n")
    for name, limit in limits.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{limit}\n")
    assert engine.free_memory() == free


def threads() -> Generator[Any, None, str]:
    yield from ()
    return os.environ["OMP_NUM_THREADS"]  # which torch obeys


def train_and_die(job: FoldJob) -> Generator[Any, None, FoldScore]:
    """Train a fold; the process is killed after the second of three epochs, the first time."""
    mark = job.out.with_suffix(".killed")
    steps = train_fold(job)
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            score: FoldScore = end.value
            return score
        if isinstance(event, Epoch) and not mark.exists():
            assert event.epoch < 3
            if event.epoch == 2:
                mark.touch()
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        yield


def two_folds(data: Path, recipe: Path) -> list[FoldJob]:
    """One fold of the folder data, to be trained twice, into models a and b."""
    (split := data / "split.csv").write_text("patient,split,fold\na,train,0\nb,train,1\nc,train,1\n")
    outs = (data.parent / f"{name}.safetensors" for name in "ab")
    return [FoldJob(data, split, 0, out, str(recipe), device="cpu") for out in outs]


def assert_same_weights(one: FoldJob, other: FoldJob) -> None:
    weights = load_file(other.out)
    assert all(np.array_equal(weight, weights[name]) for name, weight in load_file(one.out).items())


@pytest.mark.slow
def test_a_fold_whose_process_dies_goes_on_from_its_last_epoch(
    pool: LocalPool, data: Path, recipe_file: Path
) -> None:
    killed, through = two_folds(data, recipe_file)
    ((_, future),) = run_jobs(pool, train_and_die, [killed])
    ((_, other),) = run_jobs(pool, train_fold, [through])
    assert future.result().dice == other.result().dice
    assert_same_weights(killed, through)
    assert killed.out.with_suffix(".killed").exists()


@pytest.mark.slow
def test_closing_ends_what_is_at_work() -> None:
    pool = LocalPool(1)
    future = pool.submit(waiting)
    pool.close()
    assert isinstance(future.exception(5), JobError)
    assert not isinstance(future.exception(5), DiedError)


def waiting() -> Generator[Any, None, None]:
    yield from ()
    signal.pause()
