"""The part of the panel "Segment tumour" for several scans, with a table of the findings in each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from magicgui.widgets import Container
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHeaderView

from napari_tumor_unet.inference.batch import Outcome, as_csv
from napari_tumor_unet.plugin.segment.batch import Batch
from napari_tumor_unet.plugin.ui.connections import Connections
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.plain import show_error
from napari_tumor_unet.plugin.ui.table import TextTable
from napari_tumor_unet.plugin.ui.threads import save_text
from napari_tumor_unet.plugin.ui.widgets import button, wrap

_COLUMNS = ("scan", "found", "warnings, or what went wrong")


class BatchSection(Container[Any]):
    """Starts a batch and fills the table as its scans come in.

    Parameters
    ----------
    batch : Batch
    settings : callable
        The model and the device that the panel shows.
    """

    def __init__(self, batch: Batch, settings: Callable[[], dict[str, str]]) -> None:
        self._batch = batch
        self._settings = settings
        self.layers = button(
            "Segment selected layers", "Segment those selected in the layer list.", self._start_layers
        )
        self.folder = button(
            "Segment a folder...",
            "Segment all scans of a folder, and of those in it, into masks in another folder. Scans that are "
            "done there, by the same model, are left out: a run that was stopped goes on.",
            self._start_folder,
        )
        self.save = button("Save table...", "As CSV.", self._save)
        super().__init__(widgets=[self.layers, self.folder, self.save], labels=False)
        self.margins = (0, 0, 0, 0)
        self.table = TextTable(_COLUMNS, 120)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.append(wrap(self.table))
        context = batch.parent().context
        self._connections = Connections(self.native)
        self._connections.add(context.busy_changed, self._show_busy)
        self._connections.add(batch.began, self._on_began)
        self._connections.add(batch.outcome, self._on_outcome)
        for outcome in batch.outcomes:
            self._on_outcome(outcome)
        self._show_busy(context.busy)

    def _start_layers(self) -> None:
        viewer = self._batch.parent().viewer
        images = [layer for layer in viewer.layers if layer in viewer.layers.selection]
        images = [layer for layer in images if isinstance(layer, Image)]
        if not images:
            show_error("Select the image layers of the scans first; Ctrl and Shift select several.")
            return
        self._batch.segment_layers(images, **self._settings())

    def _start_folder(self) -> None:
        folder = FileDialog.getExistingDirectory(self.native, "Folder with the scans")
        if not folder:
            return
        out = FileDialog.getExistingDirectory(self.native, "Folder for the masks", folder)
        if not out:
            return
        self._batch.segment_folder(Path(folder), Path(out), **self._settings())

    def _save(self) -> None:
        name, _ = FileDialog.getSaveFileName(self.native, "Save the table", "tumours.csv", "Table (*.csv)")
        if not name:
            return
        path = Path(name if name.lower().endswith(".csv") else f"{name}.csv")
        save_text(path, as_csv(self._batch.outcomes), "The table is")

    def _show_busy(self, busy: bool) -> None:
        """Offer a batch, and to save the table, when no run is under way."""
        self.layers.enabled = self.folder.enabled = not busy
        self.save.enabled = not busy and bool(self._batch.outcomes)

    def _on_began(self) -> None:
        self.table.setRowCount(0)

    def _on_outcome(self, outcome: Outcome) -> None:
        size = "" if outcome.findings is None else outcome.findings.size
        notes = ("Done before.",) * outcome.done_before + outcome.warnings
        self.table.add_row((outcome.name, size, outcome.error or " ".join(notes)))
        if outcome.left_out:
            row = self.table.rowCount() - 1
            for column in range(self.table.columnCount()):
                self.table.item(row, column).setFlags(Qt.ItemFlag.NoItemFlags)  # grey
