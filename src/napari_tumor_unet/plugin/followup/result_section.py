"""The part of the panel "Follow-up" with the sizes over time, and the report of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from napari import Viewer

from napari_tumor_unet.evaluation.follow_up import FollowUp
from napari_tumor_unet.model.card import NOT_FOR_THE_CLINIC
from napari_tumor_unet.plugin.followup.mask_watch import Stamp, stamp_of
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.lines import LinesTable
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import show_info
from napari_tumor_unet.plugin.ui.plot import Plot
from napari_tumor_unet.plugin.ui.threads import in_thread
from napari_tumor_unet.plugin.ui.widgets import button, text_label, wrap

_CURVE = "#E69F00"  # seen as well by those who see no red and green
_HIGHEST = 2000  # pixels of the table; the panel scrolls
_ENDINGS = (".html", ".pdf", ".csv", ".json")


class ResultSection(Section):
    """Remarks, a curve, a line for each mask, and the way to a report.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose theme the curve follows.
    on_change : callable
        Called where a file that was compared turns out to be another one by now.

    Attributes
    ----------
    result : FollowUp or None
        What is shown.
    """

    def __init__(self, viewer: Viewer, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._stamps: Mapping[Path, Stamp] = {}  # of the files that were compared
        self.result: FollowUp | None = None
        self.remarks = text_label()
        self.table = LinesTable(("sizes over time",), _HIGHEST)
        self.plot = Plot(viewer, "Volume of each mask; over days since the baseline where dates are known.")
        self._curve = self.plot.draw_points(_CURVE)
        self.save = button(
            "Save report...", "As a page (.html, .pdf), a table (.csv), or all of it (.json).", self._save
        )
        super().__init__(self.remarks, wrap(self.plot), wrap(self.table), self.save)

    def show_result(self, result: FollowUp, stamps: Mapping[Path, Stamp]) -> None:
        """Show a follow-up, given what the files among its masks were as they were read."""
        self.result, self._stamps = result, stamps
        self.table.setRowCount(0)
        for i in range(len(result.time_points)):
            self.table.show_lines(self.table.append(), result.lines_of(i))
        self.plot.show_title(f"volume, {result.unit}")
        days = [point.days for point in result.time_points]
        at = list(range(1, len(days) + 1)) if None in days else [day or 0 for day in days]
        self.plot.getAxis("bottom").setTicks([[(x, str(x)) for x in at]])
        sizes = [point.size for point in result.time_points]
        self._curve.setData(at, sizes)
        self.plot.setYRange(0, max(*sizes, 1e-6))  # else a change of 4 % looks steep
        self.remarks.value = "\n".join((*result.remarks, NOT_FOR_THE_CLINIC))
        self.visible = True

    def clear(self) -> None:
        """Show nothing."""
        self.result = None
        self.visible = False

    def _save(self) -> None:
        if self.result is None:
            return
        kinds = "Page (*.html);;PDF (*.pdf);;Table (*.csv);;All of it (*.json)"
        name, kind = FileDialog.getSaveFileName(self.native, "Save the report", "follow_up.html", kinds)
        if name:
            path = Path(name)
            if path.suffix.lower() not in _ENDINGS:
                ending = next((e for e in _ENDINGS if e in kind), _ENDINGS[0])
                path = path.with_name(path.name + ending)
            work = partial(_write, self.result, self._stamps, path)
            in_thread(work, partial(self._on_written, self.result, path))

    def _on_written(self, result: FollowUp, path: Path, written: bool) -> None:
        if written:
            show_info(f"The report is in {path.name}.")
        elif result is self.result:
            self._on_change()


def _write(result: FollowUp, stamps: Mapping[Path, Stamp], path: Path) -> bool:
    """Write a report, unless a file that was compared is another one by now."""
    from napari_tumor_unet.evaluation.report import write_follow_up  # with matplotlib

    if is_same := all(stamp_of(file) == stamp for file, stamp in stamps.items()):
        write_follow_up(result, path)
    return is_same
