"""One run of the segmentation, and what goes with it: its job, its layer, its bar."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_tumor_unet.model.registry import DEFAULT_MODEL, ENDING, all_models, find_model
from napari_tumor_unet.plugin.layers.layer_scan import LayerScan
from napari_tumor_unet.plugin.layers.metadata import title_of
from napari_tumor_unet.plugin.segment.mask_writer import MaskWriter
from napari_tumor_unet.plugin.segment.progress_bar import ProgressBar
from napari_tumor_unet.plugin.ui.qt_job import QtJob

if TYPE_CHECKING:
    from napari import Viewer


class Run:
    """What belongs to one run and goes with it."""

    def __init__(
        self,
        viewer: Viewer,
        source: LayerScan,
        job: QtJob,
        only: bool,
        quiet: bool,
        stage: str,
        ready: bool,
        model: str,
    ) -> None:
        self.source = source
        self.name = title_of(source.image)
        self.only = only
        self.quiet = quiet
        self.job = job
        self.writer = MaskWriter(viewer, source, model, only=only)
        self.bar = ProgressBar(viewer, source.scan, job, stage, ready=ready)
        self.model, self.missing = model, ""
        self.asked = False  # the child has asked for voxels
        self.shown = False  # slices have come

    def find_model(self, *, fall_back: bool) -> Path:
        """Find the model, or the default where the preferred one is gone; in the job's thread."""
        if fall_back and self.model not in all_models():
            self.missing, self.model = self.model, DEFAULT_MODEL
        return find_model(self.model)

    @property
    def missing_note(self) -> str:
        """The sentence that another model was used, as the preferred one is gone; empty where it is not."""
        gone = f"There is no model {self.missing!r} any more, so {DEFAULT_MODEL!r} was used."
        return gone if self.missing else ""

    def notes(self, shown_model: str | Path) -> Iterator[str]:
        """Yield sentences on what a user may not expect of the result, as another model than is shown."""
        if self.source.combined:
            yield f"From {self.source.combined}."
        if not self.missing and not self.model == str(shown_model) == DEFAULT_MODEL:
            yield f"By the model {Path(self.model).name.removesuffix(ENDING)!r}."
        if self.writer.is_hidden:
            yield "The mask is hidden, as its scan is; the eyes in the layer list show both."
        for name in self.writer.hidden:
            yield f"Your mask {name!r} stays as it was, hidden."
        if self.only and not self.quiet:
            yield "This slice only; the panel Segment tumour sets that."

    def close(self) -> None:
        """Remove the bar, and delete the job."""
        self.job.deleteLater()
        self.bar.close()
