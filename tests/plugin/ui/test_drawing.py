"""The window goes on drawing after a layer is removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from qtpy.QtGui import QOpenGLContext
from vispy.gloo.context import GLContext

from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext


@pytest.mark.parametrize(
    "remove",
    [
        lambda layers: layers.remove(layers[0]),
        lambda layers: layers.remove_selected(),
        lambda layers: layers.clear(),
    ],
    ids=["one", "selected", "all"],
)
def test_what_a_layer_had_in_opengl_is_deleted_in_the_context_of_the_canvas(
    viewer: napari.Viewer, qtbot: Any, monkeypatch: pytest.MonkeyPatch, remove: Callable[[Any], object]
) -> None:
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.waitUntil(lambda: canvas.context() is not None)
    ViewerContext.of(viewer)
    for _ in range(2):
        viewer.add_image(np.zeros((4, 8, 8)))
    contexts = []
    monkeypatch.setattr(GLContext, "finish", lambda _: contexts.append(QOpenGLContext.currentContext()))
    canvas.doneCurrent()
    remove(viewer.layers)
    if not contexts:
        pytest.skip("This napari deletes when it draws next.")
    assert set(contexts) == {canvas.context()}
