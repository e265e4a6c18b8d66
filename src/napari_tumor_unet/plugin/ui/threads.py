"""Run what reads or writes files in a thread, as a window that waits for a disk is frozen."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.worker.child import JobError


def in_thread(
    function: Callable[..., Any],
    *arguments: Any,
    returned: Callable[[Any], object] | None = None,
    failed: Callable[[JobError], object] | None = None,
) -> None:
    """Call a function in a thread, and then ``returned`` or ``failed`` on the window's own.

    Without ``failed`` an error is shown as a notification. Neither may hold a layer: napari keeps them as
    long as the window lives.
    """
    worker = create_worker(_steps, function, arguments, _start_thread=False)
    worker.returned.connect(partial(_pass_on, returned, failed))
    worker.start()


# A generator, as napari keeps what plain functions were given as long as the window lives.
def _steps(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Generator[None, None, Any]:
    yield
    try:
        return function(*arguments)
    except TumourUnetError as error:
        return JobError(str(error))
    except Exception as error:  # the user is told, with the details in the log
        return JobError(str(error) or type(error).__name__, traceback.format_exc())


def _pass_on(
    returned: Callable[[Any], object] | None, failed: Callable[[JobError], object] | None, result: object
) -> None:
    with suppress(RuntimeError):  # the window may be gone
        if not isinstance(result, JobError):
            if returned is not None:
                returned(result)
        elif failed is not None:
            failed(result)
        else:
            show_error(str(result))
