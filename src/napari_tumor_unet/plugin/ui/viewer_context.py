"""State of one viewer that its panels share: the child process, who uses it, and what the user is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from napari.layers import Image, Labels, Layer
from napari.utils.notifications import Notification, NotificationSeverity, notification_manager
from qtpy.QtCore import QObject, QTimer, Signal

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.model.registry import find_model
from napari_tumor_unet.plugin.layers.descriptions import load_descriptions
from napari_tumor_unet.plugin.layers.looks import paint_as_it_is, tell_apart
from napari_tumor_unet.plugin.layers.metadata import masks_in
from napari_tumor_unet.plugin.layers.planes import camera_of
from napari_tumor_unet.plugin.layers.reopened_masks import lay_on_scan
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.drawing import removal_that_draws_on
from napari_tumor_unet.plugin.ui.ending import delete_before_end
from napari_tumor_unet.plugin.ui.errors import show_failure
from napari_tumor_unet.plugin.ui.plain import plain, show_error, show_info, show_warning
from napari_tumor_unet.plugin.ui.viewer_keys import bind_keys
from napari_tumor_unet.worker import tasks
from napari_tumor_unet.worker.worker import Worker

if TYPE_CHECKING:
    from napari import Viewer

_UNUSED = 600  # seconds after which an unused child gives its memory back
_NOTIFICATIONS = {"info": show_info, "warning": show_warning, "error": show_error}


class BusyError(TumourUnetError):
    """Refuses an action as long as another one is under way or undecided."""


@dataclass(frozen=True)
class Message:
    """Message to the user: one sentence or a few, and the traceback of an unexpected error."""

    text: str = ""
    kind: Literal["info", "warning", "error"] = "info"
    details: str = ""


class ViewerContext(QObject):
    """Context of one viewer; lives as long as the viewer's window, and ends the child process with it.

    Attributes
    ----------
    viewer : Viewer
        The viewer itself, not the proxy that napari hands to commands.
    worker : Worker
        The child process that segments and scores.
    owner : object or None
        What segments with the worker: a run, or a batch of runs.
    opening : tuple of str
        Names of what is being read, to be shown when it is there.
    opening_changed : Signal
        It is something else.
    opened : Signal
        Layers were opened together, given as a list, and the FLAIR among them is the active one.
    busy_changed : Signal
        A run or a batch has begun, with ``True``, or ended.
    models_changed : Signal
        There is a new model.
    marked : Signal
        A slice was marked as checked, or no longer.
    view_changed : Signal
        Another scan, slice or place may be on screen; one signal for all that changes at once.
    """

    busy_changed = Signal(bool)
    opening_changed = Signal()
    opened = Signal(list)
    models_changed = Signal()
    marked = Signal()
    view_changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer.window._qt_window)
        delete_before_end(viewer.window._qt_window)
        self.viewer = viewer
        self.worker = Worker()
        self.owner: object | None = None
        self.opening: tuple[str, ...] = ()
        self.destroyed.connect(partial(close_worker, self.worker))
        rest = QTimer(self, interval=_UNUSED * 100)
        rest.timeout.connect(partial(self.worker.end_if_unused, _UNUSED))
        rest.start()
        load_descriptions()
        self._connections = Connections(self)
        self._connections.add(viewer.layers.events.inserted, self._on_inserted)
        self._connections.add(viewer.layers.events.renamed, self._on_renamed)
        self._connections.add(viewer.layers.events.removing, removal_that_draws_on(viewer))
        self._viewed = timer(self, 0, self.view_changed.emit)
        dims = viewer.dims.events
        for event in (dims.point, dims.range, dims.order, dims.ndisplay, camera_of(viewer).events.center):
            self._connections.add(event, self._on_view)
        self._connections.add(viewer.layers.events, self._on_layers)
        bind_keys(viewer, self._connections)
        for n, layer in enumerate(viewer.layers):
            _set_looks(layer, list(viewer.layers)[:n])

    @classmethod
    def of(cls, viewer: Viewer) -> ViewerContext:
        """Return the viewer's context, made when first asked for."""
        viewer = getattr(viewer, "__wrapped__", viewer)
        context = viewer.window._qt_window.findChild(cls)
        return context if context is not None else cls(viewer)

    @property
    def busy(self) -> bool:
        """Whether a run or a batch is under way."""
        return self.owner is not None

    def acquire(self, owner: object) -> None:
        """Reserve the worker for a run or a batch, until :meth:`release`.

        Raises
        ------
        BusyError
            If another one is under way.
        """
        if self.busy:
            raise BusyError(
                "A segmentation is under way; wait for it, or cancel it in the activity dock or the panel."
            )
        self.owner = owner
        self.busy_changed.emit(True)

    def release(self) -> None:
        """Let the next run or batch begin."""
        self.owner = None
        self.busy_changed.emit(False)

    def begin_opening(self, name: str) -> None:
        """Tell that something is being read, until :meth:`end_opening`."""
        self.opening = (*self.opening, name)
        self.opening_changed.emit()

    def end_opening(self, name: str) -> None:
        """Tell that something is there, failed or was cancelled."""
        left = [*self.opening]
        left.remove(name)
        self.opening = tuple(left)
        with suppress(RuntimeError):  # the window may be gone
            self.opening_changed.emit()

    def say(self, text: str) -> None:
        """Show a text in the status line now, as the window may be busy for a while."""
        self.viewer.status = plain(text)
        self.viewer.window._qt_window.statusBar().repaint()

    def offer(self, text: str, button: str, act: Callable[[], object]) -> None:
        """Show a notification with a button; what it does may be out of date, as napari keeps them."""
        actions = ((button, lambda _: act()),)
        notification_manager.dispatch(Notification(plain(text), NotificationSeverity.INFO, actions))

    def notify(self, message: Message, private: Iterable[str] = ()) -> Message:
        """Show a message as a notification; log an error's traceback, and offer it behind a button.

        Parameters
        ----------
        message : Message
        private : iterable of str
            Names that the log must not hold.

        Returns
        -------
        Message
            The same, its details as they were logged.
        """
        if message.details:
            return replace(
                message, details=show_failure(message.text, message.details, self.parent(), private)
            )
        _NOTIFICATIONS[message.kind](message.text)
        return message

    def warm_up(self) -> None:
        """Start the child and load the model, before they are needed."""
        if self.worker.pid is None:
            self.worker.warm_up(tasks.warm_up, find_model)

    def _on_inserted(self, event: Any) -> None:
        """Warm up for what may be a head, however it came."""
        _set_looks(event.value, self.viewer.layers)
        if isinstance(event.value, Image) and event.value.ndim > 2:
            self.warm_up()

    def _on_view(self, *_: object) -> None:
        self._viewed.start()

    def _on_layers(self, event: Any) -> None:
        if event.type in ("visible", "inserted", "removed", "reordered", "renamed"):
            self._viewed.start()

    def _on_renamed(self, *_: object) -> None:
        """Lay masks on the scans that they are named after now."""
        for mask in masks_in(self.viewer.layers):
            if told := lay_on_scan(self.viewer, mask):
                show_info(told)


def _set_looks(layer: Layer, others: Iterable[Layer]) -> None:
    if isinstance(layer, Labels):
        paint_as_it_is(layer)
        tell_apart(layer, others)


def close_worker(worker: Worker, *_: Any) -> None:
    """End a child process; further arguments of a signal count for nothing."""
    worker.close()
