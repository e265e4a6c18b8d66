"""What napari calls with a file, and the command palette, which lists all commands, without one."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QThread

from napari_tumor_unet.plugin.io.layer_data import LayerData
from napari_tumor_unet.plugin.io.readers import get_reader, is_folder_of_files
from napari_tumor_unet.plugin.io.writers import write_labels
from napari_tumor_unet.plugin.ui.connections import timer
from napari_tumor_unet.plugin.ui.settings import DRAWN


def read(path: str | list[str] | None = None) -> Callable[[str], list[LayerData]] | None:
    """Return the reader of a path, if it is ours to read; without a path ask for a scan and open it.

    A scan that is read is likely to be segmented: the child process starts as soon as it is on screen.
    """
    if path is None:
        if (viewer := napari.current_viewer()) is not None:
            from napari_tumor_unet.plugin.commands import open_scan

            open_scan(viewer)
        return None
    reader = get_reader(path)
    if reader is None:
        return None

    def read_and_expect(path: str) -> list[LayerData]:
        viewer = napari.current_viewer()
        if viewer is not None and QThread.currentThread().loopLevel() and is_folder_of_files(Path(path)):
            from napari_tumor_unet.plugin.io.open_dialog import open_folder

            open_folder(viewer, Path(path))
            return [(None,)]  # type: ignore[list-item]  # napari's sign for no layer
        layers = reader(path)
        if viewer is not None and threading.current_thread() is threading.main_thread():
            timer(viewer.window._qt_window, DRAWN, partial(_expect_a_click, weakref.ref(viewer))).start()
        return layers

    return read_and_expect


def _expect_a_click(viewer: weakref.ref[napari.Viewer]) -> None:
    """Start the child, and import what the click takes, once the scan is on screen."""
    if (there := viewer()) is not None and there.layers:
        from napari_tumor_unet.plugin import commands  # noqa: F401
        from napari_tumor_unet.plugin.ui.viewer_context import ViewerContext

        ViewerContext.of(there).warm_up()


def write(path: str | None = None, data: Any = None, attributes: dict[str, Any] | None = None) -> list[str]:
    """Write a labels layer to a file; without one ask where to save the mask of the panel."""
    if path is None or attributes is None:
        if (viewer := napari.current_viewer()) is not None:
            from napari_tumor_unet.plugin.commands import save_mask

            save_mask(viewer)
        return []
    return write_labels(path, data, attributes)
