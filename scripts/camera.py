"""Pictures of a window as files, still and moving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from scripts.stage import Stage


class Film:
    """A moving picture of a window, in which the mouse is seen.

    Parameters
    ----------
    stage : Stage
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._frames: list[Image.Image] = []
        self._durations: list[int] = []
        self._told: object = None

    def take(self, milliseconds: int) -> None:
        """Take a frame to be shown for a time."""
        self._frames.append(self._stage.grab(mouse=True))
        self._durations.append(milliseconds)

    def take_if_told(self, milliseconds: int) -> None:
        """Take a frame whenever the status line says something else."""
        if self._stage.viewer.status != self._told:
            self._told = self._stage.viewer.status
            self.take(milliseconds)

    def save(self, name: str) -> None:
        """Write it; it runs for ever."""
        path = self._stage.folder / name
        first, *others = self._frames
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=self._durations,
            loop=0,
            quality=80,
            method=4,
            minimize_size=True,
        )
        size = path.stat().st_size / 1000
        print(f"{name}: {len(self._frames)} frames, {sum(self._durations) / 1000:.0f} s, {size:.0f} kB")


def save(image: Image.Image, path: Path) -> None:
    """Write a picture without loss: letters stay sharp, and colours those of the legend."""
    image.convert("RGB").save(path, lossless=True, quality=100, method=6)
    print(f"{path.name}: {image.width} x {image.height}, {path.stat().st_size / 1000:.0f} kB", flush=True)


def without_empty_end(image: Image.Image) -> Image.Image:
    """Cut off the rows below the last one in which there is something."""
    pixels = np.asarray(image)[:, 4:-20]  # but for an edge, and a scroll bar
    full = np.flatnonzero((pixels != pixels[:, :1]).any(axis=(1, 2)))
    return image.crop((0, 0, image.width, min(image.height, int(full[-1]) + 12)))
