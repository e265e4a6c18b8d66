"""What is one per viewer: the viewer itself, the child process that computes, and what its panels share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.worker import Worker

if TYPE_CHECKING:
    from napari import Viewer


class ViewerContext(QObject):
    """Lives as long as its viewer's window, and takes the child process along when that closes.

    Attributes
    ----------
    viewer : Viewer
        The viewer itself, not the proxy that napari hands to commands.
    worker : Worker
        The child process that segments and scores.
    models_changed : Signal
        There is a new model.
    marked : Signal
        A slice was marked as checked, or no longer.
    """

    models_changed = Signal()
    marked = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer.window._qt_window)
        self.viewer = viewer
        self.worker = Worker()
        self.destroyed.connect(partial(_close, self.worker))

    @classmethod
    def of(cls, viewer: Viewer) -> ViewerContext:
        """Return the viewer's context, made when first asked for."""
        viewer = getattr(viewer, "__wrapped__", viewer)
        context = viewer.window._qt_window.findChild(cls)
        return context if context is not None else cls(viewer)

    def warm_up(self) -> None:
        """Start the child and load the model, before they are needed."""
        if self.worker.pid is None:
            self.worker.warm_up(tasks.warm_up, str(find_model()))


def _close(worker: Worker, *_: Any) -> None:
    worker.close()
