"""The part of the panel for models: choose one, read its card, keep one's own in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QInputDialog, QLineEdit, QMenu, QMessageBox

from napari_tumor_unet.model import registry
from napari_tumor_unet.model.card import Card, ModelError, read_card
from napari_tumor_unet.plugin.ui.settings import segmentation_settings
from napari_tumor_unet.plugin.ui.widgets import button, choice, row

_FILE = "a file..."
_FILTER = "Models (*.safetensors)"


class ModelSection:
    """The model that segments, and what can be done with it."""

    def __init__(self) -> None:
        self._files: list[Path] = []
        self.model = choice("model", self._choices, "A model of the plugin, your own, or a file.")
        self.card = button(
            "About the model", "What the model learned from, its scores and limits.", self._show_card
        )
        self.manage = button("Manage models...", "Import, rename, export or delete a model.", self._show_menu)
        self.buttons = row(self.card, self.manage)
        self.model.value = self._last = registry.DEFAULT_MODEL
        self.model.changed.connect(self._on_model)
        self.menu = QMenu(self.model.native)
        self.menu.addAction("Import...", self._import)
        self.menu.addAction("Export...", self._export)
        own = (("Rename...", self._rename), ("Delete...", self._delete))
        self._own = [self.menu.addAction(text, act) for text, act in own]
        self.menu.addAction("Show folder", self._show_folder)

    def recall(self, preferred: str) -> None:
        """Take what was remembered, if it is still there and nothing else was chosen meanwhile."""
        if self._last == registry.DEFAULT_MODEL and preferred in registry.all_models():
            self.choose(preferred)

    def refresh(self) -> None:
        """Offer the models that there are now."""
        self.model.reset_choices()

    def choose(self, name: str | Path) -> None:
        """Take a model, after those there are may have changed."""
        self.refresh()
        self.model.value = name

    def _choices(self) -> list[tuple[str, str | Path]]:
        files = [(path.name, path) for path in self._files if path.is_file()]
        return [(name, name) for name in registry.all_models()] + files + [(_FILE, _FILE)]

    def _on_model(self, value: str | Path) -> None:
        """Remember it; for a file ask which, and take it only if it is a model."""
        if value != _FILE:
            self._last = value
            if isinstance(value, str):
                segmentation_settings().model = value
            return
        path = self._ask_for_file()
        if path is not None and path not in self._files:
            self._files.append(path)
        self.choose(path or self._last)

    def _ask_for_file(self) -> Path | None:
        name, _ = QFileDialog.getOpenFileName(self.model.native, "Choose a model", "", _FILTER)
        try:
            if name:
                read_card(Path(name))
        except ModelError as error:
            show_error(str(error))
            return None
        return Path(name) if name else None

    def _show_menu(self) -> None:
        for action in self._own:
            action.setEnabled(self.model.value in registry.user_models())
        corner = self.manage.native.rect().bottomLeft()
        self.menu.popup(self.manage.native.mapToGlobal(corner))

    def _import(self) -> None:
        path = self._ask_for_file()
        if path is not None:
            self._try(lambda: self.choose(registry.import_model(path)))

    def _export(self) -> None:
        model = str(self.model.value)
        name = Path(model).name.removesuffix(registry.ENDING) + registry.ENDING
        path, _ = QFileDialog.getSaveFileName(self.model.native, "Export the model", name, _FILTER)
        if path:
            target = Path(path if path.endswith(registry.ENDING) else path + registry.ENDING)
            self._try(lambda: registry.export_model(model, target), f"The model is in {target.name}.")

    def _rename(self) -> None:
        old = str(self.model.value)
        new, ok = QInputDialog.getText(
            self.model.native, "Rename the model", "New name", QLineEdit.EchoMode.Normal, old
        )
        if ok:
            self._try(lambda: registry.rename_model(old, new))
            self.choose(new.strip() if new.strip() in registry.user_models() else self._still_there(old))

    def _delete(self) -> None:
        name = str(self.model.value)
        answer = QMessageBox.question(
            self.model.native, "Delete the model", f"Delete the model {name!r}? It cannot be brought back."
        )
        if answer == QMessageBox.StandardButton.Yes:
            self._try(lambda: registry.delete_model(name))
            self.choose(self._still_there(name))

    def _still_there(self, name: str) -> str:
        return name if name in registry.all_models() else registry.DEFAULT_MODEL

    def _show_folder(self) -> None:
        folder = registry.model_folder()
        folder.mkdir(parents=True, exist_ok=True)
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _try(self, act: Callable[[], object], said: str = "") -> None:
        try:
            act()
        except ModelError as error:
            show_error(str(error))
            return
        if said:
            show_info(said)

    def _show_card(self) -> None:
        try:
            card = read_card(registry.find_model(str(self.model.value)))
        except ModelError as error:
            show_error(str(error))
            return
        box = QMessageBox(self.model.native)
        box.setWindowTitle(f"Model {card.name}")
        box.setText(card.summary or card.name)
        box.setInformativeText(_as_text(card))
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setModal(False)
        box.show()


def _as_text(card: Card) -> str:
    """What a user should know of a model, a paragraph each."""
    parts = [
        card.training_data,
        card.training,
        *(_score(what, score) for what, score in card.scores.items()),
        *(f"Limit: {limit}" for limit in card.limits),
        card.intended_use,
        f"Licence: {card.licence}" if card.licence else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _score(what: str, score: object) -> str:
    """One line of a score; nothing where a card from elsewhere words it in another way."""
    dice = score.get("Dice per volume, on the scan's own grid") if isinstance(score, dict) else None
    if not isinstance(dice, dict) or not isinstance(dice.get("mean"), float):
        return ""
    return f"{what}: mean Dice {dice['mean']} (standard deviation {dice.get('standard_deviation')})"
