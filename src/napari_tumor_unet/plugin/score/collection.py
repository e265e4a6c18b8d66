"""Section of the score panel that copies, saves and collects the numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from magicgui.widgets import Container
from qtpy.QtWidgets import QApplication

from napari_tumor_unet._text import visible
from napari_tumor_unet.evaluation.score import RULES, format_number
from napari_tumor_unet.evaluation.tables import ScoreRow, as_csv, summarise_scores
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.lines import LinesTable
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import plain, show_info
from napari_tumor_unet.plugin.ui.threads import save_text
from napari_tumor_unet.plugin.ui.widgets import button, folded, row, wrap

_OTHERS = {  # the numbers that stand under the names, each with its digits
    "iou": ("IoU:", 4),
    "hausdorff95": ("Hausdorff 95 %:", 2),
    "volume_difference_percent": ("volume, % more:", 1),
    "sum_of_products_difference_percent": ("products, % more:", 1),
}
_DICE = 1  # its column
_NOTED = "with a note"  # which is in the tooltip
_HIGHEST = 2000  # pixels of the table; the panel scrolls


class ScoreCollection(Section):
    """Copies or saves the comparison that is shown, and keeps a list of several.

    Parameters
    ----------
    current : callable
        Returns the rows of the comparison that is shown.

    Attributes
    ----------
    list : Container
        The list and its buttons in a fold, to be shown elsewhere; hidden as long as it is empty.
    """

    def __init__(self, current: Callable[[], list[ScoreRow]]) -> None:
        self._current = current
        self.rows: list[ScoreRow] = []
        self.copy = button("Copy", "Copy the numbers as text.", self._copy)
        self.save = button("Save...", "Save the numbers as CSV or JSON.", lambda: self._save(self._current()))
        self.add = button("Add to list", "Add the numbers to the list of several comparisons.", self._add)
        super().__init__(row(self.copy, self.save, self.add))
        self.save_all = button(
            "Save list...", "As CSV or JSON, with mean and spread.", lambda: self._save(self.rows)
        )
        self.empty = button("Clear", "Empty the list.", self._empty)
        self.table = LinesTable(("prediction, reference", "Dice"), _HIGHEST)
        content = Container(widgets=[row(self.save_all, self.empty), wrap(self.table)], labels=False)
        self.list = folded("Several comparisons", content)
        self._show()

    def enable(self, ready: bool) -> None:
        """Let the numbers be copied, saved and added, or not."""
        self.copy.enabled = self.save.enabled = self.add.enabled = ready

    def _copy(self) -> None:
        parts = []
        for shown in self._current():
            label = "all labels" if shown.score.label is None else f"label {shown.score.label}"
            masks = map(visible, (shown.prediction, shown.reference))
            parts.append("prediction\t{}\nreference\t{}\nlabels\t{}".format(*masks, label))
            parts[-1] += f"\nmodel\t{shown.model}" if shown.model else ""
            parts += ["\n".join(f"{name}\t{value}" for name, value in shown.score.as_rows())]
            parts += list(shown.score.notes)
        QApplication.clipboard().setText("\n".join([*parts, RULES]) + "\n")

    def _add(self) -> None:
        new = [shown for shown in self._current() if shown not in self.rows]
        self.rows += new
        self._show()
        there = "" if new else "That comparison is there already: the"
        show_info(f"{there or 'The'} list of several comparisons holds {len(self.rows)}.")

    def _empty(self) -> None:
        self.rows = []
        self._show()

    def _save(self, rows: list[ScoreRow]) -> None:
        name, kind = FileDialog.getSaveFileName(
            self.native, "Save the numbers", "scores.csv", "Table (*.csv);;JSON (*.json)"
        )
        if not name:
            return
        path = Path(name)
        if path.suffix.lower() not in (".csv", ".json"):
            path = path.with_name(path.name + (".json" if "json" in kind else ".csv"))
        text = as_csv(rows) if path.suffix.lower() == ".csv" else _as_json(rows)
        save_text(path, text, "The numbers are")

    def _show(self) -> None:
        """Show the list, with mean and standard deviation under it, and what has a note."""
        self.list.visible = bool(self.rows)
        self.table.setRowCount(0)
        for shown in self.rows:
            score = shown.score
            label = () if score.label is None else (f"label {score.label}",)
            noted = (_NOTED,) if score.notes else ()
            names = (shown.prediction, f"reference: {shown.reference}", *label, *noted)
            numbers = {name: getattr(score, name) for name in ("dice", *_OTHERS)}
            self._show_numbers(names, numbers, score.notes)
        if len(self.rows) > 1:
            summary = summarise_scores([shown.score for shown in self.rows])
            n = sum(bool(shown.score.notes) for shown in self.rows)
            mean = ("mean", f"{_NOTED}: {n} of {len(self.rows)}") if n else ("mean",)
            for names, key in ((mean, "mean"), (("SD",), "sd"), (("n",), "n")):
                self._show_numbers(names, {each: summary[each][key] for each in ("dice", *_OTHERS)})

    def _show_numbers(
        self, names: Sequence[str], numbers: Mapping[str, float | None], notes: Sequence[str] = ()
    ) -> None:
        """Show Dice beside the names, the other numbers under them, and notes where the mouse stays."""
        row = self.table.append()
        others = (f"{title} {_written(numbers[name], digits)}" for name, (title, digits) in _OTHERS.items())
        self.table.show_lines(row, (*names, *others))
        self.table.item(row, _DICE).setText(_written(numbers["dice"], 4))
        if notes:
            for column in (0, _DICE):
                self.table.item(row, column).setToolTip(plain("\n".join(notes)))


def _written(value: float | None, digits: int) -> str:
    """Write a number with so many digits, but a count whole."""
    return format_number(value) if value is None or isinstance(value, int) else f"{value:z.{digits}f}"


def _as_json(rows: list[ScoreRow]) -> str:
    pairs = [shown.to_json() for shown in rows]
    summary = summarise_scores([shown.score for shown in rows])
    return json.dumps({"pairs": pairs, "summary": summary, "rules": RULES}, indent=2) + "\n"
