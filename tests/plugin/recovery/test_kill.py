"""A napari that is killed while the user paints loses two seconds of strokes at most."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from napari_tumor_unet.plugin.recovery.store import load, orphaned_autosaves

MOST_LOST = 2.0  # seconds
SECONDS = 5.0  # of unbroken painting
LABEL, SLICE = 7, 60


SHAPE = (155, 240, 240)


def opened(viewer: Any) -> Any:
    """A mask that was read from a file, on its scan."""
    with TemporaryDirectory() as folder:
        for name, top in (("head", 500), ("head_mask", 1)):
            voxels = np.zeros(SHAPE, np.int16)
            voxels[50:70, 100:140, 100:140] = np.arange(40) % top + 1
            file = sitk.GetImageFromArray(voxels)
            sitk.WriteImage(file, str(path := Path(folder) / f"{name}.nii.gz"))
            viewer.open(path, plugin="napari-tumor-unet")
    viewer.layers.selection.active = viewer.layers["head_mask"]
    return viewer.layers["head_mask"]


def paint(of: str = "run") -> None:
    """Paint a mask in one stroke that never ends, and print after each move when it was, and the voxels."""
    import napari
    from qtpy.QtCore import QEvent, QPointF, Qt, QTimer
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    from tests.plugin.recovery.test_watcher import segmented

    viewer = napari.Viewer()
    layer = opened(viewer) if of == "file" else segmented(viewer, shape=SHAPE)
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
@pytest.mark.parametrize("of", ["run", "file"])
def test_strokes_older_than_two_seconds_are_there_after_a_kill(of: str) -> None:
    code = f"from tests.plugin.recovery.test_kill import paint; paint({of!r})"
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
