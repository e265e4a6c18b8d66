"""The menu of the panel's models writes packages of bioimage.io."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import napari
import pytest
from qtpy.QtWidgets import QFileDialog

from tests.plugin.conftest import PATIENCE

packaged = pytest.mark.skipif(find_spec("bioimageio") is None, reason="the extra bioimageio is not installed")


@packaged
@pytest.mark.slow
def test_the_menu_writes_a_package_once(
    viewer: napari.Viewer, notified: list[str], qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "package"), ""))
    (export,) = [
        action for action in panel.models.menu.actions() if action.text() == "Export for bioimage.io..."
    ]
    notified.clear()
    export.trigger()
    qtbot.waitUntil(lambda: bool(notified), timeout=PATIENCE)
    assert notified.pop() == "The package is in package.zip."
    assert "bioimageio.yaml" in ZipFile(tmp_path / "package.zip").namelist()
    export.trigger()
    qtbot.waitUntil(lambda: bool(notified), timeout=PATIENCE)
    assert notified.pop() == "package.zip is there already; choose another name."
