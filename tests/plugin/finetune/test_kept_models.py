"""What becomes of a model that was kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import napari
import pytest

from napari_tumor_unet.model import registry
from napari_tumor_unet.model.model_file import Model, save_model
from napari_tumor_unet.plugin.segment.model_section import card_as_text
from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from tests.plugin.conftest import choose_model

WHY = "Dice of the held-out scan fell by 0.012."


@pytest.fixture
def worse(tiny_model: Model) -> Model:
    """A model that was kept although it was recommended to discard it; another one is beside it."""
    scores = {"held-out scan 1": {"metric": "Dice, before and after", "before": 0.812, "after": 0.8}}
    model = replace(tiny_model, card=replace(tiny_model.card, advised_against=WHY, scores=scores))
    folder = registry.make_model_folder()
    save_model(model, folder / "worse.safetensors")
    save_model(tiny_model, folder / "tiny.safetensors")
    (folder / "damaged.safetensors").write_bytes(b"")
    return model


@pytest.mark.usefixtures("worse")
def test_own_models_are_preferred_on_the_users_word_alone(viewer: napari.Viewer, qtbot: Any) -> None:
    panel = viewer.window.add_plugin_dock_widget("napari-tumor-unet", "Segment tumour")[1]
    choose_model(panel, "worse", qtbot)
    assert segmentation_settings().model == "default"
    choose_model(panel, "tiny", qtbot)
    assert segmentation_settings().model == "default"
    next(each for each in panel.models.menu.actions() if each.text() == "Use for the one click").trigger()
    choose_model(panel, "worse", qtbot)
    assert segmentation_settings().model == "tiny"


def test_its_card_says_so_with_dice_before_and_after(worse: Model) -> None:
    text = card_as_text(worse.card)
    assert f"It was recommended to discard this model. {WHY}" in text
    assert "held-out scan 1: Dice 0.812 before, 0.8 after" in text
