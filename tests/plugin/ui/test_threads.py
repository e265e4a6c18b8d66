"""Work in threads: what was asked for last counts, in whatever order the threads end."""

from __future__ import annotations

import threading
from typing import Any

from napari_tumor_unet.plugin.ui.threads import Latest


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
