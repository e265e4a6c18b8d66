"""Run work that reads or writes files in a thread, so that the window goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error

from napari_tumor_unet._common import TumourUnetError

Result = TypeVar("Result")


def in_thread(
    work: Callable[[], Result],
    on_result: Callable[[Result], object] | None = None,
    on_error: Callable[[str], object] = show_error,
) -> None:
    """Run work in a thread, and pass its result on in the window's own.

    Parameters
    ----------
    work : callable
    on_result : callable, optional
    on_error : callable
        Takes the sentence of a :class:`TumourUnetError`; other errors are raised in the window's thread.
    """
    worker = create_worker(_attempt, work, _start_thread=False)
    worker.returned.connect(partial(_pass_on, on_result, on_error))
    worker.start()


def _attempt(work: Callable[[], Any]) -> tuple[Any, str]:
    try:
        return work(), ""
    except TumourUnetError as error:
        return None, str(error)


def _pass_on(on_result: Any, on_error: Any, outcome: tuple[Any, str]) -> None:
    result, error = outcome
    with suppress(RuntimeError):  # the panel may be gone
        if error:
            on_error(error)
        elif on_result is not None:
            on_result(result)
