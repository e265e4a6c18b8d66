"""What the panel "Segment tumour" shows where there is no scan: the ways to one."""

from __future__ import annotations

from functools import partial

from napari import Viewer
from napari.layers import Labels
from npe2 import PluginManager

from napari_tumor_unet.plugin.layers.metadata import mask_metadata
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.widgets import button, text_label


class EmptySection(Section):
    """One line, which asks for the scan of a mask that is there without it, and two buttons.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self.said = text_label()
        self.open = button(
            "Open MRI scan...",
            "Open a file, a folder of slices, or a DICOM series.",
            # By its name: what the menus call is built on the panels.
            partial(_execute, "napari-tumor-unet.open_scan", viewer),
        )
        self.sample = button(
            "Open sample",
            "Open a synthetic scan with a tumour; no patient's.",
            partial(viewer.open_sample, "napari-tumor-unet", "brain"),
        )
        super().__init__(self.said, self.open, self.sample)

    def ask_for(self, mask: Labels | None) -> None:
        """Ask for the scan of a mask, or for any."""
        if mask is None:
            self.said.value = "Open an MRI scan, or the sample, to find its tumour."
            return
        metadata = mask_metadata(mask)
        read_alone = bool(metadata.saved_as)  # and what it calls its scan is the name of its own file
        what = f"the scan of {mask.name}" if read_alone else metadata.scan
        self.said.value = f"Open {what}, too: its mask is there without it."


def _execute(command: str, viewer: Viewer) -> None:
    PluginManager.instance().commands.execute(command, (viewer,))
