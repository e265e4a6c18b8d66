"""The part of the panel "Fine-tune" that says what is learned from: layers, a folder, or both."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from magicgui.widgets import CheckBox, Container, Label
from napari.layers import Image, Labels
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QSizePolicy

from napari_tumor_unet.io.datasets.pairs import Dataset, Pair
from napari_tumor_unet.plugin.finetune.case_list import PairRow, PairRows
from napari_tumor_unet.plugin.finetune.case_table import Line, PairTable
from napari_tumor_unet.plugin.layers.image_of_mask import image_for, matches
from napari_tumor_unet.plugin.layers.metadata import is_agreement
from napari_tumor_unet.plugin.ui.widgets import align, append, button, choice, row
from napari_tumor_unet.scan import ScanError
from napari_tumor_unet.training.finetuning.cases import Lesson, summary


class PairsSection(Container):
    """Puts scans and masks together, checks them, and says which are held out.

    Parameters
    ----------
    viewer : Viewer

    Attributes
    ----------
    changed_pairs : Signal
        What is learned from, or what is to be said of it, has changed.
    only_checked : CheckBox
        Whether slices count only if they were edited or marked as checked.
    """

    changed_pairs = Signal()

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self.mask_layer = choice("mask", self._masks, "The mask that you corrected.", nullable=True)
        self.scan_layer = choice("scan", self._scans, "The scan that it belongs to.", nullable=True)
        self.add_pair = button("Add", "Add this mask with this scan.", self._add)
        self.add_all = button(
            "Add all that match", "Add each mask with the scan of its shape and place.", self._add_all
        )
        self.add_folder = button(
            "Folder...", "Add the pairs of a folder: x.nii.gz with x_mask.nii.gz, ...", self._add_folder
        )
        self.drop = button("Remove", "Take the selected rows away; layers and files stay.", self._drop)
        self.only_checked = CheckBox(
            text="Only slices that I edited or marked as checked",
            tooltip="The other slices of a layer teach nothing, and count in no score.",
        )
        self.said, self.summed_up = Label(value=""), Label(value="")
        self.fields = Container(widgets=[self.mask_layer, self.scan_layer])
        self.fields.margins = (0, 0, 0, 0)
        super().__init__(
            widgets=[
                self.fields,
                row(self.add_pair, self.add_all),
                row(self.add_folder, self.drop),
                self.only_checked,
            ],
            labels=False,
        )
        self.margins = (0, 0, 0, 0)
        self.table = PairTable()
        append(self, self.table)
        self._below = Container(widgets=[self.said, self.summed_up], labels=False)
        self._below.margins = (0, 0, 0, 0)
        for label in self._below:
            label.native.setWordWrap(True)
            label.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        append(self, self._below.native)
        align(self.fields)
        self._rows = PairRows(self._viewer, self.native)
        self._connect()
        self._on_layers()
        self._show()

    def lessons(self) -> list[Lesson]:
        """The rows of layers as they are now: what is painted later changes nothing.

        Raises
        ------
        ScanError
            If a row cannot be used, or there is nothing to learn from, neither layers nor files.
        """
        found = self._rows.lessons()
        held_out = [lesson.held_out for lesson in found] + [out for _, out in self.files()]
        if not all(held_out):
            return found
        if held_out:
            raise ScanError("There is nothing to learn from: all scans are held out.")
        if len(self._rows):
            raise ScanError("There is nothing to learn from: the table says of each row why it is left out.")
        raise ScanError("There is nothing to learn from; add a scan with its mask, or a folder of them.")

    def files(self) -> list[tuple[Pair, bool]]:
        """The pairs of the folders added that can be used, with whether they are held out."""
        return self._rows.files()

    @property
    def slices(self) -> int:
        """How many slices all scans have that can be used, as far as they were looked through."""
        seen = (row.seen for row in self._rows.used())
        return sum(looked.marks.total for looked in seen if looked and looked.marks)

    def check_for(self, model_hash: str, known: Collection[str]) -> None:
        """Check the rows for the model that is chosen.

        Parameters
        ----------
        model_hash : str
        known : collection of str
            Hashes of what it has learned from, as model cards hold them.
        """
        self._rows.check_for(model_hash, known)

    def look_again(self) -> None:
        """Check the rows of layers again, as after slices were marked as checked."""
        self._rows.look_again()

    def _connect(self) -> None:
        self._rows.changed.connect(self._show)
        self._rows.found.connect(self._on_found)
        self._rows.failed.connect(show_error)
        self.table.used.connect(lambda n, held_out: self._rows.choose(self._row(n), held_out))
        self.table.itemSelectionChanged.connect(self._show_check)
        self.only_checked.changed.connect(self._rows.count_only_checked)
        self.mask_layer.changed.connect(self._on_mask)
        events = self._viewer.layers.events
        events.inserted.connect(self._on_layers)
        events.removed.connect(self._on_layers)
        self._viewer.layers.selection.events.active.connect(self._follow)

    def _masks(self) -> list[tuple[str, Labels]]:
        layers = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        return [(layer.name, layer) for layer in layers if not is_agreement(layer)]

    def _scans(self) -> list[tuple[str, Image]]:
        return [(layer.name, layer) for layer in self._viewer.layers if isinstance(layer, Image)]

    def _on_layers(self, *_: object) -> None:
        """Layers came, went or were renamed."""
        for layer in self._viewer.layers:
            layer.events.name.connect(self._on_layers)
        chosen = self.mask_layer.value
        with self.mask_layer.changed.blocked():
            self.mask_layer.reset_choices()
        self.scan_layer.reset_choices()
        self._follow()
        if chosen is None or chosen is not self.mask_layer.value:
            self._on_mask()

    def _follow(self, *_: object) -> None:
        """Take the active mask, or the only one."""
        masks = [layer for _, layer in self._masks()]
        active = self._viewer.layers.selection.active
        if active in masks:
            self.mask_layer.value = active
        elif self.mask_layer.value is None and masks:
            self.mask_layer.value = masks[-1]

    def _on_mask(self, *_: object) -> None:
        """Take the scan that belongs to it, if it can be told."""
        mask = self.mask_layer.value
        if mask is not None and (scan := image_for(mask, self._viewer.layers)) is not None:
            self.scan_layer.value = scan

    def _add(self) -> None:
        scan, mask = self.scan_layer.value, self.mask_layer.value
        if scan is None or mask is None:
            show_error("Choose a mask and its scan; open or segment a scan to have them.")
        elif not self._rows.add([(scan, mask)]):
            show_info(f"{mask.name} with {scan.name} is in the table already.")

    def _add_all(self) -> None:
        found, others = matches(self._viewer.layers)
        if not found:
            show_error("No mask has an image of its shape and place; add it by hand.")
            return
        added = self._rows.add(found)
        if others or not added:
            masks = "1 mask has" if others == 1 else f"{others} masks have"
            why = f"; {masks} no scan, or several that fit: add by hand" if others else ""
            show_info(f"{added} added{why}.")

    def _add_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.native, "Folder with scans and masks")
        if folder:
            self._rows.add_folder(Path(folder))

    def _on_found(self, found: Dataset) -> None:
        if found.left_out:
            name, why = next(iter(found.left_out.items()))
            show_info(f"{len(found.pairs)} pairs found, {len(found.left_out)} left out, as {name}: {why}.")

    def _drop(self) -> None:
        chosen = [self._row(n) for n in self.table.chosen()]
        self.table.clearSelection()
        self._rows.drop(chosen)

    def _row(self, n: int) -> PairRow:
        return list(self._rows)[n]

    def _show(self) -> None:
        held_out = self._rows.held_out()
        lines = []
        for shown in self._rows:
            out = shown.patient in held_out
            lines.append(Line(shown.scan, shown.mask, out, self._rows.check(shown, out)))
        self.table.show_lines(lines)
        used = self._rows.used()
        learned = [shown.patient for shown in used if shown.patient not in held_out]
        judged = [shown.patient for shown in used if shown.patient in held_out]
        self.summed_up.value = summary(learned, judged, len(self._rows) - len(used))
        self._show_check()
        self.changed_pairs.emit()

    def _show_check(self) -> None:
        """The check of the row selected, whole, or else the first that is not as it should be."""
        rows, held_out = list(self._rows), self._rows.held_out()
        checks = [(shown, self._rows.check(shown, shown.patient in held_out)) for shown in rows]
        checks = [(shown, found) for shown, found in checks if found is not None]
        chosen = [rows[n] for n in self.table.chosen()]
        order = sorted(checks, key=lambda pair: (pair[0] not in chosen, pair[1].status == "ok"))
        told = order and (order[0][0] in chosen or order[0][1].status != "ok")
        self.said.value = f"{order[0][0].scan}: {order[0][1].said}" if told else ""
        self.said.visible = bool(told)
        self.drop.enabled = bool(chosen)

    def let_go(self) -> None:
        """The section is closed; the viewer goes on."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_layers)
        events.removed.disconnect(self._on_layers)
        self._viewer.layers.selection.events.active.disconnect(self._follow)
        for layer in self._viewer.layers:
            layer.events.name.disconnect(self._on_layers)
        self._rows.let_go()
