"""What panels leave behind when they are closed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Layer
from napari.settings import get_settings
from qtpy.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from qtpy.QtGui import QHelpEvent, QWheelEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QScrollArea,
    QTableWidget,
    QToolTip,
    QWidget,
)
from superqt import QCollapsible

from napari_tumor_unet.plugin.recovery.store import OrphanedAutosave
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui.connections import Connections, timer
from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext
from napari_tumor_unet.plugin.ui.widgets import turnable_fields
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
def test_the_wheel_changes_no_field_without_focus(title: str, viewer: napari.Viewer) -> None:
    _, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", title)
    area = panel.native.findChild(QScrollArea)
    fields = turnable_fields(area.widget())
    said = [state_of(field) for field in fields]
    for field in fields:
        turn_wheel(field)
        assert field.focusPolicy() == Qt.FocusPolicy.StrongFocus  # none by the wheel
    assert [state_of(field) for field in fields] == said
    assert fields


def state_of(field: QWidget) -> Any:
    return field.currentIndex() if isinstance(field, QComboBox) else field.value()


def turn_wheel(field: QWidget) -> None:
    """Three notches down, over the middle of a widget."""
    middle = field.rect().center()
    turned = QWheelEvent(
        QPointF(middle),
        QPointF(field.mapToGlobal(middle)),
        QPoint(),
        QPoint(0, -360),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(field, turned)


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


LONG = "sub-0123_ses-20240131T1200_acq-sag3DspaceIRdarkfluid_rec-normNDdis3D_run-01_FLAIR"


@pytest.mark.parametrize("title", TITLES)
def test_long_names_of_layers_do_not_widen_a_panel(title: str, viewer: napari.Viewer, qtbot: Any) -> None:
    window, appearance = viewer.window._qt_window, get_settings().appearance
    size, appearance.font_size = appearance.font_size, 14
    window.resize(1280, 800)
    widths, names = [], ("x", LONG)
    for name in names:
        for layer in viewer.layers:
            layer.name = name
        dock, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", title)
        qtbot.wait(1)  # napari has the fields' entries made again
        widths.append(panel.native.findChild(QScrollArea).minimumSizeHint().width())
        boxes = [box for box in panel.native.findChildren(QComboBox) if box.currentText().startswith(LONG)]
        if name == names[0]:
            viewer.window.remove_dock_widget(dock)
    appearance.font_size = size
    assert widths[0] == widths[1]
    assert window.width() == 1280
    assert boxes or title in ("Score", "Follow-up")  # which chooses none at first, and has a list
    for box in boxes:
        at = box.mapToGlobal(box.rect().center())
        QApplication.sendEvent(box, QHelpEvent(QEvent.Type.ToolTip, box.rect().center(), at))
        assert LONG in QToolTip.text()


@pytest.mark.parametrize("title", TITLES)
def test_a_panel_is_narrow_with_a_large_font_whatever_it_shows(
    title: str, viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_settings().appearance, "font_size", 14)
    viewer.window._qt_window.resize(1280, 800)
    for layer in viewer.layers[1:]:
        layer.data[2, 4:8, 4:8] = 1
    _, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", title)
    if title == "Segment tumour":
        orphan = OrphanedAutosave(Path("x"), LONG, 12, datetime(2026, 9, 30, 12, 59))
        Autosaving.of(viewer).offer([orphan])
    elif title == "Score":
        panel.set_masks(list(viewer.layers[1:]))
        panel.compare()
        qtbot.waitUntil(lambda: bool(panel.numbers.scores), timeout=PATIENCE)
    elif title == "Fine-tune":
        panel.cases.cases.add([(viewer.layers[0], viewer.layers[1])])
    for kind in (QLabel, QAbstractButton, QAbstractSpinBox, QComboBox, QTableWidget, QListWidget):
        for shown in panel.native.findChildren(kind):
            while shown is not panel.native and shown is not None and not shown.isWindow():
                shown.setVisible(True)
                shown = shown.parentWidget()
    scrolled = panel.native.findChild(QScrollArea)

    def widest() -> int:
        QApplication.sendPostedEvents()
        return scrolled.minimumSizeHint().width()

    qtbot.waitUntil(lambda: widest() <= 320, timeout=5000)


@pytest.mark.parametrize("title", TITLES)
def test_fields_have_names_and_tab_passes_over_closed_folds(
    title: str, viewer: napari.Viewer, qtbot: Any
) -> None:
    _, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", title)
    qtbot.waitUntil(panel.native.isVisible, timeout=PATIENCE)
    for kind in (QComboBox, QAbstractSpinBox, QListWidget, QTableWidget):
        for field in panel.native.findChildren(kind):
            assert field.accessibleName()
    for fold in filter(QCollapsible.isVisible, panel.native.findChildren(QCollapsible)):
        inside = fold.content().findChildren(QWidget)
        assert not fold.isExpanded()
        assert not [widget for widget in inside if widget.isVisible() and widget.focusPolicy()]
        fold.expand()
        qtbot.waitUntil(lambda fold=fold: fold.content().height() > 20, timeout=PATIENCE)
        assert [widget for widget in inside if widget.isVisible() and widget.focusPolicy()]


@pytest.mark.parametrize("title", ["Fine-tune", "Follow-up"])
def test_lines_to_write_in_follow_the_size_of_the_font(
    title: str, viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", title)
    monkeypatch.setattr(get_settings().appearance, "font_size", 14)
    lines = panel.native.findChildren(QLineEdit)
    assert lines
    assert {line.font().pointSize() for line in lines} == {14}


@pytest.mark.parametrize("title", TITLES)
def test_a_new_name_of_a_layer_reaches_the_choices(title: str, viewer: napari.Viewer, qtbot: Any) -> None:
    _, panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", title)
    qtbot.wait(1)
    for layer in viewer.layers:
        layer.name = f"new {layer.name}"
    boxes = panel.native.findChildren(QComboBox)
    items = [(box.itemText(i), box.itemData(i)) for box in boxes for i in range(box.count())]
    named = [(text, layer.name) for text, layer in items if isinstance(layer, Layer)]
    if title == "Follow-up":  # which has a table
        texts = {panel.masks.item(i, 0).text() for i in range(panel.masks.rowCount())}
        named = [(layer.name, layer.name if layer.name in texts else "") for layer in viewer.layers[1:]]
    assert named
    assert all(text == name for text, name in named)
