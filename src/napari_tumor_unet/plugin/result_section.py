"""The part of the panel for what comes after a run: threshold, smallest region, the regions one by one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from magicgui.widgets import Container, FloatSlider, Label, PushButton, Select, SpinBox

from napari_tumor_unet.plugin.kept_result import KeptResult, has_result
from napari_tumor_unet.regions import Region

if TYPE_CHECKING:
    from napari import Viewer


class ResultSection(Container):
    """Acts on the active labels layer, if a segmentation made it; else it is not to be seen.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._result: KeptResult | None = None
        self.title = Label(label="mask", tooltip="What is in the mask now, your edits included.")
        self.threshold = FloatSlider(
            label="threshold",
            min=0.05,
            max=0.95,
            step=0.01,
            tooltip="Probability from which a voxel is tumour.",
        )
        self.fewest = SpinBox(
            label="smallest region",
            max=10_000_000,
            tooltip="In voxels; smaller regions are dropped. With 0 the model's own limit holds.",
        )
        self._regions: list[Region] = []
        self.list = Select(
            label="regions",
            # napari has all choices made anew with every layer that comes or goes.
            choices=lambda _: [(self._result.describe(region), region) for region in self._regions],
            tooltip="The largest first; a click goes to its largest slice.",
        )
        self.remove = PushButton(text="Remove", tooltip="Erase the region chosen; undo brings it back.")
        self.keep = PushButton(text="Keep only", tooltip="Erase all other regions; undo brings them back.")
        super().__init__(
            label="",
            widgets=[
                self.title,
                self.threshold,
                self.fewest,
                self.list,
                Container(layout="horizontal", widgets=[self.remove, self.keep], labels=False, label=""),
            ],
        )
        self.list.native.setMaximumHeight(90)
        self.threshold.changed.connect(self._change)
        self.fewest.changed.connect(self._change)
        self.list.changed.connect(self._go)
        self.remove.changed.connect(partial(self._erase, chosen=True))
        self.keep.changed.connect(partial(self._erase, chosen=False))

    def update(self) -> None:
        """Show the active layer's result, as it is now."""
        layer = self._viewer.layers.selection.active
        self._result = KeptResult(self._viewer, layer) if has_result(layer) else None
        self.visible = self._result is not None
        self._regions = []
        if self._result is not None:
            with self.threshold.changed.blocked(), self.fewest.changed.blocked():
                self.threshold.value = self._result.threshold
                self.fewest.value = self._result.fewest
            self._show()

    def _change(self) -> None:
        if self._is_there():
            self._result.change(round(self.threshold.value, 2), self.fewest.value)
            self._show()

    def _go(self, regions: list[Region]) -> None:
        if regions and self._is_there():
            self._result.go_to(regions[0])

    def _erase(self, *_: object, chosen: bool) -> None:
        picked = self.list.value
        if picked and self._is_there():
            self._result.remove([r for r in self._regions if (r in picked) == chosen])
            self._show()

    def _is_there(self) -> bool:
        """Whether the layer is still what it was; the user may have replaced its data."""
        if self._result is not None and not has_result(self._result.layer):
            self.update()
        return self._result is not None

    def _show(self) -> None:
        """The list and the sum, anew."""
        self.title.value = self._result.findings.size
        with self.list.changed.blocked():
            self._regions = self._result.regions()
            self.list.reset_choices()
            self.list.value = []
