"""The part of the panel Fine-tune for how to learn."""

from __future__ import annotations

from magicgui.widgets import Container, FloatSlider, FloatSpinBox, SpinBox

from napari_tumor_unet.plugin.ui.widgets import choice
from napari_tumor_unet.training.finetuning.run_store import FineTuning

_LAYERS = [("all", "all"), ("decoder only", "decoder")]


class TuningSettings:
    """Fields for the settings of a fine-tuning: ``epochs``, and the others in ``advanced``."""

    def __init__(self) -> None:
        usual = FineTuning()
        self.epochs = SpinBox(
            label="epochs", value=usual.epochs, min=1, max=1000, tooltip="How often all is gone through."
        )
        self._rate = FloatSpinBox(
            label="learning rate",
            value=usual.learning_rate,
            min=1e-6,
            max=0.1,
            step=1e-4,
            tooltip="How big the steps are at most; too high a rate forgets what the model knew.",
        )
        self._rate.native.setDecimals(6)
        self._batch = SpinBox(
            label="batch size", value=usual.batch_size, min=1, max=256, tooltip="Slices in one step."
        )
        self._layers = choice(
            "layers", lambda: _LAYERS, "Which layers learn; with the decoder alone less is forgotten."
        )
        self._augmentation = FloatSlider(
            label="augmentation",
            value=usual.augmentation,
            min=0,
            max=1,
            step=0.05,
            tooltip="Strength of the random changes of slices: 1 is as in the bundled model's training.",
        )
        self._slices = SpinBox(
            label="slices",
            value=usual.slices,
            min=1,
            max=100_000,
            tooltip="How many an epoch shows, half of them with tumour.",
        )
        fields = [self._rate, self._batch, self._layers, self._augmentation, self._slices]
        self.advanced = Container(widgets=fields)
        self.fields = (self.epochs, *fields)

    @property
    def value(self) -> FineTuning:
        """What the fields say."""
        return FineTuning(
            epochs=self.epochs.value,
            learning_rate=self._rate.value,
            batch_size=self._batch.value,
            layers=self._layers.value,
            augmentation=round(self._augmentation.value, 2),
            slices=self._slices.value,
        )

    def enable(self, ready: bool) -> None:
        """Whether they may be changed."""
        for field in self.fields:
            field.enabled = ready
