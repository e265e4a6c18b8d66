"""What vispy and Mesa need to go on drawing after a layer is removed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari import Viewer


def removal_that_draws_on(viewer: Viewer) -> Callable[..., None]:
    """Return a callback on the event ``removing`` of layers, without which Mesa may crash later on.

    When a layer goes, napari has vispy delete its programs at once, in whatever OpenGL context is current, as
    that of the window. Mesa then takes the vertex shader from the context of the canvas, and does not bind it
    again where the next frame begins with the program that the last one ended with: one layer is in view.
    """
    return partial(_make_current, viewer.window._qt_viewer.canvas.native)


def _make_current(canvas: Any, *_: Any) -> None:
    with suppress(RuntimeError):  # the window is gone
        canvas.makeCurrent()
