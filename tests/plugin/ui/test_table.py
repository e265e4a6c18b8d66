"""Tables and the keyboard."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QLineEdit, QVBoxLayout, QWidget

from napari_tumor_unet.plugin.finetune.case_list import CaseStatus
from napari_tumor_unet.plugin.finetune.case_table import CaseTable
from napari_tumor_unet.plugin.followup.mask_table import MaskTable, OfferedMask
from napari_tumor_unet.plugin.score.numbers import NumberTable
from napari_tumor_unet.plugin.segment.batch_table import BatchTable
from napari_tumor_unet.plugin.ui.lines import LinesTable
from napari_tumor_unet.plugin.ui.table import TextTable


def cases() -> CaseTable:
    table = CaseTable()
    table.show_statuses([CaseStatus(scan, "mask", False, None) for scan in "ab"])
    return table


def masks() -> MaskTable:
    table = MaskTable()
    table.show_masks([OfferedMask(Path(name), name) for name in "ab"])
    return table


def with_rows(make: Callable[[], TextTable]) -> TextTable:
    table = make()
    table.setColumnCount(1)
    table.setRowCount(3)
    return table


TABLES = [cases, masks]
TABLES += [partial(with_rows, make) for make in (NumberTable, BatchTable, partial(LinesTable, ("a",), 100))]


@pytest.mark.parametrize("make", TABLES)
def test_tab_leaves_a_table_for_what_comes_next(make: Callable[[], TextTable], qtbot: Any) -> None:
    window, table = QWidget(), make()
    fields = QLineEdit(), QLineEdit()
    layout = QVBoxLayout(window)
    for widget in (fields[0], table, fields[1]):
        layout.addWidget(widget)
    qtbot.addWidget(window)
    window.show()
    fields[0].setFocus()
    boxes = table.findChildren(QCheckBox)  # within which the Tab key goes down, and out
    for expected in (table, *boxes, fields[1], fields[0]):
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        assert window.focusWidget() is expected
    qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Backtab)
    assert window.focusWidget() is fields[1]


@pytest.mark.parametrize("column", [0, 1])
def test_space_presses_the_box_of_the_row(column: int, qtbot: Any) -> None:
    table = cases()
    qtbot.addWidget(table)
    table.setCurrentCell(0, column)
    qtbot.keyClick(table, Qt.Key.Key_Down)
    with qtbot.waitSignal(table.held_out_changed) as changed:
        qtbot.keyClick(table, Qt.Key.Key_Space)
    assert changed.args == [1, True]
    offered = masks()
    qtbot.addWidget(offered)
    offered.setCurrentCell(1, column)
    qtbot.keyClick(offered, Qt.Key.Key_Space)
    assert offered.chosen == [Path("b")]


def test_the_boxes_leave_the_names_their_room(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings().appearance, "font_size", 14)
    table = cases()
    qtbot.addWidget(table)
    table.setFixedWidth(300)
    table.show()
    qtbot.waitUntil(lambda: table.rowHeight(0) > 0 and table.columnWidth(1) > 0, timeout=5000)
    assert table.columnWidth(0) > 0.8 * table.viewport().width()
    boxes = [table.cellWidget(row, 1) for row in range(2)]
    assert all(box.width() >= box.sizeHint().width() for box in boxes)
    heading = table.horizontalHeaderItem(1).text()
    assert heading.split() == ["hold", "out"]
    assert table.fontMetrics().size(0, heading).width() <= table.columnWidth(1)
    assert table.fontMetrics().size(0, heading).height() <= table.horizontalHeader().height()
