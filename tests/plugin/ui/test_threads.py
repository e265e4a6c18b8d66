"""Work in threads: what was asked for last counts, in whatever order the threads end."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from napari_tumor_unet.plugin.ui.threads import Latest, in_thread
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
