"""The part of the panel "Segment tumour" that says what is in the mask, and what made it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from napari_tumor_unet._common import plural, size_in_words
from napari_tumor_unet.inference.result import headline
from napari_tumor_unet.model.card import NOT_FOR_THE_CLINIC
from napari_tumor_unet.plugin.layers.metadata import MaskMetadata
from napari_tumor_unet.plugin.segment.mask_editor import MaskState, slices_in_words
from napari_tumor_unet.plugin.ui.font import enlarge
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import plain
from napari_tumor_unet.plugin.ui.widgets import button, row, text_label, warning_label
from napari_tumor_unet.scan import SEQUENCES
from napari_tumor_unet.scan.sequence_names import SHORT_TITLES, patient_in, words_of

_NO_PROBABILITY = "Opened without its probability: threshold, doubt and regions left out need a run."


class ResultCard(Section):
    """Shows the size of a mask, the model and threshold that made it, and the regions that were left out.

    Parameters
    ----------
    take_in : callable
        Takes the regions in that were left out.
    """

    def __init__(self, take_in: Callable[[], None]) -> None:
        self.headline = text_label(tooltip="What is in the mask now, your edits included.")
        self.spacing = text_label()
        self.spacing.value = "No ml without a spacing: say it under Sequences and slices."
        self.origin = text_label()
        self.left_out = text_label(tooltip="Specks are not told here; the saved .json counts them too.")
        self.take_in = button("Take in", "Add these regions to the mask; undo takes them out again.", take_in)
        self._row = row(self.left_out, self.take_in)
        self.unused = text_label()
        self.other_scan = warning_label()
        self.out_of_view = warning_label()
        self.out_of_view.value = "Not what is on screen: the scan of this mask is hidden, or not alone there."
        self.note = text_label()
        self.note.value = NOT_FOR_THE_CLINIC
        super().__init__(
            self.headline,
            self.out_of_view,
            self.other_scan,
            self.spacing,
            self.origin,
            self.unused,
            self._row,
            self.note,
        )
        for hidden in (self.unused, self.other_scan, self.out_of_view):
            hidden.visible = False
        enlarge(self.headline.native, 1.3)
        self.native.layout().setSpacing(2)

    def show_state(
        self, state: MaskState, metadata: MaskMetadata, name: str = "", *, lacks_spacing: bool = False
    ) -> None:
        """Show a mask as it is now, with the name of its layer where there is a choice of masks."""
        self.headline.value = _headline(state, metadata)
        self.spacing.visible = lacks_spacing and state.findings.voxels > 0
        parts = (
            name,
            _model(metadata),
            "" if metadata.provenance is None else f"threshold {metadata.threshold:.2f}",
            "edited" * (state.edited or metadata.edited_before),
            state.saved_as and _saved(state.saved_as, metadata),
        )
        self.origin.value = " · ".join(filter(None, parts)) or "no model that is known"
        self.origin.tooltip = plain(_details(metadata))
        self.left_out.value = _told(state, smaller=bool(metadata.min_region_voxels))
        self._row.visible = bool(state.left_out.regions)

    def show_other_scan(self, title: str) -> None:
        """Warn of a mask that was not made from the scan, given by its title, on which it lies; or do not."""
        self.other_scan.value = f"Made from another scan than {title}, or from {title} before it was changed."
        self.other_scan.visible = bool(title)

    def show_unused(self, made_from: Collection[str], there: Collection[str]) -> None:
        """Say which sequences of the scan did not make the mask, as they were opened later."""
        unused = [SHORT_TITLES[sequence] for sequence in SEQUENCES if sequence in {*there} - {*made_from}]
        alone = " alone" if len(made_from) == 1 else ""
        made = " and ".join(SHORT_TITLES[sequence] for sequence in SEQUENCES if sequence in made_from)
        self.unused.value = f"Made from {made}{alone}; Segment again to use {' and '.join(unused)}."
        self.unused.visible = bool(unused and made_from)


def _headline(state: MaskState, metadata: MaskMetadata) -> str:
    emptied = metadata.written.any() or state.left_out.regions or metadata.provenance is None
    if emptied and not state.findings.voxels:
        return "The mask is empty."
    return headline(state.findings, metadata.warnings)


def _model(metadata: MaskMetadata) -> str:
    return "" if metadata.provenance is None else f"model {metadata.provenance.model!r}"


def _saved(file: str, metadata: MaskMetadata) -> str:
    """Name the file; of one that was opened, whether its name goes on from that of the scan."""
    scan = patient_in(metadata.scan)
    named = not scan or f"{'_'.join(words_of(file))}_".startswith(f"{scan}_")
    return f"saved as {file}" + ("" if metadata.source or named else ", a name that does not tell the scan")


def _details(metadata: MaskMetadata) -> str:
    made, told = metadata.provenance, []
    if made is not None:
        told.append(f"Model {made.model!r}, from {', '.join(made.sequences)}, on {made.device}, {made.date}")
    return "\n".join([*told, *[_NO_PROBABILITY] * (not metadata.has_probability)])


def _told(state: MaskState, *, smaller: bool) -> str:
    left_out = state.left_out
    if not left_out.regions:
        return ""
    what = plural(left_out.regions, f"{'smaller' if smaller else 'weaker'} region")
    size = size_in_words(left_out.voxels, left_out.volume_ml)
    return f"{what} left out ({size}, {slices_in_words(state.left_out_slices)})"
