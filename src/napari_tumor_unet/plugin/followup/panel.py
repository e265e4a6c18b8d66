"""The panel "Follow-up": the masks of one patient over time, layers or files."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import napari
from magicgui.widgets import SpinBox
from napari.layers import Labels

from napari_tumor_unet._common import TumourUnetError
from napari_tumor_unet.evaluation.compare import ComparisonError
from napari_tumor_unet.evaluation.follow_up import FollowUp, Visit, follow, visit_of
from napari_tumor_unet.io.dicom.source import taken_on
from napari_tumor_unet.io.file_names import FORMATS, scan_name
from napari_tumor_unet.plugin.followup.mask_table import MaskTable, Source
from napari_tumor_unet.plugin.followup.mask_watch import MaskWatch, Stamp, stamp_of
from napari_tumor_unet.plugin.followup.offers import (
    offered_file,
    offered_layer,
    source_image,
    visit_of_layer,
)
from napari_tumor_unet.plugin.followup.result_section import ResultSection
from napari_tumor_unet.plugin.layers.metadata import masks_in, said_spacing
from napari_tumor_unet.plugin.layers.said_spacing import lacks_spacing, say_spacing, spacing_of
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.panel import Panel
from napari_tumor_unet.plugin.ui.primary import show_primary
from napari_tumor_unet.plugin.ui.spacing_field import SpacingField
from napari_tumor_unet.plugin.ui.threads import Latest, in_thread
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import align, button, fields, row, text_label, warning_label, wrap
from napari_tumor_unet.scan import SourceImage
from napari_tumor_unet.scan.spacing import Spacing

_COMPARE = "Compare the sizes of the masks."
_CHANGED = "The masks have changed; compare again."


class FollowUpPanel(Panel):
    """Choose masks of one patient, and compare their sizes.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose dock holds the panel.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.files: list[Path] = []
        self._taken: dict[SourceImage, date | None] = {}  # as DICOM headers tell
        self._untold: set[Path] = set()  # files that are known to tell no spacing
        self._given: Spacing | None = None  # of them
        self._compare = Latest()
        self._compared: object = None  # which masks, as the table had them
        self._watch = MaskWatch(self.native, self._on_change)
        self.masks = MaskTable()
        self.problem = warning_label()
        self.add = button("Add files...", "Offer masks that are not open.", self._add_files)
        self.take_off = button(
            "Remove", "Take the current row's file off the list; the file stays.", self._take_off
        )
        self.spacing = SpacingField(self._say)
        self.baseline = SpinBox(
            label="baseline",
            value=1,
            min=1,
            max=99,
            tooltip="The mask that changes are since, in the order of time.",
        )
        self.start = button("Compare", _COMPARE, self.compare)
        self.report = ResultSection(self._viewer, self._on_change)
        choices = fields(self.baseline, self.spacing.line)
        asked = text_label()
        asked.value = "Check two masks or more of one patient."
        self.lay_out(
            asked,
            wrap(self.masks),
            self.problem,
            choices,
            self.spacing.problem,
            row(self.add, self.take_off),
            self.start,
            self.message,
            self.details,
            self.report,
        )
        self.masks.changed.connect(self._on_choice)
        self.masks.selected.connect(self._on_selected)
        self.baseline.changed.connect(self._on_choice)
        align(choices)
        layers = self._viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.renamed, layers.reordered):
            self.connections.add(event, self._on_layers)
        self.connections.add(layers, self._on_event)
        self.report.clear()
        self._on_layers()

    def compare(self) -> None:
        """Compare the masks chosen; files are read by a thread."""
        self._forget()
        chosen = self.masks.chosen
        try:
            taken = [self.masks.taken(source) for source in chosen]
            visits = {
                source: source if isinstance(source, Path) else visit_of_layer(source, self._viewer.layers)
                for source in chosen
            }
        except TumourUnetError as error:
            self.show_message(self._context.notify(Message(str(error), "error")))
            return
        self._compared = self._asked
        self._watch.start(
            {
                one: visit
                for one, visit in visits.items()
                if isinstance(one, Labels) and isinstance(visit, Visit)
            }
        )
        self.show_message(Message("Comparing"))
        work = partial(_follow, [*visits.values()], taken, self.baseline.value - 1, self._given)
        self._compare(work, self._on_compared, self._on_failed)

    def _on_compared(self, compared: tuple[FollowUp | ComparisonError, set[Path], dict[Path, Stamp]]) -> None:
        result, untold, stamps = compared
        self._watch.add_files(stamps)
        self._untold |= untold
        self._show_spacing()
        if isinstance(result, ComparisonError):
            self._on_failed(str(result))
        else:
            self.report.show_result(result, stamps)
            self.show_message(Message())
            self._lead()

    def _on_layers(self) -> None:
        """Offer all masks that there are, and say so where those that were compared are others now."""
        compared = self._compared
        masks, layers = masks_in(self._viewer.layers), self._viewer.layers
        images = {image for mask in masks if (image := source_image(mask, layers))}
        for image in images - self._taken.keys():
            self._taken[image] = None
            in_thread(partial(taken_on, image), partial(self._on_taken, image))
        offered = [offered_layer(mask, layers, self._taken) for mask in masks]
        self.masks.show_masks([*offered, *map(offered_file, self.files)])
        self._on_choice()
        if compared is not None and self._compared is None:
            self.show_message(Message(_CHANGED))

    def _on_taken(self, image: SourceImage, taken: date | None) -> None:
        self._taken[image] = taken
        self._on_layers()

    def _on_event(self, event: Any) -> None:
        if event.type == "units":
            self._show_spacing()

    @property
    def _asked(self) -> object:
        """What *Compare* would compare now."""
        return self.masks.entries, self.baseline.value

    def _on_change(self) -> None:
        self._forget()
        self.show_message(Message(_CHANGED))

    def _forget(self) -> None:
        """Show no result, nor one that is being computed."""
        self._compare.forget()
        self._watch.stop()
        self._compared = None
        self.report.clear()
        self.show_message(Message())
        self._lead()

    def _on_choice(self, *_: object) -> None:
        """Let masks be compared as soon as these are two, whose dates are dates; others are no result's."""
        if self._compared not in (None, self._asked):
            self._forget()
        lacking = self.masks.lacking
        self.problem.value, self.problem.visible = self.masks.problem, bool(self.masks.problem)
        self.start.enabled, self.start.tooltip = not lacking, lacking or _COMPARE
        self._lead()
        self._show_spacing()

    def _lead(self) -> None:
        """Let the button stand out that comes next."""
        save = self.report.save
        following = self.start if self.report.result is None else save
        show_primary(following if self.start.enabled else None, (self.start, save))

    def _without_spacing(self) -> dict[Source, Spacing | None]:
        """Return the masks chosen that tell no spacing, each with the one that was said of it."""
        said = {
            one: spacing_of(one) if said_spacing(one) else None
            for one in self.masks.chosen
            if isinstance(one, Labels) and (lacks_spacing(one) or said_spacing(one))
        }
        return said | {one: self._given for one in self.masks.chosen if one in self._untold}

    def _show_spacing(self) -> None:
        """Let the user say a spacing, unless there are several already."""
        spacings = set(self._without_spacing().values())
        one = next(iter(spacings)) if len(spacings) == 1 else None
        self.spacing.show(one, visible=len(spacings) == 1 or None in spacings)

    def _say(self, spacing: Spacing | None) -> None:
        """Say it of the masks of which it is unknown; else of all, which have one then."""
        sources = self._without_spacing()
        unknown = [source for source, said in sources.items() if said is None]
        for source in unknown or sources:
            if isinstance(source, Path):
                self._given = spacing
            else:
                say_spacing(self._viewer, source, spacing)
        self._show_spacing()
        self.compare()

    def _add_files(self) -> None:
        patterns = " ".join(f"*{ending}" for ending in FORMATS)
        names, _ = FileDialog.getOpenFileNames(self.native, "Masks of one patient", "", f"Masks ({patterns})")
        chosen = [*self.masks.chosen, *map(Path, names)]
        self.files += [path for path in map(Path, names) if path not in self.files]
        self._on_layers()
        self.masks.choose(chosen)

    def _on_selected(self) -> None:
        self.take_off.visible, self.take_off.enabled = bool(self.files), self.masks.current in self.files

    def _take_off(self) -> None:
        self.files = [path for path in self.files if path != self.masks.current]
        self._on_layers()

    def _on_failed(self, sentence: str) -> None:
        self.show_message(self._context.notify(Message(sentence, "error")))


def _follow(
    sources: list[Visit | Path], taken: list[date | None], baseline: int, given: Spacing | None
) -> tuple[FollowUp | ComparisonError, set[Path], dict[Path, Stamp]]:
    """Follow masks, and tell which files say no spacing, for which one may be given; and what files were."""
    visits, untold = [], set()
    stamps = {source: stamp_of(source) for source in sources if isinstance(source, Path)}
    for source, when in zip(sources, taken, strict=True):
        if isinstance(source, Path):
            visits.append(visit_of(scan_name(source), source, when, given))
            if visits[-1].spacing == "given" or not visits[-1].grid.in_mm:
                untold.add(source)
        else:
            visits.append(replace(source, taken=when))
    try:
        return follow(visits, baseline), untold, stamps
    except ComparisonError as error:
        return error, untold, stamps
