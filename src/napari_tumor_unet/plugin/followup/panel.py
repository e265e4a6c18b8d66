"""The panel "Follow-up": the masks of one patient over time, layers or files."""

from __future__ import annotations

from datetime import date
from functools import partial
from pathlib import Path

import napari
import numpy as np
from magicgui.widgets import LineEdit, Select, SpinBox
from napari.layers import Labels

from napari_tumor_unet._common import TumourUnetError, write_whole
from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.follow_up import FollowUp, Visit, as_date, follow, time_order
from napari_tumor_unet.inference.measures import labels_of
from napari_tumor_unet.io.file_names import FORMATS, scan_name
from napari_tumor_unet.model.card import NOT_FOR_THE_CLINIC
from napari_tumor_unet.plugin.layers.mask_volume import mask_volume
from napari_tumor_unet.plugin.layers.metadata import is_agreement
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.panel import Panel
from napari_tumor_unet.plugin.ui.plain import show_info
from napari_tumor_unet.plugin.ui.plot import Plot
from napari_tumor_unet.plugin.ui.table import TextTable
from napari_tumor_unet.plugin.ui.threads import Latest, in_thread
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import align, button, fields, row, text_label, wrap

_COLUMNS = (
    *("mask", "date", "volume", "since baseline", "since nadir", "sum of products", "since baseline"),
    *("since nadir", "ml a year", "regions", "by size alone"),
)
_CURVE = "#E69F00"  # seen as well by those who see no red and green


class FollowUpPanel(Panel):
    """Choose masks of one patient, and compare their sizes.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose dock holds the panel.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.files: list[Path] = []
        self.result: FollowUp | None = None
        self._compare = Latest()
        self.masks = Select(
            label="masks",
            choices=lambda _: self._choices(),
            tooltip="Two masks or more of one patient; Ctrl and Shift select several.",
        )
        self.add = button("Add files...", "Offer masks that are not open.", self._add_files)
        self.dates = LineEdit(
            label="dates",
            tooltip="When each scan was taken, in the order of the list, such as 2024-03-31, 2024-09-30. "
            "Without dates, sessions in the names (ses-01) or the list give the order.",
        )
        self.baseline = SpinBox(
            label="baseline",
            value=1,
            min=1,
            max=99,
            tooltip="The mask that changes are since, in the order of time.",
        )
        self.start = button("Compare", "Compare the sizes of the masks.", self.compare)
        self.save = button("Save report...", "As a page (.html, .pdf) or a table (.csv).", self._save)
        self.remarks = text_label()
        self.table = TextTable(_COLUMNS, 120)
        self.plot = Plot(
            self._viewer,
            "Volume of each mask; over days since the baseline where dates are known.",
            "volume, ml",
        )
        self._curve = self.plot.draw_points(_CURVE)
        choices = fields(self.masks, self.dates, self.baseline)
        self.lay_out(
            choices,
            row(self.add, self.start),
            self.message,
            self.details,
            self.remarks,
            wrap(self.plot),
            wrap(self.table),
            self.save,
        )
        self.masks.native.setMaximumHeight(110)
        align(choices)
        layers = self._viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.renamed):
            self.connections.add(event, self._on_layers)
        self._show(None)

    def compare(self) -> None:
        """Compare the masks chosen; files are read by a thread."""
        self._show(None)
        chosen = list(self.masks.value)
        try:
            taken = self._dates(len(chosen))
            visits = [self._visit(source) for source in chosen]
        except TumourUnetError as error:
            self.show_message(self._context.notify(Message(str(error), "error")))
            return
        self.show_message(Message("Comparing"))
        work = partial(_follow, visits, taken, self.baseline.value - 1)
        self._compare(work, self._show, self._on_failed)

    def _on_layers(self) -> None:
        self.masks.reset_choices()

    def _choices(self) -> list[tuple[str, Labels | Path]]:
        layers = [one for one in self._viewer.layers if isinstance(one, Labels) and not is_agreement(one)]
        return [(str(one.name), one) for one in layers] + [
            (f"{path.parent.name}/{path.name}", path) for path in self.files
        ]

    def _add_files(self) -> None:
        patterns = " ".join(f"*{ending}" for ending in FORMATS)
        names, _ = FileDialog.getOpenFileNames(self.native, "Masks of one patient", "", f"Masks ({patterns})")
        chosen = [*self.masks.value, *map(Path, names)]
        self.files += [path for path in map(Path, names) if path not in self.files]
        self.masks.reset_choices()
        self.masks.value = chosen

    def _dates(self, n: int) -> list[date | None]:
        texts = [text for text in self.dates.value.split(",") if text.strip()]
        if texts and len(texts) != n:
            raise ComparisonError(
                f"{n} masks are chosen, but {len(texts)} dates given; give one for each, or none."
            )
        return [as_date(text) for text in texts] or [None] * n

    @staticmethod
    def _visit(source: Labels | Path) -> Visit | Path:
        if isinstance(source, Path):
            return source
        volume = mask_volume(source)
        return Visit(str(source.name), np.array(volume.mask), volume.grid)

    def _on_failed(self, sentence: str) -> None:
        self.show_message(self._context.notify(Message(sentence, "error")))

    def _show(self, result: FollowUp | None) -> None:
        self.result = result
        self.table.setRowCount(0)
        shown = result is not None
        for part in (self.remarks, self.save):
            part.visible = shown
        self.plot.setVisible(shown)
        self.table.setVisible(shown)
        self.show_message(Message())
        if result is None:
            return
        for cells in result.as_table()[1]:
            self.table.add_row(cells, left=2)
        self.table.setColumnHidden(1, not any(point.taken for point in result.time_points))
        days = [point.days for point in result.time_points]
        at = list(range(1, len(days) + 1)) if None in days else [day or 0 for day in days]
        self.plot.getAxis("bottom").setTicks([[(x, str(x)) for x in at]])
        self._curve.setData(at, [point.measures.volume_ml or 0 for point in result.time_points])
        self.remarks.value = "\n".join((*result.remarks, NOT_FOR_THE_CLINIC))

    def _save(self) -> None:
        if self.result is None:
            return
        kinds = "Page (*.html);;PDF (*.pdf);;Table (*.csv)"
        name, kind = FileDialog.getSaveFileName(self.native, "Save the report", "follow_up.html", kinds)
        if name:
            path = Path(name)
            ending = next((e for e in (".html", ".pdf", ".csv") if e in kind), ".html")
            path = (
                path
                if path.suffix.lower() in (".html", ".pdf", ".csv")
                else path.with_name(path.name + ending)
            )
            in_thread(
                partial(_write, self.result, path), lambda _: show_info(f"The report is in {path.name}.")
            )


def _follow(sources: list[Visit | Path], taken: list[date | None], baseline: int) -> FollowUp:
    visits = []
    for source, when in zip(sources, taken, strict=True):
        if isinstance(source, Path):
            visits.append(Visit(scan_name(source), *labels_of(source), when))
        else:
            visits.append(Visit(source.name, source.mask, source.grid, when))
    names = [str(source) if isinstance(source, Path) else source.name for source in sources]
    order = time_order(names, taken)
    return follow([visits[i] for i in order], baseline)


def _write(result: FollowUp, path: Path) -> None:
    from napari_tumor_unet.evaluation.report import follow_up_page

    try:
        if path.suffix.lower() == ".csv":
            write_whole(path, result.as_csv())
        else:
            follow_up_page(result).write(path)
    except OSError as error:
        raise TumourUnetError(f"{path.name} cannot be written: {error.strerror}.") from error
