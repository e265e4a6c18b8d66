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
from napari_tumor_unet.model.card import NOT_FOR_THE_CLINIC
from napari_tumor_unet.plugin.followup.mask_table import MaskTable, Source
from napari_tumor_unet.plugin.followup.mask_watch import MaskWatch, Stamp, stamp_of
from napari_tumor_unet.plugin.followup.offers import (
    offered_file,
    offered_layer,
    source_image,
    visit_of_layer,
)
from napari_tumor_unet.plugin.layers.metadata import masks_in, said_spacing
from napari_tumor_unet.plugin.layers.said_spacing import lacks_spacing, say_spacing, spacing_of
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.lines import LinesTable
from napari_tumor_unet.plugin.ui.panel import Panel
from napari_tumor_unet.plugin.ui.plain import show_info
from napari_tumor_unet.plugin.ui.plot import Plot
from napari_tumor_unet.plugin.ui.primary import show_primary
from napari_tumor_unet.plugin.ui.spacing_field import SpacingField
from napari_tumor_unet.plugin.ui.threads import Latest, in_thread
from napari_tumor_unet.plugin.ui.viewer_context import Message
from napari_tumor_unet.plugin.ui.widgets import align, button, fields, row, text_label, warning_label, wrap
from napari_tumor_unet.scan import SourceImage
from napari_tumor_unet.scan.spacing import Spacing

_CURVE = "#E69F00"  # seen as well by those who see no red and green
_COMPARE = "Compare the sizes of the masks."
_CHANGED = "The masks have changed; compare again."
_HIGHEST = 2000  # pixels of the table; the panel scrolls
_ENDINGS = (".html", ".pdf", ".csv", ".json")


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
        self.result: FollowUp | None = None
        self._compare = Latest()
        self._compared: object = None  # which masks, as the table had them
        self._stamps: dict[Path, Stamp] = {}  # of the files that were compared
        self._watch = MaskWatch(self.native, self._on_change)
        self.masks = MaskTable()
        self.problem = warning_label()
        self.add = button("Add files...", "Offer masks that are not open.", self._add_files)
        self.spacing = SpacingField(self._say)
        self.baseline = SpinBox(
            label="baseline",
            value=1,
            min=1,
            max=99,
            tooltip="The mask that changes are since, in the order of time.",
        )
        self.start = button("Compare", _COMPARE, self.compare)
        self.save = button(
            "Save report...", "As a page (.html, .pdf), a table (.csv), or all of it (.json).", self._save
        )
        self.remarks = text_label()
        self.table = LinesTable(("sizes over time",), _HIGHEST)
        self.plot = Plot(
            self._viewer,
            "Volume of each mask; over days since the baseline where dates are known.",
        )
        self._curve = self.plot.draw_points(_CURVE)
        choices = fields(self.baseline, self.spacing.line)
        asked = text_label()
        asked.value = "Check two masks or more of one patient."
        self.lay_out(
            asked,
            wrap(self.masks),
            self.problem,
            choices,
            self.spacing.problem,
            row(self.add, self.start),
            self.message,
            self.details,
            self.remarks,
            wrap(self.plot),
            wrap(self.table),
            self.save,
        )
        self.masks.changed.connect(self._on_choice)
        self.baseline.changed.connect(self._on_choice)
        align(choices)
        layers = self._viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.renamed, layers.reordered):
            self.connections.add(event, self._on_layers)
        self.connections.add(layers, self._on_event)
        self._show(None)
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
        result, untold, self._stamps = compared
        self._watch.add_files(self._stamps)
        self._untold |= untold
        self._show_spacing()
        if isinstance(result, ComparisonError):
            self._on_failed(str(result))
        else:
            self._show(result)

    def _on_layers(self) -> None:
        """Offer all masks that there are."""
        masks, layers = masks_in(self._viewer.layers), self._viewer.layers
        images = {image for mask in masks if (image := source_image(mask, layers))}
        for image in images - self._taken.keys():
            self._taken[image] = None
            in_thread(partial(taken_on, image), partial(self._on_taken, image))
        offered = [offered_layer(mask, layers, self._taken) for mask in masks]
        self.masks.show_masks([*offered, *map(offered_file, self.files)])
        self._on_choice()

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
        self._show(None)

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
        following = self.start if self.result is None else self.save
        show_primary(following if self.start.enabled else None, (self.start, self.save))

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

    def _on_failed(self, sentence: str) -> None:
        self.show_message(self._context.notify(Message(sentence, "error")))

    def _show(self, result: FollowUp | None) -> None:
        self.result = result
        self.table.setRowCount(0)
        shown = result is not None
        for part in (self.remarks, self.save):
            part.visible = shown
        self.plot.setVisible(shown)
        self.table.setVisible(shown)
        self.show_message(Message())
        self._lead()
        if result is None:
            return
        for i in range(len(result.time_points)):
            self.table.show_lines(self.table.append(), result.lines_of(i))
        self.plot.show_title(f"volume, {result.unit}")
        days = [point.days for point in result.time_points]
        at = list(range(1, len(days) + 1)) if None in days else [day or 0 for day in days]
        self.plot.getAxis("bottom").setTicks([[(x, str(x)) for x in at]])
        sizes = [point.size for point in result.time_points]
        self._curve.setData(at, sizes)
        self.plot.setYRange(0, max(*sizes, 1e-6))  # else a change of 4 % looks steep
        self.remarks.value = "\n".join((*result.remarks, NOT_FOR_THE_CLINIC))

    def _save(self) -> None:
        if self.result is None:
            return
        kinds = "Page (*.html);;PDF (*.pdf);;Table (*.csv);;All of it (*.json)"
        name, kind = FileDialog.getSaveFileName(self.native, "Save the report", "follow_up.html", kinds)
        if name:
            path = Path(name)
            if path.suffix.lower() not in _ENDINGS:
                ending = next((e for e in _ENDINGS if e in kind), _ENDINGS[0])
                path = path.with_name(path.name + ending)
            in_thread(
                partial(_write, self.result, self._stamps, path), partial(self._on_written, self.result, path)
            )

    def _on_written(self, result: FollowUp, path: Path, written: bool) -> None:
        if written:
            show_info(f"The report is in {path.name}.")
        elif result is self.result:
            self._on_change()


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


def _write(result: FollowUp, stamps: dict[Path, Stamp], path: Path) -> bool:
    """Write a report, unless a file that was compared is another one by now."""
    from napari_tumor_unet.evaluation.report import write_follow_up  # with matplotlib

    if is_same := all(stamp_of(file) == stamp for file, stamp in stamps.items()):
        write_follow_up(result, path)
    return is_same
