"""The part of the panel "Segment tumour" that warns of a mask: the first reason in short, all on demand."""

from __future__ import annotations

from qtpy.QtWidgets import QSizePolicy

from napari_tumor_unet.inference.result import in_short
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.widgets import button, row, warning_label

_FOLDED, _UNFOLDED = "▶", "▼"


class WarningSection(Section):
    """Shows sentences, as long as there are any; they would fill the panel, so the first stands for all."""

    def __init__(self) -> None:
        self._warnings: tuple[str, ...] = ()
        self._whole = False
        self.text = warning_label()
        self.unfold = button(_FOLDED, "Show all that is to be checked.", self._unfold)
        self.unfold.native.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        super().__init__(row(self.text, self.unfold))

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentences."""
        return self._warnings

    def show_warnings(self, warnings: tuple[str, ...]) -> None:
        """Show other sentences, folded; the same stay as they are."""
        if warnings != self._warnings:
            self._warnings, self._whole = warnings, False
        self._show()

    def _unfold(self) -> None:
        self._whole = not self._whole
        self._show()

    def _show(self) -> None:
        short, whole = in_short(self._warnings), "\n".join(self._warnings)
        self.text.value = whole if self._whole else short
        self.text.tooltip = "" if self._whole else whole
        self.unfold.text = _UNFOLDED if self._whole else _FOLDED
        self.unfold.visible = short != whole
        self.visible = bool(self._warnings)
