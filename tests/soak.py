"""Add, segment, paint and remove layers for hours, with and without the plugin: ``make soak ROUNDS=300``.

Each window does some rounds in a process of its own, and OpenGL draws. Without the plugin a labels layer is
written slice by slice as the plugin does it. Says how many windows crashed, and where.

Compare windows, which do the same for the same seed; there are the fewer rounds the sooner a window crashes.
napari alone crashes with Mesa 22.3.6 drawing by the processor, in glDrawArrays or glDrawElements after a
layer is removed: `plugin/ui/drawing.py` says why, and prevents it where the plugin is in use.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROUNDS_OF_A_WINDOW = 20
_WAYS = ("with", "without")
PATIENCE = 120_000  # ms, of a run
SHAPES = ((6, 48, 40), (4, 64, 64), (3, 40, 36))


def main() -> None:
    """Let windows live and die, and count."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", choices=_WAYS, help="Be one window.")
    options = parser.parse_args()
    if options.window:
        soak(options.window == "with", options.seed)
        return
    done, crashes = dict.fromkeys(_WAYS, 0), dict.fromkeys(_WAYS, 0)
    seed = options.seed
    while min(done.values()) < options.rounds:
        for way in _WAYS:
            ended = run_window(way, seed)
            finished = len(re.findall(r"^round \d+$", ended.stdout, re.MULTILINE))
            if ended.returncode > 0:
                sys.exit(f"{way} the plugin, seed {seed}: {ended.stderr}")
            done[way] += finished
            if ended.returncode < 0:
                crashes[way] += 1
                print(f"{way} the plugin, seed {seed}, after round {finished}: {where(ended.stderr)}")
        seed += 1
        told = (f"{way} the plugin {crashes[way]} crashed, in {done[way]} rounds" for way in _WAYS)
        print(f"of {seed - options.seed} windows {'; '.join(told)}", flush=True)


def where(stack: str) -> str:
    """Tell the innermost calls of the thread that crashed, and the first of ours."""
    calls = [line.strip() for line in stack.partition("Current thread")[2].splitlines()[1:] if "File" in line]
    own = [call for call in calls[4:] if "napari_tumor_unet" in call or "soak.py" in call][:1]
    return "\n  ".join(["", *calls[:4], *own])


def run_window(way: str, seed: int) -> subprocess.CompletedProcess[str]:
    """Run a window that knows nothing of who runs it."""
    with tempfile.TemporaryDirectory(prefix="tumor-unet-soak-") as folder:
        own = {
            "NAPARI_CONFIG": f"{folder}/settings.yaml",
            "NAPARI_TUMOR_UNET_AUTOSAVES": f"{folder}/autosave",
            "NAPARI_TUMOR_UNET_DESCRIPTIONS": f"{folder}/sequences.json",
            "NAPARI_TUMOR_UNET_MODELS": f"{folder}/models",
        }
        command = [sys.executable, "-m", "tests.soak", "--window", way, "--seed", str(seed)]
        root = Path(__file__).parents[1]
        return subprocess.run(
            command, env=os.environ | own, cwd=root, capture_output=True, text=True, check=False
        )


def soak(plugin: bool, seed: int) -> None:
    """Use a window for some rounds."""
    import napari
    from qtpy.QtWidgets import QWidget

    faulthandler.enable()
    viewer = napari.Viewer()
    if plugin:
        viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")
    else:
        viewer.window.add_dock_widget(QWidget(minimumWidth=300))
    for n in range(ROUNDS_OF_A_WINDOW):
        one_round(viewer, random.Random(f"{seed} {n}"), plugin)
        print(f"round {n}", flush=True)
    viewer.close()


def one_round(viewer, chance: random.Random, plugin: bool) -> None:  # type: ignore[no-untyped-def]
    """Open a scan, segment and correct it, and remove the layers one by one or at once."""
    from napari.layers import Labels
    from qtpy.QtTest import QTest

    from tests.conftest import make_phantom

    voxels = make_phantom(chance.choice(SHAPES))[0].sequences
    for sequence in chance.sample(sorted(voxels), chance.choice((1, 3))):
        viewer.add_image(voxels[sequence], name=f"patient_{sequence}", scale=(5, 1, 1))
    (segment if plugin else write)(viewer, random.Random(chance.random()))
    masks = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    labels = masks[-1] if masks else viewer.add_labels(np.zeros(SHAPES[0], np.uint8))
    for _ in range(chance.randrange(5)):
        labels.paint(tuple(chance.randrange(n) for n in labels.data.shape), chance.choice((0, 1, 2)))
        viewer.dims.current_step = tuple(chance.randrange(int(n)) for n in viewer.dims.nsteps)
        labels.contour = chance.choice((0, 2))
        QTest.qWait(chance.choice((0, 5, 30)))
    viewer.dims.ndisplay = chance.choice((2, 2, 2, 3))
    QTest.qWait(chance.choice((0, 30)))
    while viewer.layers and chance.random() < 0.7:
        viewer.layers.remove(chance.choice(viewer.layers))
        QTest.qWait(chance.choice((0, 5, 30)))
    viewer.layers.clear()
    viewer.dims.ndisplay = 2
    QTest.qWait(chance.choice((0, 30)))


def segment(viewer, chance: random.Random) -> None:  # type: ignore[no-untyped-def]
    """Segment by the command of the menu, and cancel some runs."""
    from napari._app_model import get_app_model
    from qtpy.QtCore import QEventLoop, QTimer

    from napari_tumor_unet.plugin.segment.controller import SegmentationController

    controller, loop = SegmentationController.of(viewer), QEventLoop()
    controller.ended.connect(loop.quit)
    get_app_model().commands.execute_command("napari-tumor-unet.segment").result()
    if chance.random() < 0.2:
        QTimer.singleShot(chance.choice((0, 20, 200)), controller.cancel)
    QTimer.singleShot(PATIENCE, lambda: sys.exit("A run did not end."))
    if controller.job is not None:
        loop.exec()
    controller.ended.disconnect(loop.quit)


def write(viewer, chance: random.Random) -> None:  # type: ignore[no-untyped-def]
    """Write a labels layer slice by slice."""
    from qtpy.QtTest import QTest

    shape = viewer.layers[0].data.shape
    labels = viewer.add_labels(np.zeros(shape, np.uint8), scale=(5, 1, 1))
    for z in range(shape[0]):
        labels.data[z, 10:20, 10:20] = 1
        labels.refresh()
        QTest.qWait(chance.choice((0, 5, 30)))


if __name__ == "__main__":
    main()
