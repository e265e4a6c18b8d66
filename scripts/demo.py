"""Open napari on the sample scan, segment it with the one click, and show the Dice.

On a display the window stays open; on a virtual one a picture of it is left as demo.png.
"""

from __future__ import annotations

import os
import sys

import napari
from napari.utils.notifications import show_info
from qtpy.QtCore import QTimer

from napari_tumor_unet.evaluation.overlap import dice
from napari_tumor_unet.plugin.segment.controller import SegmentationController

PICTURE = "demo.png"
PATIENCE = 120_000  # ms; the first start on a slow disk takes a while


def main() -> None:
    """Show it."""
    virtual = "TUMOR_UNET_VIRTUAL_DISPLAY" in os.environ
    viewer = napari.Viewer(title="Tumour U-Net demo")
    if virtual:
        viewer.window.resize(1280, 800)
    viewer.open_sample("napari-tumor-unet", "brain")
    controller = SegmentationController.of(viewer)

    def finish(ok: bool) -> None:
        if ok:
            score = dice(viewer.layers[-1].data, viewer.layers["true mask"].data)
            print(f"Dice against the true mask: {score:.3f}")
            show_info(f"Dice against the true mask: {score:.3f}")
        if virtual:
            QTimer.singleShot(1000, lambda: leave(ok))

    def leave(ok: bool) -> None:
        viewer.screenshot(PICTURE, canvas_only=False)
        print(f"A picture of the window is in {PICTURE}.")
        viewer.close()
        sys.exit(0 if ok else 1)

    controller.ended.connect(finish)
    if virtual:
        QTimer.singleShot(PATIENCE, lambda: sys.exit("The segmentation did not end."))
    QTimer.singleShot(0, lambda: click(viewer))
    napari.run()


def click(viewer: napari.Viewer) -> None:
    """Choose Layers > Segment > Segment tumour, as a user does."""
    menu = viewer.window.layers_menu
    stack = list(menu.actions())
    while stack:
        action = stack.pop()
        if action.menu():
            action.menu().aboutToShow.emit()
            stack += action.menu().actions()
        elif action.text().startswith("Segment tumour"):
            action.trigger()
            return
    sys.exit("The menu Layers has no entry Segment tumour.")


if __name__ == "__main__":
    main()
