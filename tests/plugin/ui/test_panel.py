"""What panels leave behind when they are closed."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
import pytest
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QScrollArea

from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from tests.plugin.conftest import PATIENCE

TITLES = ("Segment tumour", "Score", "Fine-tune", "Follow-up")


@pytest.fixture
def viewer(make_napari_viewer: Any) -> napari.Viewer:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((5, 16, 16)))
    for _ in range(2):
        viewer.add_labels(np.zeros((5, 16, 16), np.uint8))
    return viewer


def listeners(viewer: napari.Viewer) -> int:
    """How many hear of the viewer, its layers, and what panels share."""
    emitters = [viewer.events.theme, viewer.layers.selection.events.active]
    emitters += [viewer.dims.events.point, viewer.dims.events.order, viewer.dims.events.ndisplay]
    emitters += [viewer.layers.events.inserted, viewer.layers.events.removed]
    emitters += [event for layer in viewer.layers for event in layer.events.emitters.values()]
    context, session, autosaving = (
        ViewerContext.of(viewer),
        SegmentationController.of(viewer),
        Autosaving.of(viewer),
    )
    signals = [context.models_changed, context.marked, autosaving.changed]
    signals += [session.started, session.warned, session.progressed, session.ended]
    owners = [context, context, autosaving, session, session, session, session]
    receivers = sum(owner.receivers(signal) for owner, signal in zip(owners, signals, strict=True))
    callbacks = [callback for emitter in emitters for callback in emitter.callbacks]
    resets = [c for c in callbacks if isinstance(c, tuple) and c[1] == "reset_choices"]  # napari's own
    return len(callbacks) - len(resets) + receivers


@pytest.mark.parametrize("title", TITLES)
def test_a_panel_fills_its_dock(title: str, viewer: napari.Viewer, qtbot: Any) -> None:
    dock, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", title)
    scrolled = panel.native.findChild(QScrollArea)
    qtbot.waitUntil(lambda: scrolled.height() > 0.85 * dock.height(), timeout=PATIENCE)


@pytest.mark.parametrize("title", TITLES)
def test_a_closed_panel_leaves_no_connection_behind(title: str, viewer: napari.Viewer, qtbot: Any) -> None:
    SegmentationController.of(viewer)
    before = listeners(viewer)
    dock, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", title)
    during = listeners(viewer)
    with qtbot.waitSignal(panel.native.destroyed, timeout=PATIENCE):
        viewer.window.remove_dock_widget(dock)
    assert during > before
    assert listeners(viewer) == before, panel  # which is still held
    viewer.layers.clear()
    viewer.theme = "light" if viewer.theme == "dark" else "dark"


def test_connections_end_with_their_owner(qtbot: Any) -> None:
    owner, sender = QObject(), QObject()
    heard: list[str] = []
    connections = Connections(owner)
    connections.add(sender.objectNameChanged, heard.append)
    connections.at_close(lambda: heard.append("closed"))
    sender.setObjectName("first")
    with qtbot.waitSignal(owner.destroyed):
        owner.deleteLater()
    sender.setObjectName("second")
    assert heard == ["first", "closed"]


def test_what_sends_signals_may_go_first(qtbot: Any) -> None:
    owner, sender = QObject(), QObject()
    heard: list[str] = []
    connections = Connections(owner)
    connections.add(sender.objectNameChanged, heard.append)
    connections.at_close(lambda: heard.append("closed"))
    with qtbot.waitSignal(sender.destroyed):
        sender.deleteLater()
    connections.close()
    assert heard == ["closed"]


def test_a_timer_ends_with_its_owner(qtbot: Any) -> None:
    owner = QObject()
    heard: list[str] = []
    timer(owner, 20, lambda: heard.append("late")).start()
    with qtbot.waitSignal(owner.destroyed):
        owner.deleteLater()
    qtbot.wait(60)
    assert heard == []
