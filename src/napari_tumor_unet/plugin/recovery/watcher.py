"""Keep the corrections that a user makes in a viewer, and offer those of a session that ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QEvent, QObject, QTimer, Signal

from napari_tumor_unet.plugin.layers.metadata import is_prediction
from napari_tumor_unet.plugin.recovery import store
from napari_tumor_unet.plugin.recovery.codec import add_layer, count_edits, snapshot
from napari_tumor_unet.plugin.recovery.store import Autosave, AutosaveError, Leftover

if TYPE_CHECKING:
    from napari import Viewer

_PAUSE = 2.0  # seconds without an edit, after which one is kept
_LATEST = 10.0  # seconds after an edit, when it is kept even if others follow
_PANEL = 1000  # milliseconds, in which a panel may open that shows leftovers
_announced = False  # leftovers are announced once a process


@dataclass(eq=False)
class _Kept:
    """What is kept of one layer; used by the thread that writes alone."""

    path: Path | None = None
    digest: str = ""  # of the layer as it was last looked at
    saved: str = ""  # of what is in a file of the user's


class Autosaving(QObject):
    """Watches the layers that segmentations wrote into a viewer; one for each session.

    What the user changed in one is kept some seconds later. It goes when the user takes the changes back,
    or saves the mask. When the layer is removed, or the viewer closed, it stays and is offered when napari
    is next started: neither can be undone, and napari warns of neither.

    Attributes
    ----------
    leftovers : list of Leftover
        Corrections of sessions that ended, the newest first; empty until they were looked for.
    changed : Signal
        They are others now.
    offered : bool
        Whether a panel shows them; else the user is told of them.
    """

    changed = Signal()
    _arrived = Signal(object)

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self.leftovers: list[Leftover] = []
        self.offered = False
        self._viewer = viewer
        self._kept: dict[Labels, _Kept] = {}
        self._unsaved: dict[Labels, None] = {}
        self._since = 0.0
        self._warned = False
        # Not napari's workers: the window keeps them, and with them the copies that they wrote.
        self._thread = ThreadPoolExecutor(1, "autosave")
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._keep_next)
        self._arrived.connect(self._serve)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in viewer.layers:
            self._watch(layer)
        viewer.window._qt_window.installEventFilter(self)
        self.destroyed.connect(partial(Autosaving._disconnect, self))
        self._do(store.leftovers, self._on_leftovers)

    @classmethod
    def of(cls, viewer: Viewer) -> Autosaving:
        """Return the viewer's, made when first asked for; it lives as long as the window."""
        viewer = getattr(viewer, "__wrapped__", viewer)
        window = viewer.window._qt_window
        autosaving = window.findChild(cls)
        return autosaving if autosaving is not None else cls(viewer, window)

    def keep_now(self) -> None:
        """Keep what was edited since it was last kept, without a wait for more."""
        while self._unsaved:
            self._keep_next()

    def as_it_is(self, layer: Labels) -> Callable[[], None]:
        """What to call once the layer, as it is now, is in a file of the user's."""
        taken, kept = snapshot(layer), self._kept.get(layer)
        if taken is None or kept is None:
            return lambda: None
        return partial(self._on_saved, layer, kept, taken.digest)

    def restore(self, leftover: Leftover) -> None:
        """Bring a layer back; from then on its corrections are among those of this session."""
        self._do(partial(_load, leftover.path), partial(self._on_loaded, leftover))

    def delete(self, leftover: Leftover) -> None:
        """Delete corrections of an earlier session."""
        self._do(partial(_discard, leftover.path), partial(self._on_deleted, leftover))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Keep what is there when the window closes; Python ends only after it is written."""
        if event.type() == QEvent.Type.Close:
            self.keep_now()
        return bool(super().eventFilter(watched, event))

    def _watch(self, layer: Any) -> None:
        if is_prediction(layer):
            self._kept[layer] = _Kept()
            for emitter in _edits(layer):
                emitter.connect(self._on_edit)

    def _on_inserted(self, event: Any) -> None:
        self._watch(event.value)

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if layer in self._kept:
            for emitter in _edits(layer):
                emitter.disconnect(self._on_edit)
            if layer in self._unsaved:
                del self._unsaved[layer]
                self._keep(layer, self._kept[layer])
            del self._kept[layer]

    def _on_edit(self, event: Any) -> None:
        now = time.monotonic()
        if not self._unsaved:
            self._since = now
        self._unsaved[event.source] = None
        self._timer.start(round(1000 * max(0.0, min(_PAUSE, self._since + _LATEST - now))))

    def _keep_next(self) -> None:
        layer = next(iter(self._unsaved), None)
        if layer is not None:
            del self._unsaved[layer]
            self._keep(layer, self._kept[layer])
        if self._unsaved:
            self._timer.start(0)  # the next one when the window has answered

    def _keep(self, layer: Labels, kept: _Kept, instead_of: Leftover | None = None) -> None:
        taken = snapshot(layer)
        if taken is not None:
            old = None if instead_of is None else instead_of.path
            self._do(partial(_write, kept, taken, old), self._on_written)

    def _on_written(self, said: str) -> None:
        if said and not self._warned:
            show_error(said)
        self._warned = bool(said)

    def _on_saved(self, layer: Labels, kept: _Kept, digest: str) -> None:
        self._do(partial(_forget, kept, digest), self._on_written)
        if layer in self._kept:
            self._keep(layer, kept)  # as it is by now, which may be as it was saved

    def _on_leftovers(self, leftovers: list[Leftover]) -> None:
        self.leftovers = leftovers
        self.changed.emit()
        if leftovers:
            QTimer.singleShot(_PANEL, self._announce)

    def _announce(self) -> None:
        global _announced
        if self.leftovers and not self.offered and not _announced:
            _announced = True
            show_info("An earlier session left unsaved corrections; the panel Segment tumour offers them.")

    def _on_loaded(self, leftover: Leftover, restored: Autosave | str) -> None:
        if isinstance(restored, str):
            self._on_deleted(leftover, restored)
            return
        try:
            layer = add_layer(self._viewer, restored)
        except Exception:  # of what a file lacks that others wrote
            self._on_deleted(
                leftover, "This autosave was written by another version; it can only be deleted."
            )
            return
        self._keep(layer, self._kept[layer], instead_of=leftover)
        self._drop(leftover)

    def _on_deleted(self, leftover: Leftover, said: str) -> None:
        if said:
            show_error(said)
        if leftover.path.exists():  # the user may try again
            self.changed.emit()
        else:
            self._drop(leftover)

    def _drop(self, leftover: Leftover) -> None:
        self.leftovers = [other for other in self.leftovers if other != leftover]
        self.changed.emit()

    def _do(self, act: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do something in the thread, one after the other, and then something with its outcome here."""

        def arrive(done: Future[Any]) -> None:
            with suppress(RuntimeError):  # the window may be gone
                self._arrived.emit(lambda: then(done.result()))

        with suppress(RuntimeError):  # likewise
            self._thread.submit(act).add_done_callback(arrive)

    def _serve(self, call: Callable[[], None]) -> None:
        call()

    def _disconnect(self, *_: Any) -> None:
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._thread.shutdown(wait=False)


def _edits(layer: Labels) -> tuple[Any, ...]:
    """What tells of an edit; undo and redo have the last alone, as has a slice that is only shown."""
    return layer.events.paint, layer.events.data, layer.events.set_data


def _write(kept: _Kept, taken: Autosave, old: Path | None = None) -> str:
    """Keep a copy if it has edits, and then give up an old one; the sentence that says why not, or none."""
    digest = taken.digest
    if digest == kept.digest:
        return ""
    try:
        if digest != kept.saved and (taken := count_edits(taken)).edited:
            kept.path = kept.path or store.new_file()
            store.save(taken, kept.path)
        elif kept.path is not None:
            store.discard(kept.path)
        if old is not None:
            store.discard(old)
    except AutosaveError as error:
        return str(error)
    kept.digest = digest
    return ""


def _forget(kept: _Kept, digest: str) -> str:
    """Note that the layer with this digest is saved; if it is what is kept, that goes."""
    kept.saved = digest
    return _discard(kept.path) if kept.path is not None and kept.digest == digest else ""


def _load(path: Path) -> Autosave | str:
    try:
        return store.load(path)
    except AutosaveError as error:
        return str(error)


def _discard(path: Path) -> str:
    try:
        store.discard(path)
    except AutosaveError as error:
        return str(error)
    return ""
