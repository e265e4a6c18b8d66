"""Do seeded random things to napari and the panels, in a process of its own, and say what went wrong.

    python -m tests.plugin.monkey SEED [--actions 300] [--panels all|open|none] [--draw] [--model default]

``all`` presses what the panels offer; ``open`` leaves them open and touches layers alone, as ``none`` does
without any. OpenGL draws nothing without ``--draw``, as that takes long. Prints a report as JSON.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import random
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import psutil
from napari._app_model import get_app_model
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import Notification, notification_manager
from qtpy.QtCore import QThreadPool
from qtpy.QtGui import QAction, QDesktopServices
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QComboBox,
    QFileDialog,
    QInputDialog,
    QMessageBox,
    QSpinBox,
    QTableWidget,
    QWidget,
)
from vispy.gloo import glir

from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from tests.conftest import make_phantom

PLUGIN, PACKAGE = "napari-tumor-unet", "napari_tumor_unet"
PANELS = ("Segment tumour", "Score", "Fine-tune")
ROUNDS = 3
SLACK = 5  # objects of a kind that may be more after a round, as those of a job that has just ended
PATIENCE = 60.0  # seconds for what ends by itself
LASTING = "tumor-unet-descriptions"  # a thread that is there until Python ends


class Monkey:
    """Acts on a viewer; the same seed does the same, as far as timing lets it."""

    def __init__(self, viewer: napari.Viewer, seed: int, *, panels: bool) -> None:
        self.viewer = viewer
        self.random = random.Random(seed)
        self.docks: dict[str, QWidget] = {}
        self.acts: list[Callable[[], object]] = [
            *(3 * [self.add_image]),
            *(2 * [self.add_labels]),
            *(5 * [self.paint]),
            *(2 * [self.step]),
            *(2 * [self.select]),
            *(2 * [self.remove]),
            self.undo,
            self.redo,
            self.rename,
            self.hide,
            self.move,
            self.replace,
            self.transpose,
            self.turn,
            self.clear,
        ]
        if panels:
            self.acts += [self.open, self.open, self.close, self.segment, self.score, *(12 * [self.touch])]

    def act(self) -> str:
        """Do one thing, and let the window answer for a moment; what was done."""
        chosen = self.random.choice(self.acts)
        wait = self.random.choice((0, 5, 30))
        if len(self.viewer.layers) > 8:
            chosen = self.remove
        print(chosen.__name__, file=sys.stderr, flush=True)
        said = chosen()
        QTest.qWait(wait)
        return f"{chosen.__name__} {said or ''}".strip()

    def any_of(self, kind: type[Layer] = Layer) -> Any:
        return self.random.choice([None, *(layer for layer in self.viewer.layers if isinstance(layer, kind))])

    def add_image(self) -> None:
        shape = self.random.choice(((6, 48, 40), (6, 48, 40), (3, 40, 36), (1, 20, 20)))
        sequence = self.random.choice(("flair", "pre", "post"))
        name = self.random.choice((f"p1_{sequence}", f"<b>p2</b>_{sequence}", "scan", "p[/]"))
        voxels = make_phantom(shape)[0].sequences[sequence]
        if self.random.random() < 0.1:
            self.viewer.add_image(voxels[0], name=name)
        else:
            geometry = self.random.choice(({}, {"scale": (5, 1, 2), "units": "mm"}))
            self.viewer.add_image(voxels, name=name, **geometry)

    def add_labels(self) -> None:
        image = self.any_of(Image)
        shape = (6, 48, 40) if image is None else image.data.shape
        self.viewer.add_labels(np.zeros(shape, self.random.choice((np.uint8, np.int32, np.int64))))

    def paint(self) -> None:
        if (layer := self.any_of(Labels)) is not None:
            at = tuple(self.random.randrange(n) for n in layer.data.shape)
            layer.brush_size = self.random.choice((1, 5, 20))
            layer.paint(at, self.random.choice((0, 1, 1, 2)))

    def undo(self) -> None:
        if (layer := self.any_of(Labels)) is not None:
            layer.undo()

    def redo(self) -> None:
        if (layer := self.any_of(Labels)) is not None:
            layer.redo()

    def step(self) -> None:
        dims = self.viewer.dims
        dims.current_step = tuple(self.random.randrange(int(n)) for n in dims.nsteps)

    def select(self) -> None:
        layers = list(self.viewer.layers)
        chosen = self.random.sample(layers, min(len(layers), self.random.choice((0, 1, 1, 2, 3))))
        self.viewer.layers.selection = set(chosen)

    def remove(self) -> None:
        if (layer := self.any_of()) is not None:
            self.viewer.layers.remove(layer)

    def rename(self) -> None:
        if (layer := self.any_of()) is not None:
            layer.name = self.random.choice(("a", "b", "", "flair", "T1 post", "<i>x</i>", "ü" * 60))

    def hide(self) -> None:
        if (layer := self.any_of()) is not None:
            layer.visible = not layer.visible

    def move(self) -> None:
        if n := len(self.viewer.layers):
            self.viewer.layers.move(self.random.randrange(n), self.random.randrange(n))

    def replace(self) -> None:
        if (layer := self.any_of()) is not None:
            layer.data = layer.data[..., : max(1, layer.data.shape[-1] // 2)].copy()

    def transpose(self) -> None:
        self.viewer.dims.roll()

    def turn(self) -> None:
        self.viewer.dims.ndisplay = 5 - self.viewer.dims.ndisplay

    def clear(self) -> None:
        if self.random.random() < 0.3:
            self.viewer.layers.clear()

    def open(self, name: str = "") -> str:
        name = name or self.random.choice(PANELS)
        self.docks[name] = self.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)[0]
        self.docks[name].raise_()
        return name

    def close(self) -> str:
        if not self.docks:
            return ""
        name = self.random.choice(sorted(self.docks))
        self.viewer.window.remove_dock_widget(self.docks.pop(name))
        return name

    def segment(self) -> None:
        get_app_model().commands.execute_command(f"{PLUGIN}.segment").result()

    def score(self) -> None:
        get_app_model().commands.execute_command(f"{PLUGIN}.score").result()

    def touch(self) -> str:
        """Use a field or a button of a panel, or an entry of a menu."""
        if not self.docks:
            return ""
        dock = self.docks[self.random.choice(sorted(self.docks))]
        kinds = (QAbstractButton, QAbstractSlider, QComboBox, QSpinBox, QTableWidget)
        content = dock.widget()
        widgets = [w for kind in kinds for w in content.findChildren(kind) if w.isVisible() and w.isEnabled()]
        actions = [action for action in content.findChildren(QAction) if action.isEnabled()]
        if not widgets:
            return ""
        if actions and self.random.random() < 0.1:
            action = self.random.choice(actions)
            said = action.text()
            action.trigger()
            return said
        widget = self.random.choice(widgets)
        said = f"{dock.windowTitle()}: {type(widget).__name__}"
        if isinstance(widget, QAbstractButton):
            said += f" {widget.text()}"
            widget.click()
        elif isinstance(widget, QComboBox):
            texts = {widget.itemText(i) for i in range(widget.count())}
            if widget.count() and not texts & {"default", "cpu"}:  # another model takes its time
                widget.setCurrentIndex(self.random.randrange(widget.count()))
        elif isinstance(widget, QTableWidget):
            self.random.choice((widget.selectAll, widget.clearSelection, lambda: widget.selectRow(0)))()
        else:
            most = min(widget.maximum(), widget.minimum() + 100)
            widget.setValue(self.random.randint(widget.minimum(), most))
        return said

    def tidy(self) -> None:
        """Close the panels, end what is under way, and remove the layers."""
        self.docks.clear()
        self.viewer.window.remove_dock_widget("all")  # the command opens the panel Score by itself
        self.viewer.layers.clear()


class Faults:
    """Collects errors in whose traceback this package is."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        sys.excepthook = lambda _, error, __: self.add(error)
        sys.unraisablehook = lambda told: self.add(told.exc_value)
        threading.excepthook = lambda told: self.add(told.exc_value)
        handler = logging.Handler(logging.ERROR)
        handler.emit = lambda record: self.add(record.exc_info and record.exc_info[1])  # type: ignore[method-assign]
        logging.getLogger().addHandler(handler)
        notification_manager.dispatch = self.notice

    def add(self, error: BaseException | None) -> None:
        if error is not None:
            text = "".join(traceback.format_exception(error))
            if f"/{PACKAGE}/" in text.replace("\\", "/"):
                self.texts.append(text)

    def notice(self, shown: Notification) -> None:
        if shown.severity.value == "error" and shown.actions:  # one with details, thus a traceback
            self.texts.append(shown.message)
        self.add(getattr(shown, "exception", None))


def no_dialogs() -> None:
    """Answer questions without a window that waits."""
    for name in ("getOpenFileName", "getSaveFileName", "getOpenFileNames"):
        setattr(QFileDialog, name, lambda *_, **__: ("", ""))
    QFileDialog.getExistingDirectory = lambda *_, **__: ""
    QInputDialog.getText = lambda *_, **__: ("", False)
    QMessageBox.question = lambda *_, **__: QMessageBox.StandardButton.Yes
    QDesktopServices.openUrl = lambda *_: True


def wait_until(true: Callable[[], bool]) -> bool:
    """Serve events until something is true; whether it became so."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            return False
        QTest.qWait(20)
    return True


def settle(viewer: napari.Viewer) -> None:
    """End what is under way, and let what has ended go."""
    from napari_tumor_unet.plugin.finetune.controller import FineTuningController
    from napari_tumor_unet.plugin.segment.controller import SegmentationController
    from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext

    context = ViewerContext.of(viewer)
    tuning = FineTuningController.of(context)
    SegmentationController.of(viewer).cancel()
    tuning.cancel()
    if tuning.report is not None:
        tuning.discard()
    assert wait_until(lambda: not context.busy and not tuning.running), "still busy"
    QThreadPool.globalInstance().waitForDone(int(1000 * PATIENCE))
    QTest.qWait(1100)  # longer than an edit waits until it is kept
    sys.last_value = sys.last_traceback = None  # PyQt keeps the last error of a slot, and with it a panel
    for _ in range(3):  # what is collected has Qt delete more
        gc.collect()
        QTest.qWait(20)


def own_objects() -> Counter[str]:
    """Count the objects of this package, and the layers."""
    kinds = (type(each) for each in gc.get_objects())
    names = ((kind.__module__, kind.__qualname__) for kind in kinds)
    return Counter(f"{m}.{q}" for m, q in names if str(m).startswith((PACKAGE, "napari.layers")))


def left_over() -> list[str]:
    """Name the threads of this package, and the child processes, that do not end."""

    def rest() -> list[str]:
        names = [thread.name for thread in threading.enumerate() if thread.name != LASTING + "_0"]
        children = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
        return [name for name in names if name.startswith(("tumor-unet", "autosave"))] + [
            child for child in children if child and "resource_tracker" not in child
        ]

    return [] if wait_until(lambda: not rest()) else rest()


def main() -> None:
    """Act, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("--actions", type=int, default=300)
    parser.add_argument("--panels", choices=("all", "open", "none"), default="all")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    faulthandler.enable()
    if not options.draw:
        glir.GlirProgram.draw = lambda *_, **__: None
    no_dialogs()
    faults = Faults()
    viewer = napari.Viewer()
    with_panels = options.panels == "all"
    if with_panels:
        segmentation_settings().model = options.model
    monkey = Monkey(viewer, options.seed, panels=with_panels)
    for name in PANELS:
        if options.panels == "open":
            monkey.open(name)
        elif options.panels == "none":
            viewer.window.add_dock_widget(QWidget(minimumWidth=300), tabify=True)
    done: list[str] = []
    counts: list[Counter[str]] = []
    for n in range(options.actions):
        try:
            done.append(monkey.act())
        except Exception as error:  # napari's own are not told of
            faults.add(error)
        if with_panels and (n + 1) % (options.actions // ROUNDS) == 0:
            monkey.tidy()
            settle(viewer)
            counts.append(own_objects())
    viewer.close()
    report = {
        "faults": faults.texts,
        "left over": left_over() if with_panels else [],
        "grown": {k: n for k, n in (counts[-1] - counts[0]).items() if n > SLACK} if counts else {},
        "megabytes": psutil.Process().memory_info().rss >> 20,
        "done": done,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
