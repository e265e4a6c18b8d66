"""The part of the panel "Segment tumour" for models: choose one, read its card, keep one's own in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QInputDialog, QLineEdit, QMenu, QMessageBox, QSizePolicy

from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import NO_DIGEST, NOT_CHECKED, Card, check_model, read_card, weights_digest
from napari_tumor_unet.plugin.ui.confirm import confirmed
from napari_tumor_unet.plugin.ui.file_dialog import FileDialog
from napari_tumor_unet.plugin.ui.plain import plain, show_info
from napari_tumor_unet.plugin.ui.qt_job import QtJob
from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from napari_tumor_unet.plugin.ui.threads import Latest, in_thread
from napari_tumor_unet.plugin.ui.viewer_context import Message, ViewerContext
from napari_tumor_unet.plugin.ui.widgets import button, choice, text_label
from napari_tumor_unet.worker import tasks

_FILE = "a file..."
_FILTER = "Models (*.safetensors)"
_PACKAGE = ".zip"


class _Models(NamedTuple):
    """Names of all models and of the user's own, and the files elsewhere that the user chose."""

    names: tuple[str, ...] = (registry.DEFAULT_MODEL,)
    own: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


class ModelSection:
    """The model that segments, and what can be done with it.

    Files are read and written in threads: the folder of models may lie on a slow disk.

    Parameters
    ----------
    context : ViewerContext

    Attributes
    ----------
    chosen : str or Path
        The model that the panel shows, by its name or file.
    """

    def __init__(self, context: ViewerContext) -> None:
        self._context = context
        self._models = _Models()
        self._wanted: str | Path | None = None
        self._recalled = False
        self._listing = Latest()
        self.model = choice("model", self._choices, "A model of the plugin, your own, or a file.")
        self.manage = button("...", "About the model; import, rename, export or delete one.", self._show_menu)
        self.manage.native.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.note = text_label(visible=False)
        self.chosen: str | Path = registry.DEFAULT_MODEL
        self.model.changed.connect(self._on_model)
        self.menu = QMenu(self.model.native)
        self.card = self.menu.addAction("About the model", self._show_card)
        self.menu.addSection("Manage models")
        self.menu.addAction("Import...", self._import)
        self.menu.addAction("Export...", self._export)
        self.menu.addAction("Export for bioimage.io...", self._export_package)
        own = (("Rename...", self._rename), ("Delete...", self._delete))
        self._own_actions = [self.menu.addAction(text, act) for text, act in own]
        self._preferred = self.menu.addAction("Use for the one click", self._prefer)
        self._preferred.setCheckable(True)
        self.menu.addAction("Show folder", self._show_folder)
        self.refresh()

    @property
    def to_run(self) -> str | None:
        """The model to segment with; None, as long as the one click's is still to be listed, for that one."""
        if self.chosen != registry.DEFAULT_MODEL:
            return str(self.chosen)
        recalling = not self._recalled or self._wanted == segmentation_settings().model
        return None if recalling else str(self._wanted or self.chosen)

    def recall(self, preferred: str) -> None:
        """Choose the one click's model, if it is still there and nothing else was chosen meanwhile."""
        self._recalled = True
        if self.chosen == registry.DEFAULT_MODEL and self._wanted is None:
            self._wanted = preferred
        self.refresh()

    def refresh(self) -> None:
        """List the models that there are now."""
        self._listing(partial(_list_models, self._models.files), self._show)

    def choose(self, name: str | Path) -> None:
        """Choose a model as soon as the models are listed anew, if it is among them."""
        self._wanted = name
        self.refresh()

    def _show(self, models: _Models) -> None:
        wanted, self._wanted = (self._wanted, self.model.value), None
        self._models = models
        with self.model.changed.blocked():
            self.model.native.clear()  # else magicgui puts new models behind the entry for a file
            self.model.reset_choices()
            choices = self.model.choices
            self.model.value = next((name for name in wanted if name in choices), registry.DEFAULT_MODEL)
        if self.model.value != self.chosen:
            self.model.changed.emit(self.model.value)
        self._show_note()

    def _one_click(self) -> str:
        """Return the model that the one click uses."""
        preferred = str(segmentation_settings().model)
        return preferred if preferred in self._models.names else registry.DEFAULT_MODEL

    def _show_note(self) -> None:
        """Say which model the one click uses, where it is another one than is chosen here."""
        if self._recalled:  # napari takes its time for its first setting
            self.note.value = f"The one click uses {self._one_click()!r}."
            self.note.visible = self.chosen != self._one_click()

    def _choices(self) -> list[tuple[str, str | Path]]:
        files = [(path.name, path) for path in self._models.files]
        return [*((name, name) for name in self._models.names), *files, (_FILE, _FILE)]

    def _on_model(self, value: str | Path) -> None:
        """Remember a model; for a file ask which, and choose it only if it is a model."""
        if value != _FILE:
            self.chosen, self._wanted = value, None
            self._show_note()
            return
        with self.model.changed.blocked():
            self.model.value = self.chosen
        path = self._ask_for_file()
        if path is not None:
            in_thread(partial(check_model, path), lambda _: self._add_file(path))

    def _add_file(self, path: Path) -> None:
        self._models = self._models._replace(files=tuple(dict.fromkeys((*self._models.files, path))))
        self.choose(path)

    def _ask_for_file(self) -> Path | None:
        name, _ = FileDialog.getOpenFileName(self.model.native, "Choose a model", "", _FILTER)
        return Path(name) if name else None

    def _show_menu(self) -> None:
        for action in self._own_actions:
            action.setEnabled(self.model.value in self._models.own)
        self._preferred.setEnabled(self.model.value in self._models.names)  # a file may be gone tomorrow
        self._preferred.setChecked(self.model.value == self._one_click())
        corner = self.manage.native.rect().bottomLeft()
        self.menu.popup(self.manage.native.mapToGlobal(corner))

    def _import(self) -> None:
        path = self._ask_for_file()
        if path is not None:
            in_thread(partial(_import, path), self._on_imported)

    def _on_imported(self, imported: tuple[str, bool]) -> None:
        name, is_new = imported
        show_info(
            f"The model is imported as {name!r}." if is_new else f"The model is there already, as {name!r}."
        )
        self._on_changed(name)

    def _export(self) -> None:
        model = str(self.model.value)
        name = Path(model).name.removesuffix(registry.ENDING) + registry.ENDING
        path, _ = FileDialog.getSaveFileName(self.model.native, "Export the model", name, _FILTER)
        if path:
            target = Path(path if path.endswith(registry.ENDING) else path + registry.ENDING)
            export = partial(registry.export_model, model, target)
            in_thread(export, lambda _: show_info(f"The model is in {target.name}."))

    def _export_package(self) -> None:
        """Write a package in the child process, which has torch."""
        model = str(self.model.value)
        name = Path(model).name.removesuffix(registry.ENDING) + _PACKAGE
        title, kinds = "Export the model for bioimage.io", f"Packages (*{_PACKAGE})"
        path, _ = FileDialog.getSaveFileName(self.model.native, title, name, kinds, folder=True)
        if not path:
            return
        target = Path(path if path.endswith(_PACKAGE) else path + _PACKAGE)
        job, notify = QtJob(self._context), self._context.notify
        job.finished.connect(lambda _: notify(Message(f"The package is in {target.name}.")))
        job.failed.connect(lambda error: notify(Message(str(error), "error", error.details), [str(target)]))
        for ended in (job.finished, job.failed):
            ended.connect(job.deleteLater)
        job.start(self._context.worker, tasks.export_package, partial(registry.find_model, model), target)

    def _rename(self) -> None:
        old = str(self.model.value)
        new, ok = QInputDialog.getText(
            self.model.native, "Rename the model", "New name", QLineEdit.EchoMode.Normal, old
        )
        if ok:
            in_thread(partial(registry.rename_model, old, new), lambda _: self._on_gone(old, new.strip()))

    def _delete(self) -> None:
        name = str(self.model.value)
        question = f"Delete the model {name!r}? It cannot be brought back."
        if name == self._one_click():
            question += f" The one click then uses {registry.DEFAULT_MODEL!r}."
        if confirmed(self.model.native, "Delete the model", question):
            delete = partial(registry.delete_model, name)
            in_thread(delete, lambda _: self._on_gone(name, registry.DEFAULT_MODEL))

    def _on_gone(self, name: str, successor: str) -> None:
        """Choose what comes after a model, for the one click too if it used that model."""
        if segmentation_settings().model == name:
            segmentation_settings().model = successor
        self._on_changed(successor)

    def _prefer(self) -> None:
        segmentation_settings().model = str(self.chosen)
        self._show_note()

    def _on_changed(self, name: str) -> None:
        """Choose a model, and let all panels list the models anew."""
        self._wanted = name
        self._context.models_changed.emit()

    def _show_folder(self) -> None:
        def show(folder: Path) -> None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

        in_thread(registry.make_model_folder, show)

    def _show_card(self) -> None:
        in_thread(partial(find_card, str(self.model.value)), self._show_text)

    def _show_text(self, card: Card) -> None:
        box = QMessageBox(self.model.native)
        box.setWindowTitle(plain(f"Model {card.name!r}"))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(plain(card.summary or card.name))
        box.setInformativeText(plain(card_as_text(card)))
        details = filter(None, (card.training, *card.citations))
        box.setDetailedText(plain("\n\n".join(details)))  # folded, so that the box fits a small screen
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setModal(False)
        box.show()


def _list_models(files: Iterable[Path]) -> _Models:
    there = tuple(path for path in files if path.is_file())
    return _Models(tuple(registry.all_models()), tuple(registry.user_models()), there)


def _import(path: Path) -> tuple[str, bool]:
    """Import a model; return its name, and whether it is new."""
    before = registry.all_models()
    name = registry.import_model(path)
    return name, name not in before


def find_card(model: str) -> Card:
    """Read the card of a model, by name or file; what it has not is among its limits."""
    card = read_card(path := registry.find_model(model))
    lacking = ((card.doubtful_under is None, NOT_CHECKED), (not weights_digest(path), NO_DIGEST))
    return replace(card, limits=(*card.limits, *(said for lacks, said in lacking if lacks)))


def card_as_text(card: Card) -> str:
    """Write what a user should know of a model, in paragraphs."""
    details = {"how it was trained": card.training, "what to cite with results": card.citations}
    told = ", and ".join(what for what, there in details.items() if there)
    parts = [
        f"It was recommended to discard this model. {card.advised_against}" if card.advised_against else "",
        card.training_data,
        *(_score(what, score) for what, score in card.scores.items()),
        *(f"Limit: {limit}" for limit in card.limits),
        card.intended_use,
        f"Licence: {card.licence}" if card.licence else "",
        f"The details tell {told}." if told else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _score(what: str, score: object) -> str:
    """Write a score in one line; nothing where a card from elsewhere words it in another way."""
    if isinstance(score, dict) and {"before", "after"} <= score.keys():  # of a fine-tuning
        return f"{what}: Dice {score['before']} before, {score['after']} after"
    dice = score.get("Dice per volume, on the scan's own grid") if isinstance(score, dict) else None
    if not isinstance(dice, dict) or not isinstance(dice.get("mean"), float):
        return ""
    return f"{what}: mean Dice {dice['mean']} (standard deviation {dice.get('standard_deviation')})"
