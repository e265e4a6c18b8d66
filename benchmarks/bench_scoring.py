"""How soon an edit of a mask is in the score panel's Dice, for a scan of 155 slices of 256 x 256.

    sh scripts/with_display.sh --virtual python benchmarks/bench_scoring.py [--rounds 20]

Seconds, as there is nothing to compare with: of the count alone, and from a stroke of the brush in the window
to the new number in the panel; that from a stroke to its own picture, without the panel, is beside it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_tumor_unet.evaluation.compare import align, slice_overlaps
from napari_tumor_unet.plugin.score.panel import ScorePanel
from napari_tumor_unet.scan.grid import grid_of_spacing

SHAPE = (155, 256, 256)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    for dtype in (np.uint8, np.int32):
        reference = ball().astype(dtype)
        prediction = np.roll(reference, 5, axis=2)
        print(f"the count, {np.dtype(dtype).name:10} {spread(counting(prediction, reference, rounds))}")
    viewer = napari.Viewer()
    layer = viewer.add_labels(prediction.copy())
    viewer.dims.set_point(0, SHAPE[0] // 2)
    strokes = [drawn(layer, n) for n in range(rounds)]
    viewer.add_labels(reference)
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Score")[1]
    panel.prediction.value, panel.reference.value = layer, viewer.layers[-1]
    panel.compare()
    finish(panel)
    shown = [numbered(panel, layer, n) for n in range(rounds)]
    print(f"stroke to its picture {spread(strokes)}")
    print(f"stroke to the number  {spread(shown)}")
    viewer.close()


def ball() -> np.ndarray:
    """Return a mask of one round region."""
    z, y, x = np.ogrid[tuple(slice(-n // 2, n - n // 2) for n in SHAPE)]
    return np.asarray(z**2 + y**2 + x**2 < 40**2)


def counting(prediction: np.ndarray, reference: np.ndarray, rounds: int) -> list[float]:
    """Seconds for all slices."""
    grid = grid_of_spacing(SHAPE, (1, 1, 1), in_mm=True)
    seconds = []
    for _ in range(rounds):
        start = time.monotonic()
        slice_overlaps(align(prediction, grid, reference, grid), None)
        seconds.append(time.monotonic() - start)
    return seconds


def stroke(layer: napari.layers.Labels, n: int) -> None:
    """Paint a dot, in another colour each time."""
    layer.paint((SHAPE[0] // 2, 100 + n, 100), n % 2)


def drawn(layer: napari.layers.Labels, n: int) -> float:
    """Seconds until a dot of the brush is on screen."""
    start = time.monotonic()
    stroke(layer, n)
    QApplication.processEvents()
    return time.monotonic() - start


def numbered(panel: ScorePanel, layer: napari.layers.Labels, n: int) -> float:
    """Seconds until a dot of the brush is in the number; the window is left at rest."""
    seen = []
    note = panel.scoring.counted.connect(lambda _: seen.append(time.monotonic()))
    start = time.monotonic()
    stroke(layer, n)
    while not seen:
        QApplication.processEvents()
    panel.scoring.counted.disconnect(note)
    finish(panel)
    return seen[0] - start


def finish(panel: ScorePanel) -> None:
    """Serve the window until all numbers are there."""
    while panel.scoring.running:
        QApplication.processEvents()


def spread(seconds: list[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"


if __name__ == "__main__":
    main()
