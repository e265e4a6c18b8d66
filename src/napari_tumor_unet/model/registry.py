"""Models by name: those that come with the package, and the user's own in a folder."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from importlib import resources
from pathlib import Path

from napari_tumor_unet._common import atomic_write, make_folder, user_folder
from napari_tumor_unet.model.card import ModelError, check_model, file_hash

DEFAULT_MODEL = "default"
ENDING = ".safetensors"
MOST_BYTES = 230
"""Bytes of a model's name, so that its file's has no more than 255, while it is written as well."""
FOLDER_VARIABLE = "NAPARI_TUMOR_UNET_MODELS"
"""Environment variable that names another folder for the user's models, as a shared one."""


def find_model(name_or_path: str | Path | None = None) -> Path:
    """Find the file of a model, by name or by path.

    Raises
    ------
    ModelError
        If there is none.
    """
    name = str(name_or_path or DEFAULT_MODEL)
    models = all_models()
    if name in models:
        return models[name]
    path = Path(name).expanduser()
    if os.path.lexists(path):  # which no name is too long for
        return path
    raise ModelError(f"There is no model {path.name!r}; give a file, or one of: {', '.join(models)}.")


def all_models() -> dict[str, Path]:
    """List the bundled models and the user's, by name."""
    return bundled_models() | user_models()


def bundled_models() -> dict[str, Path]:
    """List the models that come with the package, by name."""
    return _models_in(Path(str(resources.files("napari_tumor_unet"))) / "model" / "weights")


def user_models() -> dict[str, Path]:
    """List the user's models, by name, but for one that is called as a bundled model."""
    bundled = bundled_models()
    return {name: path for name, path in _models_in(model_folder()).items() if name not in bundled}


def name_of_hash(model_hash: str) -> str | None:
    """Return the name of the model whose file has a hash; None if there is none."""
    for name, path in all_models().items():
        with suppress(ModelError):  # one that cannot be read is another
            if file_hash(path) == model_hash:
                return name
    return None


def model_folder() -> Path:
    """Return the folder of the user's models; it may not exist yet."""
    return user_folder("models", FOLDER_VARIABLE)


def make_model_folder() -> Path:
    """Make the folder of the user's models, if it is not there.

    Raises
    ------
    ModelError
        If it cannot be made.
    """
    folder = model_folder()
    make_folder(folder, ModelError)
    return folder


def import_model(path: Path) -> str:
    """Copy a model file into the user's folder.

    Returns
    -------
    str
        The name that it has there; if it is there already, the name that it has.

    Raises
    ------
    ModelError
        If it is no model, or cannot be copied.
    """
    check_model(path)
    if (there := name_of_hash(file_hash(path))) is not None:
        return there
    name = new_name(path.name.removesuffix(ENDING).lstrip("."))  # hidden files are not listed
    _copy(path, model_folder() / f"{name}{ENDING}")
    return name


def add_model(path: Path, name: str) -> None:
    """Copy a model file into the user's folder, by a name.

    Raises
    ------
    ModelError
        If it is no model or cannot be copied, or the name is taken or none for a file.
    """
    check_model(path)
    _copy(path, model_folder() / f"{_free_name(name)}{ENDING}")


def new_name(wanted: str) -> str:
    """Return the name wanted, with a number where it is taken."""
    name, n = wanted, 2
    while _is_taken(name):
        name, n = f"{wanted} {n}", n + 1
    return name


def export_model(name: str, path: Path) -> None:
    """Copy a model to a file elsewhere.

    Raises
    ------
    ModelError
        If there is no such model, or it cannot be copied.
    """
    _copy(find_model(name), path)


def rename_model(name: str, new: str) -> None:
    """Give one of the user's models another name.

    Raises
    ------
    ModelError
        If it is not the user's, or the name is taken or none for a file.
    """
    path = _own(name)
    new = _free_name(new, but=name)
    try:
        path.rename(path.with_name(f"{new}{ENDING}"))
    except OSError as error:
        raise ModelError(f"The model {name!r} cannot be renamed: {error.strerror}.") from error


def delete_model(name: str) -> None:
    """Delete one of the user's models.

    Raises
    ------
    ModelError
        If it is not the user's, or cannot be deleted.
    """
    try:
        _own(name).unlink()
    except OSError as error:
        raise ModelError(f"The model {name!r} cannot be deleted: {error.strerror}.") from error


def _own(name: str) -> Path:
    if name in bundled_models():
        raise ModelError(f"The model {name!r} comes with the plugin and stays; copy it by an export.")
    models = user_models()
    if name not in models:
        raise ModelError(f"Your model {name!r} no longer exists.")
    return models[name]


def _free_name(name: str, but: str = "") -> str:
    """Return a name without blanks around it, if it suits a file and no model but ``but`` has it."""
    name = name.strip()
    if not name or name.startswith(".") or set(name) & set('<>:"/\\|?*') or not name.isprintable():
        raise ModelError("A model name must be a valid file name, without / \\ : * ? < > | or quotes.")
    if len(os.fsencode(name)) > MOST_BYTES:
        raise ModelError("The model name is too long for a file; choose a shorter one.")
    if _is_taken(name, but):
        raise ModelError(f"There is a model {name!r} already; choose another name.")
    return name


def _is_taken(name: str, but: str = "") -> bool:
    """Tell whether a model has a name, in whatever case."""
    return name.lower() in {other.lower() for other in all_models() if other != but}


def _models_in(folder: Path) -> dict[str, Path]:
    models = {path.name.removesuffix(ENDING): path for path in folder.glob(f"[!.]*{ENDING}")}
    return dict(sorted(models.items()))


def _copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as partial:
            shutil.copyfile(source, partial)
    except OSError as error:
        raise ModelError(f"{target.name} cannot be written: {error.strerror or error}.") from error
