"""The part of the panel "Segment tumour" for the regions of a mask, one by one."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from napari_tumor_unet.inference.regions import Region
from napari_tumor_unet.plugin.segment.mask_editor import MaskEditor
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import plain, show_info
from napari_tumor_unet.plugin.ui.widgets import button, row, wrap

_ROWS = 4  # seen at once


class RegionSection(Section):
    """Lists the regions of a mask, the largest first; goes to them, and erases them.

    Parameters
    ----------
    on_edit : callable
        Called when regions were erased, or were found to be gone.
    """

    def __init__(self, on_edit: Callable[[], None]) -> None:
        self._editor: MaskEditor | None = None
        self._on_edit = on_edit
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setToolTip("The largest first; a click goes to a region's largest slice.")
        self.erase = button("Remove", "Erase the regions chosen; undo brings them back.", self._erase)
        self.keep = button("Keep only", "Erase all other regions; undo brings them back.", self._keep)
        self.largest = button("Largest slice", "Go to the slice with most tumour.", self._go_to_largest_slice)
        super().__init__(wrap(self.list), row(self.erase, self.keep), self.largest)
        self.list.itemSelectionChanged.connect(self._show_choice)
        self.list.currentItemChanged.connect(lambda item, _: self._go(item))
        self.list.itemClicked.connect(self._go)
        self._show_choice()

    @property
    def chosen(self) -> list[Region]:
        """The regions that the user chose."""
        return [item.data(Qt.ItemDataRole.UserRole) for item in self.list.selectedItems()]

    def show_regions(self, editor: MaskEditor, regions: list[Region]) -> None:
        """Show the regions of a mask; those that were chosen before, and are the same, stay so."""
        before = {region.seed for region in self.chosen} if editor is self._editor else set()
        self._editor = editor
        self.list.blockSignals(True)
        self.list.clear()
        for n, region in enumerate(regions, 1):
            text = plain(editor.describe(n, region))
            item = QListWidgetItem(text, self.list)
            item.setToolTip(text)
            item.setData(Qt.ItemDataRole.UserRole, region)
            item.setSelected(region.seed in before)
        self.list.blockSignals(False)
        height = self.list.sizeHintForRow(0) if regions else self.list.fontMetrics().height()
        rows = min(max(len(regions), 1), _ROWS)
        self.list.setFixedHeight(rows * height + 2 * self.list.frameWidth())
        self.largest.enabled = bool(regions)
        self._show_choice()

    def _show_choice(self) -> None:
        self.erase.enabled = bool(self.chosen)
        self.keep.enabled = bool(self.chosen) and self.list.count() > 1

    def _go(self, item: QListWidgetItem | None) -> None:
        if item is not None and self._editor is not None:
            self._editor.go_to(item.data(Qt.ItemDataRole.UserRole))

    def _go_to_largest_slice(self) -> None:
        if self._editor is not None:
            self._editor.go_to_largest_slice()

    def _erase(self) -> None:
        if self._editor is not None:
            self._tell(self._editor.remove(self.chosen))

    def _keep(self) -> None:
        if self._editor is not None:
            self._tell(self._editor.keep_only(self.chosen))

    def _tell(self, there: bool) -> None:
        if not there:
            show_info("That region is gone by now; the list shows the regions that there are.")
        self._on_edit()
