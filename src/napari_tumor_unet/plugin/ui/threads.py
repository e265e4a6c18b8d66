"""Run work that reads or writes files in a thread, so that the window goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from napari.qt.threading import create_worker

from napari_tumor_unet._common import TumourUnetError, write_whole
from napari_tumor_unet.plugin.ui.plain import show_error, show_info

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
    worker.returned.connect(partial(_pass_on, [(on_result, on_error)]))
    worker.start()


class Latest:
    """Runs work in threads, of which the one that was asked for last alone counts."""

    def __init__(self) -> None:
        self._asked = 0

    def __call__(
        self,
        work: Callable[[], Result],
        on_result: Callable[[Result], object],
        on_error: Callable[[str], object] = show_error,
    ) -> None:
        """Run work as :func:`in_thread` does; what was asked for before is no longer passed on."""
        self._asked += 1
        pass_on = partial(self._pass_on, self._asked)
        in_thread(work, partial(pass_on, on_result), partial(pass_on, on_error))

    def forget(self) -> None:
        """Pass on nothing of what was asked for so far."""
        self._asked += 1

    def _pass_on(self, number: int, take: Callable[[Any], object], outcome: Any) -> None:
        if number == self._asked:
            take(outcome)


class OneAtATime:
    """Runs work in threads, never two at once: of what was asked for meanwhile the last alone."""

    def __init__(self) -> None:
        self._waiting: tuple[Callable[[], Any], Callable[[Any], object]] | None = None
        self._running = False

    def __call__(self, work: Callable[[], Result], on_result: Callable[[Result], object]) -> None:
        """Run work as :func:`in_thread` does, as soon as none is under way."""
        self._waiting = work, on_result
        if not self._running:
            self._next()

    def _next(self) -> None:
        waiting, self._waiting = self._waiting, None
        self._running = waiting is not None
        if waiting is not None:
            work, on_result = waiting
            in_thread(work, partial(self._end, on_result), partial(self._end, show_error))

    def _end(self, take: Callable[[Any], object], outcome: Any) -> None:
        if self._waiting is None:
            take(outcome)
        self._next()


def save_text(path: Path, text: str | Callable[[], str], what: str) -> None:
    """Write a text file, and tell the user where ``what`` is; a thread makes what takes time."""

    def write() -> None:
        try:
            write_whole(path, text() if callable(text) else text)
        except OSError as error:
            raise TumourUnetError(f"{path.name} cannot be written: {error.strerror}.") from error

    in_thread(write, lambda _: show_info(f"{what} in {path.name}."))


# A generator, as napari keeps what plain functions were given as long as the window lives.
def _attempt(work: Callable[[], Any]) -> Generator[None, None, tuple[Any, str]]:
    yield
    try:
        return work(), ""
    except TumourUnetError as error:
        return None, str(error)


def _pass_on(callbacks: list[tuple[Any, Any]], outcome: tuple[Any, str]) -> None:
    on_result, on_error = callbacks.pop()  # napari keeps the worker, and would keep with it the panel
    result, error = outcome
    with suppress(RuntimeError):  # the panel may be gone
        if error:
            on_error(error)
        elif on_result is not None:
            on_result(result)
