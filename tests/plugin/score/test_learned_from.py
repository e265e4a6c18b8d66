"""Score says where the model has learned from the very scan that its mask is judged by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Labels

from napari_tumor_unet.io.datasets.fingerprint import fingerprint
from napari_tumor_unet.model.card import file_hash, read_card
from napari_tumor_unet.model.model_file import Model, save_model
from napari_tumor_unet.model.registry import find_model, make_model_folder
from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata
from napari_tumor_unet.plugin.score.learned_from import why_optimistic
from napari_tumor_unet.scan import scan_from_volume
from tests.plugin.conftest import PATIENCE, made_by, press

VOXELS = np.random.default_rng(0).integers(0, 900, (6, 32, 32)).astype(np.int16)
MASK = np.zeros(VOXELS.shape, np.uint8)
MASK[2:4, 8:20, 8:20] = 1


@pytest.fixture
def panel(viewer: napari.Viewer) -> Any:
    return viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Score")[1]


def add_masks(viewer: napari.Viewer, model_hash: str, name: str) -> None:
    """A scan with a mask of a model, and the reference."""
    viewer.add_image(VOXELS, name=name)
    made = MaskMetadata(provenance=made_by("tuned", model_hash), written=MASK.copy(), scan=name)
    viewer.add_layer(Labels(np.roll(MASK, 1, axis=2), name=f"{name} tumour", metadata={KEY: made}))
    viewer.add_labels(MASK.copy(), name=f"{name} mask")


def compare(panel: Any, qtbot: Any) -> None:
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        press(panel.start, qtbot)


def test_a_model_that_learned_from_the_scan_is_told_of(
    viewer: napari.Viewer, panel: Any, tiny_model: Model, qtbot: Any
) -> None:
    case = fingerprint(scan_from_volume(VOXELS), MASK).case
    card = replace(tiny_model.card, data=(case,))
    path = make_model_folder() / "tuned.safetensors"
    add_masks(viewer, save_model(replace(tiny_model, card=card), path).hash, "head")
    compare(panel, qtbot)
    qtbot.waitUntil(lambda: "has learned from this scan" in panel.message.value, timeout=PATIENCE)
    _, prediction, reference = viewer.layers
    for changed in ("mask", "scan"):
        if changed == "mask":
            reference.data = np.roll(MASK, 2, axis=1)
        else:
            reference.data, viewer.layers["head"].data = MASK.copy(), VOXELS[:, ::-1].copy()
        assert not why_optimistic(prediction, reference, viewer.layers, viewer.dims.point)()


def test_a_public_patient_is_known_by_name(viewer: napari.Viewer, panel: Any, qtbot: Any) -> None:
    path = find_model("default")
    patient = read_card(path).patients[0]
    add_masks(viewer, file_hash(path), f"{patient}_19990101")
    compare(panel, qtbot)
    qtbot.waitUntil(lambda: "has learned from this scan" in panel.message.value, timeout=PATIENCE)
