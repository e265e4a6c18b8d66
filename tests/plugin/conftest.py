"""A real viewer, and the user's ways with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import pytest
from napari._app_model import get_app_model
from qtpy.QtCore import Qt

from napari_tumor_unet import log
from napari_tumor_unet.plugin import settings
from napari_tumor_unet.plugin.session import Session

PATIENCE = 60_000  # ms


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes what the user who runs it told napari to remember."""

    def none(*_: Any) -> None:
        raise KeyError

    monkeypatch.setattr("napari.settings.get_plugin_settings", none, raising=False)
    monkeypatch.setattr(settings, "_FORGOTTEN", settings._Forgotten())


@pytest.fixture(autouse=True)
def _no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nor do errors of tests get into the log of who runs them."""
    monkeypatch.setattr("napari_tumor_unet.log.log_file", lambda: tmp_path / "errors.log")
    log._log.cache_clear()
    yield
    log._log.cache_clear()


@pytest.fixture
def viewer(make_napari_viewer: Any) -> napari.Viewer:
    return make_napari_viewer(show=True)


@pytest.fixture
def click(qtbot: Any) -> Callable[..., bool]:
    """Segment by the menu's command; whether it ended well."""

    def segment(viewer: napari.Viewer) -> bool:
        with qtbot.waitSignal(Session.of(viewer).ended, timeout=PATIENCE) as ended:
            start_segmentation()
            assert Session.of(viewer).running
        return ended.args[0]

    return segment


def start_segmentation() -> None:
    """What the menu entry, and the command palette, do."""
    get_app_model().commands.execute_command("napari-tumor-unet.segment").result()


def press(button: Any, qtbot: Any) -> None:
    """As the mouse does."""
    qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)
