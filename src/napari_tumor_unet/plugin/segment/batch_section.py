"""The part of the panel "Segment tumour" for several scans, with a table of the findings in each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from loky.backend.context import cpu_count
from magicgui.widgets import LineEdit, ProgressBar, SpinBox
from napari.layers import Image
from qtpy.QtWidgets import QScrollArea, QWidget

from napari_tumor_unet.inference.batch import Outcome, as_csv
from napari_tumor_unet.plugin.segment.batch import Batch
from napari_tumor_unet.plugin.segment.batch_table import BatchTable
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import show_error
from napari_tumor_unet.plugin.ui.settings import DRAWN, segmentation_settings
from napari_tumor_unet.plugin.ui.spacing_field import SpacingField
from napari_tumor_unet.plugin.ui.threads import save_text
from napari_tumor_unet.plugin.ui.widgets import align, button, fields, row, text_label, wrap
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.worker.batch_job import Computing

_MOST_WORKERS = 64  # as in napari.yaml


class BatchSection(Section):
    """Starts a batch, shows how far it is, and fills the table as its scans come in.

    Parameters
    ----------
    batch : Batch
    settings : callable
        The model and the device that the panel shows.
    """

    def __init__(self, batch: Batch, settings: Callable[[], dict[str, str]]) -> None:
        self._batch = batch
        self._context = batch.parent().context
        self._settings = settings
        self.layers = button(
            "Segment selected layers", "Segment those selected in the layer list.", self._start_layers
        )
        self.folder = button(
            "Segment a folder...",
            "Segment all scans of a folder, and of those in it, into masks in another folder. Scans that are "
            "done there, by the same model, are left out: a run that was stopped goes on. Meanwhile the "
            "window can be used, and the panel closed.",
            self._start_folder,
        )
        self.workers = SpinBox(
            label="workers",
            value=1,
            min=1,
            max=_MOST_WORKERS,
            tooltip="Processes that segment a folder at once. Each takes 0.5 GB beside its scan, and its "
            f"share of the {cpu_count()} cores.",
        )
        self.cluster = LineEdit(
            label="cluster",
            tooltip="Segment folders on a cluster of dask instead: its scheduler's address, tcp://HOST:8786, "
            "or its scheduler file. All its machines must see the scans and the masks under the same paths.",
            visible=False,
        )
        self.cluster.native.setPlaceholderText("none: this machine")
        self.spacing = SpacingField(
            lambda _: None,  # it is read at the start
            "Of the folder's scans whose files tell none, as TIFF and slices: distances of slices x rows x "
            "columns, such as 5 x 0.94 x 0.94. Sizes are in ml and mm then. Empty: unknown.",
        )
        self.spacing.show(None, visible=True)
        self.progress = ProgressBar(value=0, max=0)
        self.cancel = button("Cancel", "End at once; masks that are done stay.", batch.cancel)
        self.message = text_label()
        self.table = BatchTable()
        self.row = text_label()  # what the selected one has no room for
        self.table.itemSelectionChanged.connect(self._show_row)
        self.left_out = button(
            "Segment those left out",
            "Segment the grey scans too, as FLAIR alone: those selected, or all.",
            self._start_left_out,
        )
        self.save = button("Save table...", "As CSV.", self._save)
        self._where = fields(self.workers, self.cluster, self.spacing.line)
        self._under_way = row(self.progress, self.cancel)
        self._results = wrap(self.table)
        super().__init__(
            *(self.layers, self.folder, self._where, self.spacing.problem, self._under_way, self.message),
            *(self._results, self.row, self.left_out, self.save),
        )
        align(self._where)
        connect = self.connections.add
        connect(self._context.busy_changed, self._show_state)
        connect(batch.began, self._on_began)
        connect(batch.told, self._on_told)
        connect(batch.outcome, self._on_outcome)
        connect(batch.ended, self._on_ended)
        self._scrolled = False
        self._bring_timer = timer(self.native, DRAWN, self._bring_table)
        self._on_began()
        self._on_told()
        timer(self.native, DRAWN, self._recall).start()

    def _recall(self) -> None:
        """Show what is remembered, in step with napari's preferences, and remember what is chosen."""
        if (area := self._scroll_area()) is not None:
            area.verticalScrollBar().actionTriggered.connect(self._on_scrolled)
        self._show_preferred()
        self.workers.changed.connect(lambda workers: setattr(segmentation_settings(), "workers", workers))
        self.cluster.native.editingFinished.connect(self._on_cluster)
        if events := getattr(segmentation_settings(), "events", None):
            for event in (events.workers, events.cluster):
                self.connections.add(event, self._show_preferred)

    def _show_preferred(self, *_: object) -> None:
        preferred = segmentation_settings()
        self.workers.value = min(preferred.workers, _MOST_WORKERS)
        self.cluster.value = preferred.cluster
        self.cluster.visible = bool(preferred.cluster) or find_spec("distributed") is not None
        self._show_state()

    def _on_cluster(self) -> None:
        segmentation_settings().cluster = self.cluster.value.strip()
        self._show_state()

    def _start_layers(self) -> None:
        viewer = self._batch.parent().viewer
        images = [layer for layer in viewer.layers if layer in viewer.layers.selection]
        images = [layer for layer in images if isinstance(layer, Image)]
        if not images:
            show_error("Select the image layers of the scans first; Ctrl and Shift select several.")
            return
        self._batch.segment_layers(images, **self._settings())

    def _start_folder(self) -> None:
        try:
            spacing = self.spacing.read()
        except ScanError as error:
            show_error(str(error))
            return
        folder = FileDialog.getExistingDirectory(self.native, "Folder with the scans")
        if not folder:
            return
        out = FileDialog.getExistingDirectory(self.native, "Folder for the masks", folder)
        if not out:
            return
        chosen = self._settings()
        computing = Computing(chosen["model"], self.workers.value, self.cluster.value.strip())
        self._batch.segment_folder(Path(folder), Path(out), computing, chosen["device"], spacing)

    def _start_left_out(self) -> None:
        names = [name for name in self.table.selected_names() if name in self._batch.left_out]
        try:
            self._batch.segment_left_out(names or [*self._batch.left_out], self.spacing.read())
        except ScanError as error:
            show_error(str(error))

    def _save(self) -> None:
        name, _ = FileDialog.getSaveFileName(self.native, "Save the table", "tumours.csv", "Table (*.csv)")
        if not name:
            return
        path = Path(name if name.lower().endswith(".csv") else f"{name}.csv")
        save_text(path, partial(as_csv, [*self._batch.outcomes]), "The table is")

    def _show_state(self, *_: object) -> None:
        """Offer what can be done now: layers need the viewer's child, a folder has processes of its own."""
        running = self._batch.running
        self.layers.enabled = not running and not self._context.busy
        self.folder.enabled = self.cluster.enabled = self.spacing.line.enabled = not running
        self.workers.enabled = not running and not self.cluster.value.strip()
        self._under_way.visible = running
        self._results.visible = self.save.visible = bool(self._batch.outcomes)
        self.left_out.visible = not running and bool(self._batch.left_out)
        self._show_row()

    def _on_ended(self) -> None:
        self.table.select_failed()  # why, stands below the table
        self._show_state()
        self._bring_timer.start()  # results of its layers come into the panel above

    def _bring_table(self) -> None:
        """Scroll the table into sight, if its fold is open, unless the user scrolled since the start."""
        area = self._scroll_area()
        if area is not None and self.table.isVisible() and not self._scrolled:
            area.ensureWidgetVisible(self.table, 0, 0)

    def _scroll_area(self) -> QScrollArea | None:
        above: QWidget | None = self.native
        while above is not None and not isinstance(above, QScrollArea):
            above = above.parentWidget()
        return above

    def _on_scrolled(self, *_: object) -> None:
        self._scrolled = True

    def _show_row(self) -> None:
        self.row.value = self.table.selected_text()
        self.row.visible = bool(self.row.value)

    def _on_began(self) -> None:
        self._scrolled = False
        self.table.show_outcomes(self._batch.outcomes)
        self._show_state()

    def _on_told(self) -> None:
        tally = self._batch.tally
        self.message.value = self._batch.message
        self.message.visible = bool(self._batch.message)
        self.progress.max, self.progress.value = (
            tally.total,
            tally.done,
        )  # of none it shows that it is at work

    def _on_outcome(self, outcome: Outcome) -> None:
        self.table.add(outcome)
        if self.table.rowCount() == 1:
            self._show_state()
