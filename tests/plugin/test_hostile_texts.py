"""Panels show texts from files, layers and cards as they are, and Qt takes none for HTML."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QMessageBox, QWidget

from napari_tumor_unet._text import visible
from napari_tumor_unet.model.card import Card
from napari_tumor_unet.plugin.finetune.case_list import CaseStatus
from napari_tumor_unet.plugin.finetune.case_table import CaseTable
from napari_tumor_unet.plugin.io.series_chooser import _item
from napari_tumor_unet.plugin.recovery.section import _description
from napari_tumor_unet.plugin.segment.model_section import ModelSection
from napari_tumor_unet.plugin.ui.errors import show_details
from napari_tumor_unet.plugin.ui.plain import show_error, show_info, show_warning
from napari_tumor_unet.plugin.ui.table import TextTable
from napari_tumor_unet.plugin.ui.widgets import text_label, warning_label
from tests.hostile import HOSTILE

every_text = pytest.mark.parametrize("text", HOSTILE)


def assert_seen(shown: str, text: str, qtbot: Any) -> None:
    """A label, or a tooltip, that Qt is left to guess about shows this text."""
    label = QLabel(shown)
    qtbot.addWidget(label)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSelection(0, len(shown))
    seen = label.selectedText().replace("\u2029", "\n").replace("\u2028", "\n").replace("\u200b", "")
    assert seen == visible(text, lines=True)


@every_text
@pytest.mark.usefixtures("qtbot")
def test_labels(text: str) -> None:
    for label in (text_label(), warning_label()):
        label.value = text
        assert label.native.textFormat() == Qt.TextFormat.PlainText
        assert not label.native.openExternalLinks()
        assert label.native.text().replace("\u200b", "") == visible(text, lines=True)
        label.native.deleteLater()


@every_text
def test_tables_and_their_tooltips(text: str, qtbot: Any) -> None:
    table, cases = TextTable(("scan",), 10), CaseTable()
    table.add_row((text,))
    cases.show_statuses([CaseStatus(text, text, False, None)])
    for one in (table, cases):
        qtbot.addWidget(one)
    assert_seen(table.item(0, 0).text(), text, qtbot)
    assert_seen(table.item(0, 0).toolTip(), text, qtbot)
    of_cases = cases.item(0, 0)
    assert_seen(of_cases.text(), f"{visible(text)}\nmask: {visible(text)}\nChecking", qtbot)
    assert_seen(of_cases.toolTip(), f"{text}\nmask: {text}\nChecking", qtbot)


@every_text
def test_notifications(text: str, monkeypatch: pytest.MonkeyPatch, qtbot: Any) -> None:
    shown: list[str] = []
    monkeypatch.setattr(notification_manager, "dispatch", lambda one: shown.append(one.message))
    for show in (show_info, show_warning, show_error):
        show(text)
        assert_seen(shown.pop(), text, qtbot)


@every_text
def test_message_boxes(text: str, qtbot: Any) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    show_details(text, text, parent)
    card = Card("x", text, training_data=text)
    ModelSection._show_text(SimpleNamespace(model=SimpleNamespace(native=parent)), card)
    details, about = parent.findChildren(QMessageBox)
    assert_seen(details.text(), text, qtbot)
    assert_seen(about.text(), text, qtbot)
    assert_seen(about.informativeText().split("\n\n")[0], text, qtbot)


@every_text
def test_series_and_autosaves(text: str, qtbot: Any) -> None:
    series = SimpleNamespace(
        name=text, modality="MR", shape=(1, 2, 3), spacing=None, problem=text, notes=(), sequence=None
    )
    item = _item(series, checked=False, several=False)
    assert_seen(item.text(0), text, qtbot)
    assert_seen(item.toolTip(0), text, qtbot)
    lines = _description(SimpleNamespace(scan=text, edited=1, when=datetime(2026, 1, 1)))
    qtbot.addWidget(lines.native)
    assert_seen(lines.native.findChildren(QLabel)[0].text(), text, qtbot)
