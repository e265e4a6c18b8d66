"""What all panels, and all their sections, share."""

from __future__ import annotations

from functools import partial
from typing import Any

import napari
from magicgui.widgets import Container
from magicgui.widgets.bases import Widget
from napari.layers import Layer
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QComboBox

from napari_tumor_unet.plugin.ui.connections import Connections
from napari_tumor_unet.plugin.ui.docks import Tabs
from napari_tumor_unet.plugin.ui.errors import show_details
from napari_tumor_unet.plugin.ui.viewer_context import Message, ViewerContext
from napari_tumor_unet.plugin.ui.widgets import Scrolled, button, text_label

_WIDTH = 300  # pixels; a sentence in fewer is a column of words


class Section(Container[Any]):
    """Widgets under each other in a panel, without a margin.

    Attributes
    ----------
    connections : Connections
        Undone when the panel is closed; the viewer goes on.
    """

    def __init__(self, *widgets: Widget) -> None:
        super().__init__(widgets=list(widgets), labels=False)
        self.margins = (0, 0, 0, 0)
        self.connections = Connections(self.native)


class Panel(Section):
    """Widgets under each other in a dock, scrolled where the window is low, with a message among them.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose dock holds the panel.

    Attributes
    ----------
    message : Label
        What the user is told.
    details : PushButton
        Shows the traceback of an error, and is visible where there is one.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:  # napari looks for these very words
        super().__init__()
        self._context = ViewerContext.of(viewer)
        self._viewer = self._context.viewer
        self._details = ""
        self.native.installEventFilter(_Deleter(self.native))
        Tabs(self.native)
        self.message = text_label()
        self.details = button("Details", "What exactly went wrong.", self._show_details)
        self.connections.add(self._viewer.layers.events, self._show_new_name)
        self.build()

    def build(self) -> None:
        """Make what a kind of panel holds, and lay it out."""

    def lay_out(self, *widgets: Widget) -> Scrolled:
        """Put widgets under each other into the panel."""
        body: Container[Any] = Container(widgets=list(widgets), labels=False)
        body.native.layout().addStretch()
        scrolled = Scrolled(body, _WIDTH)
        self.native.layout().addWidget(scrolled)  # not wrapped, or napari's dock leaves it half its height
        self.show_message(Message())
        return scrolled

    def show_message(self, message: Message) -> None:
        """Show a message, with a button for its details if there are any."""
        self.message.value, self._details = message.text, message.details
        self.message.visible, self.details.visible = bool(message.text), bool(message.details)

    def _show_new_name(self, event: Any) -> None:
        """Show the new name of a layer in all choices; napari has them made anew for other events alone."""
        if event.type == "name":
            for box in self.native.findChildren(QComboBox):
                for i in range(box.count()):
                    if isinstance(layer := box.itemData(i), Layer):
                        box.setItemText(i, layer.name)

    def _show_details(self) -> None:
        show_details(self.message.value, self._details, self.native)


_closed: set[QObject] = set()  # panels that Qt will delete


class _Deleter(QObject):
    """Deletes a panel whose dock was closed; napari leaves that to the garbage collector."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.ParentChange and watched.parent() is None:
            _closed.add(watched)  # else collected with its slots, before these hear that it is destroyed
            watched.destroyed.connect(partial(_closed.discard, watched))
            watched.deleteLater()
        return False
