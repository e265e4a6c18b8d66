"""Section of the score panel with the numbers: of one label Dice and IoU large, all others in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from magicgui.widgets import Label
from qtpy.QtWidgets import QHeaderView, QTableWidgetItem

from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.evaluation.score import RULES, Score, rules_at_work
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.table import FittedTable
from napari_tumor_unet.plugin.ui.widgets import wrap

_LARGE_ROWS = 2  # of a score, which are shown large
_MARGINS = 12  # pixels beside a name, and beside a value
_LARGE = "<td style='padding-right: 12px'>{}<br><span style='font-size: x-large'><b>{:.4f}</b></span></td>"


class Numbers(Section):
    """One column per label; of a single one Dice and IoU stand large above the table, and not in it."""

    def __init__(self) -> None:
        self.large = Label(tooltip=RULES)
        self.large.native.setWordWrap(True)
        self.table = NumberTable()
        super().__init__(self.large, wrap(self.table))
        self.table.setToolTip(RULES)
        self.clear()

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
        if len(numbers) > self.table.rowCount():
            self.table.show_names([name for name, _ in numbers])
        for row, (_, value) in enumerate(numbers):
            self.table.setItem(row, column, QTableWidgetItem(_bound(value)))
        self.table.fit()


class NumberTable(FittedTable):
    """Names and their values, all whole: names are broken into lines where there is no room beside values."""

    def __init__(self) -> None:
        self._names: Sequence[str] = ()
        super().__init__(())
        self.verticalHeader().show()

    def show_names(self, names: Sequence[str]) -> None:
        """Have a row for each name."""
        self._names = names
        self.setRowCount(len(names))
        self.setVerticalHeaderLabels(names)

    def _fit(self) -> None:
        room, one = self.width() // 2, self.columnCount() == 1
        if one:  # with room for its values in one line
            texts = (item.text() for row in range(self.rowCount()) if (item := self.item(row, 0)))
            widest = max(map(self.fontMetrics().horizontalAdvance, texts), default=0)
            room = max(room, self.width() - widest - _MARGINS)
        columns, mode = self.horizontalHeader(), QHeaderView.ResizeMode
        columns.setSectionResizeMode(mode.Stretch if one else mode.ResizeToContents)
        self.setVerticalHeaderLabels([self._broken(name, room - _MARGINS) for name in self._names])
        beside = self.width() - self.verticalHeader().sizeHint().width() - 2 * self.frameWidth()
        columns.setMaximumSectionSize(max(1, beside))  # so that one label is seen whole
        super()._fit()

    def _broken(self, name: str, width: int) -> str:
        """Break a name into lines."""
        metrics, (line, *words) = self.verticalHeader().fontMetrics(), _bound(name).split(" ")
        for word in words:
            last = line.rpartition("\n")[2]
            line += (" " if metrics.horizontalAdvance(f"{last} {word}") <= width else "\n") + word
        return line


def _bound(text: str) -> str:
    """Let no line begin with the sign of percent."""
    return text.replace(" %", "\u00a0%")
