"""The part of the panel for corrections that an earlier session did not save."""

from __future__ import annotations

from functools import partial

from magicgui.widgets import Container, Label
from qtpy.QtWidgets import QMessageBox, QSizePolicy

from napari_tumor_unet.autosave import Leftover
from napari_tumor_unet.plugin.autosaving import Autosaving
from napari_tumor_unet.plugin.widgets import button, row


class RecoverySection(Container):
    """A line for each layer with corrections that can be brought back; without any it is not to be seen.

    Parameters
    ----------
    autosaving : Autosaving
    """

    def __init__(self, autosaving: Autosaving) -> None:
        self._autosaving = autosaving
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        autosaving.offered = True
        autosaving.changed.connect(self._show)
        self.native.destroyed.connect(partial(_let_go, autosaving))
        self._show()

    def _show(self) -> None:
        leftovers = self._autosaving.leftovers
        self.clear()
        self.visible = bool(leftovers)
        if leftovers:
            self.append(Label(value="Unsaved corrections of an earlier session:"))
        for leftover in leftovers:
            self.append(self._line(leftover))

    def _line(self, leftover: Leftover) -> Container:
        when, n = leftover.when, leftover.edited
        said = Label(
            value=f"{leftover.scan}\n{when.day} {when:%b %Y, %H:%M}, {n} slice{'s' if n > 1 else ''} edited",
            tooltip=leftover.scan,
        )
        said.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        restore = button(
            "Restore", "Add the mask with these corrections to the layers.", lambda: act(restore=True)
        )
        delete = button("Delete", "Delete these corrections.", lambda: act(restore=False))
        line = row(said, restore, delete)

        def act(*, restore: bool) -> None:
            if restore:
                line.enabled = False
                self._autosaving.restore(leftover)
            elif self._is_sure(leftover):
                line.enabled = False
                self._autosaving.delete(leftover)

        return line

    def _is_sure(self, leftover: Leftover) -> bool:
        question = f"Delete the corrections of {leftover.scan}? They cannot be brought back."
        answer = QMessageBox.question(self.native, "Delete corrections", question)
        return answer == QMessageBox.StandardButton.Yes


def _let_go(autosaving: Autosaving, *_: object) -> None:
    autosaving.offered = False
