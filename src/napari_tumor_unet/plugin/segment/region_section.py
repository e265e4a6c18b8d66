"""The part of the panel "Segment tumour" for the regions of a mask, one by one."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from napari_tumor_unet.inference.measures import Measures, RegionMeasures
from napari_tumor_unet.inference.regions import Region
from napari_tumor_unet.plugin.segment.mask_editor import MaskEditor
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import plain, show_info
from napari_tumor_unet.plugin.ui.widgets import button, choice, row, wrap

_ROWS = 4  # seen at once
_BY_VOLUME, _BY_PRODUCT = "by volume", "by product"


class RegionSection(Section):
    """Lists the regions of a mask, with diameters once they are measured; goes to them, and erases them.

    Parameters
    ----------
    on_edit : callable
        Called when regions were erased, or were found to be gone.
    """

    def __init__(self, on_edit: Callable[[], None]) -> None:
        self._editor: MaskEditor | None = None
        self._on_edit = on_edit
        self._regions: list[Region] = []
        self._measured: dict[Region, RegionMeasures] = {}
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setToolTip(
            "A click goes to a region's largest slice, and moves the view if the region is out of sight; "
            "Ctrl+R shows the whole slice again. Numbers are by volume."
        )
        self.erase = button("Remove", "Erase the regions chosen; undo brings them back.", self._erase)
        self.keep = button("Keep only", "Erase all other regions; undo brings them back.", self._keep)
        self.largest = button("Largest slice", "Go to the slice with most tumour.", self._go_to_largest_slice)
        self.order = choice("order", lambda: [_BY_VOLUME, _BY_PRODUCT], "What the list is in order of.")
        super().__init__(wrap(self.list), row(self.erase, self.keep), row(self.largest, self.order))
        self.order.changed.connect(self._fill)
        self.list.itemSelectionChanged.connect(self._show_choice)
        self.list.currentItemChanged.connect(lambda item, _: self._go(item))
        self.list.itemClicked.connect(self._go)
        self._show_choice()

    @property
    def chosen(self) -> list[Region]:
        """The regions that the user chose."""
        return [item.data(Qt.ItemDataRole.UserRole) for item in self.list.selectedItems()]

    def show_regions(self, editor: MaskEditor, regions: list[Region]) -> None:
        """Show the regions of a mask; those chosen or measured before, and still the same, stay so."""
        if editor is not self._editor:
            self.list.clear()
            self._measured = {}
        self._editor, self._regions = editor, regions
        self._fill()

    def show_measures(self, measures: Measures) -> None:
        """Show the diameters of the regions, which come in the same order."""
        pairs = zip(self._regions, measures.regions, strict=False)
        self._measured = {region: found for region, found in pairs if found.voxels == region.voxels}
        self._fill()

    def _fill(self) -> None:
        if self._editor is None:
            return
        shown = list(enumerate(self._regions, 1))
        if self.order.value == _BY_PRODUCT:
            shown.sort(key=lambda pair: -self._product(pair[1]))
        items = [self.list.item(i) for i in range(self.list.count())]
        if [item.data(Qt.ItemDataRole.UserRole) for item in items] != [region for _, region in shown]:
            items = self._new_items([region for _, region in shown])
        for item, (n, region) in zip(items, shown, strict=True):
            text = plain(self._editor.describe(n, region, self._measured.get(region)))
            item.setText(text)
            item.setToolTip(text)
        height = self.list.sizeHintForRow(0) if items else self.list.fontMetrics().height()
        rows = min(max(len(items), 1), _ROWS)
        self.list.setFixedHeight(rows * height + 2 * self.list.frameWidth())
        self.largest.enabled = bool(items)
        self._show_choice()

    def _new_items(self, regions: list[Region]) -> list[QListWidgetItem]:
        before = {region.seed for region in self.chosen}
        self.list.blockSignals(True)
        self.list.clear()
        items = []
        for region in regions:
            items.append(QListWidgetItem(self.list))
            items[-1].setData(Qt.ItemDataRole.UserRole, region)
            items[-1].setSelected(region.seed in before)
        self.list.blockSignals(False)
        return items

    def _product(self, region: Region) -> float:
        measured = self._measured.get(region)
        return 0.0 if measured is None else measured.product

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
