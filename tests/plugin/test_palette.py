"""The commands of the manifest, as the command palette lists and runs them."""

from __future__ import annotations

from typing import Any

import napari
import pytest
from app_model.types import CommandRule
from napari._app_model import get_app_model
from npe2 import PluginManager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_tumor_unet.plugin.segment.controller import SegmentationController
from tests.plugin.conftest import PATIENCE

PLUGIN = "napari-tumor-unet"


def listed() -> list[CommandRule]:
    """What the palette lists of the plugin."""
    app = get_app_model()
    commands = [item.command for item in app.menus.get_menu(app.menus.COMMAND_PALETTE_ID)]
    return [command for command in commands if command.id.startswith(PLUGIN)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Titles of the dialogs for files, which the user cancels."""
    titles: list[str] = []

    def cancelled(_: Any, title: str, *__: Any) -> tuple[list[str], str]:
        titles.append(title)
        return [], ""

    monkeypatch.setattr(QFileDialog, "getOpenFileNames", cancelled)
    return titles


def test_the_palette_lists_each_command_by_a_name_of_its_own(viewer: napari.Viewer) -> None:
    assert viewer
    titles = [command.title for command in listed()]
    assert len(titles) == len(set(titles))
    commands = PluginManager.instance().get_manifest(PLUGIN).contributions.commands
    assert len(titles) == len(commands)


@pytest.mark.usefixtures("quick_model")
def test_the_one_click_is_found_and_run_by_the_palette(viewer: napari.Viewer, qtbot: Any) -> None:
    viewer.open_sample(PLUGIN, "brain")
    viewer.window._toggle_command_palette()
    palette = viewer.window._qt_window._command_palette
    qtbot.keyClicks(palette._line, "segment tumour")
    assert palette._list.command_at(0).id == f"{PLUGIN}.segment"
    with qtbot.waitSignal(SegmentationController.of(viewer).ended, timeout=PATIENCE) as ended:
        qtbot.keyClick(palette._line, Qt.Key.Key_Return)
    assert ended.args == [True]


@pytest.mark.usefixtures("quick_model")
@pytest.mark.parametrize("with_scan", [False, True])
def test_no_command_of_the_palette_ends_in_a_traceback(
    viewer: napari.Viewer, qtbot: Any, asked: list[str], notified: list[str], with_scan: bool
) -> None:
    if with_scan:
        viewer.open_sample(PLUGIN, "brain")
    for command in listed():
        get_app_model().commands.execute_command(command.id).result()
    context = SegmentationController.of(viewer).context
    qtbot.waitUntil(lambda: not context.busy, timeout=PATIENCE)
    assert len(asked) == 2  # "Open MRI scan..." and "Read an MRI scan"
    assert any(text.startswith("There is no mask that a segmentation made") for text in notified)
    assert not any("Traceback" in text or "Error" in text for text in notified)


@pytest.mark.usefixtures("quick_model")
def test_the_palette_saves_the_mask_that_the_panel_shows(
    viewer: napari.Viewer, click: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer.open_sample(PLUGIN, "brain")
    assert click(viewer)
    asked: list[str] = []

    def cancelled(_: Any, title: str, proposed: str, *__: Any) -> tuple[str, str]:
        asked.append(f"{title}: {proposed}")
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", cancelled)
    command = next(command for command in listed() if command.title == "Save a mask... (Tumour U-Net)")
    get_app_model().commands.execute_command(command.id).result()
    assert len(asked) == 1
    assert asked[0].startswith("Save the mask: ")
    assert asked[0].endswith("sample_brain_mask.tif")
