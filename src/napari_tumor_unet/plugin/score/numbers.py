"""The part of the score panel with the numbers: Dice and IoU large, all others in a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magicgui.widgets import Container, Label
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.evaluation.score import RULES, Score, rules_at_work
from napari_tumor_unet.plugin.ui.widgets import wrap

_BAR = 16  # pixels, for more labels than are wide


class Numbers(Container[Any]):
    """One column a label; Dice and IoU above the table are those of the first."""

    def __init__(self) -> None:
        self.large = Label(tooltip=RULES)
        self.table = QTableWidget()
        super().__init__(widgets=[self.large, wrap(self.table)], labels=False)
        self.margins = (0, 0, 0, 0)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.setToolTip(RULES)
        self.clear()

    @property
    def scores(self) -> list[Score]:
        """What is shown, as far as it is whole."""
        return list(self._scores.values())

    def clear(self) -> None:
        """Nothing is compared."""
        self._scores: dict[int | None, Score] = {}
        self._columns: list[int | None] = []
        self.large.value = ""
        self.table.setRowCount(0)
        self.table.setColumnCount(0)

    def show_counts(self, totals: Mapping[int | None, Counts]) -> None:
        """Dice and IoU, at once; the other numbers are of before until they come."""
        if not totals:
            self.large.value = "Both masks are empty."
            return
        label, first = next(iter(totals.items()))
        self.large.value = (
            f"<table><tr>{'' if label is None else f'<td>Label<br>{label}</td>'}"
            f"<td>Dice<br><span style='font-size: xx-large'><b>{first.dice:.4f}</b></span></td>"
            f"<td style='padding-left: 24px'>IoU<br>"
            f"<span style='font-size: xx-large'><b>{first.iou:.4f}</b></span></td>"
            f"</tr></table>{' '.join(rules_at_work(first))}"
        )
        if list(totals) != self._columns:
            self._lay_out(list(totals))
            self._fit()
        for column, total in enumerate(totals.values()):
            self._set(0, column, f"{total.dice:.4f}")
            self._set(1, column, f"{total.iou:.4f}")

    def show_score(self, score: Score) -> None:
        """All numbers of one label."""
        self._scores[score.label] = score
        column = self._columns.index(score.label)
        lines = score.as_rows()
        new = self.table.rowCount() != len(lines)
        self.table.setRowCount(len(lines))
        self.table.setVerticalHeaderLabels([name for name, _ in lines])
        for line, (_, value) in enumerate(lines):
            self._set(line, column, value)
        if new:
            self._fit()

    def _lay_out(self, labels: list[int | None]) -> None:
        self._columns = labels
        self._scores.clear()
        self.table.setRowCount(2)
        self.table.setColumnCount(len(labels))
        self.table.setVerticalHeaderLabels(["Dice", "IoU"])
        self.table.horizontalHeader().setVisible(labels != [None])
        self.table.setHorizontalHeaderLabels(["all labels" if n is None else f"label {n}" for n in labels])

    def _set(self, line: int, column: int, text: str) -> None:
        self.table.setItem(line, column, QTableWidgetItem(text))

    def _fit(self) -> None:
        """As high as its rows: the panel scrolls, not the table."""
        self.table.resizeRowsToContents()
        rows = sum(self.table.rowHeight(line) for line in range(self.table.rowCount()))
        header = self.table.horizontalHeader()
        more = header.sizeHint().height() + _BAR if header.isVisibleTo(self.table) else 0
        self.table.setFixedHeight(rows + more + 2 * self.table.frameWidth())
