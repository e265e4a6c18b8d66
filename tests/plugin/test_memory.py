"""A large scan is never there as a whole, neither in napari's process nor in the child."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
import psutil

from napari_tumor_unet.plugin.layers import scan_of
from napari_tumor_unet.plugin.session import Session
from tests.conftest import make_phantom

from .conftest import PATIENCE


class Large:
    """A scan of 512 x 512 x 1000 float32, 1 GB, whose slices are made when they are asked for."""

    shape, dtype, ndim = (1000, 512, 512), np.dtype("float32"), 3

    def __init__(self) -> None:
        small = make_phantom((20, 64, 64))[0].sequences["flair"]
        self._planes = [np.kron(plane, np.ones((8, 8), np.float32)) for plane in small]

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, slice):
            planes = [self[z][tuple(rest)] for z in range(*first.indices(self.shape[0]))]
            return np.stack(planes)
        return self._planes[int(first) // 50][tuple(rest)].copy()


def test_a_large_scan_takes_less_than_a_gigabyte_above_itself(viewer: napari.Viewer, qtbot: Any) -> None:
    image = viewer.add_image(Large(), contrast_limits=(0, 200))
    session, parent = Session.of(viewer), psutil.Process()
    before, most = parent.memory_info().rss, 0

    def look(*_: int) -> None:
        nonlocal most
        child = psutil.Process(session.worker.pid).memory_info().rss
        most = max(most, parent.memory_info().rss - before + child)
        print(parent.memory_info().rss / 2**20, before / 2**20, child / 2**20)

    session.progressed.connect(look)
    with qtbot.waitSignal(session.ended, timeout=4 * PATIENCE) as ended:
        session.segment(scan_of(image, viewer.layers))
    look()
    assert ended.args == [True]
    assert viewer.layers[-1].data.any()
    assert most < 2**30, f"{most / 2**20:.0f} MB"
