"""The frame that all panels share."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import Container
from magicgui.widgets.bases import Widget
from napari import Viewer

from napari_tumor_unet.plugin.ui.connections import Connections
from napari_tumor_unet.plugin.ui.errors import show_details
from napari_tumor_unet.plugin.ui.viewer_context import Message, ViewerContext
from napari_tumor_unet.plugin.ui.widgets import Scrolled, button, text_label, wrap

_WIDTH = 300  # pixels; a sentence in fewer is a column of words


class Panel(Container[Any]):
    """Widgets under each other in a dock, scrolled where the window is low, with a message among them.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose dock holds the panel.

    Attributes
    ----------
    connections : Connections
        Undone when the panel is closed; the viewer goes on.
    message : Label
        What the user is told.
    details : PushButton
        Shows the traceback of an error, and is visible where there is one.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        self._context = ViewerContext.of(viewer)
        self._viewer = self._context.viewer
        self._details = ""
        self.connections = Connections(self.native)
        self.message = text_label()
        self.details = button("Details", "What exactly went wrong.", self._show_details)

    def lay_out(self, *widgets: Widget) -> Scrolled:
        """Put widgets under each other into the panel."""
        body: Container[Any] = Container(widgets=list(widgets), labels=False)
        body.native.layout().addStretch()
        scrolled = Scrolled(body, _WIDTH)
        self.append(wrap(scrolled))
        self.show_message(Message())
        return scrolled

    def show_message(self, message: Message) -> None:
        """Show a message, with a button for its details if there are any."""
        self.message.value, self._details = message.text, message.details
        self.details.visible = bool(message.details)

    def _show_details(self) -> None:
        show_details(self.message.value, self._details, self.native)
