"""The table of cases, one row per scan with its mask."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractItemView, QCheckBox, QStyle
from superqt.utils import signals_blocked

from napari_tumor_unet.plugin.finetune.case_list import CaseStatus
from napari_tumor_unet.plugin.ui.lines import LinesTable
from napari_tumor_unet.plugin.ui.plain import plain

_COLUMNS = ("scan, mask", "hold\nout")  # as narrow as its boxes
_OUT = 1
_OUT_MEANS = "Hold it out to judge the new model, instead of learning from it; all scans of a patient alike."
_HIGHEST = 300  # pixels
_ICONS = {
    "ok": QStyle.StandardPixmap.SP_DialogApplyButton,
    "warning": QStyle.StandardPixmap.SP_MessageBoxWarning,
    "error": QStyle.StandardPixmap.SP_MessageBoxCritical,
}


class CaseTable(LinesTable):
    """Shows the status of cases, and lets the user choose which are held out.

    Attributes
    ----------
    held_out_changed : Signal
        The number of a row, and whether the user holds its case out.
    """

    held_out_changed = Signal(int, bool)

    def __init__(self) -> None:
        super().__init__(_COLUMNS, _HIGHEST)
        self._statuses: list[CaseStatus] = []
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.horizontalHeaderItem(_OUT).setToolTip(_OUT_MEANS)

    def show_statuses(self, statuses: list[CaseStatus]) -> None:
        """Show these cases and no others; rows that were selected stay selected."""
        with signals_blocked(self):  # a selected row that goes is told of before the others are right
            self.setRowCount(min(self.rowCount(), len(statuses)))
        while self.rowCount() < len(statuses):
            box = self.add_box(self.append(), _OUT)
            box.setToolTip(_OUT_MEANS)
            box.clicked.connect(partial(self._on_box, box))
        for n, status in enumerate(statuses):
            if self._statuses[n : n + 1] != [status]:
                self._fill(n, status)
        self._statuses = statuses
        self.fit()

    def selected_rows(self) -> list[int]:
        """Return the numbers of the selected rows."""
        return sorted(index.row() for index in self.selectionModel().selectedRows())

    def _fill(self, n: int, status: CaseStatus) -> None:
        check = status.check
        icon = self.style().standardIcon(_ICONS[check.status]) if check else None
        self.show_lines(n, status.lines, icon)
        box = self.cellWidget(n, _OUT)
        box.setAccessibleName(plain(f"hold out {status.scan}"))
        used = check is None or check.usable
        box.setChecked(status.held_out and used)
        box.setEnabled(used)

    def _on_box(self, box: QCheckBox, held_out: bool) -> None:
        n = next(n for n in range(self.rowCount()) if self.cellWidget(n, _OUT) is box)
        self.held_out_changed.emit(n, held_out)
