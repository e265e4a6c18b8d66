"""A large scan is never there as a whole, neither in napari's process nor in the child."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
import psutil
import pytest

from napari_tumor_unet.model.model_file import Model, save_model
from napari_tumor_unet.plugin.layers.layer_scan import scan_of
from napari_tumor_unet.plugin.segment.controller import SegmentationController
from tests.conftest import make_phantom
from tests.plugin.conftest import PATIENCE


class Large:
    """A scan of 1000 x 512 x 512 float32, 1 GB, of which a few slices are there."""

    shape, dtype, ndim = (1000, 512, 512), np.dtype("float32"), 3

    def __init__(self) -> None:
        small = make_phantom((20, 64, 64))[0].sequences["flair"]
        self._planes = [np.kron(plane, np.ones((8, 8), np.float32)) for plane in small]

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, slice):
            return np.stack([self[z][tuple(rest)] for z in range(*first.indices(self.shape[0]))])
        return self._planes[int(first) // 50][tuple(rest)].copy()


@pytest.fixture
def sparing(tiny_model: Model, tmp_path: Path) -> Path:
    """A model that, unlike one that has learned nothing, does not call all of the head a tumour."""
    network = copy.deepcopy(tiny_model.network)
    network.head.bias.data -= 20
    save_model(replace(tiny_model, network=network), tmp_path / "sparing.safetensors")
    return tmp_path / "sparing.safetensors"


@pytest.mark.slow
@pytest.mark.own_child
def test_a_large_scan_takes_less_than_a_gigabyte_above_itself(
    viewer: napari.Viewer, qtbot: Any, sparing: Path
) -> None:
    image = viewer.add_image(Large(), contrast_limits=(0, 200))
    session, parent = SegmentationController.of(viewer), psutil.Process()
    before, most = parent.memory_info().rss, 0

    def look(*_: int) -> None:
        nonlocal most
        child = psutil.Process(session.context.worker.pid).memory_info().rss
        most = max(most, parent.memory_info().rss - before + child)

    session.progressed.connect(look)
    with qtbot.waitSignal(session.ended, timeout=4 * PATIENCE) as ended:
        session.segment(scan_of(image, viewer.layers), model=str(sparing))
    look()
    assert ended.args == [True]
    assert most < 2**30, f"{most / 2**20:.0f} MB"
