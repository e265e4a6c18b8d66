"""Section of the score panel with the numbers: of one label Dice and IoU large, all others in a table."""

from __future__ import annotations

from collections.abc import Mapping

from magicgui.widgets import Label
from napari.settings import get_settings
from qtpy.QtWidgets import QHeaderView, QSizePolicy, QTableWidgetItem

from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.evaluation.score import RULES, Score, rules_at_work
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.table import TextTable
from napari_tumor_unet.plugin.ui.widgets import wrap

_LARGE_ROWS = 2  # of a score, which are shown large
_BAR = 16  # pixels, for more labels than are wide
_LARGE = "<td style='padding-right: 12px'>{}<br><span style='font-size: x-large'><b>{:.4f}</b></span></td>"


class Numbers(Section):
    """One column per label; of a single one Dice and IoU stand large above the table, and not in it."""

    def __init__(self) -> None:
        self.large = Label(tooltip=RULES)
        self.large.native.setWordWrap(True)
        self.table = TextTable((), 0)
        super().__init__(self.large, wrap(self.table))
        self.table.verticalHeader().show()
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.table.setToolTip(RULES)
        self.clear()
        fit = timer(self.native, 0, self._fit)
        self.connections.add(get_settings().appearance.events.font_size, lambda _: fit.start())

    @property
    def scores(self) -> list[Score]:
        """The scores shown, of the labels that are measured."""
        return list(self._scores.values())

    def clear(self) -> None:
        """Show nothing."""
        self._scores: dict[int | None, Score] = {}
        self._columns: list[int | None] = []
        self.large.value = ""
        self.table.setRowCount(0)
        self.table.setColumnCount(0)

    def show_counts(self, totals: Mapping[int | None, Counts]) -> None:
        """Show Dice and IoU at once; the other numbers stay as they are until new ones come."""
        if not totals:
            self.large.value = "Both masks are empty."
            self.large.visible = True
            return
        if list(totals) != self._columns:
            self._lay_out(list(totals))
        self.large.visible = len(totals) == 1
        if len(totals) == 1:
            ((label, only),) = totals.items()
            self.large.value = (
                f"<table><tr>{'' if label is None else f'<td>Label<br>{label}</td>'}"
                f"{_LARGE.format('Dice', only.dice)}{_LARGE.format('IoU', only.iou)}"
                f"</tr></table>{' '.join(rules_at_work(only))}"
            )
            return
        for column, total in enumerate(totals.values()):
            self._show_column(column, [("Dice", f"{total.dice:.4f}"), ("IoU", f"{total.iou:.4f}")])

    def show_score(self, score: Score) -> None:
        """Show all numbers of one label."""
        self._scores[score.label] = score
        rows = score.as_rows()
        self._show_column(
            self._columns.index(score.label), rows if len(self._columns) > 1 else rows[_LARGE_ROWS:]
        )

    def _lay_out(self, labels: list[int | None]) -> None:
        self._columns = labels
        self._scores.clear()
        self.table.setRowCount(0)
        self.table.setColumnCount(len(labels))
        self.table.horizontalHeader().setVisible(labels != [None])
        self.table.setHorizontalHeaderLabels(["all labels" if n is None else f"label {n}" for n in labels])

    def _show_column(self, column: int, numbers: list[tuple[str, str]]) -> None:
        """Show the first numbers of a column, or all of them."""
        more = len(numbers) > self.table.rowCount()
        if more:
            self.table.setRowCount(len(numbers))
            self.table.setVerticalHeaderLabels([name for name, _ in numbers])
        for row, (_, value) in enumerate(numbers):
            self.table.setItem(row, column, QTableWidgetItem(value))
        if more:
            self._fit()

    def _fit(self) -> None:
        """Make the table as high as its rows: the panel scrolls, not the table."""
        self.table.resizeRowsToContents()
        rows = sum(self.table.rowHeight(row) for row in range(self.table.rowCount()))
        header = self.table.horizontalHeader()
        more = header.sizeHint().height() + _BAR if header.isVisibleTo(self.table) else 0
        self.table.setFixedHeight(rows + more + 2 * self.table.frameWidth())
