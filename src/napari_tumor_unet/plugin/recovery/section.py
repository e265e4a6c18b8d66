"""The part of the panel "Segment tumour" for corrections that were not saved before their layer went."""

from __future__ import annotations

from collections import Counter
from typing import Any

from magicgui.widgets import Container
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy
from superqt import QCollapsible, QElidingLabel

from napari_tumor_unet._common import plural
from napari_tumor_unet.plugin.recovery.store import OrphanedAutosave
from napari_tumor_unet.plugin.recovery.watcher import Autosaving
from napari_tumor_unet.plugin.ui.confirm import confirmed
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.widgets import button, folded, row, text_label, wrap

_MOST_SHOWN = 8  # masks, at first


class RecoverySection(Section):
    """A fold with a line for each mask that has corrections to bring back; hidden where there are none.

    Of each mask the newest are shown, and of many masks the first few, until the user asks for all.

    Parameters
    ----------
    autosaving : Autosaving
    """

    def __init__(self, autosaving: Autosaving) -> None:
        self._autosaving = autosaving
        self._whole = False
        self.lines: Container[Any] = Container(labels=False)
        self.lines.margins = (0, 0, 0, 0)
        self.fold = folded("", self.lines)
        super().__init__(self.fold)
        self.margins = (0, 0, 0, 8)
        autosaving.offered = True
        self.connections.add(autosaving.changed, self._show)
        self.connections.at_close(lambda: setattr(autosaving, "offered", False))
        self._show()

    def _show(self) -> None:
        masks: dict[str, list[OrphanedAutosave]] = {}
        for orphan in self._autosaving.orphans:  # the newest first
            masks.setdefault(orphan.of or str(orphan.path), []).append(orphan)
        self.lines.clear()
        self.visible = bool(masks)
        title = plural(len(self._autosaving.orphans), "unsaved correction")
        self.fold.native.findChild(QCollapsible).setText(title)
        shown = list(masks.values())[: None if self._whole else _MOST_SHOWN]
        of_scan = Counter(newest.scan for newest, *_ in masks.values())
        for newest, *older in shown:
            self.lines.append(self._line(newest, older, named=of_scan[newest.scan] > 1))
        everything = button("Delete all...", "Delete all these corrections.", self._delete_all)
        rest = button("Show all", "Show those of all masks.", self._show_whole)
        rest.enabled = len(shown) < len(masks)
        self.lines.append(row(everything, rest))

    def _show_whole(self) -> None:
        self._whole = True
        self._show()

    def _line(
        self, orphan: OrphanedAutosave, older: list[OrphanedAutosave], *, named: bool
    ) -> Container[Any]:
        whose = f"{orphan.scan} ({orphan.mask})" if named else orphan.scan
        restore = button(
            "Restore", "Add the mask with these corrections.", lambda: self._restore(orphan, line)
        )
        delete = button(
            "Delete...",
            "Delete these corrections, after a question.",
            lambda: self._delete([orphan, *older], whose, line),
        )
        for narrow in (restore, delete):
            narrow.native.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        acts = row(restore, delete)
        acts.native.layout().insertStretch(1)  # nobody deletes by a click beside the other
        said = _description(orphan, len(older), named=named)
        line: Container[Any] = Container(widgets=[said, acts], labels=False)
        line.margins = (0, 0, 0, 4)
        line.native.layout().setSpacing(2)
        return line

    def _restore(self, orphan: OrphanedAutosave, line: Container[Any]) -> None:
        line.enabled = False  # until the section is shown anew
        self._autosaving.restore(orphan)

    def _delete(self, orphans: list[OrphanedAutosave], whose: str, line: Container[Any]) -> None:
        older = len(orphans) - 1
        beside = f", and {older} older ones" if older > 1 else ", and the older ones" * older
        if self._confirmed(f"Delete the corrections of {whose}{beside}? They cannot be brought back."):
            line.enabled = False
            for orphan in orphans:
                self._autosaving.delete(orphan)

    def _delete_all(self) -> None:
        orphans = list(self._autosaving.orphans)
        n = plural(len(orphans), "unsaved correction")
        if self._confirmed(f"Delete {n}, of all scans? They cannot be brought back."):
            for orphan in orphans:
                self._autosaving.delete(orphan)

    def _confirmed(self, question: str) -> bool:
        return confirmed(self.native, "Delete corrections", question)


def _description(orphan: OrphanedAutosave, older: int, *, named: bool) -> Container[Any]:
    """Show the scan, of a long name both ends, and under it time and extent, whole; where asked, the mask."""
    when, counts = orphan.when, {"edited": orphan.edited, "checked": orphan.checked}
    slices = [f"{plural(n, 'slice')} {what}" for what, n in counts.items() if n]
    whose = tuple(dict.fromkeys(filter(None, (orphan.scan, orphan.mask))))
    more = [f"{older} older"] * bool(older)
    scan, extent = QElidingLabel(plain(orphan.scan)), text_label()
    scan.setElideMode(Qt.TextElideMode.ElideMiddle)  # a patient is told at the start, a sequence at the end
    scan.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)  # none cut off below
    extent.value = ", ".join([f"{when.day} {when:%b %H:%M}", *whose[1:] * named, *slices, *more])
    for label in (scan, extent.native):
        label.setToolTip(plain("\n".join((*whose, f"{when:%x %X}"))))
    made: Container[Any] = Container(widgets=[wrap(scan), extent], labels=False)
    made.margins = (0, 0, 0, 0)
    made.native.layout().setSpacing(0)
    return made
