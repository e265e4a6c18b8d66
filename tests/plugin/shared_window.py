"""One window for all tests that are not about a window's life, as new for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import napari
import pytest
from app_model import Application
from napari._app_model._app import NapariApplication, _napari_names
from napari._qt._qapp_model.qactions import init_qactions
from napari._qt.qt_main_window import _QtMainWindow
from napari._qt.qt_viewer import QtViewer
from napari.plugins import _initialize_plugins
from napari.settings import get_settings
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QThreadPool
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget


class SharedWindow:
    """A window that takes half a second of the processor to make and close.

    What a test leaves is removed; where something stays all the same, the next test gets another window.
    """

    def __init__(self, app: QApplication) -> None:
        self._app = app
        self._viewer: napari.Viewer | None = None
        self._state: tuple[Any, ...] = ()
        self._size = QSize()
        self._undo = ExitStack()

    def lend(self) -> napari.Viewer:
        """Return the viewer, as new."""
        if self._viewer is None:
            self._open()
        return self._viewer

    def take_back(self) -> None:
        """Remove what a test left."""
        if self._viewer is None:
            return
        if self._viewer.window._qt_window not in _QtMainWindow._instances:  # the test closed it
            self.close()
            return
        same = False
        try:
            self._clear(self._viewer)
            same = self._state == _state(self._viewer)
        finally:
            if not same:
                self.close()

    def close(self) -> None:
        """Close the window, if there is one."""
        viewer, self._viewer = self._viewer, None
        if viewer is not None and hasattr(viewer.window, "_qt_window"):
            with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
                viewer.close()
        del viewer
        self._serve_events()
        self._undo.close()

    def _open(self) -> None:
        """Make it as napari's own fixture does."""
        get_settings().reset()
        _initialize_plugins.cache_clear()
        init_qactions.cache_clear()
        app = NapariApplication("shared window")
        app.injection_store.namespace = _napari_names
        self._undo.callback(Application.destroy, app.name)
        change = self._undo.enter_context(pytest.MonkeyPatch.context())
        change.setattr(NapariApplication, "get_app_model", lambda: app)
        change.setattr("napari._qt.threads.status_checker.StatusChecker.start", lambda *_: None)
        change.setattr(QtViewer, "_get_console", lambda *_: _Console())
        self._viewer = viewer = napari.Viewer(show=True, show_welcome_screen=False)
        QtViewer._instances.clear()  # where napari's fixture looks for windows that other tests left
        assert QTest.qWaitForWindowExposed(viewer.window._qt_window)
        self._app.removeEventFilter(viewer.window._qt_window)  # it looks at all events for tooltips
        self._size = viewer.window._qt_window.size()
        self._clear(viewer)
        self._state = _state(viewer)

    def _clear(self, viewer: napari.Viewer) -> None:
        QThreadPool.globalInstance().waitForDone()
        self._serve_events()  # what threads have read
        for dock in list(viewer.window._wrapped_dock_widgets.values()):
            widget = dock.widget()
            viewer.window.remove_dock_widget(dock)
            widget.deleteLater()
        window = viewer.window._qt_window
        for child in window.findChildren(QObject, options=Qt.FindChildOption.FindDirectChildrenOnly):
            if _is_ours(child):
                child.deleteLater()
        self._serve_events()
        viewer.layers.clear()
        for emitter in _emitters(viewer):
            for callback in list(emitter.callbacks):
                if isinstance(callback, tuple) and callback[1] == "reset_choices":  # of a closed dock
                    emitter.disconnect(callback)
        viewer.dims.ndisplay = 2
        viewer.status, viewer.title, viewer.help = "Ready", "napari", ""
        get_settings().reset()
        viewer.theme = get_settings().appearance.theme
        window.resize(self._size)
        self._serve_events()

    def _serve_events(self) -> None:
        for _ in range(2):
            self._app.processEvents()
            self._app.sendPostedEvents(None, QEvent.Type.DeferredDelete)


class _Console(QWidget):
    def _update_theme(self, *_: Any) -> None:
        pass


def _is_ours(it: Any) -> bool:
    """Whether an object, or what listens, is of the plugin."""
    if isinstance(it, tuple):  # as napari keeps a method
        it = it[0]()
    module = getattr(it, "__module__", None) or type(it).__module__
    return module.startswith("napari_tumor_unet")


def _emitters(viewer: napari.Viewer) -> Iterator[Any]:
    layers = viewer.layers
    for group in (viewer.events, layers.events, layers.selection.events, viewer.dims.events):
        yield from group.emitters.values()


def _state(viewer: napari.Viewer) -> tuple[Any, ...]:
    """Return what must be as before, for the next test not to see this one."""
    window, dims = viewer.window._qt_window, viewer.dims
    shown = sorted(type(w).__name__ for w in QApplication.topLevelWidgets() if w.isVisible())
    return (
        [callback for emitter in _emitters(viewer) for callback in emitter.callbacks if _is_ours(callback)],
        [child for child in window.children() if _is_ours(child)],
        shown,
        (dims.ndim, dims.ndisplay, dims.order, dims.point),
        sorted(map(str, viewer.keymap)),
        viewer.theme,
    )
