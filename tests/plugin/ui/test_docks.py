"""The docks of the panels, as napari's menu Plugins opens and closes them."""

from __future__ import annotations

from typing import Any

import napari
import pytest
from qtpy.QtWidgets import QDockWidget

from tests.plugin.conftest import PATIENCE


def choose(viewer: napari.Viewer, title: str) -> None:
    """Choose an entry of the plugin in the menu Plugins."""
    menu = viewer.window.plugins_menu
    menu.aboutToShow.emit()
    (own,) = (action.menu() for action in menu.actions() if action.text() == "Tumour U-Net")
    own.aboutToShow.emit()
    next(action for action in own.actions() if action.text().startswith(title)).trigger()


def dock_of(viewer: napari.Viewer, title: str) -> QDockWidget:
    return viewer.window._wrapped_dock_widgets[f"{title} (Tumour U-Net)"]


def is_in_front(dock: QDockWidget) -> bool:
    return not dock.visibleRegion().isEmpty()


@pytest.fixture
def tabs(viewer: napari.Viewer, qtbot: Any) -> tuple[QDockWidget, QDockWidget]:
    """Two panels in tabs, the second in front."""
    for title in ("Score", "Follow-up"):
        choose(viewer, title)
        qtbot.waitUntil(lambda title=title: is_in_front(dock_of(viewer, title)), timeout=PATIENCE)
    first, second = dock_of(viewer, "Score"), dock_of(viewer, "Follow-up")
    qtbot.waitUntil(lambda: viewer.window._qt_window.tabifiedDockWidgets(first) == [second], timeout=PATIENCE)
    qtbot.waitUntil(lambda: not is_in_front(first), timeout=PATIENCE)
    return first, second


def test_the_menu_brings_a_panel_behind_a_tab_to_the_front(
    viewer: napari.Viewer, qtbot: Any, tabs: tuple[QDockWidget, QDockWidget]
) -> None:
    first, second = tabs
    choose(viewer, "Score")
    qtbot.waitUntil(lambda: is_in_front(first) and not is_in_front(second), timeout=PATIENCE)
    assert viewer.window._qt_window.tabifiedDockWidgets(first) == [second]
    choose(viewer, "Follow-up")
    qtbot.waitUntil(lambda: is_in_front(second), timeout=PATIENCE)


def test_the_menu_hides_a_panel_in_front_and_shows_it_there_again(
    viewer: napari.Viewer, qtbot: Any, tabs: tuple[QDockWidget, QDockWidget]
) -> None:
    first, second = tabs
    choose(viewer, "Follow-up")
    qtbot.waitUntil(lambda: is_in_front(first), timeout=PATIENCE)
    assert second.isHidden()
    choose(viewer, "Follow-up")
    qtbot.waitUntil(lambda: is_in_front(second) and not is_in_front(first), timeout=PATIENCE)


def test_a_panel_that_is_closed_behind_a_tab_stays_closed(
    viewer: napari.Viewer, qtbot: Any, tabs: tuple[QDockWidget, QDockWidget]
) -> None:
    first, second = tabs
    with qtbot.waitSignal(first.destroyed, timeout=PATIENCE):
        viewer.window.remove_dock_widget(first)
    assert is_in_front(second)
    assert "Score (Tumour U-Net)" not in viewer.window.dock_widgets


def test_a_window_that_was_hidden_shows_the_same_tab_again(
    viewer: napari.Viewer, qtbot: Any, tabs: tuple[QDockWidget, QDockWidget]
) -> None:
    first, second = tabs
    first.raise_()
    qtbot.waitUntil(lambda: is_in_front(first), timeout=PATIENCE)
    viewer.window._qt_window.hide()
    viewer.window._qt_window.show()
    qtbot.waitUntil(lambda: is_in_front(first), timeout=PATIENCE)
    qtbot.wait(1)
    assert not is_in_front(second)
