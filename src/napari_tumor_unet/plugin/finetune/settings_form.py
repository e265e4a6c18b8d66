"""The fields for the settings of a fine-tuning."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from magicgui.widgets import ComboBox, Container, FloatSlider, FloatSpinBox, SpinBox
from magicgui.widgets.bases import ValueWidget
from qtpy.QtWidgets import QAbstractSpinBox

from napari_tumor_unet.training.finetuning.run_plan import FineTuning

_NARROW = 110  # pixels: with a large font the labels take the other half of a panel

# A widget, its options and its tooltip for each setting; the settings themselves hold the defaults.
_FIELDS: dict[str, tuple[type[ValueWidget[Any]], dict[str, Any], str]] = {
    "epochs": (SpinBox, {"min": 1, "max": 1000}, "How often all is gone through."),
    "learning_rate": (
        FloatSpinBox,
        {"min": 1e-6, "max": 0.1, "step": 1e-4},
        "How big the steps are at most; too high a rate forgets what the model knew.",
    ),
    "batch_size": (SpinBox, {"min": 1, "max": 256}, "Slices in one step."),
    "layers": (
        ComboBox,
        {"choices": [("all", "all"), ("decoder only", "decoder")]},
        "Which layers learn; with the decoder alone less is forgotten.",
    ),
    "augmentation": (
        FloatSlider,
        {"min": 0, "max": 1, "step": 0.05},
        "Strength of the random changes of slices: 1 is as in the bundled model's training.",
    ),
    "slices": (
        SpinBox,
        {"min": 1, "max": 100_000},
        "How many, half of them with tumour.",
    ),
}


def _label(name: str) -> str:
    return {"layers": "trained layers", "slices": "slices/epoch"}.get(name, name.replace("_", " "))


class SettingsForm:
    """Fields for the settings of a fine-tuning: ``epochs``, and the others in ``advanced``.

    Attributes
    ----------
    fields : dict of str to ValueWidget
        The widget of each setting, by its name in :class:`FineTuning`.
    """

    def __init__(self) -> None:
        defaults = asdict(FineTuning())
        self.fields = {
            name: kind(
                label=_label(name),
                value=defaults[name],
                tooltip=tooltip,
                **options,
            )
            for name, (kind, options, tooltip) in _FIELDS.items()
        }
        self.fields["learning_rate"].native.setDecimals(6)
        self.fields["learning_rate"].native.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.epochs, *others = self.fields.values()
        self.advanced = Container[ValueWidget[Any]](widgets=others)
        self.advanced.margins = (0, 0, 0, 0)
        for field in others:
            field.native.setMinimumWidth(_NARROW)

    @property
    def value(self) -> FineTuning:
        """Settings as the fields show them."""
        values = {name: field.value for name, field in self.fields.items()}
        return FineTuning(**values | {"augmentation": round(values["augmentation"], 2)})
