"""Panels show texts from files, layers and cards as they are, and Qt takes none for HTML."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import napari
import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QLabel, QMessageBox, QTableWidget, QWidget

from napari_tumor_unet._text import visible
from napari_tumor_unet.model.card import Card
from napari_tumor_unet.plugin.finetune.case_list import CaseStatus
from napari_tumor_unet.plugin.finetune.case_table import CaseTable
from napari_tumor_unet.plugin.io.series_chooser import _item
from napari_tumor_unet.plugin.recovery.section import _description
from napari_tumor_unet.plugin.segment.model_section import ModelSection
from napari_tumor_unet.plugin.ui.errors import show_details
from napari_tumor_unet.plugin.ui.plain import show_error, show_info, show_warning
from napari_tumor_unet.plugin.ui.widgets import text_label, warning_label
from tests.conftest import make_phantom
from tests.hostile import HOSTILE
from tests.plugin.conftest import PATIENCE, press

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
    cases = CaseTable()
    cases.show_statuses([CaseStatus(text, text, False, None)])
    qtbot.addWidget(cases)
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
    fields = {"name": text, "modality": "MR", "shape": (1, 2, 3), "spacing": None, "problem": text}
    kind = {"notes": (), "sequence": None, "is_segmentation": False, "can_be_shown": False}
    series = SimpleNamespace(**fields, **kind)
    item = _item(series, checked=False, several=False)
    assert_seen(item.text(0), text, qtbot)
    assert_seen(item.toolTip(0), text, qtbot)
    orphan = SimpleNamespace(scan=text, mask=f"{text} mask", edited=1, checked=0, when=datetime(2026, 1, 1))
    lines = _description(orphan, 0, named=True)
    qtbot.addWidget(lines.native)
    scan, extent = lines.native.findChildren(QLabel)
    assert_seen(scan.text(), text, qtbot)
    assert_seen(scan.toolTip(), f"{text}\n{text} mask\n{datetime(2026, 1, 1):%x %X}", qtbot)
    assert extent.textFormat() == Qt.TextFormat.PlainText
    assert f"{visible(text, lines=True)} mask" in extent.text().replace("\u200b", "")


NAME = f"<b>x</b>%s{{0}}\n{'long' * 75}"


def shown_by(panel: QWidget) -> list[str]:
    """What a panel shows of the name, and of which Qt may guess that it is HTML."""
    tables = panel.findChildren(QTableWidget)
    items = [table.item(n, m) for table in tables for n in range(table.rowCount()) for m in range(2)]
    labels = [label for label in panel.findChildren(QLabel) if label.textFormat() != Qt.TextFormat.PlainText]
    texts = [text for item in items if item is not None for text in (item.text(), item.toolTip())]
    texts += [label.text() for label in labels] + [w.toolTip() for w in panel.findChildren(QWidget)]
    return [text for text in texts if "longlong" in text]


@pytest.fixture
def _named(viewer: napari.Viewer) -> None:
    scan, mask = make_phantom((6, 40, 36))
    viewer.add_image(scan.sequences["flair"], name=NAME)
    for _ in range(2):
        viewer.add_labels(mask.astype(np.uint8), name=f"{NAME} mask")


@pytest.mark.usefixtures("_named")
def test_fine_tune_shows_names_as_they_are(viewer: napari.Viewer, qtbot: Any, notified: list[str]) -> None:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Fine-tune")[1]
    for _ in range(2):
        press(panel.cases.add_pair, qtbot)
    assert len(notified) == 1
    shown = shown_by(panel.native)
    assert shown
    for text in (*shown, *notified):
        assert not Qt.mightBeRichText(text)
        assert "%s{0}" in text


@pytest.mark.usefixtures("_named")
def test_score_shows_and_copies_names_as_they_are(viewer: napari.Viewer, qtbot: Any) -> None:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Score")[1]
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        press(panel.start, qtbot)
    press(panel.collection.add, qtbot)
    shown = shown_by(panel.native)
    assert shown
    assert not any(map(Qt.mightBeRichText, shown))
    press(panel.collection.copy, qtbot)
    assert QApplication.clipboard().text().startswith(f"prediction\t{visible(NAME)} mask")
