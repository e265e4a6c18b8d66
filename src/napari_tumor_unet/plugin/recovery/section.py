"""The part of the panel for corrections that an earlier session did not save."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import Container, Label
from qtpy.QtWidgets import QMessageBox, QSizePolicy
from superqt import QElidingLabel

from napari_tumor_unet.plugin.recovery.store import Leftover
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.connections import Connections
from napari_tumor_unet.plugin.ui.widgets import button, row


class RecoverySection(Container[Any]):
    """A line for each layer with corrections that can be brought back; without any it is not to be seen.

    Parameters
    ----------
    autosaving : Autosaving
    """

    def __init__(self, autosaving: Autosaving) -> None:
        self._autosaving = autosaving
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 8)
        autosaving.offered = True
        self._connections = Connections(self.native)
        self._connections.add(autosaving.changed, self._show)
        self._connections.at_close(lambda: setattr(autosaving, "offered", False))
        self._show()

    def _show(self) -> None:
        leftovers = self._autosaving.leftovers
        self.clear()
        self.visible = bool(leftovers)
        if leftovers:
            self.append(Label(value="Unsaved corrections of an earlier session:"))
        for leftover in leftovers:
            self.append(self._line(leftover))

    def _line(self, leftover: Leftover) -> Container[Any]:
        restore = button("Restore", "Add the mask with these corrections.", lambda: act(self._restore))
        delete = button("Delete", "Delete these corrections.", lambda: act(self._delete))
        for narrow in (restore, delete):
            narrow.native.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        line = row(_description(leftover), restore, delete)

        def act(how: Callable[[Leftover], bool]) -> None:
            line.enabled = not how(leftover)  # until the section is shown anew

        return line

    def _restore(self, leftover: Leftover) -> bool:
        self._autosaving.restore(leftover)
        return True

    def _delete(self, leftover: Leftover) -> bool:
        """Whether the user is sure."""
        question = f"Delete the corrections of {leftover.scan}? They cannot be brought back."
        answer = QMessageBox.question(self.native, "Delete corrections", question)
        if answer == QMessageBox.StandardButton.Yes:
            self._autosaving.delete(leftover)
        return bool(answer == QMessageBox.StandardButton.Yes)


def _description(leftover: Leftover) -> Container[Any]:
    """Scan, time and extent in two lines, however long the name is."""
    when, n = leftover.when, leftover.edited
    made: Container[Any] = Container(labels=False)
    made.margins = (0, 0, 0, 0)
    made.native.layout().setSpacing(0)
    for text in (leftover.scan, f"{when.day} {when:%b %H:%M}, {n} slice{'s' if n > 1 else ''} edited"):
        label = QElidingLabel(text)
        label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)  # none cut off below
        label.setToolTip(f"{leftover.scan}\n{when:%x %X}")
        made.native.layout().addWidget(label)
    return made
