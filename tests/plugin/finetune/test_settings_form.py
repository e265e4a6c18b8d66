"""The fields for the settings of a fine-tuning."""

from __future__ import annotations

import pytest

from napari_tumor_unet.plugin.finetune.settings_form import SettingsForm
from napari_tumor_unet.training.finetuning.run_plan import FineTuning


@pytest.mark.usefixtures("qtbot")
def test_the_fields_show_the_defaults_and_give_what_the_user_sets() -> None:
    form = SettingsForm()
    assert form.value == FineTuning()
    changed = {
        "epochs": 3,
        "learning_rate": 1e-6,
        "batch_size": 2,
        "layers": "decoder",
        "augmentation": 0.35,
        "slices": 16,
    }
    for name, value in changed.items():
        form.fields[name].value = value
    assert form.value == FineTuning(**changed)
