"""A job in a process of its own: what it says arrives, Cancel always works, a death is noticed."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_tumor_unet.scan import Scan
from napari_tumor_unet.training.events import AcceptsCommand, Waiting
from napari_tumor_unet.worker.remote_scan import ScanHandle, handle_of, planes_of, remote_scan
from napari_tumor_unet.worker.worker import Callbacks, Worker

PATIENCE = 60
ENDINGS = ("finished", "failed", "cancelled")


def counting(n: int, pause: float = 0.0) -> Generator[int, None, str]:
    for i in range(n):
        time.sleep(pause)
        yield i
    return "done"


def deaf() -> Generator[int, None, None]:
    """Yields once, then never looks up again."""
    yield 0
    time.sleep(1000)


def failing() -> Generator[int, None, None]:
    yield 0
    raise ValueError("The scan is upside down.")


def pid() -> Generator[int, None, int]:
    yield from ()
    return os.getpid()


def mean_of(ask: Any, handle: ScanHandle) -> Generator[int, None, float]:
    yield from ()
    scan = remote_scan(handle, ask)
    return float(np.mean([scan.slice("flair", z) for z in range(scan.shape[0])]))


def obedient() -> Generator[Any, Any, list[Any]]:
    """Notes what it is told, and waits for "go on"."""
    heard: list[Any] = []
    while "wait" not in heard:
        time.sleep(0.01)
        if (word := (yield AcceptsCommand())) is not None:
            heard.append(word)
    heard.append((yield Waiting()))
    return heard


def busy() -> Generator[Any, Any, list[Any]]:
    """Works for half a second before it listens."""
    heard: list[Any] = []
    for _ in range(50):
        time.sleep(0.01)
        heard.append((yield "working"))
    return [word for word in heard if word] + [(yield Waiting()), (yield Waiting())]


def asking(ask: Any) -> Generator[Any, Any, tuple[Any, list[Any]]]:
    """Is told something before its question is answered."""
    answer = ask("what?")
    return answer, [(yield "asked") or (yield Waiting())]


class Heard:
    """Collects what a job calls."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, Any]] = queue.Queue()

        def hear(kind: str) -> Any:
            return lambda *content: self.calls.put((kind, content[0] if content else None))

        self.callbacks = Callbacks(*(hear(kind) for kind in ("event", *ENDINGS)))

    def until(self, *kinds: str) -> list[tuple[str, Any]]:
        """All calls up to the first of these kinds."""
        calls = [self.calls.get(timeout=PATIENCE)]
        while calls[-1][0] not in kinds:
            calls.append(self.calls.get(timeout=PATIENCE))
        return calls


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()
    assert worker.pid is None


def result_of(worker: Worker, task: Any, *args: Any, **kwargs: Any) -> tuple[str, Any]:
    heard = Heard()
    worker.run(task, *args, callbacks=heard.callbacks, **kwargs)
    return heard.until(*ENDINGS)[-1]


def test_events_arrive_in_order_and_then_the_result(worker: Worker) -> None:
    heard = Heard()
    worker.run(counting, 3, callbacks=heard.callbacks)
    assert heard.until(*ENDINGS) == [("event", 0), ("event", 1), ("event", 2), ("finished", "done")]


def test_one_process_serves_all_jobs_and_it_is_not_ours(worker: Worker) -> None:
    pids = {result_of(worker, pid)[1] for _ in range(3)}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_jobs_wait_for_each_other(worker: Worker) -> None:
    first, second = Heard(), Heard()
    worker.run(counting, 5, 0.02, callbacks=first.callbacks)
    worker.run(counting, 1, callbacks=second.callbacks)
    assert first.until(*ENDINGS)[-1] == ("finished", "done")
    assert second.until(*ENDINGS)[-1] == ("finished", "done")


def test_an_error_in_the_child_arrives_as_its_sentence_with_the_traceback(worker: Worker) -> None:
    kind, error = result_of(worker, failing)
    assert kind == "failed"
    assert str(error) == "The scan is upside down."
    assert "in failing" in error.details
    assert result_of(worker, counting, 1) == ("finished", "done")


@pytest.mark.parametrize("asks", [False, True])
def test_a_callback_that_raises_ends_its_job_and_the_next_has_its_own_result(
    worker: Worker, asks: bool
) -> None:
    heard = Heard()

    def gone(_: Any) -> Any:
        raise RuntimeError("The window is gone.")

    task, options = (asking, {"answer": lambda _: gone}) if asks else (counting, {})  # no function is pickled
    callbacks = replace(heard.callbacks, event=gone)
    worker.run(task, *(() if asks else (3, 0.1)), callbacks=callbacks, **options)
    assert heard.until(*ENDINGS)[-1][0] == "failed"
    assert result_of(worker, counting, 1) == ("finished", "done")


def test_a_task_hears_what_its_job_is_told_and_can_wait_for_it(worker: Worker) -> None:
    heard = Heard()
    job = worker.run(obedient, callbacks=heard.callbacks)
    heard.until("event")
    job.send_command("faster")
    job.send_command("wait")
    while not isinstance(heard.until("event")[-1][1], Waiting):
        pass
    job.send_command("go on")
    assert heard.until(*ENDINGS) == [("finished", ["faster", "wait", "go on"])]


def test_what_a_task_is_told_before_it_listens_is_kept(worker: Worker) -> None:
    heard = Heard()
    job = worker.run(busy, callbacks=heard.callbacks)
    heard.until("event")
    job.send_command("early")
    job.send_command("late")
    assert heard.until(*ENDINGS)[-1] == ("finished", ["early", "late"])


def test_a_word_is_not_taken_for_an_answer(worker: Worker) -> None:
    heard = Heard()

    def answer(question: str) -> str:
        job.send_command("a word")
        time.sleep(0.1)  # so that it is sent first
        return f"{question} that."

    job = worker.run(asking, callbacks=heard.callbacks, answer=answer)
    assert heard.until(*ENDINGS)[-1] == ("finished", ("what? that.", ["a word"]))


def test_a_waiting_job_can_be_cancelled_and_late_words_are_lost(worker: Worker) -> None:
    heard = Heard()
    job = worker.run(obedient, callbacks=heard.callbacks)
    job.send_command("wait")
    while not isinstance(heard.until("event")[-1][1], Waiting):
        pass
    job.cancel()
    assert heard.until(*ENDINGS)[-1][0] == "cancelled"
    job.send_command("go on")
    assert result_of(worker, counting, 1) == ("finished", "done")


@pytest.mark.parametrize("task", [counting, deaf])
def test_cancel_ends_a_job_within_a_second_and_the_next_one_works(worker: Worker, task: Any) -> None:
    heard = Heard()
    job = worker.run(task, *((10_000, 0.01) if task is counting else ()), callbacks=heard.callbacks)
    heard.until("event")
    start = time.monotonic()
    job.cancel()
    assert heard.until(*ENDINGS)[-1][0] == "cancelled"
    assert time.monotonic() - start < 1
    assert result_of(worker, counting, 1) == ("finished", "done")


def test_cancel_works_while_a_job_waits_for_the_one_before(worker: Worker) -> None:
    first, second = Heard(), Heard()
    blocking = worker.run(deaf, callbacks=first.callbacks)
    first.until("event")
    waiting = worker.run(counting, 1, callbacks=second.callbacks)
    waiting.cancel()
    assert second.until(*ENDINGS) == [("cancelled", None)]
    blocking.cancel()
    first.until("cancelled")


def test_a_killed_child_is_noticed_and_replaced(worker: Worker) -> None:
    heard = Heard()
    worker.run(deaf, callbacks=heard.callbacks)
    heard.until("event")
    os.kill(worker.pid, signal.SIGKILL)
    kind, error = heard.until(*ENDINGS)[-1]
    assert kind == "failed"
    assert "process was stopped" in str(error)
    assert result_of(worker, counting, 1) == ("finished", "done")


def test_a_child_killed_between_jobs_is_replaced(worker: Worker) -> None:
    _, first = result_of(worker, pid)
    os.kill(first, signal.SIGKILL)
    kind, second = result_of(worker, pid)
    assert kind == "finished"
    assert second != first


def test_the_child_ends_with_its_parent_however_that_dies() -> None:
    script = (
        "import sys, time; import tests.worker.test_worker as t; w = t.Worker();"
        "h = t.Heard(); w.run(t.counting, 10_000, 0.01, callbacks=h.callbacks); h.until('event');"
        "print(w.pid, flush=True); time.sleep(1000)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
        return stat.split(")")[-1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, bool])
def test_voxels_cross_when_they_are_asked_for(worker: Worker, dtype: type) -> None:
    voxels = (np.random.default_rng(0).random((5, 17, 13)) * 100).astype(dtype)
    scan = Scan("scan", {"flair": voxels})
    kind, mean = result_of(worker, mean_of, handle_of(scan), answer=partial(planes_of, scan))
    assert kind == "finished"
    assert mean == pytest.approx(voxels.mean(), rel=1e-5)


def test_voxels_that_cannot_be_read_end_the_job_with_the_reason(worker: Worker) -> None:
    def unreadable(_: int) -> Any:
        raise OSError("The disk is gone.")

    handle = handle_of(Scan("scan", {"flair": np.zeros((2, 3, 4))}))
    kind, error = result_of(worker, mean_of, handle, answer=unreadable)
    assert kind == "failed"
    assert str(error) == "The disk is gone."
    assert "in unreadable" in error.details
    assert result_of(worker, counting, 1) == ("finished", "done")


def test_cancel_works_while_the_child_waits_for_an_answer(worker: Worker) -> None:
    scan, heard = Scan("scan", {"flair": np.zeros((2, 3, 4))}), Heard()
    job = worker.run(mean_of, handle_of(scan), callbacks=heard.callbacks, answer=lambda _: job.cancel())
    assert heard.until(*ENDINGS)[-1][0] == "cancelled"
    assert job.wait(PATIENCE)
    assert result_of(worker, counting, 1) == ("finished", "done")
