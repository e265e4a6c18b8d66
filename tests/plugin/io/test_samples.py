"""File > Open Sample, in a real window."""

from __future__ import annotations

import re
from typing import Any

import napari
import pytest
from napari.layers import Labels

from napari_tumor_unet.plugin.layers.metadata import KEY
from tests.plugin.conftest import entries_of


@pytest.mark.usefixtures("quick_model")
def test_the_sample_says_what_to_click_next_and_that_gives_a_mask(
    viewer: napari.Viewer, notified: list[str], qtbot: Any
) -> None:
    viewer.open_sample("napari-tumor-unet", "brain")
    (told,) = notified
    path = re.fullmatch(r"Next, choose (.+)\.", told)[1].split(" > ")
    assert path[0] == "Layers"
    (entry,) = [entry for entry in entries_of(viewer, path[1]) if entry.text().startswith(path[2])]
    assert entry.isEnabled()
    entry.trigger()

    def is_there() -> bool:
        return any(isinstance(layer, Labels) and KEY in layer.metadata for layer in viewer.layers[4:])

    qtbot.waitUntil(is_there, timeout=30_000)
