"""The docks of the panels: one of each, in tabs with each other."""

from __future__ import annotations

from typing import Any

from npe2 import PluginManager
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_tumor_unet.plugin.ui.connections import timer

_PLUGIN = "napari-tumor-unet"


def open_panel(viewer: Any, title: str) -> Any:
    """Bring a panel to the front; it is made if there is none, as napari's menu would make it.

    Parameters
    ----------
    viewer : Viewer
    title : str
        What the panel is called in the manifest.
    """
    window, manifest = viewer.window, PluginManager.instance().get_manifest(_PLUGIN)
    name, of_a_script = (f"{title} ({plugin})" for plugin in (manifest.display_name, manifest.name))
    there = window.dock_widgets
    panel = there.get(name, there.get(of_a_script))
    if panel is None:  # a panel itself may count as empty, and so as false
        widgets = manifest.contributions.widgets or ()
        make = next(widget for widget in widgets if widget.display_name == title).get_callable()
        panel = make(viewer)
        window.add_dock_widget(panel, name=name)
    dock = _dock_of(panel.native)
    if dock is not None:
        dock.show()
        dock.raise_()
    return panel


class Tabs(QObject):
    """Puts the dock of a panel in tabs with the docks of others, when it is first shown, and to the front.

    napari puts it below them, until none has room. Its menu hides whatever dock is not hidden, also one that
    nobody sees behind another tab, and shows one without raising it.

    Parameters
    ----------
    panel : QWidget
    """

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._join = timer(self, 0, self._join_others)
        self._front = timer(self, 0, self._come_to_front)
        panel.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Wait until the dock is in the window; then until somebody shows it, or hides it behind a tab."""
        kind = event.type()
        if kind == QEvent.Type.Show and watched is self.parent():
            watched.removeEventFilter(self)
            self._join.start()
        elif isinstance(watched, QDockWidget) and (
            kind == QEvent.Type.ShowToParent or (kind == QEvent.Type.HideToParent and _is_behind(watched))
        ):
            self._front.start()
        return False

    def _join_others(self) -> None:
        panel = self.parent()
        dock, window = _dock_of(panel), panel.window()
        if dock is None:
            return
        dock.installEventFilter(self)
        if dock.isFloating() or not isinstance(window, QMainWindow):
            return
        if window.tabifiedDockWidgets(dock):  # opened together with another, which was quicker
            return
        area = window.dockWidgetArea(dock)
        for other in (_dock_of(tabs.parent()) for tabs in window.findChildren(Tabs) if tabs is not self):
            if other is None or other.isFloating() or other.isHidden():
                continue
            if window.dockWidgetArea(other) == area:
                window.tabifyDockWidget(other, dock)
                dock.raise_()
                return

    def _come_to_front(self) -> None:
        if (dock := _dock_of(self.parent())) is not None:
            dock.show()
            dock.raise_()


def _is_behind(dock: QDockWidget) -> bool:
    """Whether a dock lies behind another tab, where Qt moves it off the screen; a removed one does not."""
    window = dock.parent()
    docked = isinstance(window, QMainWindow) and not dock.isFloating()
    return (
        docked
        and window.dockWidgetArea(dock) != Qt.DockWidgetArea.NoDockWidgetArea
        and dock.geometry().right() < 0
    )


def _dock_of(widget: Any) -> QDockWidget | None:
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parent()
    return widget
