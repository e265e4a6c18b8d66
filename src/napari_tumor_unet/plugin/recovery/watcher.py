"""Keep the corrections that a user makes in a viewer, and offer those of a session that ended."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

from napari.layers import Labels
from qtpy.QtCore import QEvent, QObject, Signal

from napari_tumor_unet.plugin.layers.image_of_mask import image_for
from napari_tumor_unet.plugin.layers.in_view import go_to_most, show_scan
from napari_tumor_unet.plugin.layers.metadata import mask_metadata
from napari_tumor_unet.plugin.layers.opened_masks import note_opened
from napari_tumor_unet.plugin.recovery import store
from napari_tumor_unet.plugin.recovery.codec import add_layer, count_edits, edits_in, snapshot
from napari_tumor_unet.plugin.recovery.store import Autosave, AutosaveError, OrphanedAutosave
from napari_tumor_unet.plugin.ui.connections import Connections, Emitter, timer
from napari_tumor_unet.plugin.ui.plain import show_error, show_info
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext

if TYPE_CHECKING:
    from napari import Viewer

_DELAY = 1000  # milliseconds after an edit, when it is kept, however many follow: half of what may be lost
_WRITING = 100  # milliseconds between looks at whether the last copy is written: none piles up
_PANEL = 1000  # milliseconds, in which a panel may open that shows orphaned autosaves
_announced = False  # orphaned autosaves are announced once a process


@dataclass(eq=False)
class _WatchedLayer:
    """The connections to a layer, and, for the thread that writes alone, what is kept of the layer."""

    connections: Connections
    known_checked: frozenset[int]  # slices that a file holds as checked, so that they need not be kept
    path: Path | None = None
    digest: str = ""  # of the layer as it was last looked at
    saved_digest: str = ""  # of the layer as the user last saved it


class Autosaving(QObject):
    """Watches the masks of a viewer, written by segmentations, opened or made by hand; one for each session.

    What the user changed in a layer, or marked as checked, is kept a second later, also within a stroke of
    the brush. The autosave goes when the user takes that back, or saves the mask. When the layer is removed,
    the autosave stays and is offered at once; when the viewer is closed, as napari is next started: neither
    can be undone, and napari warns of neither.

    Attributes
    ----------
    orphans : list of OrphanedAutosave
        Corrections of sessions that ended, and of layers that were removed, the newest first; the former are
        missing until they were looked for.
    changed : Signal
        The orphans are others now.
    offered : bool
        Whether a panel shows the orphans; else a notification does.
    """

    changed = Signal()
    _arrived = Signal(object)

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self.orphans: list[OrphanedAutosave] = []
        self.offered = False
        self._viewer = viewer
        self._layers: dict[Labels, _WatchedLayer] = {}
        self._unsaved: dict[Labels, None] = {}
        self._last: Future[Any] | None = None
        self._warned = self._closing = False
        # Not napari's workers: the window keeps them, and with them the copies that they wrote.
        self._thread = ThreadPoolExecutor(1, "autosave")
        self._timer = timer(self, 0, self._keep_next)
        self._arrived.connect(self._serve)
        self._emit_arrived = Emitter(self, self._arrived)
        self._connections = Connections(self)
        self._connections.add(viewer.layers.events.inserted, self._watch_masks)
        self._connections.add(viewer.layers.events.removed, self._on_removed)
        self._connections.at_close(partial(self._thread.shutdown, wait=False))
        self._watch_masks()
        for layer in self._layers:  # painted before anybody watched
            self._note_edit(layer)
        viewer.window._qt_window.installEventFilter(self)
        self._do(store.orphaned_autosaves, self.offer)

    @classmethod
    def of(cls, viewer: Viewer) -> Autosaving:
        """Return the watcher of a viewer, made when first asked for, which lives as long as the window."""
        viewer = getattr(viewer, "__wrapped__", viewer)
        window = viewer.window._qt_window
        autosaving = window.findChild(cls)
        return autosaving if autosaving is not None else cls(viewer, window)

    @property
    def settled(self) -> bool:
        """Whether all edits so far have been looked at, and nothing is being written."""
        return not (self._unsaved or self._writing)

    @property
    def _writing(self) -> bool:
        return self._last is not None and not self._last.done()

    def keep_now(self) -> None:
        """Keep all edits that are not kept yet, without a wait for more."""
        while self._unsaved:
            self._keep_first()

    def note_marks(self) -> None:
        """Keep, as after an edit, what was marked as checked: no event of a layer tells of that."""
        for layer in self._layers:  # those whose marks are the same are not written
            self._note_edit(layer)

    def saved_marker(self, layer: Labels) -> Callable[[], None]:
        """Return a function that marks the layer, as it is now, as saved by the user."""
        autosave, watched = snapshot(layer), self._layers.get(layer)
        if autosave is None or watched is None:
            return lambda: None
        return partial(self._mark_as_saved, layer, watched, autosave)

    def restore(self, orphan: OrphanedAutosave) -> None:
        """Bring a layer back; from then on this session keeps the corrections."""
        self._do(partial(store.load, orphan.path), partial(self._on_loaded, orphan))

    def delete(self, orphan: OrphanedAutosave) -> None:
        """Delete corrections of an earlier session."""
        self._do(partial(store.discard, orphan.path), partial(self._on_deleted, orphan))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Keep all edits when the window closes; Python ends only after they are written."""
        if event.type() == QEvent.Type.Close:
            self._closing = True
            self.keep_now()
        return bool(super().eventFilter(watched, event))

    def _watch_masks(self, *_: object) -> None:
        """Watch the masks that are new, or whose scan is."""
        for layer in self._viewer.layers:
            if note_opened(layer, self._viewer.layers) and layer not in self._layers:
                checked = frozenset(mask_metadata(layer).checked)
                self._layers[layer] = _WatchedLayer(connections := Connections(self), checked)
                # A stroke under way emits labels_update alone; undo and redo set_data, as does a slice shown.
                for name in ("labels_update", "paint", "data", "set_data"):
                    connections.add(getattr(layer.events, name), self._on_edit)

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if layer in self._layers:
            watched = self._layers.pop(layer)
            watched.connections.close()
            if layer in self._unsaved:
                del self._unsaved[layer]
                self._keep(layer, watched)
            self._do(lambda: store.orphaned(watched.path), self._offer_removed)

    def _on_edit(self, event: Any) -> None:
        self._note_edit(event.source)

    def _note_edit(self, layer: Labels) -> None:
        self._unsaved[layer] = None
        if not self._timer.isActive():
            self._timer.start(_DELAY)

    def _keep_next(self) -> None:
        if self._unsaved and not self._writing:
            self._keep_first()
        if self._unsaved:
            self._timer.start(_WRITING)

    def _keep_first(self) -> None:
        """Keep the layer whose edits are the oldest."""
        layer = next(iter(self._unsaved))
        del self._unsaved[layer]
        self._keep(layer, self._layers[layer])

    def _keep(self, layer: Labels, watched: _WatchedLayer, replaces: Path | None = None) -> None:
        autosave = snapshot(layer)
        if autosave is not None:
            self._do(partial(_write, watched, autosave, replaces), self._on_written)

    def _on_written(self, error: AutosaveError | None) -> None:
        if error and not self._warned:
            show_error(str(error))
        self._warned = bool(error)

    def _mark_as_saved(self, layer: Labels, watched: _WatchedLayer, saved: Autosave) -> None:
        self._do(partial(_discard_saved, watched, saved), self._on_written)
        if layer in self._layers:
            self._keep(layer, watched)  # as it is by now, which may be as it was saved

    def offer(self, orphans: list[OrphanedAutosave]) -> None:
        """Offer the autosaves that no process holds, instead of those offered before."""
        removed = [orphan for orphan in self.orphans if orphan not in orphans]
        self.orphans = sorted([*removed, *orphans], key=lambda orphan: orphan.when, reverse=True)
        self.changed.emit()
        if orphans:
            timer(self, _PANEL, self._announce).start()

    def _offer_removed(self, orphan: OrphanedAutosave | None) -> None:
        """Offer the corrections of a layer that was removed, while there is a window to offer them in."""
        if orphan is None or self._closing:
            return
        self.orphans.insert(0, orphan)
        self.changed.emit()
        there, offered = ref(self), [orphan]  # napari keeps notifications longer than windows

        def bring_back() -> None:
            here = there()
            if here is not None and offered and orphan in here.orphans:
                here.restore(offered.pop())

        what = "corrections" if orphan.edited else "checked slices"
        text = f"The mask of {orphan.scan} was removed, with {what} that are not saved."
        ViewerContext.of(self._viewer).offer(text, "Restore", bring_back)

    def _announce(self) -> None:
        global _announced
        if self.orphans and not self.offered and not _announced:
            _announced = True
            show_info("An earlier session left unsaved corrections; the panel Segment tumour offers them.")

    def _on_loaded(self, orphan: OrphanedAutosave, restored: Autosave | AutosaveError) -> None:
        if isinstance(restored, AutosaveError):
            self._on_deleted(orphan, restored)
            return
        try:
            layer = add_layer(self._viewer, restored)
        except Exception:  # keys missing in files of other versions
            why = "This autosave was written by another version; it can only be deleted."
            self._on_deleted(orphan, AutosaveError(why))
            return
        watched = self._layers[layer]
        watched.known_checked = frozenset()
        self._keep(layer, watched, replaces=orphan.path)
        self._drop(orphan)
        self._show(layer, orphan.scan)

    def _show(self, layer: Labels, scan: str) -> None:
        """Bring a mask into view, without other scans under it; where its own is not open, say what to do."""
        hidden = show_scan(self._viewer, layer)
        go_to_most(self._viewer, layer, edits_in(layer))
        if image_for(layer, self._viewer.layers) is None:
            meanwhile = "; other scans are hidden" if hidden else ""
            show_info(f"The mask of {scan} is back, but {scan} is not open: open that scan, too{meanwhile}.")

    def _on_deleted(self, orphan: OrphanedAutosave, error: AutosaveError | None) -> None:
        if error:
            show_error(str(error))
        if orphan.path.exists():  # the user may try again
            self.changed.emit()
        else:
            self._drop(orphan)

    def _drop(self, orphan: OrphanedAutosave) -> None:
        self.orphans = [other for other in self.orphans if other != orphan]
        self.changed.emit()

    def _do(self, act: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Call ``act`` in the thread, in turn, and ``then`` here with its result or AutosaveError."""

        def work() -> Any:
            try:
                return act()
            except AutosaveError as error:
                return error

        def arrive(done: Future[Any]) -> None:
            self._emit_arrived(partial(then, done.result()))

        with suppress(RuntimeError):  # the window may be gone
            self._last = self._thread.submit(work)
            self._last.add_done_callback(arrive)

    def _serve(self, call: Callable[[], None]) -> None:
        call()


def _write(watched: _WatchedLayer, autosave: Autosave, replaces: Path | None) -> None:
    """Write an autosave that holds edits or marks, and then delete the one that it replaces."""
    digest = autosave.digest
    if digest == watched.digest:
        return
    autosave = count_edits(autosave)
    marked = not watched.known_checked.issuperset(autosave.result["checked"])
    if digest != watched.saved_digest and (autosave.edited or marked):
        watched.path = watched.path or store.new_file()
        store.save(autosave, watched.path)
    elif watched.path is not None:
        store.discard(watched.path)
    if replaces is not None:
        store.discard(replaces)
    watched.digest = digest


def _discard_saved(watched: _WatchedLayer, saved: Autosave) -> None:
    """Note that the user saved the layer as it was in this; an autosave of the same is deleted."""
    watched.saved_digest = digest = saved.digest
    watched.known_checked = frozenset(saved.result["checked"])
    if watched.path is not None and watched.digest == digest:
        store.discard(watched.path)
