"""The part of the panel "Fine-tune" for its cases: layers, a folder, or both."""

from __future__ import annotations

from pathlib import Path

from magicgui.widgets import CheckBox
from napari.layers import Image, Labels
from napari.viewer import Viewer

from napari_tumor_unet.io.datasets.pairs import Case, Dataset
from napari_tumor_unet.plugin.finetune.case_inspection import LayerCase
from napari_tumor_unet.plugin.finetune.case_list import CaseList
from napari_tumor_unet.plugin.finetune.case_table import CaseTable
from napari_tumor_unet.plugin.layers.image_of_mask import image_for, matches
from napari_tumor_unet.plugin.layers.metadata import masks_in
from napari_tumor_unet.plugin.ui.connections import Connections
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.panel import Section
from napari_tumor_unet.plugin.ui.plain import show_error, show_info
from napari_tumor_unet.plugin.ui.widgets import align, button, choice, fields, row, text_label, wrap
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.finetuning.cases import summary


class CasesSection(Section):
    """Puts cases together, checks them, and shows which are held out.

    Parameters
    ----------
    viewer : Viewer

    Attributes
    ----------
    cases : CaseList
    only_checked : CheckBox
        Whether slices count only if they were edited or marked as checked.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self.mask_layer = choice("mask", self._masks, "The mask that you corrected.", nullable=True)
        self.scan_layer = choice("scan", self._scans, "The scan that it belongs to.", nullable=True)
        self.add_pair = button("Add", "Add this mask with this scan.", self._add)
        self.add_all = button(
            "Add all that match", "Add each mask with the scan of its shape and place.", self._add_all
        )
        self.add_folder = button(
            "Folder...",
            "Add the pairs of a folder: x.nii.gz with x_mask.nii.gz, x_flair.nii.gz with x_seg.nii.gz, ...",
            self._add_folder,
        )
        self.remove_cases = button(
            "Remove", "Take the selected rows away; layers and files stay.", self._remove
        )
        self.only_checked = CheckBox(
            text="Only slices I worked on",
            tooltip="Those that I edited or marked as checked; others teach nothing, and count in no score.",
        )
        self.summary = text_label()
        self.table = CaseTable()
        self._rows = wrap(self.table)
        self.fields = fields(self.mask_layer, self.scan_layer)
        super().__init__(
            self.fields,
            row(self.add_pair, self.add_all),
            row(self.add_folder, self.remove_cases),
            self._rows,
            self.only_checked,
            self.summary,
        )
        align(self.fields)
        self.cases = CaseList(self._viewer, self.native)
        self._renamings = Connections(self.native)
        self._connect()
        self._on_layers()
        self._show()

    def collect(self, *, to_learn: bool = True) -> list[tuple[Case | LayerCase, bool]]:
        """Return the cases, each with whether it is held out; what is painted later changes nothing.

        Parameters
        ----------
        to_learn : bool
            Whether one at least has to be learned from, and not held out.

        Raises
        ------
        ScanError
            If a case cannot be used, or there is nothing to learn from.
        """
        cases = self.cases.collect()
        if not all(held_out for _, held_out in cases) or (cases and not to_learn):
            return cases
        raise ScanError(self._why_nothing(len(cases)))

    @property
    def lacking(self) -> str:
        """Why there is nothing to learn from; empty where there is something."""
        held_out, used = self.cases.held_out(), self.cases.used()
        return self._why_nothing(len(used)) if all(case.patient in held_out for case in used) else ""

    @property
    def can_match(self) -> bool:
        """Whether a mask that is open has a scan that it can be of."""
        return bool(matches(self._viewer.layers)[0])

    @property
    def slices(self) -> int:
        """Number of slices of all scans that can be used, as far as they are inspected."""
        inspections = (case.inspection for case in self.cases.used())
        return sum(each.annotation.total for each in inspections if each and each.annotation)

    def _why_nothing(self, usable: int) -> str:
        if usable:
            return "There is nothing to learn from: all scans are held out."
        if len(self.cases):
            return "There is nothing to learn from: the table says of each row why it is left out."
        return "There is nothing to learn from; add a scan with its mask, or a folder of them."

    def _connect(self) -> None:
        self.cases.changed.connect(self._show)
        self.cases.folder_added.connect(self._on_folder_added)
        self.cases.folder_failed.connect(show_error)
        self.table.held_out_changed.connect(self._on_held_out)
        self.table.itemSelectionChanged.connect(self._on_selection)
        self.only_checked.changed.connect(self.cases.count_only_checked)
        self.mask_layer.changed.connect(self._on_mask)
        layers = self._viewer.layers
        self.connections.add(layers.events.inserted, self._on_layers)
        self.connections.add(layers.events.removed, self._on_layers)
        self.connections.add(layers.selection.events.active, self._follow)

    def _masks(self) -> list[tuple[str, Labels]]:
        return [(layer.name, layer) for layer in masks_in(self._viewer.layers)]

    def _scans(self) -> list[tuple[str, Image]]:
        return [(layer.name, layer) for layer in self._viewer.layers if isinstance(layer, Image)]

    def _on_layers(self, *_: object) -> None:
        """Offer the layers that there are, as one came, went or was renamed."""
        self._renamings.close()
        for layer in self._viewer.layers:
            self._renamings.add(layer.events.name, self._on_layers)
        chosen = self.mask_layer.value
        with self.mask_layer.changed.blocked():
            self.mask_layer.reset_choices()
        self.scan_layer.reset_choices()
        self._follow()
        if chosen is None or chosen is not self.mask_layer.value:
            self._on_mask()

    def _follow(self, *_: object) -> None:
        """Choose the active mask, or the only one."""
        masks = [layer for _, layer in self._masks()]
        active = self._viewer.layers.selection.active
        if active in masks:
            self.mask_layer.value = active
        elif self.mask_layer.value is None and masks:
            self.mask_layer.value = masks[-1]

    def _on_mask(self, *_: object) -> None:
        """Choose the scan of the mask, where it is clear which that is."""
        mask = self.mask_layer.value
        if mask is not None and (scan := image_for(mask, self._viewer.layers)) is not None:
            self.scan_layer.value = scan

    def _add(self) -> None:
        scan, mask = self.scan_layer.value, self.mask_layer.value
        if scan is None or mask is None:
            show_error("Choose a mask and its scan; open or segment a scan to have them.")
        elif not self.cases.add([(scan, mask)]):
            show_info(f"{mask.name} with {scan.name} is in the table already.")

    def _add_all(self) -> None:
        pairs, others = matches(self._viewer.layers)
        if not pairs:
            show_error("No mask has just one scan that it can be of; choose a mask and its scan, and Add.")
            return
        added = self.cases.add(pairs)
        if others or not added:
            masks = "1 mask has" if others == 1 else f"{others} masks have"
            why = f"; {masks} no scan, or several that fit: add by hand" if others else ""
            show_info(f"{added} added{why}.")

    def _add_folder(self) -> None:
        folder = FileDialog.getExistingDirectory(self.native, "Folder with scans and masks")
        if folder:
            self.cases.add_folder(Path(folder))

    def _on_folder_added(self, dataset: Dataset) -> None:
        if dataset.left_out:
            name, why = next(iter(dataset.left_out.items()))
            n, others = len(dataset.pairs), len(dataset.left_out)
            show_info(f"{n} pairs found, {others} left out, as {name}: {why}.")

    def _on_held_out(self, n: int, held_out: bool) -> None:
        self.cases.hold_out(list(self.cases)[n], held_out)

    def _remove(self) -> None:
        rows = list(self.cases)
        selected = [rows[n] for n in self.table.selected_rows()]
        self.table.clearSelection()
        self.cases.remove(selected)

    def _show(self) -> None:
        held_out, used = self.cases.held_out(), self.cases.used()
        self.table.show_statuses(self.cases.statuses())
        learned = [case.patient for case in used if case.patient not in held_out]
        judged = [case.patient for case in used if case.patient in held_out]
        self.summary.value = summary(learned, judged, len(self.cases) - len(used))
        self._rows.visible = self.only_checked.visible = len(self.cases) > 0
        self._on_selection()

    def _on_selection(self) -> None:
        self.remove_cases.enabled = bool(self.table.selected_rows())
