"""The part of the panel "Segment tumour" for corrections that an earlier session did not save."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import Container, Label
from qtpy.QtWidgets import QMessageBox, QSizePolicy
from superqt import QElidingLabel

from napari_tumor_unet._common import plural
from napari_tumor_unet.plugin.recovery.store import OrphanedAutosave
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.widgets import button, row


class RecoverySection(Section):
    """A line for each layer with corrections that can be brought back; hidden where there are none.

    Parameters
    ----------
    autosaving : Autosaving
    """

    def __init__(self, autosaving: Autosaving) -> None:
        self._autosaving = autosaving
        super().__init__()
        self.margins = (0, 0, 0, 8)
        autosaving.offered = True
        self.connections.add(autosaving.changed, self._show)
        self.connections.at_close(lambda: setattr(autosaving, "offered", False))
        self._show()

    def _show(self) -> None:
        orphans = self._autosaving.orphans
        self.clear()
        self.visible = bool(orphans)
        if orphans:
            self.append(Label(value="Unsaved corrections of an earlier session:"))
        for orphan in orphans:
            self.append(self._line(orphan))

    def _line(self, orphan: OrphanedAutosave) -> Container[Any]:
        restore = button(
            "Restore", "Add the mask with these corrections.", lambda: self._restore(orphan, line)
        )
        delete = button("Delete", "Delete these corrections.", lambda: self._delete(orphan, line))
        for narrow in (restore, delete):
            narrow.native.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        line = row(_description(orphan), restore, delete)
        return line

    def _restore(self, orphan: OrphanedAutosave, line: Container[Any]) -> None:
        line.enabled = False  # until the section is shown anew
        self._autosaving.restore(orphan)

    def _delete(self, orphan: OrphanedAutosave, line: Container[Any]) -> None:
        question = f"Delete the corrections of {orphan.scan}? They cannot be brought back."
        answer = QMessageBox.question(self.native, "Delete corrections", plain(question))
        if answer == QMessageBox.StandardButton.Yes:
            line.enabled = False
            self._autosaving.delete(orphan)


def _description(orphan: OrphanedAutosave) -> Container[Any]:
    """Show the scan, the time and the extent in two lines, however long the name is."""
    when, edited = orphan.when, plural(orphan.edited, "slice")
    made: Container[Any] = Container(labels=False)
    made.margins = (0, 0, 0, 0)
    made.native.layout().setSpacing(0)
    for text in (orphan.scan, f"{when.day} {when:%b %H:%M}, {edited} edited"):
        label = QElidingLabel(plain(text))
        label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)  # none cut off below
        label.setToolTip(plain(f"{orphan.scan}\n{when:%x %X}"))
        made.native.layout().addWidget(label)
    return made
