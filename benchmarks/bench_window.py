"""How long the window lets a user wait: for the panel, and for the first slices on screen.

    sh scripts/with_display.sh --virtual python benchmarks/bench_window.py [--rounds 5]

The first opening imports the panel; the clicks segment the sample scan in the warm child process, but for the
cold ones: each is the first of a fresh napari, as soon as the scan is open. Seconds, as there is nothing to
compare with; opening is beside that of an empty dock widget in the same run.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import napari
from napari.layers import Image
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication, QWidget


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one-click", action="store_true", help="print the seconds of a first click alone")
    rounds, one_click = vars(parser.parse_args()).values()
    cold = [] if one_click else [in_a_fresh_napari() for _ in range(rounds)]
    viewer = napari.Viewer()
    viewer.open_sample("napari-tumor-unet", "brain")
    scan = next(layer for layer in viewer.layers if isinstance(layer, Image) and layer.visible)
    if one_click:
        QApplication.processEvents()
        print(first_slices(viewer, scan))
        viewer.close()
        return
    empty = [opening(viewer, lambda: viewer.window.add_dock_widget(QWidget())) for _ in range(rounds)]
    names = ("napari-tumor-unet", "Segment tumour")
    panel = [
        opening(viewer, lambda: viewer.window.add_plugin_dock_widget(*names)[0]) for _ in range(rounds + 1)
    ]
    clicks = [first_slices(viewer, scan) for _ in range(rounds + 1)][1:]
    print(f"{'an empty dock widget':24} {spread(empty)}")
    print(f"{'the panel, first':24} {panel[0]:.2f} s")
    print(f"{'the panel, again':24} {spread(panel[1:])}")
    print(f"{'click to first slices':24} {spread(clicks)}")
    print(f"{'the same, first click':24} {spread(cold)}")
    viewer.close()


def opening(viewer: napari.Viewer, add: Callable[[], QWidget]) -> float:
    """Seconds until a dock widget is there and drawn; it is closed again."""
    gc.collect()  # of all that napari holds takes 0.15 s, and falls into this or that
    start = time.monotonic()
    dock = add()
    QApplication.processEvents()
    seconds = time.monotonic() - start
    viewer.window.remove_dock_widget(dock)
    QApplication.processEvents()
    return seconds


def in_a_fresh_napari() -> float:
    """Seconds of the first click in another process."""
    command = [sys.executable, __file__, "--one-click"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def first_slices(viewer: napari.Viewer, scan: Image) -> float:
    """Seconds from a click until tumour is drawn on the slice on screen; the run is waited for."""
    viewer.layers.selection.active = scan
    loop, drawn = QEventLoop(), []

    def look(_: Any) -> None:
        if viewer.layers[-1].data[viewer.dims.current_step[0]].any():
            drawn.append(time.monotonic())

    draw = viewer.window._qt_viewer.canvas._scene_canvas.events.draw
    draw.connect(look, position="last")
    start = time.monotonic()
    from napari_tumor_unet.plugin.commands import segment
    from napari_tumor_unet.plugin.segment.controller import SegmentationController

    segment(viewer)
    controller = SegmentationController.of(viewer)
    controller.ended.connect(loop.quit)
    loop.exec()
    controller.ended.disconnect(loop.quit)
    QApplication.processEvents()
    draw.disconnect(look)
    viewer.layers.remove(viewer.layers[-1])
    return drawn[0] - start


def spread(seconds: list[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    main()
