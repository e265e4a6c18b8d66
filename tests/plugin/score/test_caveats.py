"""Score says where a mask is of a part of the scan, and where the model has learned from the scan."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_tumor_unet.inference.result_check import part_of_scan
from napari_tumor_unet.io.datasets.fingerprint import fingerprint
from napari_tumor_unet.model.card import file_hash, read_card
from napari_tumor_unet.model.model_file import Model, save_model
from napari_tumor_unet.model.registry import find_model, make_model_folder
from napari_tumor_unet.plugin.layers.metadata import KEY, MaskMetadata
from napari_tumor_unet.plugin.score import caveats
from napari_tumor_unet.plugin.score.caveats import caveats_of
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
        assert not caveats_of(prediction, reference, viewer.layers, viewer.dims.point)()


def test_a_public_patient_is_known_by_name(viewer: napari.Viewer, panel: Any, qtbot: Any) -> None:
    path = find_model("default")
    patient = read_card(path).patients[0]
    add_masks(viewer, file_hash(path), f"{patient}_19990101")
    compare(panel, qtbot)
    qtbot.waitUntil(lambda: "has learned from this scan" in panel.message.value, timeout=PATIENCE)


def test_a_mask_of_some_slices_alone_is_told_of(viewer: napari.Viewer, panel: Any, qtbot: Any) -> None:
    part = part_of_scan([2], len(MASK))
    made = MaskMetadata(provenance=made_by("tuned", "0" * 64), written=MASK.copy(), warnings=(part,))
    viewer.add_image(VOXELS, name="head")
    viewer.add_labels(MASK.copy(), name="head mask")
    viewer.add_layer(Labels(MASK.copy(), name="head tumour", metadata={KEY: made}))
    compare(panel, qtbot)
    assert panel.message.value == part
    press(panel.swap, qtbot)
    qtbot.waitUntil(lambda: panel.message.value == part, timeout=PATIENCE)
    assert panel.numbers.scores[0].notes == (part,)
    tumour = viewer.layers["head tumour"]
    tumour.metadata[KEY].warnings = ()  # as after a run of the whole scan
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        tumour.paint((3, 20, 20), 1)
    assert not panel.numbers.scores[0].notes


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any) -> Callable[..., str]:
    """Press a button that saves, and return what is in the file."""

    def save(button: Any, name: str) -> str:
        path = tmp_path / name
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
        press(button, qtbot)
        qtbot.waitUntil(path.exists, timeout=PATIENCE)
        return path.read_text()

    return save


def test_the_note_goes_wherever_the_numbers_go_however_late_it_is_known(
    viewer: napari.Viewer,
    panel: Any,
    saved: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    path, known = find_model("default"), caveats.name_of_hash

    def name_late(model_hash: str) -> str | None:
        time.sleep(1)
        return known(model_hash)

    monkeypatch.setattr(caveats, "name_of_hash", name_late)
    add_masks(viewer, file_hash(path), f"{read_card(path).patients[0]}_19990101")
    compare(panel, qtbot)
    told = "The model has learned from this scan: what it does here tells nothing of new patients."
    collection = panel.collection
    assert panel.message.value == told
    press(collection.copy, qtbot)
    assert f"\n{told}\n" in QApplication.clipboard().text()
    press(collection.add, qtbot)
    for button, name in ((collection.save, "one"), (collection.save_all, "list")):
        (line,) = csv.DictReader(saved(button, f"{name}.csv").splitlines())
        assert line["notes"] == told
        assert json.loads(saved(button, f"{name}.json"))["pairs"][0]["notes"] == [told]
    with qtbot.waitSignal(panel.scoring.ended, timeout=PATIENCE):
        viewer.layers[1].paint((3, 20, 20), 1)
    assert panel.message.value == told
    assert panel.numbers.scores[0].notes == (told,)


def test_the_list_marks_comparisons_with_a_note_and_counts_them_at_the_mean(
    viewer: napari.Viewer, panel: Any, qtbot: Any
) -> None:
    path = find_model("default")
    add_masks(viewer, file_hash(path), f"{read_card(path).patients[0]}_19990101")
    viewer.add_labels(MASK.copy(), name="BraTS2021_00006_seg")
    viewer.add_labels(MASK.copy(), name="BraTS2021_00630_seg")
    viewer.add_labels(MASK.copy(), name="drawn")
    viewer.add_labels(MASK.copy(), name="drawn again")
    _, tumour, reference, *masks = viewer.layers
    for pair in ((reference, tumour), masks[:2], masks[2:]):
        panel.set_masks(list(pair))
        compare(panel, qtbot)
        press(panel.collection.add, qtbot)
    table = panel.collection.table
    marked = ["with a note" in table.item(row, 0).text().split("\n") for row in range(3)]
    assert marked == [True, True, False]
    for row, words in ((0, "has learned from this scan"), (1, "are of two patients")):
        assert all(words in table.item(row, column).toolTip() for column in (0, 1))
    assert table.item(3, 0).text().split("\n")[:2] == ["mean", "with a note: 2 of 3"]
