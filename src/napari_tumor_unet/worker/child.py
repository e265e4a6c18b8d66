"""Run tasks in the child process: the child's end of the pipe, whose other end is a :class:`Worker`'s."""

from __future__ import annotations

import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.training.events import AcceptsCommand, Waiting

Task = Callable[..., Generator[Any, None, Any]]


class JobError(TumourUnetError, RuntimeError):
    """A job that ended without a result; the message is one sentence, ``details`` the traceback if any."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class DiedError(JobError):
    """A job whose process ended in the midst; ``cause`` says why, ``again`` whether to try once more."""

    def __init__(self, cause: str, *, again: bool = True) -> None:
        super().__init__(
            "The computing process was stopped, perhaps for lack of memory; nothing else is lost, and "
            "the next run starts a new one."
        )
        self.cause = cause
        self.again = again


class CancelledError(Exception):
    """A job was cancelled."""


def serve_jobs(connection: Any) -> None:
    """Run the tasks that come, in the child, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the parent
    try:
        while True:
            message = connection.recv()
            if message != "cancel" and message[0] != "command":  # these came too late
                _run_task(connection, *message)
    except (EOFError, OSError):
        os._exit(0)


def _run_task(connection: Any, task: Task, args: tuple[Any, ...], asks: bool) -> None:
    connection.send(("started", None))
    commands: deque[Any] = deque()
    steps = task(*((partial(_ask, connection, commands), *args) if asks else args))
    command = None
    while True:
        message: tuple[str, Any]
        try:
            message = "event", steps.send(command)
        except StopIteration as end:
            message = "finished", end.value
        except CancelledError:
            message = "cancelled", None
        except MemoryError:
            message = "failed", ("There is not enough memory for this scan.", traceback.format_exc())
        except JobError as error:
            message = "failed", (str(error), error.details)
        except Exception as error:
            message = "failed", (str(error) or type(error).__name__, traceback.format_exc())
        connection.send(message)
        if message[0] != "event":
            return
        try:
            command = _listen(connection, commands, message[1])
        except CancelledError:
            steps.close()
            connection.send(("cancelled", None))
            return


def _listen(connection: Any, commands: deque[Any], event: Any) -> Any:
    """Return the next command to the task, if one has come and the task takes it."""
    while connection.poll() or (isinstance(event, Waiting) and not commands):
        commands.append(_receive(connection)[1])
    return commands.popleft() if commands and isinstance(event, AcceptsCommand) else None


def _ask(connection: Any, commands: deque[Any], question: Any) -> Any:
    """Ask the parent, in the middle of a task."""
    connection.send(("asked", question))
    while (answer := _receive(connection))[0] == "command":
        commands.append(answer[1])
    kind, content = answer
    if kind == "no answer":
        raise JobError(*content)
    return content


def _receive(connection: Any) -> tuple[str, Any]:
    message = connection.recv()
    if message == "cancel":
        raise CancelledError
    kind, content = message
    return kind, content
