"""A napari window for pictures, used as a user does: with menus, buttons and the mouse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import napari
import numpy as np
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.layers import Labels
from PIL import Image
from qtpy.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPixmap, QPolygon
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QDockWidget,
    QGraphicsView,
    QPushButton,
    QScrollArea,
    QTableWidget,
    QWidget,
)
from scripts.camera import save, without_empty_end
from superqt import QCollapsible

from napari_tumor_unet.plugin.segment.controller import SegmentationController
from napari_tumor_unet.plugin.ui import file_dialog
from napari_tumor_unet.plugin.ui.docks import open_panel

_PATIENCE = 180  # seconds
_ARROW = QPolygon([QPoint(*at) for at in ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))])


class Stage:
    """A window of a fixed size.

    Parameters
    ----------
    folder : Path
        Where pictures go.
    size : tuple of int
        Of the window, in pixels.
    """

    def __init__(self, folder: Path, size: tuple[int, int] = (1280, 800)) -> None:
        self.folder = folder
        self.viewer = napari.Viewer(show_welcome_screen=False)
        self.window = self.viewer.window._qt_window
        self.window.setGeometry(0, 0, *size)
        self._mouse = QPoint(size[0] // 2, size[1] // 2)
        self.settle()

    def close(self) -> None:
        """Close the window, its panels first, and what it computes."""
        self.viewer.window.remove_dock_widget("all")
        self.settle()
        self.viewer.close()
        self.settle()

    def settle(self, seconds: float = 0.3) -> None:
        """Let the window draw itself."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.01)

    def wait(self, there: Callable[[], object], what: str) -> None:
        """Wait until something is there."""
        end = time.monotonic() + _PATIENCE
        while not there():
            QApplication.processEvents()
            if time.monotonic() > end:
                raise TimeoutError(f"Waited in vain for {what}.")
            time.sleep(0.01)
        self.settle()

    def wait_for_child(self) -> None:
        """Wait until the process that computes is ready, as a user who looks at the scan first."""
        worker = SegmentationController.of(self.viewer).context.worker
        self.wait(lambda: worker.is_ready, "the child process")

    def segment(
        self, shown: Callable[[], None] = lambda: None, during: Callable[[], None] = lambda: None
    ) -> Labels:
        """Segment by the menu; return the mask.

        Parameters
        ----------
        shown : callable
            Called whenever a menu has opened.
        during : callable
            Called again and again until the end.
        """
        controller, ended = SegmentationController.of(self.viewer), []
        controller.ended.connect(ended.append)
        self.menu("Layers", "Segment", "Segment tumour now", shown=shown)
        self.wait(lambda: during() or ended, "the mask")
        controller.ended.disconnect(ended.append)
        if ended != [True]:
            raise RuntimeError("The segmentation failed.")
        return self.viewer.layers.selection.active

    def wait_for_plot(self, panel: Any) -> None:
        """Wait until a panel has drawn its curve, which comes after the rest of it."""
        self.wait(lambda: panel.native.findChildren(QGraphicsView), "the curve")
        self.settle(1)

    def panel(self, title: str) -> Any:
        """Open a panel."""
        panel = open_panel(self.viewer, title)
        self.settle(1)
        return panel

    def menu(self, *titles: str, shown: Callable[[], None] = lambda: None) -> None:
        """Choose an entry by the mouse, each part of its way by how it begins.

        Parameters
        ----------
        *titles : str
        shown : callable
            Called whenever a menu has opened.
        """
        bar = self.window.menuBar()
        menus, action = [], _entry(bar.actions(), titles[0])
        self._point(bar, bar.actionGeometry(action).center())
        bar.setActiveAction(action)
        for title in titles[1:]:
            menu = action.menu()
            self.wait(menu.isVisible, f"the menu {action.text()}")
            menus.append(menu)
            shown()
            action = _entry(menu.actions(), title)
            self._point(menu, menu.actionGeometry(action).center())
            menu.setActiveAction(action)
        shown()
        QTest.mouseClick(menus[-1], Qt.MouseButton.LeftButton, pos=menus[-1].actionGeometry(action).center())

    def press(self, panel: Any, text: str) -> None:
        """Press a button or a box of a panel, by how its text begins, as soon as that can be done."""
        kinds = QPushButton, QCheckBox
        self.wait(lambda: self.find(panel, text, *kinds).isEnabled(), f"the button {text}")
        widget = self.find(panel, text, *kinds)
        self.reveal(widget)
        self.click(widget)

    def write_date(self, table: QTableWidget, name: str, date: str) -> None:
        """Write into the row whose check box has a name that ends so."""
        rows = [row for row in range(table.rowCount()) if table.cellWidget(row, 0).toolTip().endswith(name)]
        table.item(rows[0], 1).setText(date)

    def there(self, panel: Any, text: str) -> bool:
        """Whether a panel shows a button of this text that can be pressed."""
        return any(one.isEnabled() for one in self._all(panel, text, QPushButton))

    def find(self, panel: Any, text: str, *kinds: type[QWidget]) -> Any:
        """Return what a panel shows under a text."""
        found = self._all(panel, text, *kinds)
        if not found:
            raise LookupError(f"The panel shows no {text}.")
        return found[0]

    def _all(self, panel: Any, text: str, *kinds: type[QWidget]) -> list[Any]:
        widgets = [one for kind in kinds for one in panel.native.findChildren(kind)]
        return [one for one in widgets if one.isVisible() and one.text().startswith(text)]

    def click(self, widget: QWidget) -> None:
        """Click a widget; of a tick its box."""
        at = QPoint(8, widget.height() // 2) if isinstance(widget, QCheckBox) else widget.rect().center()
        self._point(widget, at)
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=at)
        self.settle()

    def unfold(self, panel: Any, title: str) -> None:
        """Open a fold of a panel."""
        fold = self.find(panel, title, QCollapsible)
        fold.expand(animate=False)
        self.settle()
        self.reveal(fold)

    def reveal(self, widget: QWidget) -> None:
        """Scroll a panel until a widget is in sight."""
        area = widget.parent()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parent()
        if area is not None:
            area.ensureWidgetVisible(widget, 0, 12)
        self.settle()

    def draw(self, path: Sequence[tuple[float, float]], shown: Callable[[], None] = lambda: None) -> None:
        """Draw with the mouse on the canvas, through places (y, x) of the world."""
        canvas = self.viewer.window._qt_viewer.canvas
        kinds = QEvent.Type
        for i, at in enumerate(path):
            view = canvas.view
            x, y = (view.transform * view.scene.transform).map([at[1], at[0], 0, 1])[:2]
            self._point(canvas.native, QPoint(round(x), round(y)))
            kind = kinds.MouseButtonPress if i == 0 else kinds.MouseMove
            self._mouse_event(canvas.native, kind, QPointF(x, y))
            if i:
                shown()
        self._mouse_event(canvas.native, kinds.MouseButtonRelease, QPointF(x, y))
        self.settle()
        shown()

    @contextmanager
    def chosen(self, *answers: Path) -> Iterator[None]:
        """Answer the dialogs for files and folders, which belong to the system and not to the window."""
        left = list(answers)
        names = ("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory")

        def answer(name: str) -> Any:
            path = str(left.pop(0) if name != "getOpenFileNames" else "")
            many = [str(one) for one in answers]
            return {"getOpenFileNames": (many, ""), "getExistingDirectory": path}.get(name, (path, ""))

        fake = {name: staticmethod(lambda *_, name=name, **__: answer(name)) for name in names}
        with patch.multiple(file_dialog.QFileDialog, **fake):
            yield

    def quiet(self) -> None:
        """Close napari's notifications and its activity dock, which come and go by the clock."""
        for shown in self.window.findChildren(NapariQtNotification):
            shown.close()
        self.window._activity_dialog.hide()
        self.viewer.status = "Ready"
        self.settle()

    def dock_of(self, panel: Any) -> QDockWidget:
        """Return the dock of a panel."""
        widget = panel.native
        while not isinstance(widget, QDockWidget):
            widget = widget.parent()
        return widget

    def canvas(self) -> QWidget:
        """Return the canvas."""
        return self.viewer.window._qt_viewer.canvas.native

    def show_all(self) -> None:
        """Zoom to the whole slice."""
        self.viewer.reset_view()
        self.settle()

    def widen(self, panel: Any, width: int) -> None:
        """Give a panel more of the window."""
        self.window.resizeDocks([self.dock_of(panel)], [width], Qt.Orientation.Horizontal)
        self.settle(1)

    def picture(self, name: str, *widgets: QWidget, quiet: bool = True) -> None:
        """Keep a picture of the window, or of the rectangle around some of its widgets."""
        if quiet:
            self.quiet()
        image = self.grab()
        if widgets:
            box = QRect()
            for widget in widgets:
                box |= QRect(widget.mapToGlobal(QPoint(0, 0)), widget.size())
            image = without_empty_end(image.crop((box.left(), box.top(), box.right() + 1, box.bottom() + 1)))
        save(image, self.folder / name)

    def grab(self, mouse: bool = False) -> Image.Image:
        """Return what the screen shows of the window, menus and dialogs over it included."""
        QApplication.processEvents()
        place = self.window.geometry()
        pixels = QApplication.primaryScreen().grabWindow(0, *place.getRect())
        if mouse:
            self._draw_mouse(pixels)
        image = pixels.toImage().convertToFormat(pixels.toImage().Format.Format_RGB888)
        rows = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
        rows = rows.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
        return Image.fromarray(rows.reshape(image.height(), image.width(), 3).copy())

    def _draw_mouse(self, pixels: QPixmap) -> None:
        painter = QPainter(pixels)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(self._mouse)
        painter.setPen(QColor("black"))
        painter.setBrush(QColor("white"))
        painter.drawPolygon(_ARROW)
        painter.end()

    def _point(self, widget: QWidget, at: QPoint) -> None:
        self._mouse = widget.mapToGlobal(at)

    def _mouse_event(self, widget: QWidget, kind: QEvent.Type, at: QPointF) -> None:
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        button = none if kind == QEvent.Type.MouseMove else left
        buttons = none if kind == QEvent.Type.MouseButtonRelease else left
        place = QPointF(widget.mapToGlobal(at.toPoint()))
        QApplication.sendEvent(
            widget, QMouseEvent(kind, at, place, button, buttons, Qt.KeyboardModifier.NoModifier)
        )
        self.settle(0.05)


def _entry(actions: Sequence[Any], title: str) -> Any:
    """Return the entry of a menu whose text begins with something."""
    for action in actions:
        if action.text().replace("&", "").startswith(title):
            return action
    raise LookupError(f"There is no {title} among {[action.text() for action in actions]}.")
