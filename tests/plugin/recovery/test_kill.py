"""A napari that is killed while the user paints loses two seconds of strokes at most."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from napari_tumor_unet.plugin.recovery.store import load, orphaned_autosaves

MOST_LOST = 2.0  # seconds
SECONDS = 5.0  # of unbroken painting
LABEL, SLICE = 7, 60


def paint() -> None:
    """Paint a mask in one stroke that never ends, and print after each move when it was, and the voxels."""
    import napari
    from qtpy.QtCore import QEvent, QPointF, Qt, QTimer
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    from tests.plugin.recovery.test_watcher import segmented

    viewer = napari.Viewer()
    layer = segmented(viewer, shape=(155, 240, 240))
    viewer.dims.set_current_step(0, SLICE)
    viewer.reset_view()
    layer.mode, layer.selected_label, layer.brush_size = "paint", LABEL, 5
    canvas = viewer.window._qt_viewer.canvas.native
    button, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    steps = iter(range(10**6))

    def move(kind: QEvent.Type = QEvent.Type.MouseMove, pressed: Any = none) -> None:
        n = next(steps)
        row, column = divmod(3 * n, canvas.width() // 2)
        place = QPointF(canvas.width() // 4 + column, canvas.height() // 4 + 8 * row)
        event = QMouseEvent(
            kind, place, canvas.mapToGlobal(place), pressed, button, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(canvas, event)
        print(time.monotonic(), np.count_nonzero(layer.data[SLICE] == LABEL), flush=True)

    def press() -> None:
        move(QEvent.Type.MouseButtonPress, button)
        moves.timeout.connect(move)
        moves.start(10)

    moves = QTimer()
    QTimer.singleShot(500, press)  # once the window is drawn
    napari.run()


@pytest.mark.slow
def test_strokes_older_than_two_seconds_are_there_after_a_kill() -> None:
    code = "from tests.plugin.recovery.test_kill import paint; paint()"
    strokes: list[tuple[float, int]] = []
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as napari:
        for line in napari.stdout:
            when, voxels = line.split()
            strokes.append((float(when), int(voxels)))
            if strokes[-1][0] - strokes[0][0] > SECONDS:
                break
        napari.kill()
        killed = time.monotonic()
    (orphan,) = orphaned_autosaves()
    kept = np.count_nonzero(load(orphan.path).mask[SLICE] == LABEL)
    old = [voxels for when, voxels in strokes if when < killed - MOST_LOST]
    assert 0 < old[-1] < strokes[-1][1]
    assert kept >= old[-1], f"{kept} of {old[-1]} voxels"
