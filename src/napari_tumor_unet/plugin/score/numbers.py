"""Section of the score panel with the numbers: Dice and IoU of each label, and all others in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtGui import QFont
from qtpy.QtWidgets import QHeaderView, QTableWidgetItem

from napari_tumor_unet.evaluation.overlap import Counts
from napari_tumor_unet.evaluation.score import RULES, Score, rules_at_work
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.table import FittedTable
from napari_tumor_unet.plugin.ui.widgets import rich_label, wrap

_LABEL = "label"
_IN_OVERVIEW = 2  # rows of a score
_MARGINS = 12  # pixels beside a name, and beside a value
_GAP = "style='padding-right: 12px'"
_LARGE = f"<td {_GAP}>{{}}<br><span style='font-size: x-large'><b>{{:.4f}}</b></span></td>"
_NONE_SHARED = "The masks share no label; <i>all as one</i> compares them whatever their labels."


class Numbers(Section):
    """Dice and IoU of all labels in an overview; under it the other numbers, label by label."""

    def __init__(self) -> None:
        self.overview = rich_label(tooltip=RULES)
        self.table = NumberTable()
        super().__init__(self.overview, wrap(self.table))
        self.table.setToolTip(RULES)
        self.clear()

    @property
    def scores(self) -> list[Score]:
        """The scores shown, of the labels that are measured."""
        return list(self._scores.values())

    def clear(self) -> None:
        """Show nothing."""
        self._scores: dict[int | None, Score] = {}
        self._compared: list[int | None] = []
        self.overview.value = ""
        self.table.show_numbers([])

    def show_counts(self, totals: Mapping[int | None, Counts]) -> None:
        """Show Dice and IoU at once; the other numbers stay as they are until new ones come."""
        if list(totals) != self._compared:
            self.clear()
            self._compared = list(totals)
        self.overview.value = _overview(totals) if totals else "Both masks are empty."

    def show_score(self, score: Score) -> None:
        """Show all numbers of one label."""
        self._scores[score.label] = score
        rows: list[tuple[str, str]] = []
        for label in self._compared:
            if label in self._scores:
                rows += [(_LABEL, str(label))] if len(self._compared) > 1 else []
                rows += self._scores[label].as_rows()[_IN_OVERVIEW:]
        self.table.show_numbers(rows)


def _overview(totals: Mapping[int | None, Counts]) -> str:
    """Return Dice and IoU, of a single label large, and the rules at work."""
    rules = rules_at_work(totals)
    if len(totals) == 1:
        ((label, only),) = totals.items()
        head = "" if label is None else f"Label {label}"
        rows = f"<tr>{_LARGE.format('Dice', only.dice)}{_LARGE.format('IoU', only.iou)}</tr>"
    else:
        head = ""
        lines = [(_LABEL, "Dice", "IoU")]
        lines += [(f"<b>{label}</b>", f"{n.dice:.4f}", f"{n.iou:.4f}") for label, n in totals.items()]
        rows = "".join(f"<tr>{''.join(f'<td {_GAP}>{text}</td>' for text in line)}</tr>" for line in lines)
        if not any(n.predicted and n.reference for n in totals.values()):
            rules.append(_NONE_SHARED)
    return f"{head}<table>{rows}</table>{' '.join(rules)}"


class NumberTable(FittedTable):
    """Names and their values, all whole: names are broken into lines where there is no room beside values."""

    def __init__(self) -> None:
        self._names: list[str] = []
        super().__init__(("",))
        self.horizontalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().show()

    def show_numbers(self, rows: Sequence[tuple[str, str]]) -> None:
        """Have a row for each name and its value; that of a label is in bold, as a heading."""
        names = [name for name, _ in rows]
        if names != self._names:  # else the names would jump as a mask is painted
            self._names = names
            self.setRowCount(len(rows))
            self.setVerticalHeaderLabels(names)
        for row, (name, value) in enumerate(rows):
            item, font = QTableWidgetItem(_bound(value)), QFont()
            font.setBold(name == _LABEL)
            item.setFont(font)
            self.setItem(row, 0, item)
        self.fit()

    def _fit(self) -> None:
        texts = (item.text() for row in range(self.rowCount()) if (item := self.item(row, 0)))
        widest = max(map(self.fontMetrics().horizontalAdvance, texts), default=0)
        room = max(self.width() // 2, self.width() - widest - _MARGINS)  # for values in one line
        self.setVerticalHeaderLabels([self._broken(name, room - _MARGINS) for name in self._names])
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
