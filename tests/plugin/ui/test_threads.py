"""Work in threads: what was asked for last counts, in whatever order the threads end."""

from __future__ import annotations

import gc
import threading
import weakref
from functools import partial
from typing import Any

import pytest

from napari_tumor_unet.plugin.ui.threads import Latest, OneAtATime, in_thread
from tests.plugin.conftest import PATIENCE


def test_the_work_asked_for_last_alone_counts(qtbot: Any) -> None:
    latest, results, may_end, ended = Latest(), list[str](), threading.Event(), threading.Event()

    def first() -> str:
        may_end.wait(60)
        ended.set()
        return "first"

    latest(first, results.append)
    latest(lambda: "last", results.append)
    qtbot.waitUntil(lambda: bool(results), timeout=60_000)
    may_end.set()
    qtbot.waitUntil(ended.is_set, timeout=60_000)
    latest(lambda: "after", results.append)  # by then the first one's result has been passed on, or not
    qtbot.waitUntil(lambda: "after" in results, timeout=60_000)
    assert results == ["last", "after"]


def test_what_is_forgotten_is_not_passed_on(qtbot: Any) -> None:
    latest, results, ended = Latest(), list[str](), threading.Event()
    latest(ended.set, results.append)
    latest.forget()
    qtbot.waitUntil(ended.is_set, timeout=PATIENCE)
    in_thread(lambda: "after", results.append)
    qtbot.waitUntil(lambda: bool(results), timeout=PATIENCE)
    assert results == ["after"]


@pytest.mark.usefixtures("viewer")
def test_what_takes_a_result_is_not_held_afterwards(qtbot: Any) -> None:
    class Panel:
        def take(self, _: int) -> None:
            taken.append(weakref.ref(self))

    taken: list[weakref.ref[Panel]] = []
    in_thread(lambda: 1, Panel().take)
    qtbot.waitUntil(lambda: bool(taken), timeout=PATIENCE)
    gc.collect()
    assert taken[0]() is None


def test_of_work_that_never_runs_twice_at_once_the_last_asked_for_counts(qtbot: Any) -> None:
    one, may_end, began, results = OneAtATime(), threading.Event(), list[int](), list[int]()

    def work(n: int) -> int:
        began.append(n)
        may_end.wait(60)
        return n

    for n in range(4):
        one(partial(work, n), results.append)
    qtbot.waitUntil(lambda: began == [0], timeout=PATIENCE)
    may_end.set()
    qtbot.waitUntil(lambda: results == [3], timeout=PATIENCE)
    assert began == [0, 3]
    one(partial(work, 5), results.append)
    qtbot.waitUntil(lambda: results == [3, 5], timeout=PATIENCE)
