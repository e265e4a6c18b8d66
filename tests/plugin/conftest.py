"""A real viewer, and the user's ways with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import napari
import pytest
from napari._app_model import get_app_model

from napari_tumor_unet.plugin.session import Session

PATIENCE = 60_000  # ms


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
